"""The inside of processes that parse segments, of which the first one is ten times as slow as it could be."""

import os
import time
from pathlib import Path
from typing import Any

from streamer.processes.parent import Parent
from streamer.segments import main

MARK = "SLOW_MARK"
"""The variable that names the file by which the others know that there is a slow one."""


def serve(parent: Parent) -> None:
    """As `streamer.segments.main.serve`."""
    try:
        Path(os.environ[MARK]).open("x").close()
    except FileExistsError:
        pass
    else:
        parsed = main.parsed

        def slowly(*words: Any) -> Any:
            begun_s = time.monotonic()
            done = parsed(*words)
            time.sleep(9 * (time.monotonic() - begun_s))
            return done

        main.parsed = slowly
    main.serve(parent)
