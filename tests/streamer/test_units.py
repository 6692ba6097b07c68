"""Times, amounts of data and sizes as people write them."""

import math

import pytest

from pipeline import Size
from streamer.errors import ConfigError
from streamer.units import bytes_text, duration_text, read_bytes, read_duration, read_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("10min", 600),
        ("1.5 h", 5400),
        ("90", 90),
        (" 0.5 ", 0.5),
        ("0", 0),
        ("any", math.inf),
        ("inf", math.inf),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(("text", "count"), [("500MB", 500_000_000), ("2 GB", 2 * 10**9), ("1.5kB", 1500), ("0", 0)])
def test_amounts_of_data(text: str, count: int) -> None:
    assert read_bytes(text) == count


def test_sizes() -> None:
    assert read_size("256x448") == read_size("256X448") == Size(256, 448)


@pytest.mark.parametrize("text", ["10 days", "", "-1s", "s", "1e3", "1 min 5", "1m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time; write it as 250ms"):
        read_duration(text)


@pytest.mark.parametrize("text", ["500", "-1MB", "2 gigs", "MB"])
def test_what_is_no_amount_of_data(text: str) -> None:
    with pytest.raises(ConfigError, match="is not an amount of data; write it as 500MB or 2GB"):
        read_bytes(text)


@pytest.mark.parametrize("text", ["300", "300x", "x448", "-3x4", "big"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size; write it as HEIGHTxWIDTH"):
        read_size(text)


@pytest.mark.parametrize("text", ["250ms", "1s", "1.5s", "90min", "1h", "0s", "inf", "5s", "60ms"])
def test_a_time_is_written_as_it_is_read(text: str) -> None:
    assert duration_text(read_duration(text)) == text


@pytest.mark.parametrize("text", ["500MB", "1.5GB", "12B"])
def test_an_amount_of_data_is_written_as_it_is_read(text: str) -> None:
    assert bytes_text(read_bytes(text)) == text
