"""The ring: order, what is dropped and counted, and how it ends."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Frame
from streamer.errors import ConfigError
from streamer.live.ring import EndOfStream, FrameRing, LatestFrames, Rhythm, RingReader
from tests.support.waiting import PATIENCE_S, eventually

DOT = np.zeros((1, 1, 3), np.uint8)
LONG_S = 60.0
"""A test that waits so long has failed."""


def frame(index: int) -> Frame:
    return Frame(DOT, index, float(index), 0.0)


def filled(capacity: int, count: int) -> FrameRing:
    ring = FrameRing(capacity)
    for index in range(count):
        ring.put(frame(index))
    return ring


def taken(read: Callable[[float], Frame | None]) -> int | None:
    """The index of what is there now."""
    got = read(0.0)
    return None if got is None else got.index


def test_next_gives_every_frame_in_order() -> None:
    reader = filled(3, 3).reader()
    assert [taken(reader.next) for _ in range(4)] == [0, 1, 2, None]
    assert (reader.delivered, reader.missed, reader.skipped, reader.unread) == (3, 0, 0, 0)


def test_next_counts_what_was_overwritten() -> None:
    ring = filled(3, 3)
    reader = ring.reader()
    assert taken(reader.next) == 0
    for index in range(3, 8):
        ring.put(frame(index))
    assert (reader.missed, reader.unread) == (0, 7)
    assert taken(reader.next) == 5
    assert (reader.missed, reader.unread) == (4, 2)


def test_newest_passes_over_what_is_older_and_gives_nothing_twice() -> None:
    ring = filled(2, 5)
    reader = ring.reader()
    assert [taken(reader.newest), taken(reader.newest)] == [4, None]
    assert (reader.delivered, reader.missed, reader.skipped) == (1, 0, 4)
    ring.put(frame(5))
    assert taken(reader.newest) == 5


def test_each_reader_has_its_own_place() -> None:
    ring = filled(4, 2)
    one, other = ring.reader(), ring.reader()
    assert [taken(one.next), taken(one.next), taken(other.next), taken(other.next)] == [0, 1, 0, 1]


def test_a_reader_that_comes_late_begins_with_what_is_kept() -> None:
    reader = filled(2, 5).reader()
    assert taken(reader.next) == 3
    assert reader.missed == 3


def test_after_the_close_next_gives_what_is_left() -> None:
    ring = filled(2, 3)
    reader = ring.reader()
    ring.close()
    assert [taken(reader.next), taken(reader.next)] == [1, 2]
    for read in (reader.next, reader.newest, reader.next):
        with pytest.raises(EndOfStream, match="the writer ended") as ended:
            read(LONG_S)
        assert ended.value.error is None


def test_after_the_close_newest_gives_the_last_frame_once() -> None:
    ring = filled(2, 3)
    reader = ring.reader()
    ring.close()
    assert taken(reader.newest) == 2
    with pytest.raises(EndOfStream):
        reader.newest(LONG_S)


def test_the_writers_error_comes_after_its_frames() -> None:
    ring = filled(2, 1)
    reader = ring.reader()
    ring.close(ValueError("lens cap"))
    ring.close()
    assert taken(reader.next) == 0
    with pytest.raises(EndOfStream, match="the writer failed: lens cap") as ended:
        reader.next(LONG_S)
    assert isinstance(ended.value.error, ValueError)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 frame, not 0"):
        FrameRing(0)
    ring = FrameRing(1)
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        ring.put(frame(0))


Way = Callable[[RingReader, float], Frame | None]


def waiting(way: Way, reader: RingReader) -> tuple[threading.Thread, list[object]]:
    """A thread that waits long for a frame, and what it got."""
    got: list[object] = []

    def wait() -> None:
        try:
            got.append(way(reader, LONG_S))
        except EndOfStream as exc:
            got.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, got


@pytest.mark.parametrize("way", [RingReader.next, RingReader.newest])
@pytest.mark.parametrize("wake", [lambda ring: ring.put(frame(7)), FrameRing.close], ids=["put", "close"])
def test_readers_that_wait_are_woken(way: Way, wake: Callable[[FrameRing], None]) -> None:
    ring = FrameRing(1)
    readers = [waiting(way, ring.reader()) for _ in range(3)]
    assert eventually(lambda: len(ring._changed._waiters) == 3)  # type: ignore[attr-defined]
    wake(ring)
    for thread, got in readers:
        thread.join(PATIENCE_S)
        assert len(got) == 1


STEPS = st.lists(st.sampled_from(["put", "put", "next", "newest"]), max_size=60)


@given(capacity=st.integers(1, 5), steps=STEPS)
def test_every_frame_is_accounted_for(capacity: int, steps: list[str]) -> None:
    ring = FrameRing(capacity)
    reader = ring.reader()
    put, place, missed, skipped, delivered = 0, 0, 0, 0, 0
    for step in [*steps, "close", *["next"] * capacity]:
        if step == "put":
            ring.put(frame(put))
            put += 1
        elif step == "close":
            ring.close()
        elif place < put:
            index = taken(getattr(reader, step))
            assert index is not None
            assert index == (put - 1 if step == "newest" else max(place, put - capacity))
            missed += index - place if step == "next" else 0
            skipped += index - place if step == "newest" else 0
            delivered, place = delivered + 1, index + 1
        assert (reader.delivered, reader.missed, reader.skipped) == (delivered, missed, skipped)
        assert reader.delivered + reader.missed + reader.skipped + reader.unread == put
    assert reader.unread == 0


def drain(read: Callable[[float], Frame | None], got: list[int]) -> None:
    try:
        while True:
            each = read(PATIENCE_S)
            assert each is not None
            got.append(each.index)
    except EndOfStream:
        return


def test_every_frame_is_accounted_for_between_threads() -> None:
    ring = FrameRing(4)
    readers = [ring.reader() for _ in range(4)]
    got: list[list[int]] = [[] for _ in readers]
    ways = [reader.next if at % 2 else reader.newest for at, reader in enumerate(readers)]
    threads = [threading.Thread(target=drain, args=pair) for pair in zip(ways, got)]
    for thread in threads:
        thread.start()
    for index in range(5000):
        ring.put(frame(index))
    ring.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    for reader, indices in zip(readers, got):
        assert indices == sorted(set(indices))
        assert indices[-1] == 4999
        assert reader.delivered == len(indices)
        assert reader.delivered + reader.missed + reader.skipped == 5000


def caught(index: int, captured_s: float) -> Frame:
    return replace(frame(index), captured_s=captured_s)


def test_the_next_frame_is_waited_for_where_it_is_nearer_than_this_one() -> None:
    rhythm = Rhythm()
    assert rhythm.patience_s(caught(0, 0.0), 0.3) == 0  # nothing is known yet
    rhythm.took(caught(0, 0.0))
    assert rhythm.patience_s(caught(2, 0.8), 1.1) == 0
    rhythm.took(caught(2, 0.8))  # every 0.4 s
    assert rhythm.patience_s(caught(4, 1.6), 1.7) == 0
    assert rhythm.patience_s(caught(4, 1.6), 1.85) == pytest.approx(0.25)
    assert rhythm.patience_s(caught(4, 1.6), 2.1) == 0  # the next one is late already: who knows when it comes


def old_by_three_of_four_seconds() -> tuple[FrameRing, LatestFrames, RingReader]:
    """A ring whose frames come every four seconds, and of which the next one is due in one."""
    ring = FrameRing(4)
    reader = ring.reader()
    freshest = LatestFrames(reader)
    now_s = time.monotonic()
    for index in range(3):
        ring.put(caught(index, now_s - 11 + 4 * index))
        if index < 2:
            assert freshest.take(0.0) is not None
    return ring, freshest, reader


def test_who_waits_for_the_next_frame_gets_it() -> None:
    ring, freshest, reader = old_by_three_of_four_seconds()
    got: list[Frame | None] = []
    thread = threading.Thread(target=lambda: got.append(freshest.take(0.0)))
    thread.start()
    assert eventually(lambda: reader.delivered == 3)
    ring.put(caught(3, time.monotonic()))
    thread.join(LONG_S)
    assert got[0] is not None
    assert got[0].index == 3


def test_a_last_frame_is_not_lost_over_waiting_for_the_next() -> None:
    ring, freshest, _ = old_by_three_of_four_seconds()
    ring.close()
    last = freshest.take(0.0)
    assert last is not None
    assert last.index == 2
    with pytest.raises(EndOfStream):
        freshest.take(0.0)
