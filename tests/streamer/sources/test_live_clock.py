"""Made-up clocks and arrivals: times grow, last as long as it took, and sound stays with the pictures."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.sources.timing.live_clock import JUMP_S, LiveClock

PICTURES, SOUND = 0, 1
SOUND_S = 0.02
SETTLES_S = 0.12
"""A clock at another rate is a tenth of a second off before that is certain; of a long recording it is nothing."""
IN_STEP_S = 0.1


@dataclass(frozen=True)
class Told:
    """What was given for one packet that was taken at some true time."""

    true_s: float
    time_s: float


@dataclass(frozen=True)
class Made:
    """A source: what its clock says of a true time, for each track, and when that arrives."""

    says: Callable[[int, int, float], float | None]
    """Of a track, the number of the packet and its true time."""
    arrives: Callable[[float], float] = lambda true_s: true_s
    jitter_s: float = 0.005
    rate: float = 25.0
    lasts_s: float = 20.0
    sound: bool = True
    clock: LiveClock = field(default_factory=LiveClock)

    def told(self, seed: int = 0) -> tuple[list[Told], list[Told]]:
        """Of pictures and of sound."""
        chance, newest_s = random.Random(seed), 0.0
        told: tuple[list[Told], list[Told]] = ([], [])
        for true_s, track, number in sorted(self._packets()):
            newest_s = max(newest_s, self.arrives(true_s) + chance.random() * self.jitter_s)
            own_s = self.says(track, number, true_s)
            told[track].append(Told(true_s, self.clock.time_s(track, own_s, newest_s)))
        return told

    def _packets(self) -> Iterator[tuple[float, int, int]]:
        yield from ((number / self.rate, PICTURES, number) for number in range(int(self.lasts_s * self.rate)))
        if self.sound:
            yield from ((number * SOUND_S, SOUND, number) for number in range(int(self.lasts_s / SOUND_S)))


def steady(track: int, number: int, true_s: float) -> float:
    return 1000 + true_s


def grows(told: Sequence[Told]) -> bool:
    return all(later.time_s > earlier.time_s for earlier, later in pairwise(told))


def lasts(told: Sequence[Told]) -> float:
    """As a share of how long it took."""
    return (told[-1].time_s - told[0].time_s) / (told[-1].true_s - told[0].true_s)


def apart_s(pictures: Sequence[Told], sounds: Sequence[Told]) -> float:
    """How far sound is from the pictures that were taken with it, at most."""
    of_sound = {round(each.true_s / SOUND_S): each.time_s - each.true_s for each in sounds}
    shifts = [(each.time_s - each.true_s, of_sound.get(round(each.true_s / SOUND_S))) for each in pictures]
    return max(abs(shift - other) for shift, other in shifts if other is not None)


def check(made: Made, seed: int = 0) -> None:
    pictures, sounds = made.told(seed)
    assert grows(pictures)
    assert lasts(pictures) == pytest.approx(1, abs=0.01)
    if made.sound:
        assert grows(sounds)
        assert lasts(sounds) == pytest.approx(1, abs=0.01)
        assert apart_s(pictures, sounds) <= IN_STEP_S


SEEDS = st.integers(0, 1000)


@settings(deadline=None, max_examples=40)
@given(
    st.floats(0.45, 2.2),
    st.sampled_from([(PICTURES,), (SOUND,), (PICTURES, SOUND)]),
    st.floats(0, 0.02),
    st.sampled_from([10, 25, 30]),
    st.booleans(),
    SEEDS,
)
def test_clocks_at_another_rate(
    clock: float, who: tuple[int, ...], jitter_s: float, rate: int, sound: bool, seed: int
) -> None:
    def says(track: int, number: int, true_s: float) -> float:
        return true_s * (clock if track in who else 1)

    check(Made(says, jitter_s=jitter_s, rate=rate, sound=sound), seed)


@pytest.mark.parametrize("clock", [1.02, 1.5, 2.2])
def test_packets_that_come_unevenly_are_no_bursts(clock: float) -> None:
    """Some are quick after one another; a clock that runs ahead gains nothing by that, however long it lasts."""
    check(Made(lambda track, number, true_s: true_s * clock, jitter_s=0.02, lasts_s=120), seed=454)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(1, 18), st.one_of(st.floats(1, 1e5), st.floats(-1e5, -1))),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
    SEEDS,
)
def test_clocks_that_step(steps: list[tuple[float, float]], at_once: bool, seed: int) -> None:
    """Sound and pictures may not step with the same packet."""

    def says(track: int, number: int, true_s: float) -> float:
        late_s = 0.5 if track == SOUND and not at_once else 0.0
        return true_s + sum(step_s for at_s, step_s in steps if true_s >= at_s + late_s)

    check(Made(says), seed)


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 60), st.one_of(st.floats(0.3, 1e5), st.floats(-1e5, -0.3)), st.booleans(), SEEDS)
def test_single_values_that_are_wrong(each: int, off_s: float, of_sound: bool, seed: int) -> None:
    def says(track: int, number: int, true_s: float) -> float:
        wrong = number % each == each - 1 and track == (SOUND if of_sound else PICTURES)
        return true_s + (off_s if wrong else 0.0)

    check(Made(says), seed)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.one_of(st.floats(0.3, 1e5), st.floats(-1e5, -0.3)), st.booleans(), SEEDS)
def test_several_values_in_a_row_that_are_wrong(count: int, off_s: float, of_sound: bool, seed: int) -> None:
    """They go on from each other as a clock that was set does, and yet none of them adds to the recording."""

    def says(track: int, number: int, true_s: float) -> float:
        wrong = number >= 50 and number % 50 < count and track == (SOUND if of_sound else PICTURES)
        return true_s + (off_s if wrong else 0.0)

    check(Made(says), seed)


@pytest.mark.parametrize("step_s", [1.0, 2.0])
def test_a_step_is_no_rate(step_s: float) -> None:
    """In bursts a step ahead looks as if something had been lost; nothing of it is taken back a little at a time."""
    for each in Made(lambda track, number, true_s: true_s + (step_s if true_s >= 8 else 0), in_bursts(2.0)).told():
        assert {round(told.time_s - told.true_s, 3) for told in each} == {0.0, step_s}


@pytest.mark.parametrize("who", [(PICTURES,), (PICTURES, SOUND)], ids=["pictures", "all"])
def test_a_clock_that_stands_still(who: tuple[int, ...]) -> None:
    def says(track: int, number: int, true_s: float) -> float:
        return 7.0 if track in who else true_s

    pictures, sounds = Made(says).told()
    assert grows(pictures)
    assert grows(sounds)
    assert lasts(pictures) == pytest.approx(1, abs=0.01)
    assert apart_s(pictures, sounds) <= IN_STEP_S + SETTLES_S


def test_a_clock_that_stands_still_for_a_while() -> None:
    check(Made(lambda track, number, true_s: true_s if true_s < 5 else max(5.0, true_s - 3)))


def opened(after_s: float) -> Callable[[float], float]:
    """What came while a connection was being opened is there at once."""
    return lambda true_s: max(true_s, after_s + true_s * 0.001)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([0.0, 0.5, 0.84, 1.2]), st.floats(0.2, 0.5), st.sampled_from([10, 25, 30]), SEEDS)
def test_pictures_whose_clock_is_wrong_keep_beside_the_sound_that_came_with_them(
    clock: float, after_s: float, rate: int, seed: int
) -> None:
    """Of what came at once while a connection was opened, nothing but the order tells when it was made."""
    made = Made(lambda track, number, true_s: true_s * (clock if track == PICTURES else 1), opened(after_s), rate=rate)
    pictures, sounds = made.told(seed)
    assert grows(pictures)
    assert lasts(pictures) == pytest.approx(1, abs=0.01)
    assert lasts(sounds) == pytest.approx(1, abs=0.01)
    late = ([each for each in track if each.true_s > after_s + 1] for track in (pictures, sounds))
    assert apart_s(*late) <= IN_STEP_S


@pytest.mark.parametrize("burst_s", [0.5, 2.0])
def test_pictures_whose_clock_stands_still_keep_beside_their_sound_in_bursts(burst_s: float) -> None:
    pictures, sounds = Made(lambda track, number, true_s: true_s * track, in_bursts(burst_s)).told()
    assert lasts(pictures) == pytest.approx(1, abs=0.01)
    late = ([each for each in track if each.true_s > 1] for track in (pictures, sounds))
    assert apart_s(*late) <= IN_STEP_S


@pytest.mark.parametrize("clock", [0.5, 1.2])
def test_times_beside_another_track_are_even(clock: float) -> None:
    pictures, _ = Made(lambda track, number, true_s: true_s * (clock if track == PICTURES else 1), jitter_s=0.03).told()
    steps_s = [later.time_s - each.time_s for each, later in pairwise(pictures) if each.true_s > 2]
    assert max(steps_s) < 0.06
    assert min(steps_s) > 0.02


@pytest.mark.parametrize("silent_s", [0.5, 3.0])
def test_a_wrong_clock_goes_by_arrival_again_where_sound_falls_silent(silent_s: float) -> None:
    clock, pictures = LiveClock(usual_s=0.04), []
    for number in range(0, 1000):
        true_s = number * 0.02
        if not 8 <= true_s < 8 + silent_s:
            clock.time_s(SOUND, true_s, true_s)
        if number % 2 == 0:
            pictures.append(Told(true_s, clock.time_s(PICTURES, true_s / 2, true_s)))
    assert grows(pictures)
    assert lasts(pictures) == pytest.approx(1, abs=0.01)


def test_a_clock_that_is_right_again_is_kept_to() -> None:
    """What was said for five seconds at half the rate is made good, and then each time is the source's own."""

    def says(track: int, number: int, true_s: float) -> float:
        return true_s if track == SOUND else max(true_s / 2, true_s - 2.5)

    pictures, _ = Made(says, lasts_s=60).told()
    late = [each.time_s - each.true_s for each in pictures if each.true_s > 30]
    assert max(late) - min(late) < 1e-6
    assert abs(late[0]) < IN_STEP_S


def in_bursts(of_s: float) -> Callable[[float], float]:
    return lambda true_s: (int(true_s / of_s) + 1) * of_s + true_s % of_s * 0.002


def stalled(at_s: float, for_s: float) -> Callable[[float], float]:
    return lambda true_s: max(true_s, at_s + for_s + (true_s - at_s) * 0.01) if true_s >= at_s else true_s


ARRIVALS = {
    "evenly": lambda true_s: true_s,
    "2 s at once": in_bursts(2.0),
    "half a second at once": in_bursts(0.5),
    "the first second at once": lambda true_s: max(true_s, 1 + true_s * 0.001),
    "with a gap of 3 s, made up": stalled(4.0, 3.0),
}


@pytest.mark.parametrize("arrives", ARRIVALS.values(), ids=ARRIVALS)
@pytest.mark.parametrize("rate", [5, 25])
def test_a_good_clock_is_kept_to_the_tick(arrives: Callable[[float], float], rate: int) -> None:
    for each in Made(steady, arrives, rate=rate, clock=LiveClock(usual_s=1 / rate)).told():
        assert [told.time_s - each[0].time_s for told in each] == pytest.approx([told.true_s for told in each])


@pytest.mark.parametrize("burst_s", [0.5, 2.0])
@pytest.mark.parametrize("clock", [1.02, 1.05, 1.2])
@pytest.mark.parametrize("who", [(SOUND,), (PICTURES, SOUND)], ids=["sound", "all"])
def test_a_clock_that_runs_fast_is_known_in_bursts(who: tuple[int, ...], clock: float, burst_s: float) -> None:
    """What each burst makes good anew is no delay: they part by less than a burst, and not without end."""

    def says(track: int, number: int, true_s: float) -> float:
        return true_s * (clock if track in who else 1)

    pictures, sounds = Made(says, in_bursts(burst_s), lasts_s=120).told()
    late = ([each for each in track if each.true_s > 60] for track in (pictures, sounds))
    assert lasts(pictures) == pytest.approx(1, abs=0.015)
    assert lasts(sounds) == pytest.approx(1, abs=0.015)
    assert apart_s(*late) < burst_s


@pytest.mark.parametrize("burst_s", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("clock", [0.5, 0.84, 0.95, 1.05, 1.2])
def test_sound_stays_with_its_pictures_in_bursts_of_a_wrong_clock(clock: float, burst_s: float) -> None:
    """It is corrected for each by itself, and no burst says when its packets were made."""
    pictures, sounds = Made(lambda track, number, true_s: true_s * clock, in_bursts(burst_s), lasts_s=60).told()
    assert apart_s(pictures, sounds) <= 2 * IN_STEP_S


@pytest.mark.parametrize("piece_s", [2.0, 4.0, 6.0])
def test_pieces_are_kept_to_the_tick(piece_s: float) -> None:
    def arrives(true_s: float) -> float:
        return max(3 * piece_s, in_bursts(piece_s)(true_s)) + true_s * 1e-3

    for each in Made(steady, arrives, lasts_s=40, clock=LiveClock(in_pieces=True)).told():
        assert [told.time_s - each[0].time_s for told in each] == pytest.approx([told.true_s for told in each])


@pytest.mark.parametrize("step_s", [3600, -3600, 5000])
def test_sound_keeps_to_its_pictures_over_a_step_in_a_burst(step_s: float) -> None:
    """Where arrival says nothing, the clock that one track goes on by is the other's, too."""

    def says(track: int, number: int, true_s: float) -> float:
        return true_s + (step_s if true_s >= 8 else 0)

    pictures, sounds = Made(says, in_bursts(2.0)).told()
    assert lasts(pictures) == pytest.approx(1, abs=0.01)
    assert apart_s(pictures, sounds) < 0.01


def test_a_gap_in_the_pictures_stays() -> None:
    """A piece of a broadcast that was missed, or a camera that sends while something moves."""
    clock = LiveClock(in_pieces=True)
    times = [index / 25 for index in range(300) if not 100 <= index < 200]
    told = [clock.time_s(PICTURES, own_s, 12 + 0.001 * own_s) for own_s in times]
    assert told[-1] == pytest.approx(times[-1])
    clock = LiveClock()
    assert [clock.time_s(PICTURES, own_s, own_s) for own_s in (0, 20.04, 20.08)] == pytest.approx([0, 20.04, 20.08])


@pytest.mark.parametrize("lost_s", [0.5, 3.0])
def test_sound_that_was_lost_leaves_a_gap_however_fast_it_comes(lost_s: float) -> None:
    """Sound that is late goes on beside the pictures, though the packets come faster than they were made."""
    clock = LiveClock(usual_s=0.04, by_arrival=False)
    told = {}
    for index in range(400):
        own_s = index * 0.02
        if index % 2 == 0:
            clock.time_s(PICTURES, own_s, own_s / 20)
        if not 2 <= own_s < 2 + lost_s:
            told[own_s] = clock.time_s(SOUND, own_s, own_s / 20)
    assert list(told.values()) == pytest.approx(list(told))


def test_a_report_that_puts_sound_to_its_pictures_is_believed() -> None:
    """RTSP says after some seconds how its tracks belong together."""

    def says(track: int, number: int, true_s: float) -> float:
        return true_s + (0.3 if track == SOUND and true_s > 5 else 0.0)

    _, sounds = Made(says).told()
    assert sounds[-1].time_s - sounds[-1].true_s == pytest.approx(0.3, abs=0.01)


def test_tracks_with_clocks_of_their_own_begin_together() -> None:
    def says(track: int, number: int, true_s: float) -> float:
        return true_s + (50_000 if track == SOUND else 0)

    check(Made(says))


def test_without_judging_arrival_a_slow_reader_changes_nothing() -> None:
    clock = LiveClock(by_arrival=False)
    assert [clock.time_s(PICTURES, index / 25, index / 5) for index in range(200)] == pytest.approx(
        [index / 25 for index in range(200)]
    )


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.none() | st.floats(-30, 30), st.floats(0, 5)), max_size=30))
def test_times_grow_whatever_is_said(said: list[tuple[int, float | None, float]]) -> None:
    clock, now_s = LiveClock(), 0.0
    last_s = {0: float("-inf"), 1: float("-inf")}
    for track, own_s, after_s in said:
        now_s += after_s
        told_s = clock.time_s(track, own_s, now_s)
        assert told_s > last_s[track]
        last_s[track] = told_s


@pytest.mark.parametrize(
    ("own_ms", "arrived_s", "told_ms"),
    [
        ([9000, 9040, 9080], [5, 5, 5], [0, 40, 80]),
        ([None, 40, 80], [5, 5, 5], [0, 40, 80]),
        ([None, None, None], [5, 5.5, 5.75], [0, 500, 750]),
        ([9000, 9040, 100, 140], [5, 5.04, 5.1, 5.1], [0, 40, 100, 140]),
        ([0, 40, 900_000, 900_040], [5, 5.04, 5.1, 5.1], [0, 40, 100, 140]),
        ([0, 40, 30, 80], [5, 5, 5, 5], [0, 40, 41, 80]),
        ([0, 500, 100, 140, 180], [5, 5.5, 5.54, 5.58, 5.62], [0, 500, 540, 580, 620]),
        ([0, 40, 40, 40, 80], [5, 5, 5, 5, 5], [0, 40, 41, 42, 80]),
        ([0, 40, 9080, 120], [5, 5.04, 5.08, 5.12], [0, 40, 80, 120]),
    ],
    ids=[
        "plain",
        "no time at first",
        "no times",
        "runs back",
        "leaps ahead",
        "a little back",
        "back for good",
        "repeats",
        "one is wrong",
    ],
)
def test_a_few_packets(own_ms: list[int | None], arrived_s: list[float], told_ms: list[int]) -> None:
    clock = LiveClock(usual_s=0.04)
    told = [clock.time_s(PICTURES, None if own is None else own / 1000, now_s) for own, now_s in zip(own_ms, arrived_s)]
    assert [each * 1000 for each in told] == pytest.approx(told_ms, abs=1e-3)
    assert JUMP_S < 0.4  # "back for good" is a jump
