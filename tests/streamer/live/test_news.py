"""What happened to a stream, from two states of its counters."""

from dataclasses import replace
from pathlib import Path

from pipeline import Size
from streamer import Snapshot
from streamer.errors import Cause, Loss
from streamer.live.news import news_of, troubles_of
from streamer.live.sinks.snapshots import NotSaved, Saved
from streamer.live.stats import SinkEnd

BUSY = Snapshot(captured=90_000, parsed=30_000, shown=89_000, size=Size(256, 448))
LOSS = Loss(Cause.REFUSED, "cannot open rtsp://door/1: nobody listens there")
OFFLINE = replace(BUSY, offline_since_s=12.4, offline_s=12.4, last_loss=LOSS)


def told(before: Snapshot, at: Snapshot) -> list[str]:
    return [each.text for each in news_of(before, at)]


def test_what_happened_is_told_once() -> None:
    assert told(Snapshot(), BUSY) == []
    assert told(BUSY, OFFLINE) == [f"OFFLINE: {LOSS}"]
    assert told(OFFLINE, replace(OFFLINE, offline_since_s=14.0)) == []
    other = replace(OFFLINE, last_loss=Loss(Cause.AUTH, "the password is wrong"))
    assert told(OFFLINE, other) == ["OFFLINE: the password is wrong [auth]"]
    back = replace(BUSY, reconnects=1, offline_s=15.2, last_loss=LOSS)
    assert told(OFFLINE, back) == ["the source is back; offline 15.2 s in all"]
    assert told(back, back) == []


def test_sinks_that_end_and_files_that_are_saved_are_told() -> None:
    one = replace(BUSY, sinks_ended=(SinkEnd("window", "it was closed"),))
    both = replace(one, sinks_ended=(*one.sinks_ended, SinkEnd("recording", "the disk is full")))
    assert told(one, both) == ["the recording ended: the disk is full"]
    saves = (Saved(Path("a.png")), Saved(Path("b.png")), NotSaved("nothing is kept for clips"))
    first = replace(BUSY, saves=saves[:1], saves_total=1)
    assert told(BUSY, first) == ["wrote a.png"]
    assert told(first, replace(BUSY, saves=saves, saves_total=3)) == ["wrote b.png", "nothing is kept for clips"]
    # More were pressed than are kept.
    assert told(first, replace(BUSY, saves=saves[1:], saves_total=30)) == [
        "wrote b.png",
        "nothing is kept for clips",
    ]


def test_what_the_machine_is_too_slow_for_is_told() -> None:
    slow = replace(BUSY, too_slow_s=0.8, people_too_small=True, worker_restarts=2)
    news = told(BUSY, slow)
    assert news[0] == "the inference process was replaced 2 times"
    assert news[1] == "masks get 800 ms old at 256x448, and nothing smaller may be parsed"
    assert "people are too small for this machine" in news[2]
    assert told(slow, slow) == []
    assert troubles_of(slow) == news


def test_a_machine_that_is_too_slow_for_all_pictures_is_told_with_the_cure() -> None:
    losing = replace(BUSY, left_out=0.374)
    (news,) = news_of(BUSY, losing)
    assert news.event == "left_out"
    assert news.text.startswith("37% of the pictures are left out")
    assert "--preset ultrafast" in news.text
    assert news.details == {"share": 0.374}
    assert told(losing, replace(losing, left_out=0.5)) == []
    assert troubles_of(losing) == [news.text]


def test_troubles_are_told_at_the_end() -> None:
    assert troubles_of(BUSY) == []
    back = replace(BUSY, reconnects=2, offline_s=15.2, last_loss=LOSS)
    assert troubles_of(back) == [f"reconnected 2 times, offline 15.2 s in all, the last time: {LOSS}"]
    assert troubles_of(OFFLINE) == [f"OFFLINE for 12 s: {LOSS}"]
    ended = replace(BUSY, sinks_ended=(SinkEnd("window", "it was closed"),), saves=(Saved(Path("a.png")),))
    assert troubles_of(ended) == ["the window ended: it was closed", "wrote a.png"]


def test_a_loss_between_two_looks_is_told() -> None:
    back = replace(BUSY, reconnects=1, offline_s=0.2, last_loss=LOSS)
    assert told(BUSY, back) == [f"OFFLINE: {LOSS}", "the source is back; offline 0.2 s in all"]


def test_programs_are_told_a_word_and_the_details() -> None:
    (offline,) = news_of(BUSY, OFFLINE)
    assert (offline.event, offline.details) == ("offline", {"why": LOSS.why, "cause": "refused"})
    (back,) = news_of(OFFLINE, replace(BUSY, reconnects=1, offline_s=15.2, last_loss=LOSS))
    assert (back.event, back.details) == ("back", {"offline_s": 15.2, "reconnects": 1})
    ended = replace(BUSY, sinks_ended=(SinkEnd("window", "it was closed"),), saves_total=1, saves=(Saved(Path("a")),))
    assert [(each.event, each.details) for each in news_of(BUSY, ended)] == [
        ("sink_ended", {"sink": "window", "why": "it was closed"}),
        ("saved", {"path": "a"}),
    ]
    assert [each.event for each in news_of(BUSY, replace(BUSY, saves=(NotSaved("no"),), saves_total=1))] == [
        "not_saved"
    ]


def test_what_came_is_told_when_the_source_is_there() -> None:
    there = replace(Snapshot(), came="720x1280 at 25/s")
    assert told(Snapshot(), there) == ["the source is there: 720x1280 at 25/s"]
    assert told(there, there) == []
