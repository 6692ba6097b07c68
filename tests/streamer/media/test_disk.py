"""Files on a disk that hangs: a pipe that nobody reads does as such a disk does."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from pipeline import Size
from streamer.errors import SinkError
from streamer.media.disk import Disk, patiently, unwritten
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.recording.codecs import Encoding
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

DEADLINE_S = 120.0
SIZE = Size(64, 96)


def test_work_is_done_in_order_and_its_errors_are_raised() -> None:
    done: list[int] = []
    disk = Disk(Path("a.mp4"))
    for number in range(100):
        disk.begin(lambda number=number: done.append(number))  # type: ignore[misc]
    assert disk.do(lambda: len(done)) == 100
    assert done == list(range(100))
    with pytest.raises(SinkError, match="full"):
        disk.do(lambda: _fail("full"))
    with pytest.raises(SinkError, match="gone"):
        disk.begin(lambda: _fail("gone"))
        disk.do(lambda: None)
    disk.end(done.clear)
    assert eventually(lambda: not done)


def _fail(why: str) -> None:
    raise SinkError(why)


@pytest.fixture
def held() -> Iterator[tuple[Disk, threading.Event]]:
    """A disk that hangs until the event is set."""
    answers = threading.Event()
    disk = Disk(Path("a.mp4"), patience_s=0.2)
    yield disk, answers
    answers.set()
    disk.end()


def test_a_disk_that_hangs_is_left(held: tuple[Disk, threading.Event]) -> None:
    disk, answers = held
    with pytest.raises(SinkError, match=r"cannot write a.mp4: its disk does not answer within 0.2 s"):
        disk.do(answers.wait)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread has computed")
def test_work_that_computes_is_no_disk_that_hangs(held: tuple[Disk, threading.Event]) -> None:
    """As decoding a large picture does on a busy machine."""
    disk, _ = held

    def compute() -> bool:
        until_s = time.thread_time() + 0.7
        while time.thread_time() < until_s:
            pass
        return True

    assert disk.do(compute)


def test_work_that_is_not_waited_for_is_noticed_to_hang(held: tuple[Disk, threading.Event]) -> None:
    disk, answers = held
    disk.begin(answers.wait)
    began = 0

    def hangs() -> bool:
        nonlocal began
        try:
            disk.begin(lambda: None)
        except SinkError:
            return True
        began += 1
        return False

    assert eventually(hangs, DEADLINE_S)
    assert began  # it was not given up at once


def test_what_is_to_be_done_last_is_done_when_the_disk_answers(held: tuple[Disk, threading.Event]) -> None:
    disk, answers = held
    kept = threading.Event()
    with pytest.raises(SinkError):
        disk.do(answers.wait)
    disk.end(kept.set)
    assert not kept.is_set()
    answers.set()
    assert kept.wait(DEADLINE_S)


def test_nothing_is_asked_of_a_thread_that_has_ended(
    held: tuple[Disk, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may answer by ending the process."""
    disk, _ = held
    ended = threading.Event()
    disk.end(ended.set)
    assert ended.wait(DEADLINE_S)
    monkeypatch.setattr(time, "pthread_getcpuclockid", lambda _: pytest.fail("asked"), raising=False)
    with pytest.raises(SinkError, match=r"does not answer within 0.2 s"):
        disk.do(lambda: None)


@contextmanager
def pipe(folder: Path) -> Iterator[Path]:
    """A named pipe without a reader, in which the thread that waits for one is let go at the end."""
    path = folder / "a.mp4"
    os.mkfifo(path)
    yield path
    # What is in it is taken out, so that whoever writes can go on and see that it is over.
    with suppress(FileNotFoundError):
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        assert eventually(lambda: not _disk_threads() or bool(_taken(reader)), DEADLINE_S)
        assert eventually(lambda: _taken(reader) is None or not _disk_threads(), DEADLINE_S)
        os.close(reader)


def _taken(reader: int) -> bytes | None:
    with suppress(BlockingIOError):
        return os.read(reader, 1 << 20)
    return None


def _disk_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("disk of")]


def recorder(path: Path) -> LiveRecorder:
    info = SourceInfo("test:", SIZE, live=True)
    return LiveRecorder(info, PacketQueue(), Encoding(), Filing(path, force=True), None)


def test_a_pipe_that_nobody_opens_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk.__init__, "__defaults__", (0.3, unwritten))
    with pipe(tmp_path) as path, pytest.raises(SinkError, match="nobody reads the pipe that it is"):
        recorder(path)


def test_a_pipe_that_nobody_empties_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk.__init__, "__defaults__", (0.3, unwritten))
    noise = np.random.default_rng(0)
    with pipe(tmp_path) as path:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            recording = recorder(path)
            with pytest.raises(SinkError, match="does not answer"):
                for index in range(10_000):
                    recording.write(noise.integers(0, 255, (*SIZE, 3), np.uint8), index / 25)
            # Nothing more is tried at the end: what there is to tell has been told.
            recording.__exit__(None)
        finally:
            os.close(reader)


def test_one_piece_of_work_with_a_path() -> None:
    assert patiently(Path("a.mp4"), lambda: 7) == 7
    with pytest.raises(SinkError, match="full"):
        patiently(Path("a.mp4"), lambda: _fail("full"))
