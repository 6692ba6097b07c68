"""What holds after every test: no thread, no child process and no error in the log is left behind."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

PATIENCE_S = 10.0


def eventually(happened: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Waits for something to be true, looking again and again; False if it never is."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    me = psutil.Process()
    threads, children = set(threading.enumerate()), set(me.children(recursive=True))
    yield
    assert eventually(lambda: set(threading.enumerate()) <= threads), set(threading.enumerate()) - threads
    assert eventually(lambda: set(me.children(recursive=True)) <= children), set(me.children(recursive=True)) - children
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors
