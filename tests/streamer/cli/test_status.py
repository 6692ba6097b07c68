"""What is said of a running stream: figures that fit the terminal, and a line for each thing that happens."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Size
from streamer import Snapshot, StreamConfig
from streamer.cli.status import PLAIN_EVERY_S, Reporter, figures_of, line_of, plan_of, summary_of
from streamer.errors import Cause, Loss
from streamer.live.sinks.snapshots import Saved
from streamer.live.stats import Drops
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


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    log = Reporter(on_terminal=False)
    said = [log.news(BUSY, 100.0 + tenth / 10) for tenth in range(int(30 * PLAIN_EVERY_S / 10) * 10 + 1)]
    assert [(each.event, each.text) for news in said for each in news] == 3 * [("figures", line_of(BUSY))]
    assert [each.text for each in log.news(OFFLINE, 130.1)] == [f"OFFLINE: {LOSS}"]


def test_on_a_terminal_only_what_happens_stays() -> None:
    reporter = Reporter(on_terminal=True)
    assert [reporter.news(BUSY, now_s) for now_s in (0.0, 20.0, 40.0)] == [[], [], []]
    assert [each.text for each in reporter.news(OFFLINE, 41.0)] == [f"OFFLINE: {LOSS}"]


def test_what_comes_and_goes_is_told_once_a_minute() -> None:
    """A busy machine lost people and found them again each second, and told it each time."""
    reporter = Reporter(on_terminal=True)
    small, losing = replace(BUSY, people_too_small=True), replace(BUSY, left_out=0.2)
    told = [
        (second, each.event)
        for second in range(0, 130, 2)
        for now_s, at in ((second, small), (second + 0.5, BUSY), (second + 1, losing))
        for each in reporter.news(at, now_s)
    ]
    assert told == [(second, event) for second in (0, 60, 120) for event in ("too_small", "left_out")]


def test_the_figures_are_json() -> None:
    figures = json.loads(json.dumps(figures_of(replace(OFFLINE, saves=(Saved(Path("a.png")),)))))
    assert (figures["captured"], figures["size"], figures["offline_since_s"]) == (90_000, [256, 448], 12.4)
    assert figures["mask_age"] == {"p50_s": 0.12, "p95_s": 0.24, "p99_s": 0.36}
    assert figures["last_loss"] == {"cause": "refused", "why": LOSS.why}


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
