"""The inside of a process that renders files, as it would be with a decoder that some files crash."""

import os
import signal
import threading
import time
from typing import Any

from streamer import offline
from streamer.batch import main
from streamer.processes.parent import Parent


def serve(parent: Parent) -> None:
    """As `streamer.batch.main.serve`, but by names of files.

    `crash` ends the process, with `once` only the first time; `slow` waits until the run is stopped; `hang` waits
    for ever, and leaves a mark that it does.
    """
    render = offline.render_file

    def render_or_crash(source: Any, out: Any, settings: Any, tell: Any, *more: Any, **others: Any) -> Any:
        def tell_or_crash(so_far: Any) -> bool:
            if "crash" in str(source) and so_far.done == 4:
                mark = f"{source}.crashed"
                again = os.path.exists(mark)  # noqa: PTH110
                with open(mark, "w", encoding="utf-8"):  # noqa: PTH123
                    pass
                if "once" not in str(source) or not again:
                    os.kill(os.getpid(), signal.SIGSEGV)
            if "hang" in str(source) and so_far.done == 4:
                with open(f"{source}.hangs", "w", encoding="utf-8"):  # noqa: PTH123
                    pass
                threading.Event().wait()
            while "slow" in str(source) and so_far.done == 4:
                time.sleep(0.1)
                tell(so_far)
            return bool(tell(so_far))

        return render(source, out, settings, tell_or_crash, *more, **others)

    main.render_file = render_or_crash
    main.EVERY_S = 0.0
    main.serve(parent)
