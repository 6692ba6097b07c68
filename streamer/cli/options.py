"""The options of commands, made from the fields of classes of settings; and those that several commands share."""

import inspect
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from pipeline import Size
from streamer.errors import ConfigError
from streamer.log import use_json
from streamer.settings import Setting, names, settings_of
from streamer.units import bytes_text, duration_text, read_bytes, read_duration, read_size

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Given = Mapping[str, object]
"""The settings that were given on a command line, by their names outside of the groups."""
Command = Callable[..., None]
Value = TypeVar("Value")

_METAVARS: Mapping[Any, str] = {read_size: "HxW", read_duration: "TIME", read_bytes: "SIZE"}


def with_options(
    *groups: "type[DataclassInstance]",
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
    tables: Mapping[str, type] | None = None,
) -> Callable[[Command], Command]:
    """A decorator that gives a command an option for each field of these classes, with the field's sentence.

    The command gets the options that were given as its argument `given`, by their names outside of the groups.

    Args:
        only: names of the fields that become options; None is all.
        without: names of fields that do not.
        defaults: what the help says of the default of some options, by the names of the fields.
        tables: the classes by the names of their tables in a TOML file, which head their options in the help.
    """

    def decorate(command: Command) -> Command:
        own = [each for each in inspect.signature(command).parameters.values() if each.name != "given"]
        options = {
            setting: _parameter(setting, panel=_panel(group, tables or {}), default=(defaults or {}).get(setting.field))
            for group in groups
            for setting in settings_of(group)
            if (only is None or setting.field in only) and setting.field not in without
        }

        def call(**values: Any) -> None:
            taken = {setting.flat: _value(setting, values.pop(setting.flat)) for setting in options}
            command(given={name: value for name, value in taken.items() if value is not None}, **values)

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in [*own, *options.values()]]
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        vars(call)["__signature__"] = inspect.Signature(parameters)
        return call

    return decorate


def _parameter(setting: Setting, panel: str, default: str | None) -> inspect.Parameter:
    shown = default or _shown(setting)
    details: dict[str, Any] = {"help": _help(setting.sentence, shown), "rich_help_panel": panel}
    kind, option, read = setting.kind, setting.option, setting.reader
    if kind is bool:
        option += f"/--no-{option[2:]}"
    elif setting.several:
        kind, details["metavar"] = list[str], "NAME,..."
    elif read is not None:
        either = "" if setting.word is None else f"{setting.word}|"
        kind, details["parser"], details["metavar"] = str, reading(setting.read_text), f"{either}{_METAVARS[read]}"
    elif setting.choices:
        kind, details["metavar"] = str, "|".join(setting.choices)
    typed: Any = Annotated[kind | None, typer.Option(option, show_default=False, **details)]
    return inspect.Parameter(setting.flat, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=typed)


def _help(sentence: str, default: str | None) -> str:
    return sentence if default is None else f"{sentence} [default: {default}]"


def _panel(group: type, tables: Mapping[str, type]) -> str:
    """The heading of a group's options in the help: the name of its table in a TOML file, or of its class."""
    names_of = {each: name for name, each in tables.items()}
    return names_of.get(group, group.__name__.removesuffix("Settings")).capitalize()


def _shown(setting: Setting) -> str | None:
    """The default as it would be given; None where the sentence says it, or nothing is on."""
    default = setting.default
    if isinstance(default, bool):
        return "on" if default else None
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or None
    if setting.reader is read_duration and isinstance(default, float):
        return duration_text(default)
    if setting.reader is read_bytes and isinstance(default, int):
        return bytes_text(default)
    return f"{default:g}" if isinstance(default, float) else str(default or "") or None


def _value(setting: Setting, value: Any) -> object:
    if not setting.several:
        return value
    return [name for each in value or () for name in names(each)] or None


def reading(read: Callable[[str], Value]) -> Callable[[Any], Value]:
    """A reader for an option: what it refuses is told with the option's name, and a default is as it is."""

    def parse(given: Any) -> Value:
        if not isinstance(given, str):
            return cast("Value", given)
        try:
            return read(given)
        except ConfigError as exc:
            raise typer.BadParameter(str(exc)) from exc

    return parse


def time_option(sentence: str, *, default_s: float, min_s: float) -> Any:
    """An option for a time that no class of settings has."""

    def read(text: str) -> float:
        seconds = read_duration(text)
        if seconds < min_s:
            raise ConfigError(f"it must be at least {duration_text(min_s)}, not {text}")
        return seconds

    told = _help(sentence, duration_text(default_s))
    return typer.Option(parser=reading(read), metavar="TIME", help=told, show_default=False)


class LogFormat(StrEnum):
    """How what happens is written to standard error."""

    text = "text"
    json = "json"

    def use(self) -> None:
        """For every line from now on."""
        if self is LogFormat.json:
            use_json()


Log = Annotated[
    LogFormat, typer.Option("--log-format", help="How what happens is told: lines of text, or of JSON for programs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs to read.")]
Sizes = Annotated[
    list[Size] | None,
    typer.Option(
        "--size", parser=reading(read_size), metavar="HxW", help="A size of the network's input; repeat to compare."
    ),
]
