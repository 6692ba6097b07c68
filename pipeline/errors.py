"""The errors of pictures and networks.

PipelineError
├── UnknownName          no such parser, label set, class, person or runtime; lists those that exist
├── BadPicture           a file or an array that is no picture of the kind asked for
├── WeightsError         a network file that is missing or not the one expected
├── RuntimeUnavailable   the package that runs the network is not installed, or cannot do what was asked
└── ExportMismatch       an exported network disagrees with the original
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class PipelineError(Exception):
    """Raised, by way of a subclass, when a picture cannot be parsed; the message says what to do about it."""


class UnknownName(PipelineError):
    """Raised when a name is not one of those that exist."""

    def __init__(self, kind: str, name: str | int, known: Iterable[str]) -> None:
        there = list(known)
        near = get_close_matches(name, there, n=1) if isinstance(name, str) else []
        meant = f"; did you mean {near[0]}?" if near else ""
        super().__init__(f"no {kind} {name!r}; there are: {', '.join(there) or 'none'}{meant}")


class BadPicture(PipelineError):
    """Raised when a file cannot be read as a picture, or an array has the wrong type or shape for what it is to be."""


class WeightsError(PipelineError):
    """Raised when a network's file is missing, damaged or not the one that the code was written for."""


class RuntimeUnavailable(PipelineError):
    """Raised when the runtime asked for is not installed, or this machine lacks what it needs."""


class ExportMismatch(PipelineError):
    """Raised when an exported network does not answer as the original does."""


def installs(extra: str) -> str:
    """The command that installs an extra: from the checkout that this runs from, if it is one."""
    root = Path(__file__).parent.parent
    if (root / "pyproject.toml").is_file():
        return f"`pip install -e '.[{extra}]'` in {root}"
    return f"`pip install 'm2fp-streamer[{extra}]'`"
