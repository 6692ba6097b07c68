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
        compiled: Callable[[Size, RunOptions], Network],
        precision: str,
        times: float | None,
        sensitivity: str = "normal",
    ) -> None:
        """
        Args:
            compiled: makes the network ready for an input size.
            precision, sensitivity: as `ParserSettings` has them.
            times: so many times the usual rows and columns of each picture are shown; None shows as much as
                `Parser.still` does.
        """

        def watched(size: Size, options: RunOptions) -> Network:
            return _Watched(compiled(size, options), size, self)

        self._model = model_with(watched)
        self._settings = ParserSettings(precision=precision, sensitivity=sensitivity)
        self._times = times
        self._parsers: dict[Size | None, Parser] = {}
        self._last: tuple[Size, NDArray[np.float32]] | None = None
        self._frame_size: Size | None = None

    def __call__(self, frame: Frame) -> Parsing:
        self._frame_size = frame.size
        return self._parser(frame.size).still(frame)

    def scores(self) -> tuple[NDArray[np.float32], Letterbox]:
        """The last answer, before anything was decided: float32 (20, h, w), and how the picture went into the network.

        Raises PipelineError before the first parsing.
        """
        if self._last is None or self._frame_size is None:
            raise PipelineError("nothing was parsed yet")
        input_size, scores = self._last
        return scores, Letterbox.into(self._frame_size, input_size)

    def remember(self, input_size: Size, scores: NDArray[np.float32]) -> None:
        """What a network of this parser answered."""
        self._last = input_size, scores

    def _parser(self, frame_size: Size) -> Parser:
        times = self._times
        size = None if times is None else network_size(frame_size, round(times * times * PIXELS))
        if size not in self._parsers:
            self._parsers[size] = Parser(self._model, replace(self._settings, size=size))
        return self._parsers[size]


def parser_of(file: Path, precision: str = "f32", times: float | None = None) -> StillParser:
    """A parser with the network of a file; raises as `compile_network` does when it is first used."""

    def compiled(size: Size, options: RunOptions) -> Network:
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


def parser_with(answers: Answers, times: float | None = None, sensitivity: str = "normal") -> StillParser:
    """A parser with a network that is no file yet."""
    network = _Answering(answers)
    return StillParser(lambda size, options: network, "f32", times, sensitivity)


class _Watched:
    """A network whose answers its parser remembers."""

    def __init__(self, network: Network, size: Size, parser: StillParser) -> None:
        self.precision = network.precision
        self._network, self._size, self._parser = network, size, parser

    def start(self, picture: Picture) -> Run:
        answer = self._network.start(picture).result()
        self._parser.remember(self._size, answer.outputs[0])
        return _Done(answer)


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
