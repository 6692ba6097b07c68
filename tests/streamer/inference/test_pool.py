"""Several streams at the same inference processes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import numpy as np
import psutil
import pytest

from pipeline import Frame, ParserSettings, Size, load_parser
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer import open_source
from streamer.errors import WorkerDied
from streamer.inference import pool as pools
from streamer.inference.losses import Losses, LossesBeside
from streamer.inference.pool import Plan, Pool, plan_for
from streamer.inference.seat import Seat
from streamer.inference.turn import Turns
from streamer.inference.worker import MAX_RESTARTS
from tests.support.paths import STREET
from tests.support.waiting import eventually

SMALL, LARGE = Size(64, 96), Size(384, 576)
QUICK = ParserSettings(runtime="onnx")
"""The runtime that loads fastest."""
NEVER = threading.Event()
DEADLINE_S = 60.0

Picture_ = tuple[Picture, Letterbox, float]


@pytest.mark.parametrize(
    ("settings", "streams", "plan"),
    [
        (ParserSettings(), 1, Plan(1, None)),
        (ParserSettings(), 2, Plan(4, 1)),
        (ParserSettings(), 9, Plan(4, 1)),
        (ParserSettings(threads=2), 1, Plan(1, 2)),
        (ParserSettings(threads=2), 9, Plan(2, 2)),
        (ParserSettings(threads=8), 9, Plan(1, 8)),
        (ParserSettings("m2fp"), 9, Plan(1, None)),
    ],
)
def test_how_many_processes_and_threads(settings: ParserSettings, streams: int, plan: Plan) -> None:
    assert plan_for(settings, streams, cores=4) == plan


def test_turns_are_taken_in_order() -> None:
    turns, order = Turns(), list[int]()

    def take(number: int) -> None:
        with turns.turn(NEVER) as has_it:
            assert has_it
            order.append(number)

    with ThreadPoolExecutor(4) as threads:
        with turns.turn(NEVER):
            for number in range(4):
                threads.submit(take, number)
                assert eventually(lambda number=number: len(turns._waiting) == number + 2)  # type: ignore[misc]
            assert order == []
    assert order == [0, 1, 2, 3]


def test_who_is_stopped_waits_for_no_turn() -> None:
    turns, stop = Turns(), threading.Event()
    stop.set()
    with turns.turn(NEVER), turns.turn(stop) as has_it:
        assert not has_it
    with turns.turn(NEVER) as has_it:
        assert has_it


def test_streams_are_spread_over_the_processes() -> None:
    """None of which is started before it has a picture."""
    pool = Pool(ParserSettings(), cores=2)
    keys = [pool.join() for _ in range(5)]
    alone, *single = pool.processes
    assert (alone.threads, alone.streams) == (None, {keys[0]})  # until a process with one thread is ready
    assert [each.threads for each in single] == [1, 1]
    assert sorted(len(each.streams) for each in single) == [2, 3]
    for key in keys[1:]:
        pool.leave(key)
    pool.end_unused()
    assert pool.processes == [alone]
    pool.leave(keys[0])
    pool.end_unused()
    assert pool.processes == []


def test_each_stream_is_told_once_what_the_others_lost() -> None:
    losses = Losses()
    one, other = LossesBeside(losses), LossesBeside(losses)
    assert one.news(3) == 0
    assert (other.news(2), other.news(0)) == (3, 0)
    assert (one.news(0), one.news(0)) == (2, 0)
    assert LossesBeside(losses).news(0) == 0, "what was lost before it came is none of its business"


def test_streams_with_other_parsers_are_told_too() -> None:
    """They share the machine, and not its processes."""
    one, other = Seat(ParserSettings()), Seat(ParserSettings(sensitivity="high"))
    assert one.lost(5) == 0
    assert (other.lost(0), other.lost(0)) == (5, 0)


@pytest.fixture(scope="module")
def street() -> list[Frame]:
    with open_source(STREET) as source:
        return list(islice(source, 60, 66))


def seen(frame: Frame, size: Size = SMALL) -> Picture_:
    fit = Letterbox.into(frame.size, size)
    return fit.shrink(frame.picture), fit, frame.pts_s


def children() -> list[int]:
    return sorted(each.pid for each in psutil.Process().children())


@pytest.fixture
def seats(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Seat]]:
    """Makes seats; the machine has as many cores as it is told."""
    taken: list[Seat] = []

    def take(cores: int = 1, settings: ParserSettings = QUICK) -> Seat:
        monkeypatch.setattr(pools, "usable_cores", lambda: cores)
        taken.append(Seat(settings))
        return taken[-1].__enter__()

    yield take
    for seat in taken:
        seat.__exit__()


def parsed(seat: Seat, picture: Picture_) -> Reading:
    """Where the first one may take long."""
    reading: Reading | None = None

    def came() -> bool:
        nonlocal reading
        try:
            reading = seat.infer(*picture, NEVER)
        except WorkerDied:  # of a machine that is too busy to answer in 10 s
            return False
        return reading is not None

    assert eventually(came, DEADLINE_S)
    assert reading is not None
    return reading


@pytest.mark.process
def test_each_stream_has_a_memory_of_its_own(street: list[Frame], seats: Callable[..., Seat]) -> None:
    """Answers are averaged over time: those of another stream must not come in between."""
    settings = replace(QUICK, threads=1)
    one, other = seats(1, settings), seats(1, settings)
    alone = [load_parser(settings) for _ in range(2)]
    for first, second in zip(street, reversed(street), strict=True):
        for seat, parser, frame in ((one, alone[0], first), (other, alone[1], replace(second, pts_s=first.pts_s))):
            expected = parser.infer(*seen(frame))
            np.testing.assert_array_equal(parsed(seat, seen(frame)).labels, expected.labels)
    assert len(children()) == 1


@pytest.mark.process
def test_a_second_stream_moves_the_first_without_a_gap(street: list[Frame], seats: Callable[..., Seat]) -> None:
    one = seats(2)
    parsed(one, seen(street[0]))
    (alone,) = children()
    other = seats(2)
    assert one.infer(*seen(street[1]), NEVER) is not None  # where it was: the other process is not ready yet
    assert alone in children()

    def moved() -> bool:
        parsed(one, seen(street[2]))
        parsed(other, seen(street[2]))
        return alone not in children()

    assert eventually(moved, DEADLINE_S)
    assert len(children()) == 2
    assert (one.restarts, other.restarts) == (0, 0)


@pytest.mark.process
def test_a_crash_is_told_to_those_it_touches(street: list[Frame], seats: Callable[..., Seat]) -> None:
    settings = replace(QUICK, threads=1)
    one, other, third = (seats(2, settings) for _ in range(3))
    picture = seen(street[0])
    for seat in (one, other, third):
        parsed(seat, picture)
    process = one._process
    assert process is third._process is not other._process
    assert process is not None
    assert process.worker.pid is not None
    os.kill(process.worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        one.infer(*picture, NEVER)
    for seat in (one, other, third):
        parsed(seat, picture)
    assert (one.restarts, other.restarts, third.restarts) == (1, 0, 1)
    assert (one.restarts_left, third.restarts_left) == (MAX_RESTARTS, MAX_RESTARTS)


@pytest.mark.process
def test_a_stream_that_stops_leaves_the_process_to_the_others(street: list[Frame], seats: Callable[..., Seat]) -> None:
    settings = replace(QUICK, threads=1)
    one, other = seats(1, settings), seats(1, settings)
    for size in (SMALL, LARGE):
        parsed(one, seen(street[0], size))
    before = children()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(one.infer, *seen(street[1], LARGE), stop)
        assert eventually(lambda: one._process is not None and _is_asked(one), DEADLINE_S)
        stop.set()
        call.result(DEADLINE_S)
    one.__exit__()
    reading = parsed(other, seen(street[2]))
    assert reading.labels.shape == parsed(other, seen(street[2])).labels.shape
    assert children() == before
    assert other.restarts == 0


def _is_asked(seat: Seat) -> bool:
    assert seat._process is not None
    child = seat._process.worker._child
    return child is not None and child.unanswered


@pytest.mark.process
def test_who_dies_again_and_again_gives_up_and_the_others_go_on(
    street: list[Frame], seats: Callable[..., Seat]
) -> None:
    settings = replace(QUICK, threads=1)
    poison, healthy = seats(1, settings), seats(1, settings)
    picture = seen(street[0])
    for death in range(MAX_RESTARTS + 1):
        assert poison.restarts_left == MAX_RESTARTS - max(0, death - 1)
        parsed(healthy, picture)
        poison.infer(*picture, NEVER)
        assert poison._process is not None
        assert poison._process.worker.pid is not None
        os.kill(poison._process.worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            poison.infer(*picture, NEVER)
    assert poison.restarts_left == 0
    assert "restarted 5 times" in str(poison.given_up)
    parsed(healthy, picture)
    assert healthy.restarts_left == MAX_RESTARTS
