"""Networks in training as parsers, so that they are measured as the product reads them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.geometry import Size
from pipeline.lite.model import compile_file, model_with
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Answer, Network, Run
from pipeline.parsing.parser import Parser
from pipeline.parsing.settings import ParserSettings
from pipeline.types import Frame, Parsing, Picture

PIXELS = 256 * 448
"""Of the usual input."""

Answers = Callable[[Picture], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""A network: uint8 BGR (H, W, 3), sides multiples of 32, to scores (20, H/4, W/4) and people (3, H/4, W/4)."""


class StillParser:
    """Parses pictures that have nothing to do with each other."""

    def __init__(
        self,
        compiled: Callable[[Size | None, RunOptions], Network],
        precision: str,
        times: float | None,
        sensitivity: str = "normal",
        *,
        once: bool = False,
    ) -> None:
        """
        Args:
            compiled: makes the network ready for an input size, or with None for any.
            precision, sensitivity: as `ParserSettings` has them.
            times: so many times the usual rows and columns of each picture are shown; None shows as much as
                `Parser.still` does.
            once: pictures are looked at as they are alone, as frames of a video are, and not mirrored, too.
        """
        self._last: tuple[NDArray[np.float32], Letterbox] | None = None
        model = model_with(compiled)

        def decode(answer: Answer, fit: Letterbox, picture: Picture | None) -> Decoded:
            self._last = answer.outputs[0], fit
            return model.decode(answer, fit, picture)

        self._model = replace(model, decode=decode, both_ways=None if once else model.both_ways)
        self._settings = ParserSettings(precision=precision, sensitivity=sensitivity)
        self._times = times
        self._parsers: dict[Size | None, Parser] = {}

    def __call__(self, frame: Frame) -> Parsing:
        return self._parser(frame.size).still(frame)

    def scores(self) -> tuple[NDArray[np.float32], Letterbox]:
        """The last answer that was decoded, and how the picture went into the network: float32 (20, h, w).

        Raises PipelineError before the first parsing.
        """
        if self._last is None:
            raise PipelineError("nothing was parsed yet")
        return self._last

    def _parser(self, frame_size: Size) -> Parser:
        times = self._times
        size = None if times is None else network_size(frame_size, round(times * times * PIXELS))
        if size not in self._parsers:
            self._parsers[size] = Parser(self._model, replace(self._settings, size=size))
        return self._parsers[size]


def parser_of(file: Path, precision: str = "f32", times: float | None = None) -> StillParser:
    """A parser with the network of a file; raises as `compile_network` does when it is first used."""

    def compiled(size: Size | None, options: RunOptions) -> Network:
        return compile_file(file, size, options)

    return StillParser(compiled, precision, times)


def answers_of(file: Path, precision: str) -> Answers:
    """The network of a file, compiled for each size when that is first asked for."""
    compiled: dict[Size, Network] = {}

    def answer(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = Size(*bgr.shape[:2])
        if size not in compiled:
            compiled[size] = compile_file(file, size, RunOptions(precision=precision))
        scores, people = compiled[size].start(bgr).result().outputs
        return scores, people

    return answer


def parser_with(
    answers: Answers, times: float | None = None, sensitivity: str = "normal", *, once: bool = False
) -> StillParser:
    """A parser with a network that is no file yet; see `StillParser`."""
    network = _Answering(answers)
    return StillParser(lambda size, options: network, "f32", times, sensitivity, once=once)


class _Answering:
    """A network that is no file yet."""

    precision = "f32"

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def start(self, picture: Picture) -> Run:
        began = perf_counter()
        outputs = self._answers(picture)
        return _Done(Answer(outputs, perf_counter() - began))


@dataclass(frozen=True, slots=True)
class _Done:
    answer: Answer

    def result(self) -> Answer:
        return self.answer
