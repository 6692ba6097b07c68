"""What is said of a running stream: figures that fit the terminal, and a line for each thing that happens."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Size
from streamer import Snapshot, StreamConfig
from streamer.cli.status import PLAIN_EVERY_S, Reporter, line_of, news_of, plan_of, summary_of, troubles_of
from streamer.errors import Cause, Loss
from streamer.live.sinks.snapshots import NotSaved, Saved
from streamer.live.stats import Drops, SinkEnd
from streamer.masks.headers import Percentiles

BUSY = Snapshot(
    captured=90_000,
    parsed=30_000,
    shown=89_000,
    drops=Drops(behind=1000),
    size=Size(256, 448),
    captured_hz=29.97,
    parsed_hz=11.31,
    shown_hz=29.97,
    shown_after=Percentiles(0.0201, 0.0402, 0.0603),
    parsed_after=Percentiles(0.101, 0.202, 0.303),
    mask_age=Percentiles(0.12, 0.24, 0.36),
)
LOSS = Loss(Cause.REFUSED, "cannot open rtsp://door/1: nobody listens there")
OFFLINE = replace(BUSY, offline_since_s=12.4, offline_s=12.4, last_loss=LOSS)


@pytest.mark.parametrize("columns", [20, 40, 77, 80, 120, 1000])
def test_the_line_fits_the_terminal(columns: int) -> None:
    for at in (Snapshot(), BUSY, OFFLINE):
        assert 0 < len(line_of(at, columns)) <= columns


def test_eighty_columns_hold_what_matters() -> None:
    line = line_of(BUSY, 77)
    for part in ("captured 30.0/s", "shown 30.0/s", "dropped 1000", "parsed 11.3/s", "masks 120 ms old"):
        assert part in line
    assert line_of(OFFLINE, 77).startswith("OFFLINE 12 s, ")


def test_without_a_limit_everything_is_said() -> None:
    assert line_of(BUSY).endswith("input 256x448")


def test_at_the_end_all_figures_and_troubles_are_told() -> None:
    back = replace(BUSY, repeated=7, reconnects=1, offline_s=15.2, last_loss=LOSS)
    counts, rates, delays, trouble = summary_of(back)
    assert (
        counts == "90000 captured, 89000 shown, 1000 dropped, 0 dropped at the end, 30000 parsed (7 of them recalled)"
    )
    assert rates == line_of(BUSY)
    assert delays.startswith("mask age 120 ms (p95 240, p99 360), shown after 20 ms (p95 40, p99 60), parsed after 101")
    assert trouble.startswith("reconnected once, ")


def test_what_happened_is_told_once() -> None:
    assert news_of(Snapshot(), BUSY) == []
    assert news_of(BUSY, OFFLINE) == [f"OFFLINE: {LOSS}"]
    assert news_of(OFFLINE, replace(OFFLINE, offline_since_s=14.0)) == []
    other = replace(OFFLINE, last_loss=Loss(Cause.AUTH, "the password is wrong"))
    assert news_of(OFFLINE, other) == ["OFFLINE: the password is wrong [auth]"]
    back = replace(BUSY, reconnects=1, offline_s=15.2, last_loss=LOSS)
    assert news_of(OFFLINE, back) == ["the source is back; offline 15.2 s in all"]
    assert news_of(back, back) == []


def test_sinks_that_end_and_files_that_are_saved_are_told() -> None:
    one = replace(BUSY, sinks_ended=(SinkEnd("window", "it was closed"),))
    both = replace(one, sinks_ended=(*one.sinks_ended, SinkEnd("recording", "the disk is full")))
    assert news_of(one, both) == ["the recording ended: the disk is full"]
    saves = (Saved(Path("a.png")), Saved(Path("b.png")), NotSaved("nothing is kept for clips"))
    first = replace(BUSY, saves=saves[:1], saves_total=1)
    assert news_of(BUSY, first) == ["wrote a.png"]
    assert news_of(first, replace(BUSY, saves=saves, saves_total=3)) == ["wrote b.png", "nothing is kept for clips"]
    # More were pressed than are kept.
    assert news_of(first, replace(BUSY, saves=saves[1:], saves_total=30)) == [
        "wrote b.png",
        "nothing is kept for clips",
    ]


def test_what_the_machine_is_too_slow_for_is_told() -> None:
    slow = replace(BUSY, too_slow_s=0.8, people_too_small=True, worker_restarts=2)
    news = news_of(BUSY, slow)
    assert news[0] == "the inference process was replaced 2 times"
    assert news[1] == "masks get 800 ms old at 256x448, and nothing smaller may be parsed"
    assert "people are too small for this machine" in news[2]
    assert news_of(slow, slow) == []
    assert troubles_of(slow) == news


def test_troubles_are_told_at_the_end() -> None:
    assert troubles_of(BUSY) == []
    back = replace(BUSY, reconnects=2, offline_s=15.2, last_loss=LOSS)
    assert troubles_of(back) == [f"reconnected 2 times, offline 15.2 s in all, the last time: {LOSS}"]
    assert troubles_of(OFFLINE) == [f"OFFLINE for 12 s: {LOSS}"]
    ended = replace(BUSY, sinks_ended=(SinkEnd("window", "it was closed"),), saves=(Saved(Path("a.png")),))
    assert troubles_of(ended) == ["the window ended: it was closed", "wrote a.png"]


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    log = Reporter(on_terminal=False)
    said = [log.lines(BUSY, 100.0 + tenth / 10) for tenth in range(int(30 * PLAIN_EVERY_S / 10) * 10 + 1)]
    lines = [line for lines in said for line in lines]
    assert lines == 3 * [line_of(BUSY)]
    assert log.lines(OFFLINE, 130.1) == [f"OFFLINE: {LOSS}"]


def test_on_a_terminal_only_what_happens_stays() -> None:
    reporter = Reporter(on_terminal=True)
    assert [reporter.lines(BUSY, now_s) for now_s in (0.0, 20.0, 40.0)] == [[], [], []]
    assert reporter.lines(OFFLINE, 41.0) == [f"OFFLINE: {LOSS}"]


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ({"window": True}, "test:, parsed by lite, goes to a window (h shows its keys)"),
        ({"record": "a.mp4"}, "test:, parsed by lite, goes to the file a.mp4, without a window"),
        (
            {"record": "a.mp4", "segment_s": 60.0, "window": True, "publish": "tcp://127.0.0.1:5556"},
            "test:, parsed by lite, goes to a window (h shows its keys), files named after a.mp4 and subscribers at"
            " tcp://127.0.0.1:5556",
        ),
    ],
)
def test_the_first_line_says_where_it_goes(options: dict[str, object], plan: str) -> None:
    assert plan_of(StreamConfig("test:", **options)) == plan  # type: ignore[arg-type]


def test_the_first_line_has_no_password() -> None:
    assert "secret" not in plan_of(StreamConfig("rtsp://me:secret@door/1", window=True))
