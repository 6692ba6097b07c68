"""The tasks of `examples/celery`, as they would be with a decoder that some files crash. For `celery -A`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from streamer.web.jobs import work
from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "examples" / "celery"))
_render = work.render_file


def render_or_crash(source: str, out: str, settings: Any, tell: Any, **others: Any) -> Any:
    """A file ends the process if `crash` is in its name, `once` only the first time."""
    mark = Path(f"{source}.crashed")

    def tell_or_crash(so_far: Any) -> bool:
        if "crash" in source and so_far.done == 4 and not ("once" in source and mark.exists()):
            with mark.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return bool(tell(so_far))

    return _render(source, out, settings, tell_or_crash, **others)


work.render_file = render_or_crash
work.EVERY_S = 0.0

from tasks import app as app  # noqa: E402  the ones that run `render_file` as it is now
