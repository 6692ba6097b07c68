"""What holds after every test: no thread, no child process and no error in the log is left behind."""

import logging
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    me = psutil.Process()
    threads, children = set(threading.enumerate()), set(me.children(recursive=True))
    yield
    assert eventually(lambda: set(threading.enumerate()) <= threads), set(threading.enumerate()) - threads
    assert eventually(lambda: set(me.children(recursive=True)) <= children), set(me.children(recursive=True)) - children
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors
