"""What can go wrong with pictures and networks.

PipelineError
├── UnknownName          no such parser, label set, class or runtime; lists those that exist
├── BadPicture           an array that cannot be a picture of the kind asked for
├── WeightsError         a network file that is missing or not the one expected
├── RuntimeUnavailable   the package that runs the network is not installed, or cannot do what was asked
└── ExportMismatch       an exported network disagrees with the original
"""

from collections.abc import Iterable


class PipelineError(Exception):
    """Raised, by way of a subclass, when a picture cannot be parsed; the message says what to do about it."""


class UnknownName(PipelineError):
    """Raised when a name is not one of those that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no {kind} {name!r}; there are: {', '.join(known)}")


class BadPicture(PipelineError):
    """Raised when an array has the wrong type or shape for what it is said to be."""


class WeightsError(PipelineError):
    """Raised when a network's file is missing, damaged or not the one that the code was written for."""


class RuntimeUnavailable(PipelineError):
    """Raised when the runtime asked for is not installed, or this machine lacks what it needs."""


class ExportMismatch(PipelineError):
    """Raised when an exported network does not answer as the original does."""
