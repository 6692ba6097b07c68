"""How long a source may be silent, by a clock that is told."""

import pytest

from streamer.errors import Cause, SourceLost
from streamer.sources.timing import silence
from streamer.sources.timing.silence import MAX_LOOK_S, Silence
from tests.support.waiting import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(silence, "time", made)
    return made


def looks(clock: Clock, watched: Silence, seconds: float, *, damaged: bool = False) -> None:
    """A look each twentieth of a second, as where nothing comes."""
    for _ in range(round(seconds * 20)):
        clock.now_s += 0.05
        watched.look(damaged=damaged)


def test_it_is_lost_when_it_has_been_silent_for_too_long(clock: Clock) -> None:
    watched = Silence("door", 10.0, 5.0)
    looks(clock, watched, 9.9)
    watched.broken()
    looks(clock, watched, 4.9)
    with pytest.raises(SourceLost, match=r"door: no picture for 5 s") as lost:
        looks(clock, watched, 0.2)
    assert lost.value.cause is Cause.TIMEOUT


def test_the_first_picture_has_a_time_of_its_own(clock: Clock) -> None:
    with pytest.raises(SourceLost, match="no picture for 10 s"):
        looks(clock, Silence("door", 10.0, 5.0), 10.1, damaged=True)


def test_what_cannot_be_decoded_is_told(clock: Clock) -> None:
    watched = Silence("door", 10.0, 5.0)
    watched.broken()
    with pytest.raises(SourceLost, match="nothing that can be decoded for 5 s") as lost:
        looks(clock, watched, 5.1, damaged=True)
    assert lost.value.cause is Cause.CODEC


def test_a_machine_that_stood_still_is_no_silent_camera(clock: Clock) -> None:
    watched = Silence("door", 10.0, 1.0)
    watched.broken()
    clock.now_s += 60.0
    watched.look(damaged=False)
    looks(clock, watched, 1 - MAX_LOOK_S - 0.05)
    with pytest.raises(SourceLost):
        looks(clock, watched, 0.1)


def test_a_picture_that_was_kept_for_long_is_no_silence(clock: Clock) -> None:
    """As by a recording whose disk is slow."""
    watched = Silence("door", 10.0, 1.0)
    clock.now_s += 60.0
    watched.broken()
    looks(clock, watched, 0.9)


def test_a_file_is_waited_for(clock: Clock) -> None:
    looks(clock, Silence("film.mp4"), 100.0)
