"""What will hold, on machines and cameras made up."""

import pytest

from pipeline import Size
from streamer.diagnose.capacity import MAX_USED, Costs, Way, best, cameras_at_once, forecast

FAST = Way("lite", Size(256, 448), takes_s=0.008, cpu_s=0.014)
SLOW = Way("m2fp", Size(480, 640), takes_s=0.3, cpu_s=0.55)
CHEAP = Costs(decode_s=0.002, draw_s=0.002)


def test_a_machine_with_room_parses_every_frame() -> None:
    expected = forecast(FAST, 30.0, CHEAP, cores=2)
    assert (expected.shown_hz, expected.parse_hz) == (30.0, 30.0)
    assert 0.008 <= expected.mask_age_s < 0.012
    assert expected.load == pytest.approx(30 * (0.004 + 0.014) / 2)


def test_a_slow_parser_parses_as_often_as_what_is_left_allows() -> None:
    expected = forecast(SLOW, 30.0, CHEAP, cores=2)
    assert expected.shown_hz == 30.0
    assert 2.4 < expected.parse_hz <= (2 * MAX_USED - 30 * 0.004) / 0.55
    assert 0.6 < expected.mask_age_s < 0.8
    assert expected.load <= MAX_USED + 1e-9


def test_what_shows_frames_takes_its_time_from_the_network() -> None:
    """Of 1.7 cores showing has 0.9, so that a parsing takes as much longer."""
    expected = forecast(FAST, 30.0, Costs(decode_s=0.01, draw_s=0.02), cores=2)
    assert expected.mask_age_s == pytest.approx(FAST.takes_s * 1.7 / 0.8)


def test_where_showing_takes_everything_nothing_is_parsed_and_frames_are_lost() -> None:
    expected = forecast(FAST, 60.0, Costs(0.02, 0.01, 0.03), cores=2)
    assert expected.shown_hz == pytest.approx(MAX_USED * 2 / 0.06)
    assert expected.parse_hz == 0
    assert expected.mask_age_s == float("inf")


def test_more_cores_never_make_it_worse() -> None:
    ages = [forecast(SLOW, 30.0, CHEAP, cores).mask_age_s for cores in (1, 2, 4, 8)]
    assert ages == sorted(ages, reverse=True)


def test_cameras_at_once_are_as_many_as_fit_and_fewer_when_they_are_recorded() -> None:
    small = Way("lite", Size(160, 288), takes_s=0.004, cpu_s=0.01)
    number = cameras_at_once(small, 25.0, CHEAP, cores=2)
    assert number == int(1.7 / (25 * 0.004 + 8 * 0.01)) == 9
    assert cameras_at_once(small, 25.0, Costs(0.002, 0.002, 0.03), cores=2) == 1
    assert cameras_at_once(small, 25.0, Costs(0.02, 0.03, 0.03), cores=2) == 0
    assert cameras_at_once(small, 5.0, CHEAP, cores=2) == int(1.7 / (5 * 0.014))  # not parsed more often than it comes


def test_the_largest_input_that_holds_is_best_and_else_the_youngest_masks() -> None:
    small = Way("lite", Size(128, 224), takes_s=0.003, cpu_s=0.004)
    every = [forecast(way, 30.0, CHEAP, 2) for way in (small, FAST, SLOW)]
    assert best(every, 0.25) is every[1]
    assert best(every, 1.0) is every[2]
    assert best(every, 0.001) is every[0]
    assert best([], 0.25) is None
