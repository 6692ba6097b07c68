"""Parsers: from a frame to who and what is where in it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError, UnknownName, WeightsError
from pipeline.fit import MULTIPLE, Fit, network_size
from pipeline.labels import CIHP, LabelSet
from pipeline.lite.decode import Decoded, decode
from pipeline.people import PersonTracker
from pipeline.runtime import Answer, Network, Run, RunOptions, compile_network
from pipeline.types import Frame, LabelMap, Parsing, Person, Picture, Size

SIZES_KEPT = 8
"""Networks compiled for so many input sizes stay in memory; a folder of pictures has more than one shape."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network and how to read it."""

    name: str
    about: str
    path: Path
    sha256: str
    """Of the network's file."""
    label_set: LabelSet
    decode: Callable[[Answer, Fit], Decoded]
    pixels: int
    """Height times width of the input that it was trained for; the default size is chosen by it."""

    def checked_path(self) -> Path:
        """The network's file. Raises WeightsError if it is missing or not the one that it should be."""
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as exc:
            raise WeightsError(f"cannot read {self.path}: {exc.strerror}; installing the package again helps") from exc
        if found != self.sha256:
            raise WeightsError(
                f"{self.path} is damaged or another network: its SHA-256 begins with {found[:12]}, not"
                f" {self.sha256[:12]}; installing the package again puts it back"
            )
        return self.path


MODELS = {
    "lite": Model(
        name="lite",
        about="the bundled parser: 1.9 M parameters, CIHP's 20 classes, persons apart",
        path=Path(__file__).parent / "lite" / "lite.onnx",
        sha256="f672b00a49f2749ece23a592812659b9dfbabbd4e633e86a739a3121ca2dc08b",
        label_set=CIHP,
        decode=lambda answer, fit: decode(answer.outputs[0], answer.outputs[1], fit),
        pixels=256 * 448,
    ),
}


class Parser:
    """Parses the frames of one stream, in order. Made by `load_parser`; for one thread at a time."""

    def __init__(self, model: Model, size: Size | None, options: RunOptions) -> None:
        self.model = model
        self.options = options
        self._size = size
        self._networks: dict[Size, Network] = {}
        self._fits: dict[Size, Fit] = {}
        self._tracker = PersonTracker()

    @property
    def label_set(self) -> LabelSet:
        return self.model.label_set

    def __call__(self, frame: Frame) -> Parsing:
        return self.start(frame).result()

    def start(self, frame: Frame) -> "Pending":
        """Begins to parse a frame. Results must be asked for in the order of the frames, for `track_id`'s sake."""
        fit = self.fit_for(frame.size)
        run = self.network(fit.input_size).start(fit.shrink(frame.picture))
        return Pending(self, frame, fit, run)

    def infer(self, small: Picture, fit: Fit) -> "Reading":
        """What the network sees in a picture that `fit.shrink` made; the part of a parsing that takes the time."""
        return self._read(self.network(fit.input_size).start(small).result(), fit)

    def assemble(self, frame: Frame, reading: "Reading") -> Parsing:
        """The parsing of a frame whose shrunk picture was read, perhaps in another process; in order, as `start`."""
        return Parsing(
            labels=reading.labels,
            instances=reading.instances,
            people=self._tracker.update(reading.people, frame.pts_s),
            label_set=self.model.label_set,
            frame_index=frame.index,
            pts_s=frame.pts_s,
            captured_s=frame.captured_s,
            frame_size=frame.size,
            inferred_s=reading.seconds,
            carried_from=frame.index,
        )

    def reset(self) -> None:
        """Forgets who was there: the frames to come are of another stream."""
        self._tracker = PersonTracker()

    def fit_for(self, frame_size: Size) -> Fit:
        """How frames of this size go into the network."""
        if frame_size not in self._fits:
            _make_room(self._fits)
            input_size = self._size or network_size(frame_size, self.model.pixels)
            self._fits[frame_size] = Fit.into(frame_size, input_size)
        return self._fits[frame_size]

    def network(self, input_size: Size) -> Network:
        """The network for this input size; compiled when first asked for."""
        if input_size not in self._networks:
            _make_room(self._networks)
            self._networks[input_size] = compile_network(self.model.checked_path(), input_size, self.options)
        return self._networks[input_size]

    def _read(self, answer: Answer, fit: Fit) -> "Reading":
        labels, instances, people = self.model.decode(answer, fit)
        return Reading(labels, instances, people, answer.seconds)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network saw: a parsing that does not know yet of which frame, and who is who."""

    labels: LabelMap
    instances: LabelMap
    people: tuple[Person, ...]
    seconds: float
    """In the network."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame that is being parsed."""

    _parser: Parser
    frame: Frame
    _fit: Fit
    _run: Run

    def result(self) -> Parsing:
        """Waits for the network and reads what it says. To be called once."""
        reading = self._parser._read(self._run.result(), self._fit)
        return self._parser.assemble(self.frame, reading)


def load_parser(
    name: str = "lite",
    *,
    size: tuple[int, int] | None = None,
    runtime: str = "openvino",
    precision: str = "auto",
    threads: int | None = None,
    in_flight: int = 1,
) -> Parser:
    """A parser, ready for the frames of one stream.

    Args:
        name: one of `MODELS`.
        size: (height, width) of the network's input, multiples of 32; None chooses by the shape of the frames
            that come. Larger finds smaller people and takes longer.
        runtime, precision, threads, in_flight: see `RunOptions`.

    Raises:
        UnknownName: no such parser, runtime or precision.
        PipelineError: a size, or a number, that cannot be.
        WeightsError, RuntimeUnavailable: see `compile_network`; raised when the first frame's shape is known.
    """
    if name not in MODELS:
        raise UnknownName("parser", name, MODELS)
    return Parser(MODELS[name], _checked_size(size), RunOptions(runtime, precision, threads, in_flight))


def _checked_size(size: tuple[int, int] | None) -> Size | None:
    if size is None:
        return None
    nearest = Size(*(max(64, round(side / MULTIPLE) * MULTIPLE) for side in size))
    if tuple(size) != nearest:
        given = "x".join(str(side) for side in size)
        raise PipelineError(f"size {given}: sides are multiples of {MULTIPLE}, at least 64; the nearest is {nearest}")
    return nearest


def _make_room(kept: dict[Size, Network] | dict[Size, Fit]) -> None:
    while len(kept) >= SIZES_KEPT:
        del kept[next(iter(kept))]
