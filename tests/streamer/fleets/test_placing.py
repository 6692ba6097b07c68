"""Cameras on machines, by the cores that they take."""

import pytest

from streamer.cluster.nodes import Machine, Place
from streamer.errors import ConfigError
from streamer.fleets.placing import MEASURED_OVER_S, Ledger, Meter, assumed_cores, whole
from streamer.live.config import StreamConfig


def machines(**cores: float) -> list[Machine]:
    return [Machine(name, name, "10.0.0.1", each) for name, each in cores.items()]


def test_what_a_camera_is_given_until_it_is_measured() -> None:
    # 25 parsings of 16 ms, and 0.1 core for the rest
    assert assumed_cores(StreamConfig("rtsp://a/1")) == 0.5
    assert assumed_cores(StreamConfig("rtsp://a/1", parse_hz=5)) == 0.18
    assert assumed_cores(StreamConfig("rtsp://a/1", parse_hz=5, record="a.mp4")) == 0.58
    assert assumed_cores(StreamConfig("rtsp://a/1", parse_hz=1000)) == 0.5
    assert assumed_cores(StreamConfig("rtsp://a/1", parser="m2fp", threads=4)) == 4.1
    assert (whole(0.101), whole(0.0), whole(1.0)) == (0.11, 0.05, 1.0)


def test_what_a_camera_takes_is_the_most_over_half_a_minute() -> None:
    meter = Meter()
    meter.seen(100.0, 7.0)
    meter.seen(100.0 + MEASURED_OVER_S - 1, 40.0)
    assert meter.cores is None
    meter.seen(100.0 + MEASURED_OVER_S, 7.0 + 0.25 * MEASURED_OVER_S)
    assert meter.cores == 0.25
    meter.seen(100.0 + 2 * MEASURED_OVER_S, 7.0 + 0.35 * MEASURED_OVER_S)
    assert meter.cores == 0.25
    meter.begin()  # elsewhere: other clocks
    meter.seen(3.0, 1.0)
    assert meter.cores == 0.25
    meter.seen(3.0 + MEASURED_OVER_S, 1.0 + 0.5 * MEASURED_OVER_S)
    assert meter.cores == 0.5


def test_cameras_are_spread_and_no_machine_is_given_more_than_it_has() -> None:
    ledger = Ledger(dict.fromkeys("abcdef", 0.3))
    plan = ledger.plan(machines(head=0.0, one=1.0, two=1.0))
    assert sorted(place.machine for place in plan.values()) == ["one"] * 3 + ["two"] * 3
    with pytest.raises(ConfigError, match=r"room for 6 of 7 cameras: they need 2\.10 cores, and it has 2 machines of"):
        Ledger(dict.fromkeys("abcdefg", 0.3)).plan(machines(one=1.0, two=1.0))


def test_what_would_not_fit_if_it_were_spread_is_packed() -> None:
    plan = Ledger({"a": 2.0, "b": 2.0, "c": 2.0, "d": 3.0}).plan(machines(one=5.0, two=4.0))
    assert plan["d"].machine == "one"
    assert [plan[each].machine for each in "abc"].count("two") == 2


def test_one_that_needs_more_than_any_machine_has_is_alone_on_the_largest() -> None:
    ledger = Ledger({"a": 1.1, "b": 0.2})
    assert ledger.plan(machines(one=1.0, two=0.5)) == {"a": Place("one", 1.0), "b": Place("two", 0.2)}
    with pytest.raises(ConfigError, match="room for 0 of 1 cameras"):
        Ledger({"a": 0.5}).plan(machines(head=0.0))


def test_a_camera_goes_elsewhere_if_there_is_room_and_else_where_it_was() -> None:
    ledger = Ledger({"a": 0.5, "b": 0.5})
    both = machines(one=1.0, two=0.6)
    assert ledger.place("a", both) == Place("one", 0.5)
    assert ledger.place("a", both, ["one"]) == Place("two", 0.5)
    assert ledger.place("b", both, ["one"]) == Place("one", 0.5)
    assert ledger.place("b", both[1:]) is None
    ledger.release("a")
    assert ledger.place("b", both[1:]) == Place("two", 0.5)


def test_what_is_measured_counts_where_it_is_if_it_is_more_and_where_it_goes() -> None:
    ledger = Ledger({"a": 0.5, "b": 0.5})
    one, both = machines(one=1.0), machines(one=1.0, two=1.0)
    assert None not in [ledger.place(each, one) for each in "ab"]
    ledger.measured("a", 0.3)
    assert ledger.overfull(one) == []
    ledger.measured("b", 0.7)
    (full,) = ledger.overfull(one)
    assert (full.machine.id, full.cameras, full.cores) == ("one", ("a", "b"), pytest.approx(1.2))
    assert ledger.place("a", both, ["one"]) == Place("two", 0.3)
    assert ledger.overfull(both) == []
