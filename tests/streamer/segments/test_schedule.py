"""Which process is given which segment, if one is slow. Time goes on where a test says so."""

import numpy as np
import pytest

from pipeline import Frame
from streamer.segments import schedule as scheduling
from streamer.segments.messages import Done, Part
from streamer.segments.pace import SLOW, Pace
from streamer.segments.schedule import MAX_HOLDS, Hold, Schedule, Task
from tests.support.waiting import Clock

FRAMES = 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(scheduling, "time", clock)
    monkeypatch.setattr(scheduling, "WAIT_S", 0.0)
    return clock


def task(number: int, *, stills: bool = False) -> Task:
    first = number * FRAMES
    frames = [Frame(np.zeros((4, 4, 3), np.uint8), first + each, 0.04 * (first + each), 0.0) for each in range(FRAMES)]
    return Task(number, frames, first, stills)


def done(memory: bytes, part: Part = Part.ALL) -> Done:
    return Done((), (), memory, part, ())


def of_tasks(count: int, *, stills: bool = False) -> tuple[Schedule, list[Task]]:
    schedule, tasks = Schedule(), [task(number, stills=stills) for number in range(count)]
    schedule.begin(b"")
    for each in tasks:
        schedule.add(each)
    return schedule, tasks


def take(schedule: Schedule, pace: Pace) -> Hold:
    assert schedule.has_work(pace)
    hold = schedule.take(pace)
    assert hold is not None
    return hold


def parse(schedule: Schedule, pace: Pace, clock: Clock, took_s: float) -> Task:
    """A process takes a segment whose turn it is, and does it."""
    hold = take(schedule, pace)
    clock.now_s += took_s
    assert schedule.memory(hold, Part.ALL) is not None
    schedule.end(hold, done(b"%d" % hold.task.number))
    return hold.task


def late(schedule: Schedule, clock: Clock) -> tuple[Hold, Hold, Pace]:
    """One process has done a segment in a second and begun another, for whose memory a slow one lets it wait."""
    fast, slow = schedule.joins("one"), schedule.joins("two")
    parse(schedule, fast, clock, 1.0)
    held = take(schedule, slow)
    waiting = take(schedule, fast)
    clock.now_s += 50.0
    return held, waiting, fast


@pytest.mark.parametrize("asks", [False, True])
def test_what_a_slow_process_has_is_done_by_another_one_and_the_slow_one_rests(
    clock: Clock, caplog: pytest.LogCaptureFixture, asks: bool
) -> None:
    """It is done with it later, or asks for the memory before it, which is not wanted any more."""
    schedule, tasks = of_tasks(4)
    held, waiting, fast = late(schedule, clock)
    assert schedule.memory(waiting, Part.ALL) is None  # it gives back what it has, for what is before that
    schedule.end(waiting, None)
    assert parse(schedule, fast, clock, 1.0) is tasks[1]
    assert tasks[1].done == done(b"1")
    assert parse(schedule, fast, clock, 1.0) is tasks[2]
    (record,) = caplog.records
    assert record.getMessage() == (
        "two is slow: it has had frames 4 to 7 for 50.0 s, which takes 1.0 s elsewhere; another one parses them, too,"
        " and it is given less"
    )
    # What comes of it later is not used; while others work it begins nothing, for twice as long as it took.
    clock.now_s += 8.0
    if asks:
        assert schedule.memory(held, Part.ALL) is None
    schedule.end(held, None if asks else done(b"other"))
    assert tasks[1].done == done(b"1")
    working = take(schedule, fast)
    assert schedule._rests(held.pace)
    clock.now_s += 119.0
    assert schedule._rests(held.pace)
    clock.now_s += 2.0
    assert not schedule._rests(held.pace)
    assert schedule.memory(working, Part.ALL) == b"2"


def test_the_slow_process_may_be_the_first_that_is_done(clock: Clock) -> None:
    """The other one has not begun then, or begins and is not wanted any more."""
    schedule, tasks = of_tasks(4)
    held, waiting, fast = late(schedule, clock)
    assert schedule.memory(waiting, Part.ALL) is None
    schedule.end(waiting, None)
    schedule.end(held, done(b"1"))
    assert parse(schedule, fast, clock, 1.0) is tasks[2]
    assert tasks[1].done == done(b"1")


def test_who_does_what_was_late_is_asked_for_no_memory_once_that_is_done(clock: Clock) -> None:
    schedule, tasks = of_tasks(4)
    held, waiting, fast = late(schedule, clock)
    assert schedule.memory(waiting, Part.ALL) is None
    schedule.end(waiting, None)
    again = take(schedule, fast)
    assert again.task is tasks[1]
    schedule.end(held, done(b"1"))
    assert schedule.memory(again, Part.ALL) is None
    schedule.end(again, None)
    assert parse(schedule, fast, clock, 1.0) is tasks[2]


def test_a_process_that_rests_works_if_no_other_one_does(clock: Clock) -> None:
    """The machine of the other one is gone."""
    schedule, tasks = of_tasks(3)
    held, waiting, fast = late(schedule, clock)
    assert schedule.memory(waiting, Part.ALL) is None
    schedule.end(waiting, None)
    assert parse(schedule, fast, clock, 1.0) is tasks[1]
    schedule.end(held, done(b"1"))
    lost = take(schedule, fast)
    assert schedule._rests(held.pace)
    schedule.end(lost, None)
    schedule.leaves(fast)
    assert parse(schedule, held.pace, clock, 60.0) is tasks[2]


def test_pictures_by_themselves_are_done_by_who_is_free(clock: Clock) -> None:
    schedule, tasks = of_tasks(3, stills=True)
    held, other, fast = late(schedule, clock)
    schedule.end(other, done(b""))
    assert take(schedule, fast).task is tasks[1]
    assert held.late


def test_nobody_is_late_of_whom_no_other_is_known_to_be_faster(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    schedule, _ = of_tasks(2)
    alone = schedule.joins("one")
    hold = take(schedule, alone)
    clock.now_s += 1e6
    assert schedule.memory(hold, Part.ALL) == b""
    schedule.end(hold, done(b"0"))
    parse(schedule, alone, clock, 1.0)
    assert not caplog.records


def test_first_segments_are_compared_with_first_ones_as_far_as_they_are(clock: Clock) -> None:
    """Both processes are new: the fast one waits for what the slow one has, and has not done any."""
    schedule, tasks = of_tasks(2)
    slow, fast = schedule.joins("two"), schedule.joins("one")
    held, waiting = take(schedule, slow), take(schedule, fast)
    clock.now_s += 3.0
    waiting.pace.begun_s = 3.0
    clock.now_s += SLOW * 3.0 - 3.1
    with schedule.changed:
        schedule._look_after_late()
    assert not held.late
    clock.now_s += 0.2
    assert schedule.memory(waiting, Part.ALL) is None
    assert held.late
    schedule.end(waiting, None)
    assert parse(schedule, fast, clock, 3.0) is tasks[0]


def test_so_many_processes_at_most_have_a_segment(clock: Clock) -> None:
    schedule, tasks = of_tasks(2, stills=True)
    paces = [schedule.joins(f"{each}") for each in range(MAX_HOLDS + 1)]
    parse(schedule, paces[-1], clock, 1.0)
    for count, each in enumerate(paces[:-1], start=1):
        assert take(schedule, each).task is tasks[1]
        clock.now_s += 50.0
        with schedule.changed:
            schedule._look_after_late()
            schedule._look_after_late()
        assert (tasks[1] in schedule._tasks) is (count < MAX_HOLDS)


def test_averages_go_on_before_a_segment_is_done_and_what_is_known_of_people_after_it(clock: Clock) -> None:
    schedule, tasks = of_tasks(3)
    first, second = (take(schedule, schedule.joins(name)) for name in ("one", "two"))
    assert schedule.memory(first, Part.AVERAGES) == b""
    schedule.averaged(first, b"averages of the first")
    assert schedule.memory(second, Part.AVERAGES) == b"averages of the first"
    schedule.averaged(second, b"averages of the second")
    assert tasks[0].done is None
    assert schedule.memory(first, Part.PEOPLE) == b""
    schedule.end(first, done(b"people of the first", Part.PEOPLE))
    assert schedule.memory(second, Part.PEOPLE) == b"people of the first"
    schedule.end(second, done(b"people of the second", Part.PEOPLE))
    third = take(schedule, first.pace)
    assert schedule.memory(third, Part.AVERAGES) == b"averages of the second"
    assert schedule.memory(third, Part.PEOPLE) == b"people of the second"
    schedule.averaged(second, b"said by a process that was late with it")
    assert schedule.memory(third, Part.AVERAGES) == b"averages of the second"


def test_who_waits_for_people_gives_the_last_segment_back_where_one_before_it_is_lost(clock: Clock) -> None:
    """Its averages are not lost with the process that had them: who does the segment again finds those before it."""
    schedule, tasks = of_tasks(2)
    lost, waiting = (take(schedule, schedule.joins(name)) for name in ("one", "two"))
    schedule.averaged(lost, b"averages")
    assert schedule.memory(waiting, Part.AVERAGES) == b"averages"
    schedule.end(lost, None)
    assert schedule.memory(waiting, Part.PEOPLE) is None
    schedule.end(waiting, None)
    again = take(schedule, waiting.pace)
    assert again.task is tasks[0]
    assert schedule.memory(again, Part.AVERAGES) == b""
