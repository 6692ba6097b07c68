"""The same person over time: a number stays with somebody who moves, and is never given to two."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Box, Person
from pipeline.people.appearance import BINS, Appearance
from pipeline.people.tracking import MAX_ABSENT_S, MIN_LIKENESS, NEAR_HEIGHTS, PersonTracker

STEP_S = 0.1


def somebody(left: float, top: float = 0.0, width: int = 40, height: int = 100, score: float = 0.9) -> Person:
    return Person(0, score, Box(round(left), round(top), round(left) + width, round(top) + height))


def ids_of(people: Sequence[Person]) -> list[int]:
    return [person.track_id for person in people]


def follow(*paths: Callable[[float], float], seconds: float = 2.0) -> list[list[int]]:
    """The ids over time of persons who walk from left to right, each given by where it is when."""
    tracker = PersonTracker()
    times = [step * STEP_S for step in range(round(seconds / STEP_S))]
    return [ids_of(tracker.update([somebody(path(time)) for path in paths], time)) for time in times]


def test_numbers_begin_at_one_in_the_order_of_the_persons() -> None:
    tracker = PersonTracker()
    assert ids_of(tracker.update([somebody(0), somebody(100), somebody(200)], 0.0)) == [1, 2, 3]
    assert tracker.update([], 0.1) == ()


def test_only_the_number_changes() -> None:
    people = [somebody(0, score=0.3), somebody(100, 20, score=0.8)]
    numbered = PersonTracker().update(people, 5.0)
    assert [(each.score, each.box) for each in numbered] == [(each.score, each.box) for each in people]


@pytest.mark.parametrize("speed", [0, 60, -150, 200])
def test_a_number_stays_with_who_moves(speed: float) -> None:
    assert follow(lambda time: 500 + speed * time, lambda time: 2000) == [[1, 2]] * 20


def test_who_moves_faster_than_its_own_width_is_expected_ahead() -> None:
    # Speeds up to 500 pixels a second: from one parsing to the next 50, more than the 40 that a person is wide.
    assert follow(lambda time: 250 * min(time, 1.0) ** 2 + 500 * max(0.0, time - 1.0)) == [[1]] * 20


def test_the_order_of_the_persons_does_not_matter() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0), somebody(100), somebody(200)], 0.0)
    assert ids_of(tracker.update([somebody(203), somebody(4), somebody(98)], 0.1)) == [3, 1, 2]


def test_the_best_overlap_goes_first() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0)], 0.0)
    assert ids_of(tracker.update([somebody(15), somebody(2)], 0.1)) == [2, 1]


def test_hardly_any_overlap_is_somebody_else() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0)], 0.0)
    # 13 of 67 columns are shared: less than a fifth.
    assert ids_of(tracker.update([somebody(27)], 0.1)) == [2]


@pytest.mark.parametrize("absent_s", [0.3, MAX_ABSENT_S])
def test_who_is_away_for_a_short_while_keeps_the_number(absent_s: float) -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0), somebody(300)], 0.0)
    tracker.update([somebody(300)], absent_s / 2)
    assert ids_of(tracker.update([somebody(300), somebody(0)], absent_s)) == [2, 1]


def test_who_moves_is_expected_further_on_after_an_absence() -> None:
    tracker = PersonTracker()
    for step in range(5):
        tracker.update([somebody(100 * step * STEP_S)], step * STEP_S)
    # 0.8 s at 100 pixels a second: two widths on, where nothing overlaps the last box seen.
    assert ids_of(tracker.update([somebody(120)], 1.2)) == [1]


def test_who_goes_down_the_picture_is_expected_further_down() -> None:
    tracker = PersonTracker()
    # 250 pixels a second down: in 0.6 s more than the 100 that a person is tall.
    for step in range(5):
        tracker.update([somebody(0, 250 * step * STEP_S)], step * STEP_S)
    assert ids_of(tracker.update([somebody(0, 250)], 1.0)) == [1]


@pytest.mark.parametrize("down", [False, True], ids=["across", "down"])
def test_one_box_out_of_place_does_not_throw_somebody_off(down: bool) -> None:
    def walker(at: float) -> Person:
        return somebody(0, at, width=100, height=40) if down else somebody(at)

    tracker = PersonTracker()
    places = [0, 10, 20, 30, 40, 65, 60, 70, 80]
    # 65 in place of 50: taken at its word, the speed of that step would put the next box at 90.
    assert [ids_of(tracker.update([walker(at)], step * STEP_S)) for step, at in enumerate(places)] == [[1]] * 9


def test_who_is_away_for_long_gets_a_new_number() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0), somebody(300)], 0.0)
    tracker.update([somebody(300)], 0.9)
    assert ids_of(tracker.update([somebody(0), somebody(300)], MAX_ABSENT_S + 0.1)) == [3, 2]


def test_time_that_goes_back_makes_everybody_new() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0), somebody(300)], 4.0)
    assert ids_of(tracker.update([somebody(0), somebody(300)], 3.9)) == [3, 4]
    assert ids_of(tracker.update([somebody(0), somebody(300)], 4.0)) == [3, 4]


def test_the_same_time_twice_is_no_new_stream() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0)], 1.0)
    assert ids_of(tracker.update([somebody(5)], 1.0)) == [1]
    assert ids_of(tracker.update([somebody(10)], 1.1)) == [1]


def test_two_who_cross_keep_their_numbers() -> None:
    # They meet at 1.03 s; at 1.0 s and 1.1 s each covers most of the other.
    crossing = follow(lambda time: 150 * time, lambda time: 289 - 130 * time)
    assert crossing == [[1, 2]] * 20


def test_who_overtakes_keeps_the_number() -> None:
    assert follow(lambda time: 170 * time, lambda time: 107 + 60 * time) == [[1, 2]] * 20


def looks(*shares: float) -> Appearance:
    """Of somebody with so much of each of the first colours."""
    found = np.zeros(BINS, np.float32)
    found[: len(shares)] = np.sqrt(shares)
    return found


RED, BLUE = looks(0.9, 0.1), looks(0.1, 0.9)
MOST_LIKE_RED = looks(0.7, 0.3)


def test_the_ground_for_the_looks() -> None:
    assert RED @ BLUE < MIN_LIKENESS < RED @ MOST_LIKE_RED


def test_two_who_meet_and_turn_back_are_known_by_their_colours() -> None:
    def met(known: bool) -> list[int]:
        tracker = PersonTracker()
        numbered: list[int] = []
        for step in range(30):
            # Each walks 20 pixels a step towards the other, until they are side by side; and back again.
            near = min(step, 29 - step) * 20
            people = [somebody(0 + near), somebody(600 - near)]
            numbered = ids_of(tracker.update(people, step * STEP_S, [RED, BLUE] if known else None))
        return numbered

    # At their speeds they would have walked through each other.
    assert met(known=True) == [1, 2]
    assert met(known=False) != [1, 2]


def test_two_who_stand_close_are_told_apart_by_their_colours() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0), somebody(20)], 0.0, [RED, BLUE])
    # Each is now where the other was.
    assert ids_of(tracker.update([somebody(3), somebody(17)], 0.1, [BLUE, RED])) == [2, 1]


def test_who_was_behind_somebody_comes_out_under_the_old_number() -> None:
    tracker = PersonTracker()
    for step in range(16):
        one, other = somebody(12 * step), somebody(180 - 12 * step)
        hidden = 6 <= step <= 9
        # While one hides the other, there is one box around both, of mixed colours.
        if hidden:
            around = Box(min(one.box.left, other.box.left), 0, max(one.box.right, other.box.right), 100)
            found = tracker.update([Person(0, 0.9, around)], step * STEP_S, [looks(0.6, 0.4)])
        else:
            found = tracker.update([one, other], step * STEP_S, [RED, BLUE])
    assert ids_of(found) == [1, 2]


def test_who_stopped_out_of_sight_is_known_near_where_last_seen() -> None:
    def back(again: Appearance, left: float, absent_s: float = 1.5) -> list[int]:
        tracker = PersonTracker()
        for step in range(8):
            tracker.update([somebody(30 * step)], step * STEP_S, [RED])
        return ids_of(tracker.update([somebody(left)], 7 * STEP_S + absent_s, [again]))

    # Expected 450 pixels on, and seen but 60 from where last seen.
    assert back(RED, 270) == [1]
    assert back(MOST_LIKE_RED, 270) == [1]
    assert back(BLUE, 270) == [2]
    # Nobody is known from one side of the picture to the other at once.
    assert back(RED, 210 + 100 * NEAR_HEIGHTS + 200, absent_s=0.1) == [2]
    assert back(RED, 270, absent_s=MAX_ABSENT_S + 0.1) == [2]


def test_looks_follow_the_light_but_not_who_stands_in_front() -> None:
    tracker = PersonTracker()
    steps = np.linspace(0.9, 0.1, 40)
    for step, share in enumerate(steps):
        tracker.update([somebody(0)], step * STEP_S, [looks(share, 1 - share)])
    # Slowly red became blue, and back after an absence is who is blue, elsewhere.
    assert ids_of(tracker.update([somebody(100)], 5.4, [BLUE])) == [1]
    tracker = PersonTracker()
    for step in range(20):
        tracker.update([somebody(0)], step * STEP_S, [RED if step < 10 else BLUE])
    assert ids_of(tracker.update([somebody(100)], 3.4, [RED])) == [1]


def test_who_is_found_anew_has_looks_from_then_on() -> None:
    tracker = PersonTracker()
    tracker.update([somebody(0)], 0.0)
    tracker.update([somebody(0)], 0.1, [RED])
    assert ids_of(tracker.update([somebody(80)], 1.0, [RED])) == [1]


sides = st.integers(0, 80)
lengths = st.integers(1, 60)
crowds = st.lists(st.builds(somebody, sides, sides, lengths, lengths), max_size=8)


@given(st.lists(st.tuples(crowds, st.sampled_from([0.0, 0.1, 0.5, 2.0, -1.0])), max_size=12))
def test_nobody_shares_a_number(parsings: list[tuple[list[Person], float]]) -> None:
    tracker = PersonTracker()
    now = 5.0
    before: set[int] = set()
    for people, passed in parsings:
        now += passed
        numbered = tracker.update(people, now)
        ids = ids_of(numbered)
        assert len(set(ids)) == len(people)
        assert all(number >= 1 for number in ids)
        # A new number is higher than any before: none is given again.
        new = [number for number in ids if number not in before]
        assert new == list(range(len(before) + 1, len(before) + len(new) + 1))
        assert passed >= 0 or new == ids
        assert [person.box for person in numbered] == [person.box for person in people]
        before |= set(ids)
