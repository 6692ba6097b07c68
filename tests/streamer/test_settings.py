"""What classes of settings say of themselves."""

import math
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from streamer.errors import ConfigError
from streamer.settings import above_0, at_least_0, made, names, settings_of, unknown


@dataclass(frozen=True)
class DoorSettings:
    """A door."""

    name: str
    """Name of
    the door."""
    opens_after_s: float = 1.5
    """Delay before the door opens."""
    silent_seconds: float | None = None
    memory_bytes: int = 2_000_000
    bell: Literal["auto", "loud", "off"] = "auto"
    folder: str | Path | None = None
    size: tuple[int, int] | None = None
    guests: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = field(default_factory=lambda: ("Ann",))
    closes_after_s: float | Literal["never"] = "never"

    def __post_init__(self) -> None:
        above_0(self, "opens_after_s", "silent_seconds")
        at_least_0(self, "memory_bytes")


SETTINGS = {each.field: each for each in settings_of(DoorSettings)}


def test_fields_have_their_sentences_and_defaults() -> None:
    assert list(SETTINGS) == list(DoorSettings.__annotations__)
    assert SETTINGS["name"].sentence == "Name of the door."
    assert SETTINGS["silent_seconds"].sentence == ""
    assert SETTINGS["name"].default is MISSING
    assert SETTINGS["hosts"].default == ("Ann",)


def test_names() -> None:
    setting = SETTINGS["opens_after_s"]
    assert (setting.flat, setting.short, setting.option) == ("opens_after_s", "opens_after", "--opens-after")
    setting = SETTINGS["name"]
    assert (setting.flat, setting.option, set(setting.keys)) == ("parser", "--parser", {"name", "parser"})


@pytest.mark.parametrize(
    ("setting", "given", "read"),
    [
        ("opens_after_s", "250ms", 0.25),
        ("opens_after_s", 2, 2.0),
        ("opens_after_s", "any", math.inf),
        ("silent_seconds", "1min", 60),
        ("closes_after_s", "never", "never"),
        ("closes_after_s", "1min", 60),
        ("closes_after_s", 3, 3.0),
        ("silent_seconds", None, None),
        ("memory_bytes", "3kB", 3000),
        ("memory_bytes", 12, 12),
        ("bell", "loud", "loud"),
        ("bell", True, "auto"),
        ("bell", False, "off"),
        ("folder", "x", "x"),
        ("folder", Path("x"), Path("x")),
        ("size", "20x10", (20, 10)),
        ("size", [20, 10], (20, 10)),
        ("guests", "Ann, Bob", frozenset({"Ann", "Bob"})),
        ("guests", ("Ann",), frozenset({"Ann"})),
        ("hosts", ["Bob", "Ann"], ("Bob", "Ann")),
    ],
)
def test_values_are_read(setting: str, given: object, read: object) -> None:
    assert SETTINGS[setting].read(given) == read
    assert type(SETTINGS[setting].read(given)) is type(read) or isinstance(read, tuple | float | int)


@pytest.mark.parametrize(
    ("setting", "given"),
    [("opens_after_s", True), ("memory_bytes", 1.5), ("bell", "shrill"), ("size", [1, 2, 3]), ("guests", 5)],
)
def test_what_is_of_another_type_is_refused(setting: str, given: object) -> None:
    with pytest.raises(ConfigError):
        SETTINGS[setting].read(given)


def test_made_takes_what_is_its_own() -> None:
    door = made(DoorSettings, {"parser": "front", "opens_after_s": "3s", "colour": "green"})
    assert door == DoorSettings("front", 3.0)
    assert made(DoorSettings, {"memory_bytes": 0}, door) == DoorSettings("front", 3.0, memory_bytes=0)
    with pytest.raises(ConfigError, match="size = '3' is not a size"):
        made(DoorSettings, {"parser": "front", "size": "3"})
    with pytest.raises(ConfigError, match=r"opens_after_s must be above 0, not 0\.0"):
        made(DoorSettings, {"parser": "front", "opens_after_s": 0})
    with pytest.raises(ConfigError, match="memory_bytes must be 0 or more, not -1"):
        made(DoorSettings, {"parser": "front", "memory_bytes": -1})


def test_lists_and_names_that_there_are_not() -> None:
    assert names(" Ann,,Bob ") == ["Ann", "Bob"]
    assert str(unknown("opns", ["opens", "shuts"])) == "no setting 'opns'; did you mean 'opens'?"
    assert str(unknown("x", ["opens", "shuts"], "table")) == "no table 'x'; there are: opens, shuts"
