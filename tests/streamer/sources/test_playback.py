"""Recordings in real time, by a clock that goes only while somebody waits for it."""

from collections.abc import Callable

import pytest

from streamer.sources import playback
from streamer.sources.pattern import TestPattern
from streamer.sources.playback import Paced
from tests.support.waiting import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(playback, "time", made)
    return made


def paced(clock: Clock, ready: Callable[[], bool] | None = None) -> Paced:
    """Twelve frames, 25 a second."""
    return Paced(TestPattern("test:rate=25,frames=12,size=4x4"), clock, ready)


def test_each_frame_comes_when_it_is_due(clock: Clock) -> None:
    for frame in paced(clock):
        assert frame.captured_s == clock.now_s == pytest.approx(1000 + frame.pts_s)


def test_it_catches_up_after_a_slow_reader(clock: Clock) -> None:
    source = paced(clock)
    frames = iter(source)
    next(frames)
    clock.now_s += 0.21
    assert source.delivery.behind_s == pytest.approx(0.21)
    assert [next(frames).captured_s for _ in range(5)] == [clock.now_s] * 5
    assert source.delivery.behind_s == pytest.approx(0.01)
    assert [frame.captured_s for frame in frames] == pytest.approx([1000 + index / 25 for index in range(6, 12)])
    assert source.delivery.behind_s == 0


def test_stopping_ends_the_wait_for_the_next_frame(clock: Clock) -> None:
    clock.stops_s = 1000.3
    assert len(list(paced(clock))) == 8  # the last before is due after .28 s
    assert clock.now_s == clock.stops_s


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_it_waits_for_a_reader_that_has_no_room(clock: Clock, seconds: float) -> None:
    frames = list(paced(clock, lambda: not 1000.1 < clock.now_s < 1000 + seconds))
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[3].captured_s == pytest.approx(1000 + seconds, abs=0.01)
    assert frames[11].captured_s == pytest.approx(1000 + max(seconds, 0.44), abs=0.01)


def test_stopping_ends_the_wait_for_room(clock: Clock) -> None:
    clock.stops_s = 1005.0
    assert list(paced(clock, lambda: False)) == []
    assert clock.now_s == clock.stops_s
