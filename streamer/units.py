"""Times, amounts of data and sizes as people write them: one syntax for the command line, TOML files and messages."""

import math
import re

from pipeline import Size
from streamer.errors import ConfigError

_SECONDS = {"ms": 1e-3, "": 1, "s": 1, "min": 60, "h": 3600}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNLIMITED = ("any", "inf")


def read_duration(text: str) -> float:
    """Seconds, from `250ms`, `30s`, `10min`, `1h` or a bare number of seconds; infinite from `inf` or `any`.

    Raises ConfigError.
    """
    if text.strip() in _UNLIMITED:
        return math.inf
    number, unit = _number(text)
    if number is None or unit not in _SECONDS:
        raise ConfigError(f"{text!r} is not a time; write it as 250ms, 30s, 10min or 1h, or as a number of seconds")
    return number * _SECONDS[unit]


def read_bytes(text: str) -> int:
    """Bytes, from `500MB` or `2GB`; 0 needs no unit. Raises ConfigError."""
    number, unit = _number(text)
    if number is None or (unit not in _BYTES and number != 0):
        raise ConfigError(f"{text!r} is not an amount of data; write it as 500MB or 2GB")
    return round(number * _BYTES.get(unit, 1))


def read_size(text: str) -> Size:
    """A size from `HEIGHTxWIDTH`, as in 256x448. Raises ConfigError."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ConfigError(f"{text!r} is not a size; write it as HEIGHTxWIDTH, as in 256x448")
    return Size(int(height), int(width))


def duration_text(seconds: float) -> str:
    """A duration that `read_duration` reads back, in the largest unit that leaves a whole number."""
    if math.isinf(seconds):
        return _UNLIMITED[1]
    for unit, factor in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1e3:g}ms"


def bytes_text(count: int) -> str:
    """An amount of data that `read_bytes` reads back, in the largest unit in which it is at least 1."""
    unit = next((name for name in reversed(_BYTES) if count >= _BYTES[name]), "B")
    return f"{count / _BYTES[unit]:g}{unit}"


def _number(text: str) -> tuple[float | None, str]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    return (float(found[1]), found[2]) if found else (None, "")
