"""Parsers: from a frame to who and what is where in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, overload

from pipeline.errors import PipelineError
from pipeline.labels import LabelSet
from pipeline.lite.model import lite_model
from pipeline.m2fp.model import m2fp_model
from pipeline.model import ClassMask, Decoded, Model
from pipeline.motion.smoothing import TemporalSmoother
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.network.runtime import Answer, Network, Run
from pipeline.parsing.input_size import Zoom, larger
from pipeline.parsing.refine import Cutout, cutouts, how_close, merge
from pipeline.parsing.settings import ParserSettings
from pipeline.people.appearance import Appearance, appearances
from pipeline.people.garments import Garments, GarmentVote
from pipeline.people.tracking import PersonTracker
from pipeline.types import Frame, LabelMap, Parsing, Person, Picture, Size

SIZES_KEPT = 8
"""Networks compiled for so many input sizes stay in memory; a folder of pictures has more than one shape."""

K = TypeVar("K")
V = TypeVar("V")

MODELS: dict[str, Callable[[Path | None], Model]] = {
    "lite": lite_model,
    "m2fp": partial(m2fp_model, "m2fp"),
    "m2fp-single": partial(m2fp_model, "m2fp-single"),
}
"""The makers of the models, given the folder with the weights; None means the default folder."""


class Parser:
    """Parses the frames of one stream, in order. Made by `load_parser`; for one thread at a time."""

    def __init__(self, model: Model, settings: ParserSettings) -> None:
        self.model = model
        self.settings = settings
        self._options = settings.run_options
        self._size = settings.input_size
        self._networks: dict[Size, Network] = {}
        self._fits: dict[tuple[Size, Size | None], Letterbox] = {}
        self._tracker = PersonTracker()
        self._garment_vote = GarmentVote()
        self._smoother = TemporalSmoother()
        self._zoom = Zoom()

    @property
    def label_set(self) -> LabelSet:
        return self.model.label_set

    def __call__(self, frame: Frame) -> Parsing:
        return self.start(frame).result()

    def start(self, frame: Frame) -> "Pending":
        """Begins to parse a frame. Results must be asked for in the order of the frames, for `track_id`'s sake."""
        fit = self.zoomed(frame.size, self._zoom.times(frame.pts_s))
        small = fit.shrink(frame.picture)
        return Pending(self, frame, fit, small, self.network(fit.input_size).start(small))

    def masks(self, frame: Frame) -> Iterator[ClassMask]:
        """What ModelScope's pipeline returns for this frame, mask by mask, each made when it is asked for.

        Raises PipelineError for a network that is not theirs.
        """
        read = self.model.masks
        if read is None:
            raise PipelineError(f"{self.model.name} has no such masks; m2fp and m2fp-single have")
        fit = self.fit_for(frame.size)
        return read(self.network(fit.input_size).start(fit.shrink(frame.picture)).result(), fit)

    def infer(self, small: Picture, fit: Letterbox, pts_s: float) -> "Reading":
        """What the network sees in a picture that `fit.shrink` made; the part of a parsing that takes the time.

        Args:
            pts_s: the frame's time; what was seen up to then counts, if it is later than the last one's.
        """
        answer = self._smoothed(self.network(fit.input_size).start(small).result(), small, pts_s)
        return self._reading(self.model.decode(answer, fit, small), fit, small, answer.seconds)

    def assemble(self, frame: Frame, reading: "Reading") -> Parsing:
        """The parsing of a frame whose shrunk picture was read, perhaps in another process; in order, as `start`."""
        people = self._tracker.update(reading.people, frame.pts_s, reading.looks)
        labels = reading.labels
        if reading.garments is not None:
            labels = self._garment_vote.decide(
                labels, reading.instances, people, reading.garments, reading.fit, frame.pts_s
            )
        return Parsing(
            labels=labels,
            instances=reading.instances,
            people=people,
            label_set=self.model.label_set,
            frame_index=frame.index,
            pts_s=frame.pts_s,
            captured_s=frame.captured_s,
            frame_size=frame.size,
            inferred_s=reading.seconds,
            carried_from=frame.index,
        )

    def reset(self) -> None:
        """Forgets who was there, and what they wore: the frames to come are of another stream."""
        self._tracker = PersonTracker()
        self._garment_vote = GarmentVote()
        self._smoother = TemporalSmoother()
        self._zoom = Zoom()

    def zoomed(self, frame_size: Size, times: float) -> Letterbox:
        """How frames of this size go into the network when it is to see so many times the usual rows and columns: as
        usual, if the input size was named or it is a network that is not soon ready for another one."""
        usual = self.fit_for(frame_size)
        if times == 1 or self._size is not None or not self.model.compiles_at_once:
            return usual
        return self.fit_for(frame_size, larger(usual, times))

    def fit_for(self, frame_size: Size, input_size: Size | None = None) -> Letterbox:
        """How frames of this size go into the network, at its usual input size or another one."""
        key = (frame_size, input_size)
        if key not in self._fits:
            _make_room(self._fits)
            chosen = input_size or self._size or network_size(frame_size, self.model.pixels)
            self._fits[key] = self.model.fit(frame_size, chosen)
        return self._fits[key]

    def network(self, input_size: Size) -> Network:
        """The network for this input size; compiled when first asked for."""
        if input_size not in self._networks:
            _make_room(self._networks)
            self._networks[input_size] = self.model.compile(input_size, self._options)
        return self._networks[input_size]

    def _smoothed(self, answer: Answer, small: Picture, pts_s: float) -> Answer:
        if not self.model.smoothed:
            return answer
        scores, others = answer.outputs
        return replace(answer, outputs=self._smoother(scores, others, small, pts_s))

    def _reading(self, decoded: Decoded, fit: Letterbox, picture: Picture, seconds: float) -> "Reading":
        labels, instances, people, garments = decoded
        looks = appearances(picture, labels, instances, len(people), self.label_set, fit)
        return Reading(labels, instances, people, tuple(looks), garments, fit, seconds)

    def _read(self, pending: "Pending") -> "Reading":
        """The reading of a frame; seen larger where people turn out to be small, and closer if that was asked for."""
        frame, fit, small = pending.frame, pending._fit, pending._small
        answer = pending._run.result()
        seconds = answer.seconds
        due = self.zoomed(frame.size, self._zoom.times(frame.pts_s))
        if due.input_size.area > fit.input_size.area:  # it was begun before that was known
            fit, small, answer = self._seen(frame, due)
            seconds += answer.seconds
        afar = self.model.decode(self._smoothed(answer, small, frame.pts_s), fit, small)
        wanted = self.zoomed(frame.size, self._zoom.seen(afar.people, self.fit_for(frame.size), frame.pts_s))
        if wanted.input_size.area > fit.input_size.area:
            fit, small, answer = self._seen(frame, wanted)
            seconds += answer.seconds
            afar = self.model.decode(self._smoothed(answer, small, frame.pts_s), fit, small)
        times = how_close(afar.people, fit) if self.settings.refine else 1
        if times == 1:
            return self._reading(afar, fit, small, seconds)
        return self._read_closer(frame, afar, fit, times, seconds)

    def _seen(self, frame: Frame, fit: Letterbox) -> tuple[Letterbox, Picture, Answer]:
        small = fit.shrink(frame.picture)
        return fit, small, self.network(fit.input_size).start(small).result()

    def _read_closer(self, frame: Frame, afar: Decoded, fit: Letterbox, times: int, seconds: float) -> "Reading":
        size = fit.input_size
        closer = self.model.fit(frame.size, Size(size.height * times, size.width * times))
        picture = closer.shrink(frame.picture)
        seen: list[tuple[Cutout, Decoded]] = []
        for cutout in cutouts(afar.people, fit, closer):
            part = cutout.of(picture)
            answer = self.network(cutout.shape).start(part).result()
            seen.append((cutout, self.model.decode(answer, Letterbox.into(cutout.shape, cutout.shape), part)))
            seconds += answer.seconds
        return self._reading(merge(afar, fit, closer, seen), closer, picture, seconds)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network saw: a parsing that does not know yet of which frame, and who is who."""

    labels: LabelMap
    instances: LabelMap
    people: tuple[Person, ...]
    looks: tuple[Appearance, ...]
    """Of each person."""
    garments: Garments | None
    """As `Decoded` has them."""
    fit: Letterbox
    """How the frame went into what was read."""
    seconds: float
    """In the network."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame that is being parsed."""

    _parser: Parser
    frame: Frame
    _fit: Letterbox
    _small: Picture
    _run: Run

    def result(self) -> Parsing:
        """Waits for the network and reads what it says. To be called once."""
        return self._parser.assemble(self.frame, self._parser._read(self))


@overload
def load_parser(settings: ParserSettings, /) -> Parser: ...


@overload
def load_parser(
    name: str = "lite",
    *,
    model_dir: str | Path | None = None,
    size: tuple[int, int] | None = None,
    runtime: str = "openvino",
    precision: str = "auto",
    threads: int | None = None,
    in_flight: int = 1,
    refine: bool = False,
) -> Parser: ...


def load_parser(name: str | ParserSettings = "lite", **settings: Any) -> Parser:
    """A parser, ready for the frames of one stream.

    Args:
        name: one of `PARSERS`; or all the settings in one.
        **settings: the fields of `ParserSettings`.

    Raises:
        UnknownName, PipelineError: see `ParserSettings`.
        WeightsError: the weights are missing; or, raised when the first frame's shape is known, are not as expected.
        RuntimeUnavailable: the network cannot be run like this here; raised when the first frame's shape is known.
        ExportMismatch: see `pipeline.m2fp.export`; raised when the first frame's shape is known.
    """
    if not isinstance(name, ParserSettings):
        name = ParserSettings(name, **settings)
    elif settings:
        raise TypeError(f"{', '.join(settings)} given beside ParserSettings: use dataclasses.replace on them")
    return Parser(MODELS[name.name](name.folder), name)


def _make_room(kept: dict[K, V]) -> None:
    while len(kept) >= SIZES_KEPT:
        del kept[next(iter(kept))]
