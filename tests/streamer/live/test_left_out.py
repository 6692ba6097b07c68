"""When a stream says that its machine is too slow for all of its pictures."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from streamer.live.left_out import MIN_OVER_S, OVER_S, LeftOut
from streamer.live.stats import Stats


def shares(seconds: float, hz: float, lost: Callable[[float], bool]) -> Iterator[tuple[float, float]]:
    left_out, gone = LeftOut(), 0
    for number in range(round(seconds * hz)):
        now_s = 100.0 + number / hz
        gone += lost(now_s - 100.0)
        left_out.count(now_s, number + 1, gone)
        yield now_s - 100.0, left_out.share


def test_all_pictures_are_no_trouble() -> None:
    assert {share for _, share in shares(60.0, 25.0, lambda _: False)} == {0.0}


def test_a_moment_is_no_trouble() -> None:
    assert {share for _, share in shares(60.0, 25.0, lambda at_s: 20.0 < at_s < 20.3)} == {0.0}


def test_a_third_is_told_soon_and_no_longer_when_it_is_over() -> None:
    numbers = iter(range(10_000))
    found = list(shares(60.0, 30.0, lambda at_s: at_s < 30.0 and next(numbers) % 3 == 0))
    first_s = next(at_s for at_s, share in found if share)
    assert MIN_OVER_S <= first_s <= OVER_S
    assert all(0.3 < share < 0.36 for at_s, share in found if first_s <= at_s <= 30.0)
    assert all(not share for at_s, share in found if at_s > 30.0 + OVER_S + 1.0)
    told = [share > 0 for _, share in found]
    assert sum(one != other for one, other in pairwise(told)) == 2  # once on, once off


def test_the_counters_of_a_stream_have_it() -> None:
    stats = Stats()
    for number in range(250):
        stats.dropped("behind", number // 2)
        stats.captured(number / 25)
    assert 0.45 < stats.snapshot(10.0).left_out < 0.55
