"""`streamer`, whose service is killed at one step: python -m tests.support.killed STEP serve ...

Its process for pictures never is ready, and its jobs are done at once: neither matters here, and both take seconds.
"""

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from streamer.cli import main
from streamer.errors import WorkerDied
from streamer.web import app, server
from streamer.web.jobs import accepting, runner
from streamer.web.jobs.files import Folder
from streamer.web.jobs.store import JobStore


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Base(sqlite3.Connection):
    """Kills the process before such a statement, once there is a row."""

    fatal = ""
    rows = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.fatal and self.rows and sql.startswith(self.fatal):
            die()
        self.rows += sql.startswith("insert into job")
        return super().execute(sql, *values)


def _around(
    owner: Any, name: str, *, before: bool = False, call: int = 1, fatal: Callable[[Any], bool] = lambda found: True
) -> None:
    """Kills the process before or after the call of that number of a function, of those that return what is fatal."""
    real: Callable[..., Any] = getattr(owner, name)
    left = [call]

    def killing(*given: Any, **named: Any) -> Any:
        if before and left[0] == 1:
            die()
        found = real(*given, **named)
        left[0] -= fatal(found)
        if left[0] == 0:
            die()
        return found

    setattr(owner, name, killing)


STEPS: dict[str, Callable[[], None]] = {
    "first byte": lambda: _around(Folder, "free_bytes"),
    "middle": lambda: _around(Folder, "free_bytes", call=3),
    "whole": lambda: _around(accepting, "accept", before=True),
    "renamed": lambda: _around(accepting, "accept"),
    "row": lambda: setattr(_Base, "fatal", "commit"),
    "unanswered": lambda: _around(accepting, "told", before=True),
    "begun": lambda: _around(JobStore, "begin", fatal=lambda job: job is not None),
    "over": lambda: _around(JobStore, "end"),
    "forgotten": lambda: _around(JobStore, "forget"),
    "never": lambda: None,
}


class _NeverReady:
    """In place of a process for pictures."""

    pid = 0

    def __init__(self, settings: object) -> None:
        self._stop = threading.Event()

    def wait_ready(self, timeout_s: float) -> Any:
        self._stop.wait(timeout_s)
        raise WorkerDied("it never was ready")

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self.stop()


if __name__ == "__main__":
    STEPS[sys.argv.pop(1)]()
    sqlite3.connect = partial(sqlite3.connect, factory=_Base)
    server.create_app = partial(app.create_app, start=_NeverReady)  # type: ignore[arg-type]
    runner._MODULE = "tests.support.done"
    main()
