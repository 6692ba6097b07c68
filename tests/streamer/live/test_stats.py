"""Counting, and what is made of the counts; told the time, it needs none."""

from pathlib import Path

import pytest

from streamer.errors import Cause, Loss
from streamer.live.sinks.snapshots import Saved
from streamer.live.stats import MAX_SAVES, RATE_OVER_S, Stats


def test_rates_are_of_the_last_seconds() -> None:
    stats = Stats()
    for index in range(300):
        stats.captured(index / 30)
    for index in range(50):
        stats.parsed(index / 5, index / 5 - 0.04)
    at = stats.snapshot(299 / 30)
    assert at.captured_hz == pytest.approx(30)
    assert at.parsed_hz == pytest.approx(5)
    assert at.shown_hz == 0
    assert stats.snapshot(299 / 30 + RATE_OVER_S + 1).captured_hz == 0
    assert at.parsed_after.p50_s == pytest.approx(0.04)


def test_each_frame_is_accounted_for() -> None:
    stats = Stats()
    for index in range(10):
        stats.captured(index)
    for index in range(6):
        stats.shown(index, index - 0.02, 0.1 if index else None)
    stats.dropped("behind", 1)
    stats.dropped("behind", 2)
    stats.dropped("at_end", 1)
    at = stats.snapshot(10)
    assert (at.captured, at.shown, at.drops.behind, at.drops.at_end, at.waiting) == (10, 6, 2, 1, 1)
    assert at.captured == at.shown + at.drops.total + at.waiting
    assert at.mask_age.p95_s == pytest.approx(0.1)
    assert at.shown_after.p99_s == pytest.approx(0.02)
    nothing = at.without_sink()
    assert nothing.captured == nothing.shown + nothing.drops.total + nothing.waiting


def test_losses_of_the_source() -> None:
    stats = Stats()
    stats.lost(2.0, Loss(Cause.REFUSED, "nobody listens there"))
    stats.lost(3.0, Loss(Cause.TIMEOUT, "no answer in 10 s"))
    first = stats.snapshot(4.0)
    assert (first.reconnects, first.offline_s, first.offline_since_s) == (0, 2.0, 2.0)
    assert first.last_loss == Loss(Cause.TIMEOUT, "no answer in 10 s")
    stats.back(5.0)
    stats.captured(5.0)
    assert stats.snapshot(6.0).reconnects == 0  # it was not there before
    stats.lost(10.0, Loss(Cause.TIMEOUT, "no picture for 5 s"))
    stats.back(14.0)
    stats.back(15.0)
    at = stats.snapshot(20.0)
    assert (at.reconnects, at.offline_s, at.offline_since_s) == (1, 7.0, None)
    assert at.last_loss == Loss(Cause.TIMEOUT, "no picture for 5 s")


def test_percentiles() -> None:
    stats = Stats()
    for index in range(101):
        stats.shown(index, index - index / 1000, index / 100)
    at = stats.snapshot(101)
    assert at.mask_age.p50_s == pytest.approx(0.5)
    assert at.mask_age.p95_s == pytest.approx(0.95)


def test_the_totals_of_a_last_message() -> None:
    stats = Stats()
    for index in range(5):
        stats.captured(index)
    stats.shown(5, 4.75, 0.5)
    stats.parsed(5, 4.5)
    stats.dropped("behind", 2)
    stats.sink_ended("window", "it was closed")
    totals = stats.snapshot(5).totals()
    assert (totals.captured, totals.parsed, totals.shown) == (5, 1, 1)
    assert totals.dropped == {"behind": 2}
    assert totals.sinks_ended == ("window",)
    assert (totals.shown_after.p50_s, totals.parsed_after.p95_s, totals.mask_age.p99_s) == (0.25, 0.5, 0.5)


def test_of_many_saves_the_last_are_kept_and_all_are_counted() -> None:
    stats = Stats()
    for number in range(MAX_SAVES + 3):
        stats.saved(Saved(Path(f"{number}.png")))
    at = stats.snapshot(1.0)
    assert at.saves_total == MAX_SAVES + 3
    assert at.saves[-1] == Saved(Path(f"{MAX_SAVES + 2}.png"))
    assert len(at.saves) == MAX_SAVES
