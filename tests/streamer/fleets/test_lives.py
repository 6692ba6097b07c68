"""The counters of a camera that was on several machines."""

from dataclasses import replace

import pytest

from streamer.errors import Cause, Loss
from streamer.fleets.lives import SILENT_S, Life, Lives
from streamer.live.config import StreamConfig
from streamer.live.news import news_of
from streamer.live.stats import Drops, SinkEnd, Snapshot

CONFIG = StreamConfig("test:", record="a.mp4")
FIRST = Snapshot(
    captured=10, shown=7, waiting=2, drops=Drops(behind=1), parsed=4, came="96x128", captured_hz=20.0, offline_s=1.0
)


def test_counts_go_on_and_all_frames_are_accounted_for() -> None:
    lives = Lives()
    assert lives.at(0.0) == Snapshot()
    lives.seen(Life("one", FIRST, CONFIG), 1.0)
    assert lives.at(1.0) == FIRST
    lives.lost("one died", 2.0)
    lost = lives.at(5.0)
    assert (lost.captured, lost.shown, lost.waiting, lost.drops) == (10, 7, 0, Drops(behind=1, at_end=2))
    assert (lost.offline_since_s, lost.offline_s, lost.captured_hz) == (3.0, 4.0, 0.0)
    assert lost.last_loss == Loss(Cause.FAILED, "one died")
    lives.seen(Life("two", Snapshot(), CONFIG), 6.0)
    assert lives.at(6.0).offline_since_s == 4.0
    ended = (SinkEnd("masks", "full"),)
    lives.seen(Life("two", Snapshot(captured=3, shown=3, came="now", sinks_ended=ended), CONFIG), 8.0)
    back = lives.at(9.0)
    assert (back.captured, back.shown, back.parsed, back.reconnects, back.came) == (13, 10, 4, 1, "now")
    assert (back.offline_since_s, back.offline_s) == (None, 7.0)
    assert back.captured == back.shown + back.drops.total + back.waiting
    assert [each.event for each in news_of(lost, back)] == ["back", "sink_ended"]
    assert [(each.node, each.at.captured) for each in lives.all] == [("one", 10), ("two", 3)]


def test_what_dies_before_it_begins_is_lost_from_the_first_time_on() -> None:
    lives = Lives()
    lives.lost("one", 1.0)
    lives.lost("two", 4.0)
    assert (lives.at(5.0).offline_since_s, str(lives.at(5.0).last_loss)) == (4.0, "two [failed]")
    lives.seen(Life("three", Snapshot(captured=1, shown=1), CONFIG), 6.0)
    assert (lives.at(6.0).reconnects, lives.at(6.0).offline_s) == (0, 5.0)
    assert len(lives.all) == 1


def test_a_camera_that_is_offline_itself_says_why() -> None:
    lives = Lives()
    lives.lost("one died", 1.0)
    off = Snapshot(offline_since_s=2.0, offline_s=2.0, last_loss=Loss(Cause.REFUSED, "nobody there"))
    lives.seen(Life("two", off, CONFIG), 5.0)
    assert (lives.at(5.0).offline_since_s, lives.at(5.0).last_loss) == (4.0, off.last_loss)


@pytest.mark.parametrize(("silent_s", "since_s"), [(SILENT_S - 0.1, None), (SILENT_S, SILENT_S)])
def test_a_machine_that_does_not_answer_is_offline(silent_s: float, since_s: float | None) -> None:
    lives = Lives()
    lives.seen(Life("one", replace(FIRST, offline_s=0.0), CONFIG), 1.0)
    at = lives.at(1.0 + silent_s)
    assert at.offline_since_s == since_s
    if since_s is not None:
        assert str(at.last_loss) == "one does not answer [timeout]"
