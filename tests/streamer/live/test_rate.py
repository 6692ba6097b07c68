"""The governor on traces: what a stream would have measured, second after second."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pipeline import Size
from streamer.live.rate import (
    BESIDE,
    CALM_S,
    FAILED_WITHIN_S,
    FORGOTTEN_S,
    HELD_S,
    MAX_BESIDE_S,
    MAX_PAUSE_S,
    PERCENTILE,
    QUICK_S,
    REMEMBERED,
    SLOW_S,
    TRUSTED,
    Governor,
    Plan,
    _typical,
    affordable,
)

SIZES = (Size(288, 512), Size(256, 448), Size(192, 320), Size(128, 224))
LIMIT_S = 0.25


def pixels(size: Size) -> int:
    return size.height * size.width


def play(
    governor: Governor,
    seconds: float,
    cost_s: Callable[[Size], float],
    dropped: Callable[[Plan], int] = lambda _: 0,
    from_s: float = 0.0,
) -> Iterator[tuple[float, Plan]]:
    """Parses back to back, or as the plan says, on a machine where a parsing takes what `cost_s` says."""
    now_s = from_s
    plan = governor.plan
    while now_s < from_s + seconds:
        taken_s = cost_s(plan.size)
        now_s += max(taken_s, plan.interval_s)
        plan = governor.parsed(now_s, taken_s, taken_s, dropped(plan))
        yield now_s, plan


def machine(s_a_megapixel: float) -> Callable[[Size], float]:
    return lambda size: s_a_megapixel * pixels(size) / 1e6


def test_a_fast_machine_keeps_the_largest_size_and_never_pauses() -> None:
    governor = Governor(LIMIT_S, SIZES)
    assert {plan for _, plan in play(governor, 60.0, machine(0.1))} == {Plan(SIZES[0], 0.0)}
    assert governor.within_reach


@pytest.mark.parametrize(("s_a_megapixel", "expected"), [(0.8, 0), (1.0, 1), (1.9, 2), (3.0, 3)])
def test_the_largest_size_that_holds_the_age_is_found_and_kept(s_a_megapixel: float, expected: int) -> None:
    governor = Governor(LIMIT_S, SIZES)
    plans = list(play(governor, 120.0, machine(s_a_megapixel)))
    assert {plan.size for now_s, plan in plans if now_s > 20.0} == {SIZES[expected]}
    assert 0 < governor.age_s <= LIMIT_S


def test_it_says_when_no_size_is_small_enough() -> None:
    governor = Governor(LIMIT_S, SIZES)
    last = list(play(governor, 120.0, machine(30.0)))[-1][1]
    assert last.size == SIZES[-1]
    assert not governor.within_reach


def test_one_size_is_kept_whatever_happens() -> None:
    governor = Governor(LIMIT_S, SIZES[:1])
    assert {plan.size for _, plan in play(governor, 30.0, machine(9.0))} == {SIZES[0]}


def test_other_sizes_may_be_offered() -> None:
    governor = Governor(LIMIT_S, SIZES[1:])
    list(play(governor, 10.0, machine(0.1)))
    governor.offer(SIZES)
    assert governor.plan.size == SIZES[0]
    assert governor.age_s == 0.0  # what was measured was measured of another size
    governor.offer(SIZES[2:])
    assert governor.plan.size == SIZES[2]


def test_larger_ones_are_not_for_who_is_too_slow_but_may_be_tried_later() -> None:
    governor = Governor(LIMIT_S, SIZES[1:])
    list(play(governor, 60.0, machine(1.9)))
    assert governor.plan.size == SIZES[2]
    measured_s = governor.age_s
    governor.offer(SIZES)
    assert governor.plan.size == SIZES[2]
    assert governor.age_s == measured_s > 0
    list(play(governor, 120.0, machine(0.1), from_s=60.0))
    assert governor.plan.size == SIZES[0]


@pytest.mark.parametrize(
    ("wanted", "now", "work_s", "times"),
    [
        (1.5, 1.0, None, 1.0),
        (1.5, 1.0, QUICK_S / 3, 1.5),
        (1.5, 1.0, QUICK_S / 2, 1.25),
        (1.5, 1.0, QUICK_S, 1.0),
        (1.5, 1.25, QUICK_S / 9, 1.25),
        (1.5, 1.25, SLOW_S + 0.001, 1.0),
        (1.5, 1.5, SLOW_S + 0.001, 1.25),
        (1.5, 1.0, SLOW_S + 0.001, 1.0),
        (1.0, 1.5, QUICK_S, 1.0),
        (1.0, 1.5, None, 1.0),
    ],
)
def test_small_people_are_parsed_larger_as_far_as_there_is_time(
    wanted: float, now: float, work_s: float | None, times: float
) -> None:
    assert affordable(wanted, now, work_s) == times


@pytest.mark.parametrize("ms_a_usual_parsing", range(1, 100))
def test_what_is_parsed_larger_stays_so(ms_a_usual_parsing: int) -> None:
    times = [1.0]
    for _ in range(9):
        times.append(affordable(1.5, times[-1], ms_a_usual_parsing / 1e3 * times[-1] ** 2))
    assert times == sorted(times)


def test_the_first_cold_parsings_decide_nothing() -> None:
    governor = Governor(LIMIT_S, SIZES)
    for index in range(TRUSTED - 1):
        assert governor.parsed(index, 9.0, 9.0, 0).size == SIZES[0]


def test_one_hiccup_changes_nothing() -> None:
    governor = Governor(LIMIT_S, SIZES)
    list(play(governor, 10.0, machine(0.3)))
    assert governor.parsed(10.5, 2.0, 2.0, 0).size == SIZES[0]
    assert {plan.size for _, plan in play(governor, 10.0, machine(0.3), from_s=10.5)} == {SIZES[0]}


def test_what_the_load_took_it_gives_back_when_it_is_gone_but_not_at_once() -> None:
    governor = Governor(LIMIT_S, SIZES)
    list(play(governor, 10.0, machine(1.9)))
    assert governor.plan.size == SIZES[2]
    later = list(play(governor, 60.0, machine(0.3), from_s=10.0))
    first = next(now_s for now_s, plan in later if plan.size != SIZES[2])
    assert first >= 10.0 + CALM_S
    assert later[-1][1].size == SIZES[0]


def test_it_does_not_swing_between_two_sizes() -> None:
    """A machine on which the small size always promises that the large one will do, and the large one never does."""
    governor = Governor(LIMIT_S, SIZES[:2])

    def cost_s(size: Size) -> float:
        return 0.2 if size == SIZES[0] else 0.05

    sizes = [(now_s, plan.size) for now_s, plan in play(governor, 600.0, cost_s)]
    changes = [now_s for (now_s, one), (_, other) in itertools.pairwise(sizes) if one != other]
    pauses = [later - earlier for earlier, later in zip(changes[::2], changes[2::2])]
    assert pauses == sorted(pauses), "each try waits longer than the one before"
    assert pauses[-1] > 10 * CALM_S
    assert CALM_S < FAILED_WITHIN_S


def test_drops_make_it_parse_less_often_within_the_age() -> None:
    governor = Governor(LIMIT_S, SIZES)

    def overloaded(plan: Plan) -> int:
        return 1 if plan.interval_s < 0.1 else 0

    plans = [plan for _, plan in play(governor, 20.0, machine(0.2), overloaded)]
    settled = [plan.interval_s for plan in plans[REMEMBERED:]]
    assert max(settled) >= 0.1
    assert {plan.size for plan in plans} == {SIZES[0]}
    assert governor.age_s <= LIMIT_S


def test_without_drops_the_pause_goes_away() -> None:
    governor = Governor(LIMIT_S, SIZES)
    list(play(governor, 5.0, machine(0.2), lambda _: 1))
    assert governor.plan.interval_s > 0
    list(play(governor, 10.0, machine(0.2), from_s=5.0))
    assert governor.plan.interval_s == 0


def test_tries_with_shorter_pauses_that_cost_frames_come_ever_more_seldom() -> None:
    governor = Governor(LIMIT_S, SIZES)

    def crowded(plan: Plan) -> int:
        return 1 if plan.interval_s < 0.06 else 0

    plans = list(play(governor, 400.0, machine(0.2), crowded))
    lost_s = [now_s for now_s, plan in plans if crowded(plan)]
    assert lost_s, "shorter pauses are tried"
    tries_s = [later for earlier, later in itertools.pairwise(lost_s) if later - earlier > HELD_S]
    waits_s = [later - earlier for earlier, later in itertools.pairwise(tries_s)]
    assert waits_s[-1] > 10 * HELD_S
    assert waits_s == pytest.approx(sorted(waits_s), abs=1.0)
    assert {plan.size for _, plan in plans} == {SIZES[0]}


def test_after_long_without_lost_frames_the_tries_begin_anew() -> None:
    def recovery_s(quiet_s: float) -> float:
        """Time from the last lost frame until there is no pause, after a load of a minute and a quiet time."""
        governor = Governor(LIMIT_S, SIZES)
        list(play(governor, 60.0, machine(0.2), lambda plan: plan.interval_s < 0.06))
        list(play(governor, quiet_s, machine(0.2), from_s=60.0))
        governor.parsed(60.0 + quiet_s, 0.03, 0.03, 1)
        after = play(governor, 120.0, machine(0.2), from_s=60.0 + quiet_s)
        return next(now_s for now_s, plan in after if plan.interval_s == 0) - 60.0 - quiet_s

    assert recovery_s(2 * FORGOTTEN_S) < 3 * HELD_S
    assert recovery_s(30.0) > 4 * HELD_S


def test_frames_that_others_lose_leave_it_a_dozen_parsings_a_second_of_its_size() -> None:
    governor = Governor(LIMIT_S, SIZES)
    now_s, intervals = 0.0, []
    for _ in range(400):
        now_s += max(0.03, governor.plan.interval_s)
        intervals.append(governor.parsed(now_s, 0.03, 0.03, 0, beside=1).interval_s)
        assert governor.plan.size == SIZES[0]
    assert max(intervals) == intervals[-1] == BESIDE * LIMIT_S


@pytest.mark.parametrize("limit_s", [LIMIT_S, 2.0, float("inf")])
def test_a_stream_beside_that_loses_frames_for_ever_takes_no_more_than_that(limit_s: float) -> None:
    """Its window hangs, or its disk: what this one lost itself meanwhile is over some time."""
    governor = Governor(limit_s, SIZES)
    now_s = 0.0
    for number in range(2000):
        now_s += max(0.03, governor.plan.interval_s)
        plan = governor.parsed(now_s, 0.03, 0.03, dropped=int(100 <= number < 150), beside=1)
        if number == 149:
            assert plan.interval_s > MAX_BESIDE_S
    assert plan.interval_s == MAX_BESIDE_S


def test_pauses_are_no_longer_than_a_second_however_old_masks_may_be() -> None:
    governor = Governor(float("inf"), SIZES)
    assert max(plan.interval_s for _, plan in play(governor, 120.0, machine(0.2), lambda _: 1)) == MAX_PAUSE_S


def test_a_burst_of_lost_frames_makes_the_pause_longer_once() -> None:
    governor = Governor(LIMIT_S, SIZES)
    list(play(governor, 2.0, machine(0.2)))
    pauses = {governor.parsed(2.0 + 0.03 * number, 0.03, 0.03, 1).interval_s for number in range(1, 20)}
    assert len(pauses) == 1


def test_a_size_that_costs_frames_gives_way_though_its_masks_are_young_enough() -> None:
    """Several streams on few cores: frames are lost until the parsings are small, however seldom they are."""
    governor = Governor(LIMIT_S, SIZES)

    def crowded(plan: Plan) -> int:
        return 2 if plan.size.area > SIZES[2].area else 0

    plans = list(play(governor, 120.0, machine(0.2), crowded))
    lost = [crowded(plan) > 0 for now_s, plan in plans if now_s > 60.0]
    assert sum(lost) < 0.1 * len(lost)  # a larger one is tried now and then
    assert plans[-1][1].size == SIZES[2]


def test_frames_that_are_lost_whatever_its_size_leave_the_smallest() -> None:
    governor = Governor(LIMIT_S, SIZES)
    plans = [plan for _, plan in play(governor, 120.0, machine(0.2), lambda _: 1)]
    assert {plan.size for plan in plans[len(plans) // 2 :]} == {SIZES[-1]}


def test_any_age_keeps_the_largest_size_though_frames_are_lost() -> None:
    governor = Governor(float("inf"), SIZES)
    assert {plan.size for _, plan in play(governor, 60.0, machine(0.2), lambda _: 1)} == {SIZES[0]}


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 11, 15])
def test_its_percentile_is_the_usual_one(count: int) -> None:
    seconds = list(np.random.default_rng(count).random(count))
    assert _typical(seconds) == pytest.approx(np.percentile(seconds, PERCENTILE))


def test_drops_never_cost_the_age() -> None:
    governor = Governor(LIMIT_S, SIZES[:1])
    for _ in play(governor, 30.0, machine(0.5), lambda _: 3):
        assert governor.age_s <= LIMIT_S + 1e-9


def test_how_old_a_frame_was_before_its_parsing_began_counts_once() -> None:
    governor = Governor(LIMIT_S, SIZES)
    for index in range(TRUSTED + 1):
        governor.parsed(0.1 * index, 0.13, 0.1, 0)
    assert governor.age_s == pytest.approx(0.13 + 0.1)
    assert governor.plan.size == SIZES[0]


def test_what_the_user_wants_is_the_least_pause() -> None:
    governor = Governor(1.0, SIZES, interval_s=0.2)
    assert all(plan.interval_s >= 0.2 for _, plan in play(governor, 10.0, machine(0.2)))
