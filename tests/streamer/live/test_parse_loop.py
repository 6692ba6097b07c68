"""Who waits for which parsing, and when the next one is due."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from pipeline import CIHP, Parsing, Size
from streamer.live.latest import LatestParsings
from streamer.live.parse import Pace
from tests.support.waiting import PATIENCE_S, eventually

NOBODY = Parsing(
    np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), (), CIHP, 0, 0.0, 0.0, Size(4, 4), 0.0, carried_from=0
)


def of(frame_index: int) -> Parsing:
    return replace(NOBODY, frame_index=frame_index)


def test_pace_keeps_its_period_and_makes_up_for_nothing() -> None:
    pace = Pace()
    assert pace.wait_s(100.0) == 0
    pace.begin(100.0, 0.1)
    assert pace.wait_s(100.0) == pytest.approx(0.1)
    pace.begin(100.15, 0.1)  # a little late, and the one after it is due as if it had not been
    assert pace.wait_s(100.15) == pytest.approx(0.05)
    pace.begin(200.0, 0.1)
    assert pace.wait_s(200.0) == pytest.approx(0.1)


def test_no_pace_is_always_due() -> None:
    pace = Pace()
    for now_s in (0.0, 1.0, 1.0):
        assert pace.wait_s(now_s) == 0
        pace.begin(now_s, 0.0)


def waiting_for(newest: LatestParsings, frame_index: int) -> "tuple[threading.Thread, list[Parsing | None]]":
    got: list[Parsing | None] = []
    # For longer than the tests wait: what is waited for without need is not there in their time.
    wait_s = 5 * PATIENCE_S
    thread = threading.Thread(target=lambda: got.append(newest.wait_for(frame_index, wait_s)), daemon=True)
    thread.start()
    return thread, got


def test_a_frame_that_is_being_parsed_is_waited_for() -> None:
    newest = LatestParsings()
    newest.end(of(1))
    newest.ready()
    thread, got = waiting_for(newest, 2)
    newest.begin(2)
    assert not got
    newest.end(of(2))
    thread.join(PATIENCE_S)
    assert got[0] is not None
    assert got[0].frame_index == 2


@pytest.mark.parametrize("begun", [1, 3])
def test_a_frame_that_is_not_being_parsed_is_not_waited_for(begun: int) -> None:
    newest = LatestParsings()
    newest.end(of(0))
    newest.begin(begun)
    thread, got = waiting_for(newest, 2)
    assert eventually(lambda: bool(got))
    thread.join()
    assert got[0] is not None
    assert got[0].frame_index == 0


def test_one_that_fails_is_not_waited_for_any_longer() -> None:
    newest = LatestParsings()
    newest.begin(2)
    thread, got = waiting_for(newest, 2)
    newest.end(None)
    thread.join(PATIENCE_S)
    assert got == [None]


def test_waiting_ends_in_time() -> None:
    newest = LatestParsings()
    newest.begin(2)
    assert newest.wait_for(2, 0.01) is None
