"""What classes of settings say of themselves: the names of their fields, the sentences below these, how text is read.

The command line and TOML files are made from this, so that a setting has one sentence and one way to be written.
"""

import ast
import inspect
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from streamer.errors import ConfigError
from streamer.units import read_bytes, read_duration, read_size

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Group = TypeVar("Group", bound="DataclassInstance")
T = TypeVar("T")

FLAT_NAMES = {
    "uri": "source",
    "name": "parser",
    "show": "window",
    "file": "record",
    "address": "publish",
    "sidecar": "masks",
    "hidden": "hide",
}
"""Fields that have another name where they stand without their group: `RecordSettings.file` is `record`."""

_UNITS = ("_s", "_bytes")
_SWITCH = ("off", "auto")
"""What false and true mean for a choice that has both."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of a class of settings."""

    group: type
    """The class."""
    field: str
    """Its name in the class."""
    type: Any
    default: object
    """`MISSING` where a value has to be given."""

    @property
    def sentence(self) -> str:
        """What it is for: the text below it in the class, on one line."""
        return _sentences(self.group).get(self.field, "")

    @property
    def flat(self) -> str:
        """Its name among the settings of all groups."""
        return FLAT_NAMES.get(self.field, self.field)

    @property
    def short(self) -> str:
        """The flat name without its unit: the values say their unit themselves."""
        return _without_unit(self.flat)

    @property
    def keys(self) -> tuple[str, ...]:
        """Its names in the table of its group in a TOML file."""
        return (self.field, _without_unit(self.field), self.flat, self.short)

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return f"--{self.short.replace('_', '-')}"

    @property
    def kind(self) -> Any:
        """Its type where a value is given, without None."""
        kinds = [each for each in _members(self.type) if each not in (type(None), Path)]
        return kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007  (of a list)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be, if it is one of some words."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def word(self) -> str | None:
        """The one word that may stand for a number; None where there is none."""
        members = _members(self.type)
        words = [get_args(each) for each in members if get_origin(each) is Literal]
        return words[0][0] if words and len(members) > 1 and not self.choices else None

    @property
    def several(self) -> bool:
        """Whether its value is a list of names."""
        return get_origin(self.kind) in (tuple, frozenset) and get_args(self.kind)[0] is str

    @property
    def reader(self) -> Callable[[str], object] | None:
        """Reads it from text, where it has a way of its own to be written."""
        if self.kind == tuple[int, int]:
            return read_size
        if self.field.endswith(("_s", "_seconds")):
            return read_duration
        return read_bytes if self.field.endswith("_bytes") else None

    def read_text(self, text: str) -> object:
        """Its value from text that its `reader` reads, or its `word`. Raises ConfigError."""
        return text if text == self.word or self.reader is None else self.reader(text)

    def read(self, value: object) -> object:
        """Its value as the class takes it, from what a TOML file or a caller gave. Raises ConfigError."""
        if value is None:
            return None
        if isinstance(value, str) and self.reader is not None:
            return self.read_text(value)
        if isinstance(value, bool) and set(_SWITCH) <= set(self.choices):
            value = _SWITCH[value]
        if isinstance(value, str) and self.several:
            value = names(value)
        if isinstance(value, Path) and self.kind is str:
            return value
        if self.choices and value not in self.choices:
            raise ConfigError(f"{value!r}: {self.short} is {' or '.join(self.choices)}")
        try:
            return msgspec.convert(value, self.kind)
        except msgspec.ValidationError as exc:
            raise ConfigError(f"{value!r}: {str(exc).lower()}") from exc


def names(text: str) -> list[str]:
    """The names in a list that is separated by commas."""
    return [name for each in text.split(",") if (name := each.strip())]


@cache
def settings_of(group: "type[DataclassInstance]") -> tuple[Setting, ...]:
    """What can be set in a class of settings, in the order of its fields."""
    types = get_type_hints(group)
    return tuple(Setting(group, each.name, types[each.name], _default(each)) for each in fields(group))


@cache
def _sentences(group: type) -> Mapping[str, str]:
    """The text below each field of a class: only its source has that."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(group)))
    body = [part for each in tree.body if isinstance(each, ast.ClassDef) for part in each.body]
    return {
        ast.unparse(field.target): " ".join(str(text.value.value).split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def made(group: type[Group], given: Mapping[str, object], base: Group | None = None) -> Group:
    """An object of settings from those of the given ones that are its own, by their flat names; others are left out.

    Args:
        base: has the rest of the values; None is the class's defaults.

    Raises:
        ConfigError: a value that cannot be read; and what the class itself raises.
    """
    values = {}
    for setting in settings_of(group):
        if setting.flat in given:
            values[setting.field] = read(setting, given[setting.flat])
    return group(**values) if base is None else replace(base, **values)


def read(setting: Setting, value: object) -> object:
    """As `Setting.read`, with an error that names the setting."""
    try:
        return setting.read(value)
    except ConfigError as exc:
        raise ConfigError(f"{setting.flat} = {exc}") from exc


def unknown(name: str, known: Iterable[str], what: str = "setting") -> ConfigError:
    """An error for a name that there is not, with the one that was probably meant."""
    there = list(known)
    near = get_close_matches(name, there, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(there)}"
    return ConfigError(f"no {what} {name!r}; {meant}")


def above_0(group: object, *names: str) -> None:
    """Raises ConfigError for the first of these fields that has a value of 0 or less."""
    for name in names:
        value = getattr(group, name)
        if value is not None and not value > 0:
            raise ConfigError(f"{name} must be above 0, not {value}")


def at_least_0(group: object, *names: str) -> None:
    """Raises ConfigError for the first of these fields that has a number below 0."""
    for name in names:
        value = getattr(group, name)
        if value is not None and not isinstance(value, str) and not value >= 0:
            raise ConfigError(f"{name} must be 0 or more, not {value}")


def _default(field: Any) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _without_unit(name: str) -> str:
    return next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name)


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def read_toml(path: Path, meaning: Callable[[dict[str, object]], T]) -> T:
    """What a TOML file means. Raises ConfigError, which names the file: it cannot be read, or `meaning` raises it."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}") from exc
    try:
        return meaning(found)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
