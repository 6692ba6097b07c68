"""The inside of the inference process: loads a parser and answers each job with what the network saw."""

import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from pipeline import Parser
from pipeline.parsing.memory import Memory
from streamer.inference.ahead import Ahead
from streamer.inference.messages import Answered, Failure, Job, Ready, WorkerSettings
from streamer.inference.sizes import Sizes
from streamer.log import show_steps
from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent

T = TypeVar("T")


def serve(parent: Parent) -> None:
    """Answers until the parent wants no more. See `streamer.processes.parent`."""
    show_steps()
    with suppress(ChannelClosed):
        settings = cast(WorkerSettings, pickle.loads(parent.receive()))
        parser = _attempt(settings.load)
        if isinstance(parser, Failure):
            _send(parent, parser)
            return
        _send(parent, Ready())
        ahead, memories, sizes = Ahead(parser), Memories(parser), Sizes()
        while True:
            job = cast(Job, pickle.loads(parent.receive()))
            _send(parent, _attempt(lambda: _answer(job, memories, ahead)))  # noqa: B023  (called before the next round)
            ahead.release(sizes.after(job))


class Memories:
    """What a parser remembers of each stream."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._of: dict[int, Memory] = {}

    def recalled(self, job: Job) -> Parser:
        """The parser, with the memory of the job's stream."""
        for gone in self._of.keys() - job.streams:
            del self._of[gone]
        self._parser.memory = self._of.setdefault(job.stream, Memory())
        return self._parser


def _answer(job: Job, memories: Memories, ahead: Ahead) -> Answered:
    if job.next_size is not None:
        ahead.begin(job.next_size)
    ahead.wait_for(job.fit.input_size)
    reading = memories.recalled(job).infer(job.small, job.fit, job.pts_s)
    return Answered(reading, job.next_size is not None and ahead.is_ready(job.next_size))


def _send(parent: Parent, value: object) -> None:
    parent.send(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def _attempt(work: Callable[[], T]) -> T | Failure:
    try:
        return work()
    except Exception as exc:  # noqa: BLE001  # the worker's loop: raised again in the parent
        return Failure.of(exc)
