"""What holds for every test: which tier it is of, what it needs, and that it leaves nothing behind."""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.support.waiting import eventually

NEEDS = {
    "media": ("ffmpeg", "ffprobe"),
    "screen": ("Xvfb", "xdotool"),
    "browser": ("chromium|google-chrome",),
    "broker": ("redis-server",),
}
"""Debian's programs without which a test says nothing: it is skipped, and fails where CI is set. Of several with a bar
between them one is enough."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--short", action="store_true", help="a short form of the tests marked cluster and slow")


def pytest_configure() -> None:
    """Programs that the tests start take Ctrl-C and the end of a terminal as usual, however the tests were started."""
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, programs in NEEDS.items():
        missing = [each for each in programs if not any(map(shutil.which, each.split("|")))]
        if missing and item.get_closest_marker(marker):
            reason = f"not installed: {', '.join(missing)}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture
def short(pytestconfig: pytest.Config) -> bool:
    """Whether the short form was asked for."""
    return bool(pytestconfig.getoption("--short"))


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live picture waits for its recording as long as it takes, not for eight seconds, so that none is dropped."""
    monkeypatch.setattr("streamer.live.stream.UNSEEN_HELD_S", 600.0)


@pytest.fixture(autouse=True)
def only_marked_tests_start_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick tier stays quick on a busy machine: there, a process takes a second to begin."""
    if not any(request.node.get_closest_marker(each) for each in ("process", "media")):

        def refused(*arguments: object, **_: object) -> None:
            pytest.fail(f"starts {arguments[1:2]}: mark the test with `process` or `media`")

        monkeypatch.setattr(subprocess.Popen, "__init__", refused)


@pytest.fixture(autouse=True)
def lines_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `--log-format json` says to this process, and to those that it starts, ends with the test."""
    monkeypatch.setenv("STREAMER_LOG_FORMAT", "text")


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    me = psutil.Process()
    threads, children = set(threading.enumerate()), set(me.children(recursive=True))
    yield
    assert eventually(lambda: set(threading.enumerate()) <= threads), set(threading.enumerate()) - threads
    assert eventually(lambda: set(me.children(recursive=True)) <= children), set(me.children(recursive=True)) - children
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors
