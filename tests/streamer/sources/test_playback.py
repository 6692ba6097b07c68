"""Recordings in real time, by a clock that goes only while somebody waits for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.sources import playback
from streamer.sources.open import open_source
from streamer.sources.pattern import TestPattern
from streamer.sources.playback import Paced
from tests.support.media import Clip
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


@pytest.fixture
def lecture(tmp_path: Path) -> Path:
    """Three pictures, the last one after 40 s, and a tone all the while."""
    return Clip(ticks=(0, 12_800, 40 * 12_800), sound="aac", b_frames=0).make(tmp_path / "lecture.mp4")


def heard_s(source: Paced) -> float:
    """The time of the last sound that is given now."""
    taken = source.audio.take()
    return float(taken[-1].pts * taken[-1].time_base) if taken else 0.0


def test_sound_is_given_as_it_is_heard(clock: Clock, lecture: Path) -> None:
    """All of it is read before the last picture is: a recording would have it half an hour before its pictures."""
    source = Paced(open_source(lecture, audio=True), clock)
    frames = iter(source)
    next(frames)
    assert heard_s(source) <= 0.03
    clock.now_s += 0.5
    assert heard_s(source) == pytest.approx(0.5, abs=0.03)
    next(frames)
    clock.now_s += 20
    assert heard_s(source) == pytest.approx(clock.now_s - 1000, abs=0.03)
    assert len(list(frames)) == 1
    assert heard_s(source) == pytest.approx(40.5, abs=0.05)  # the end of the file


def test_who_stops_has_no_more_sound_than_was_heard(clock: Clock, lecture: Path) -> None:
    clock.stops_s = 1012.5
    source = Paced(open_source(lecture, audio=True), clock)
    assert len(list(source)) == 2
    clock.now_s += 60
    assert heard_s(source) == pytest.approx(12.5, abs=0.03)


def test_sound_after_the_wanted_duration_is_left_out(clock: Clock, lecture: Path) -> None:
    source = Paced(open_source(lecture, audio=True), clock)
    source.audio.ends_s = 8.0
    list(source)
    assert heard_s(source) == pytest.approx(8.0, abs=0.03)
