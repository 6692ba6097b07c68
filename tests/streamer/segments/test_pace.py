"""Which process is slow."""

import pytest

from streamer.segments.pace import LATE_S, MAX_RESTS, SLOW, Pace, is_late


def test_the_usual_time_is_that_of_the_others() -> None:
    """Of a first segment it is that of first ones, for a process gets ready before."""
    new, one = Pace("new"), Pace("one", begun_s=3.0)
    assert Pace("alone").usual_s(8, [new]) is None
    assert new.usual_s(8, [new, one]) == 3.0
    one.first_s = 5.0
    assert new.usual_s(8, [new, one]) == 5.0
    new.first_s = 50.0
    assert new.usual_s(8, [new, one]) == 5.0  # nothing better is known yet
    one.frame_s, new.frame_s = 0.25, 100.0
    assert new.usual_s(8, [new, one]) == 2.0
    several = [Pace(each, first_s=1.0, frame_s=frame_s) for each, frame_s in (("a", 1.0), ("b", 3.0), ("c", 1.5))]
    assert new.usual_s(2, [new, *several]) == 3.0  # half are as fast, and half are not


@pytest.mark.parametrize("usual_s", [LATE_S / SLOW / 2, 10.0])
def test_late_is_what_takes_far_longer_and_not_a_moment(usual_s: float) -> None:
    most_s = max(LATE_S, SLOW * usual_s)
    assert not is_late(most_s, usual_s)
    assert is_late(most_s * 1.01, usual_s)
    assert not is_late(1e9, None)


def test_who_is_late_rests_for_longer_each_time_in_a_row() -> None:
    pace = Pace("slow")
    pace.did(4, 8.0)
    assert (pace.first_s, pace.frame_s, pace.rests_until_s) == (8.0, None, 0.0)
    rests = []
    for late in range(1, MAX_RESTS + 3):
        pace.late = late
        pace.rest(6.0, now_s=100.0)
        rests.append(pace.rests_until_s - 100.0)
    assert rests == [6.0 * 2**each for each in (1, 2, 3, 4, 5, 5, 5)]
    pace.did(4, 2.0)
    assert (pace.first_s, pace.frame_s, pace.late) == (8.0, 0.5, 0)
