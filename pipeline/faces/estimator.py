"""The estimates of a parsing: in a stream averaged over each person's time, of a picture by itself from one look."""

from dataclasses import replace

from pipeline.faces.attributes import FaceAttributes
from pipeline.faces.averages import Averages, estimate_of, is_large
from pipeline.network.options import RunOptions
from pipeline.types import Frame, Parsing

MAX_STILL_FACES = 32
"""Faces of a picture by itself that are looked at, the largest first: each takes some 15 ms."""


class FaceEstimator:
    """Estimates age and gender of the faces of parsings. For one thread at a time."""

    def __init__(self, model: str, options: RunOptions) -> None:
        """
        Args:
            model: hse or cydral.
            options: of the parser's network; the runtime counts.

        Raises:
            UnknownName, WeightsError: see `FaceAttributes`.
        """
        self._attributes = FaceAttributes(model, options=replace(options, threads=1))

    def __call__(self, frame: Frame, parsing: Parsing, averages: Averages) -> Parsing:
        """The parsing of the next frame of a stream with what is told of its faces.

        Args:
            averages: of the stream; what is seen now is added.
        """
        faces = parsing.faces or ()
        for face in averages.due(faces, frame.pts_s):
            averages.add(face, self._attributes(frame, face), frame.pts_s)
        return replace(parsing, faces=tuple(replace(each, estimate=averages.estimate(each)) for each in faces))

    def still(self, frame: Frame, parsing: Parsing) -> Parsing:
        """The parsing of a picture by itself with what is told of its faces, from one look at each."""
        large = sorted((each for each in parsing.faces or () if is_large(each)), key=lambda each: -each.box.area)
        seen = {each: estimate_of(self._attributes(frame, each), 1) for each in large[:MAX_STILL_FACES]}
        faces = tuple(replace(each, estimate=seen.get(each)) for each in parsing.faces or ())
        return replace(parsing, faces=faces)
