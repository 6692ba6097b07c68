"""X displays without a monitor, by Xvfb."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def display(*options: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The screen's name and its server."""
    read, write = os.pipe()
    # Without -noreset it begins anew whenever its last client leaves: xdotool does, while the window is being opened.
    command = ["Xvfb", "-noreset", "-displayfd", str(write), "-screen", "0", "800x600x24", *options]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as number:
                yield f":{number.readline().strip()}", server
        finally:
            server.terminate()
