"""A process of our own: a plain new interpreter at the other end of a pair of sockets.

It is not one of `multiprocessing`, which would run the user's script again in the child, so that a script without
`if __name__ == "__main__"` could not stream, and would leave a tracker process behind.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

from streamer.errors import ShutdownTimeout

_END_S = 0.8
"""For each of three ways to end a process, so that all three together stay under three seconds."""
_START = """
import os, sys
os.set_inheritable(int(sys.argv[1]), False)  # or what a library starts would hold the pipe open when this is dead
"""


class Child:
    """One process, from its start to its end. Whoever reads from `end` sees it end when the process does."""

    def __init__(
        self,
        what: str,
        code: str,
        arguments: Iterable[str],
        *,
        quiet: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it. Raises OSError.

        Args:
            what: what to call it.
            code: Python; in `sys.argv` are the number of its socket and, after it, the arguments.
            quiet: throw away what it prints on standard error, too.
            environment: variables that it has where this process has none of that name.
        """
        self._what = what
        self.end, theirs = socket.socketpair()
        command = [sys.executable, "-c", _START + code, str(theirs.fileno()), *arguments]
        with theirs:
            try:
                # A group of its own, since Ctrl-C goes to the whole group: while Python starts, before a signal can
                # be ignored, it would print a traceback.
                # What a library prints would break what the program itself prints for other programs.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL if quiet else None,
                    pass_fds=[theirs.fileno()],
                    env={**(environment or {}), **os.environ},
                    process_group=0,
                )
            except OSError:
                self.end.close()
                raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self, *, at_once: bool = False) -> int:
        """Ends it by the mildest means that work; its exit code. Safe to call twice. Raises ShutdownTimeout.

        Args:
            at_once: it has nothing to tidy up, or would not hear of it.
        """
        mild = () if at_once else (self.end.close, self._process.terminate)
        for push in (*mild, self._process.kill):
            push()
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_END_S)
                self.end.close()
                return code
        raise ShutdownTimeout(f"{self._what}, {self.pid}, cannot be killed")


def exit_text(code: int) -> str:
    """An exit code, with its meaning where it has one."""
    return f"exit code {code}" + (f" ({signal.strsignal(-code)})" if code < 0 else "")
