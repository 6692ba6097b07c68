"""The messages between a stream and its inference process: pickles, since the two trust each other.

They are small: the picture at the network's input size, and what the network saw in it.
"""

import traceback
from dataclasses import dataclass, field, replace
from typing import Self

from pipeline import Parser, ParserSettings, PipelineError, Size, load_parser
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The parser that the worker loads. The first message to the process."""

    size: Size
    """The input size that is compiled before the worker is ready; other sizes are compiled when they first come."""
    parser: ParserSettings = field(default_factory=ParserSettings)

    def load(self) -> Parser:
        """The parser, its network compiled."""
        parser = load_parser(replace(self.parser, size=self.size))
        parser.network(self.size)
        return parser


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to parse; the arguments of `Parser.infer`. Answered with an `Answered` or a `Failure`."""

    small: Picture
    fit: Letterbox
    pts_s: float
    next_size: Size | None = None
    """Make a network for this input size ready meanwhile."""
    stream: int = 0
    """Whose picture it is: each stream has a memory of its own."""
    streams: frozenset[int] = frozenset({0})
    """The streams that use this process; the memory of others is dropped."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the network saw."""

    reading: Reading
    next_ready: bool
    """Whether pictures of the job's `next_size` can be parsed without waiting for their network."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The network is compiled. The first message from the process, unless that is a `Failure`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way to the parent. The error itself is not pickled: its arguments need not be its message."""

    kind: type[PipelineError]
    message: str
    trace: str

    @classmethod
    def of(cls, exc: Exception) -> Self:
        trace = "".join(traceback.format_exception(exc))
        if isinstance(exc, PipelineError):
            return cls(type(exc), str(exc), trace)
        return cls(PipelineError, f"the parser failed: {type(exc).__name__}: {exc}", trace)

    def error(self) -> PipelineError:
        error = self.kind.__new__(self.kind, self.message)
        error.add_note(f"In the inference process:\n{self.trace}")
        return error
