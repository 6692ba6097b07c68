"""What runs in the inference process, and what crosses the pipe to it.

Small things cross: the picture as the network takes it, and what the network saw in it.
"""

import os
import pickle
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar, cast

from pipeline import Letterbox, Parser, ParserSettings, Picture, PipelineError, Size, load_parser

WAIT_S = 0.2

_LENGTH = struct.Struct(">Q")
_READ_BYTES = 1 << 18

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the worker loads."""

    size: Size
    """The network's input that is compiled before the worker is ready; other sizes are when they first come."""
    parser: ParserSettings = field(default_factory=ParserSettings)

    def load(self) -> Parser:
        """The parser, its network compiled."""
        parser = load_parser(replace(self.parser, size=self.size))
        parser.network(self.size)
        return parser


@dataclass(frozen=True, slots=True)
class Job:
    small: Picture
    fit: Letterbox
    pts_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    pass


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way to the parent. Not pickled itself: an error's arguments need not be its message."""

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


def _always() -> bool:
    return True


class Pipe:
    """Objects between two processes that trust each other, in pieces: whoever waits can look up between them."""

    def __init__(self, end: socket.socket, wait_s: float | None) -> None:
        end.settimeout(wait_s)
        self._end = end
        self._read = bytearray()

    def send(self, value: object, go_on: Callable[[], bool] = _always) -> bool:
        """Whether all of it was sent when `go_on`, asked when nothing moves, said no; if not, nothing else can be."""
        body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        rest = memoryview(_LENGTH.pack(len(body)) + body)
        while rest:
            try:
                rest = rest[self._end.send(rest) :]
            except TimeoutError:
                if not go_on():
                    return False
        return True

    def receive(self, go_on: Callable[[], bool] = _always) -> object | None:
        """The next object, or None when `go_on`, asked when nothing comes, says no. Raises EOFError."""
        while (body := self._take()) is None:
            try:
                piece = self._end.recv(_READ_BYTES)
            except TimeoutError:
                if not go_on():
                    return None
                continue
            if not piece:
                raise EOFError
            self._read += piece
        return cast(object, pickle.loads(body))

    def close(self) -> None:
        self._end.close()

    def _take(self) -> bytes | None:
        """The next object's bytes, if all are there."""
        if len(self._read) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(self._read)[0]
        if len(self._read) < end:
            return None
        body = bytes(self._read[_LENGTH.size : end])
        del self._read[:end]
        return body


def serve() -> None:
    """The whole life of the inference process; its first argument is the number of its end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_leave_with, args=(end,), name="leave").start()
    with suppress(EOFError, OSError):
        _answer(Pipe(end, None))


def _answer(pipe: Pipe) -> None:
    """Raises EOFError or OSError when the parent wants no more."""
    parser = _attempt(cast(WorkerSettings, pipe.receive()).load)
    if isinstance(parser, Failure):
        pipe.send(parser)
        return
    pipe.send(Ready())
    while True:
        job = cast(Job, pipe.receive())
        pipe.send(_attempt(lambda: parser.infer(job.small, job.fit, job.pts_s)))  # noqa: B023  (called before the next round)


def _attempt(work: Callable[[], T]) -> T | Failure:
    try:
        return work()
    except Exception as exc:  # noqa: BLE001  # the worker's loop: raised again in the parent
        return Failure.of(exc)


def _leave_with(end: socket.socket) -> None:
    """Leaves when the pipe closes, at once: a picture that nobody waits for any more may take many seconds."""
    closing = select.poll()
    closing.register(end, 0)  # nothing but its closing
    while threading.main_thread().is_alive():
        if closing.poll(WAIT_S * 1000):
            os._exit(0)
