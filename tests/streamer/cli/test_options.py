"""Options made from the fields of classes of settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from streamer.cli import load_command
from streamer.cli.options import Given, time_option, with_options
from streamer.live.config import NOT_LIVE, SETTINGS
from streamer.settings import made


@dataclass(frozen=True)
class DoorSettings:
    """A door."""

    opens_after_s: float = 1.5
    """Delay before the door opens."""
    bell: bool = True
    """Ring a bell."""
    lock: bool = False
    """Lock the door
    behind everybody."""
    side: Literal["left", "right"] = "left"
    """Side of the hinges."""
    size: tuple[int, int] | None = None
    """(height, width) of the door."""
    guests: frozenset[str] = frozenset()
    """Names of those who may enter."""
    memory_bytes: int = 2_000_000
    """Memory of the lock."""
    closes_after_s: float | Literal["never"] = "never"
    """Delay before it closes."""
    colour: str = "green"
    """Colour of the door."""


def answers(*arguments: str) -> tuple[dict[str, object], float]:
    """What a command with these options is given."""
    heard: list[tuple[dict[str, object], float]] = []

    @with_options(DoorSettings, without={"colour"}, defaults={"lock": "on at night"})
    def command(given: Given, wait: Annotated[float, time_option("Patience.", default_s=3, min_s=1)] = 3.0) -> None:
        heard.append((dict(given), wait))

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return heard[0]


def test_only_what_was_given_is_told() -> None:
    assert answers() == ({}, 3.0)
    given, wait = answers(
        *("--opens-after", "250ms", "--no-bell", "--lock", "--side", "right", "--size", "20x10", "--wait", "1min"),
        *("--closes-after", "2min"),
        *("--guests", "Ann, Bob", "--guests", "Cy", "--memory", "3kB"),
    )
    assert wait == 60
    assert given == {
        "opens_after_s": 0.25,
        "bell": False,
        "lock": True,
        "side": "right",
        "size": (20, 10),
        "guests": ["Ann", "Bob", "Cy"],
        "memory_bytes": 3000,
        "closes_after_s": 120.0,
    }
    assert made(DoorSettings, given) == DoorSettings(
        0.25, False, True, "right", (20, 10), frozenset({"Ann", "Bob", "Cy"}), 3000, 120.0
    )
    assert answers("--closes-after", "never")[0] == {"closes_after_s": "never"}


def refusal(*arguments: str) -> str:
    @with_options(DoorSettings)
    def command(given: Given, wait: Annotated[float, time_option("Patience.", default_s=3, min_s=1)] = 3.0) -> None:
        raise AssertionError

    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--opens-after", "soon"), "'--opens-after': 'soon' is not a time; write it as 250ms, 30s, 10min or 1h"),
        (("--memory", "3"), "'--memory': '3' is not an amount of data; write it as 500MB or 2GB"),
        (("--size", "3"), "'--size': '3' is not a size; write it as HEIGHTxWIDTH"),
        (("--wait", "0.5"), "'--wait': it must be at least 1s, not 0.5"),
    ],
)
def test_what_cannot_be_read_names_the_option(arguments: tuple[str, ...], says: str) -> None:
    assert says in refusal(*arguments)


def help_of(command: object) -> Mapping[str, str]:
    """The help of each option of a command, as written."""
    return {str(each.opts[0]): str(each.help) for each in command.params if each.opts[0].startswith("--")}  # type: ignore[attr-defined]


def test_help_is_the_sentence_of_the_field_and_the_default() -> None:
    @with_options(DoorSettings, defaults={"lock": "on at night"})
    def command(given: Given) -> None: ...

    app = typer.Typer(add_completion=False)
    app.command()(command)
    told = help_of(typer.main.get_command(app))
    assert told == {
        "--opens-after": "Delay before the door opens. [default: 1.5s]",
        "--closes-after": "Delay before it closes. [default: never]",
        "--bell": "Ring a bell. [default: on]",
        "--lock": "Lock the door behind everybody. [default: on at night]",
        "--side": "Side of the hinges. [default: left]",
        "--size": "(height, width) of the door.",
        "--guests": "Names of those who may enter.",
        "--memory": "Memory of the lock. [default: 2MB]",
        "--colour": "Colour of the door. [default: green]",
    }


def test_help_has_the_groups_as_a_file_has_its_tables() -> None:
    panels = {str(each.opts[0]): each.rich_help_panel for each in load_command("run").params}
    for name, (group, setting) in SETTINGS.items():
        if name != "source":
            assert panels[setting.option] == group.capitalize()


def test_run_has_every_setting_of_a_stream() -> None:
    told = help_of(load_command("run"))
    for name, (_, setting) in SETTINGS.items():
        if name != "source":
            assert told.pop(setting.option).startswith(setting.sentence)
    assert told.keys() == {"--config", "--stream", "--log-format"}
    assert not {f"--{name.replace('_', '-')}" for name in NOT_LIVE} & help_of(load_command("run")).keys()


@pytest.mark.parametrize("name", ["run", "render", "evaluate"])
def test_help_shows_a_default_where_there_is_one(name: str) -> None:
    settings = {setting.option: setting for _, setting in SETTINGS.values()}
    for option, text in help_of(load_command(name)).items():
        setting = settings.get(option)
        if setting is not None and setting.default not in (None, False, frozenset(), ()):
            assert re.search(r"\[default: .+\]$", text), option


def test_render_and_evaluate_take_the_parser_as_run_does() -> None:
    run = help_of(load_command("run"))
    for name in ("render", "evaluate"):
        other = help_of(load_command(name))
        same = {option for option in other if option in run and option != "--force"}
        assert {"--size", "--runtime", "--precision", "--threads", "--model-dir"} <= same
        assert {option: run[option] for option in same} == {option: other[option] for option in same}
