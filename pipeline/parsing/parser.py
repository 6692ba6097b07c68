"""Parsers: frames and pictures in, parsings out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, overload

from pipeline.errors import PipelineError
from pipeline.faces.estimator import FaceEstimator
from pipeline.faces.finder import FaceFinder
from pipeline.labels import LabelSet
from pipeline.lite.model import lite_model
from pipeline.m2fp.model import m2fp_model
from pipeline.model import ClassMask, Model
from pipeline.parsing.reading import Begun, Reader, Reading
from pipeline.parsing.settings import ParserSettings
from pipeline.people.garments import GarmentVote
from pipeline.people.tracking import PersonTracker
from pipeline.pictures import AnyPicture, as_frame
from pipeline.types import Frame, Parsing

MODELS: dict[str, Callable[[Path | None], Model]] = {
    "lite": lite_model,
    "m2fp": partial(m2fp_model, "m2fp"),
    "m2fp-single": partial(m2fp_model, "m2fp-single"),
}
"""The makers of the models, given the folder with the weights; None means the default folder."""


class Parser(Reader):
    """Parses the frames of one stream, in order. Made by `load_parser`; for one thread at a time."""

    def __init__(self, model: Model, settings: ParserSettings) -> None:
        super().__init__(model, settings)
        self._finder = FaceFinder(settings.run_options) if settings.faces else None
        self._estimator = FaceEstimator(settings.face_model, settings.run_options) if settings.age_gender else None

    def __repr__(self) -> str:
        given = [(each, getattr(self.settings, each.name)) for each in fields(self.settings) if each.name != "name"]
        shown = "".join(f" {each.name}={value}" for each, value in given if value != each.default)
        return f"<Parser {self.settings.name}{shown}>"

    def __call__(self, picture: AnyPicture) -> Parsing:
        """Parses the next frame of a stream; anything but a `Frame` has no time, and is parsed as by `still`.

        Raises:
            BadPicture: see `pipeline.pictures.as_frame`.
            WeightsError, RuntimeUnavailable, ExportMismatch: see `load_parser`.
        """
        return self.start(picture).result() if isinstance(picture, Frame) else self.still(picture)

    def still(self, picture: AnyPicture) -> Parsing:
        """Parses a picture by itself: frames and pictures before it do not count, and those to come do not notice it.

        People are numbered from 1. The network's input has 1.5 times the usual rows and columns, or fewer where
        somebody would be too tall in it; the usual ones if the picture has no more, or the network takes long to be
        ready for another size, as M2FP does. A size that was given stays as it is. `lite` looks at the mirror image,
        too, and answers with the mean of both.

        Raises:
            BadPicture, WeightsError, RuntimeUnavailable, ExportMismatch: as `__call__`.
        """
        frame = as_frame(picture)
        parsing = _assembled(frame, self.read_alone(frame), self.label_set, PersonTracker(), GarmentVote())
        parsing = self._finder(frame, parsing) if self._finder else parsing
        return self._estimator.still(frame, parsing) if self._estimator else parsing

    def start(self, frame: Frame) -> "Pending":
        """Starts to parse the next frame. Results must be taken in the order of the frames, for tracking."""
        return Pending(self, self.begin(frame))

    def masks(self, frame: Frame) -> Iterator[ClassMask]:
        """The masks that ModelScope's pipeline returns for this frame, each made when it is asked for.

        Raises PipelineError for a parser without a ModelScope network.
        """
        read = self.model.masks
        if read is None:
            raise PipelineError(f"{self.model.name} returns no ModelScope masks; only m2fp and m2fp-single do")
        self.see(frame)
        fit = self.fit_for(frame.size)
        return read(self.network(fit.input_size).start(fit.shrink(frame.picture)).result(), fit)

    def assemble(self, frame: Frame, reading: Reading) -> Parsing:
        """The parsing of a frame from its reading, which may come from another process; in order, as `start`."""
        parsing = _assembled(frame, reading, self.label_set, self.memory.tracker, self.memory.garment_vote)
        parsing = self._finder(frame, parsing) if self._finder else parsing
        return self._estimator(frame, parsing, self.memory.estimates) if self._estimator else parsing


def _assembled(
    frame: Frame, reading: Reading, label_set: LabelSet, tracker: PersonTracker, vote: GarmentVote
) -> Parsing:
    people = tracker.update(reading.people, frame.pts_s, reading.looks)
    labels = reading.labels
    if reading.garments is not None:
        labels = vote.decide(labels, reading.instances, people, reading.garments, reading.fit, frame.pts_s)
    return Parsing(
        labels=labels,
        instances=reading.instances,
        people=people,
        label_set=label_set,
        frame_index=frame.index,
        pts_s=frame.pts_s,
        captured_s=frame.captured_s,
        frame_size=frame.size,
        inferred_s=reading.seconds,
        carried_from=frame.index,
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame that is being parsed."""

    _parser: Parser
    _begun: Begun

    def result(self) -> Parsing:
        """Waits for the network and decodes its outputs. To be called once."""
        return self._parser.assemble(self._begun.frame, self._parser.read(self._begun))


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
    sensitivity: str = "normal",
    faces: bool = False,
    age_gender: bool = False,
    face_model: str = "hse",
) -> Parser: ...


def load_parser(name: str | ParserSettings = "lite", **settings: Any) -> Parser:
    """A parser, ready for the frames of one stream.

    Args:
        name: one of `PARSERS`; or all the settings in one.
        **settings: the fields of `ParserSettings`.

    Raises:
        UnknownName, PipelineError: see `ParserSettings`.
        WeightsError: the weights, or those for age and gender, are missing; or, raised when the first frame's shape is
            known, are not as expected.
        RuntimeUnavailable: the network cannot be run like this here; raised when the first frame's shape is known.
        ExportMismatch: see `pipeline.m2fp.export`; raised when the first frame's shape is known.
    """
    if not isinstance(name, ParserSettings):
        name = ParserSettings(name, **settings)
    elif settings:
        raise TypeError(f"{', '.join(settings)} given beside ParserSettings: use dataclasses.replace on them")
    return Parser(MODELS[name.name](name.folder), name)
