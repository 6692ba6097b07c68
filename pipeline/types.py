"""The data that flows through the whole program: frames, persons, parsings.

All are frozen and checked when made, so that a wrong shape is reported where it arises and not three
stages later.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture, UnknownName
from pipeline.geometry import Box, Point, Size
from pipeline.labels import LabelSet
from pipeline.yuv import Yuv420

Picture = NDArray[np.uint8]
"""A colour picture: uint8 (H, W, 3), BGR."""

LabelMap = NDArray[np.uint8]
"""Ids per pixel: uint8 (h, w)."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a stream."""

    picture: Picture | Yuv420
    """In the form it came in: uint8 (H, W, 3), BGR and C-contiguous, or as a video keeps it. Nobody writes to it
    after the frame is made."""
    index: int
    """Position in the stream from 0; a gap means that frames were dropped."""
    pts_s: float
    """Presentation time in seconds from the stream's first frame, by the source's own clock."""
    captured_s: float
    """`time.monotonic()` when decoded; means nothing on another machine."""
    duration_s: float | None = None
    """Seconds for which it is shown, where the source says; None means until the next frame."""
    pixel_aspect: float = 1.0
    """Width over height of a pixel, as it is to be shown: networks see people in their own shape."""

    def __post_init__(self) -> None:
        if isinstance(self.picture, Yuv420):
            return
        if self.picture.dtype != np.uint8 or self.picture.ndim != 3 or self.picture.shape[2] != 3:
            raise BadPicture(f"a frame must be uint8 (H, W, 3), not {self.picture.dtype} {self.picture.shape}")
        if not self.picture.size:
            raise BadPicture(f"a frame must have pixels, not shape {self.picture.shape}")
        if not self.picture.flags.c_contiguous:
            raise BadPicture("a frame's pixels must be C-contiguous; numpy.ascontiguousarray makes them so")

    @classmethod
    def still(cls, bgr: Picture) -> Self:
        """A picture that belongs to no stream.

        Args:
            bgr: uint8 (H, W, 3); copied if it is not C-contiguous.
        """
        return cls(np.ascontiguousarray(bgr), index=0, pts_s=0.0, captured_s=0.0)

    @property
    def bgr(self) -> Picture:
        """The picture as uint8 (H, W, 3), C-contiguous; not to be written to."""
        return self.picture.bgr if isinstance(self.picture, Yuv420) else self.picture

    @property
    def size(self) -> Size:
        return Size(*self.picture.shape[:2])


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A person in the picture."""

    track_id: int
    """The same number on the same person from frame to frame, from 1; 0 before tracking."""
    score: float
    """The confidence that this is a person, in [0, 1]."""
    box: Box
    """The rectangle around the person's pixels, in frame pixels."""

    def __repr__(self) -> str:
        return f"<Person {self.track_id}: score {self.score:.2f}, box {tuple(self.box)}>"


Gender = Literal["male", "female", "unsure"]
"""What a face is taken for; `unsure` where the network is not sure enough."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The age and gender that a face is taken for by its appearance: a guess, see docs/faces.md."""

    age_years: float
    age_range: tuple[float, float]
    """In years; two thirds of people are within it, or nearly."""
    p_male: float
    """The network's confidence in male, in [0, 1]."""
    gender: Gender | None
    """None for faces that look younger than 15, of which the network knows too little."""
    looks: int
    """Looks at the face that were averaged."""


@dataclass(frozen=True, slots=True, repr=False)
class Face:
    """A face in the picture."""

    box: Box
    """The part of it that is in the picture, from the forehead to the chin, in frame pixels."""
    points: tuple[Point, ...]
    """The eyes, the tip of the nose and the corners of the mouth, each pair with the left one in the picture first;
    they may be outside the picture. Five."""
    score: float
    """The confidence that this is a face, in [0, 1]."""
    person: int | None = None
    """The `track_id` of the person whose face it is; None for a face of nobody in `people`."""
    estimate: Estimate | None = None
    """Age and gender; None unless they were asked for, and where the face is too small or was seen too seldom."""

    def __repr__(self) -> str:
        whose = "nobody" if self.person is None else f"person {self.person}"
        return f"<Face of {whose}: score {self.score:.2f}, box {tuple(self.box)}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parsing:
    """The parts and people of one frame.

    Both maps cover the whole frame, at the network's own resolution: whoever shows them only scales them.
    """

    labels: LabelMap
    """uint8 (h, w), class ids of `label_set`; 0 is background."""
    instances: LabelMap
    """uint8 (h, w); 0 is nobody, k is `people[k - 1]`."""
    people: tuple[Person, ...]
    label_set: LabelSet
    frame_index: int
    """`Frame.index` of the frame that this parsing is of."""
    pts_s: float
    captured_s: float
    frame_size: Size
    """Size of the frame, in pixels."""
    inferred_s: float
    """Seconds that the network took."""
    carried_from: int
    """Index of the frame that was really parsed: `frame_index` itself unless motion carried the maps here."""
    faces: tuple[Face, ...] | None = None
    """The faces, the surest first; None where nobody looked for faces."""

    def __post_init__(self) -> None:
        for name, ids, limit in (
            ("labels", self.labels, len(self.label_set)),
            ("instances", self.instances, len(self.people) + 1),
        ):
            if ids.dtype != np.uint8 or ids.ndim != 2 or not ids.size:
                raise BadPicture(f"{name} must be uint8 (h, w), not {ids.dtype} {ids.shape}")
            if (highest := int(ids.max())) >= limit:
                raise BadPicture(f"{name} go up to {highest}, but must stay below {limit}")
        if self.labels.shape != self.instances.shape:
            raise BadPicture(f"labels {self.labels.shape} and instances {self.instances.shape} must have one shape")

    @property
    def map_size(self) -> Size:
        return Size(*self.labels.shape)

    def __repr__(self) -> str:
        people = "1 person" if len(self.people) == 1 else f"{len(self.people)} people"
        where = f"frame {self.frame_index} at {self.pts_s:.3f} s"
        return f"<Parsing of {where}: {people}, maps {self.map_size} of {self.frame_size}, {self.label_set.name}>"

    def _repr_png_(self) -> bytes:
        """The class colours as a PNG: what a notebook shows."""
        return cv2.imencode(".png", self.label_set.palette[self.labels])[1].tobytes()

    def person(self, track_id: int) -> Person:
        """The person with this number. Raises UnknownName, with the numbers that there are."""
        return self.people[self._number_of(track_id) - 1]

    def mask(
        self, part: str | None = None, *, person: Person | int | None = None, full_size: bool = False
    ) -> NDArray[np.bool_]:
        """The pixels of a class or group of classes, of a person, or both; of neither, everybody's.

        Args:
            part: a class of the label set, or a group of `PART_GROUPS`; None means all classes but background.
            person: one of `people`, or a `track_id`; None means all, and what belongs to nobody.
            full_size: of the frame's size rather than the maps'.

        Returns:
            bool (h, w), or (H, W) of `frame_size`.

        Raises:
            UnknownName: no such class or group in the label set, or no such person; lists those that exist.
        """
        masks = []
        if part is not None:
            masks.append(np.isin(self.labels, self.label_set.ids_of(part)))
        if person is not None:
            masks.append(self.instances == self._number_of(person.track_id if isinstance(person, Person) else person))
        mask = np.logical_and.reduce(masks) if masks else self.labels > 0
        if not full_size:
            return mask
        size = self.frame_size[::-1]
        return cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT).view(np.bool_)

    def share(self, part: str) -> float:
        """The share of the picture that a class or group covers, in [0, 1]. Raises UnknownName as `mask` does."""
        return float(np.count_nonzero(self.mask(part))) / self.labels.size

    def to_supervision(self) -> Any:
        """`supervision.Detections`, one of each part of each person; see `pipeline.exports.tools.detections`."""
        return _exports("tools").detections(self)

    def to_coco(self, *, image_id: int = 1, file_name: str = "") -> dict[str, Any]:
        """This picture in COCO's object format; see `pipeline.exports.coco.coco`."""
        found: dict[str, Any] = _exports("coco").coco(self, image_id=image_id, file_name=file_name)
        return found

    def to_rle(self) -> list[dict[str, Any]]:
        """Each part of each person as COCO's run lengths; see `pipeline.exports.tools.run_lengths`."""
        found: list[dict[str, Any]] = _exports("tools").run_lengths(self)
        return found

    def parts(self) -> Any:
        """`pandas.DataFrame` of each part of each person; see `pipeline.exports.tools.table`."""
        return _exports("tools").table(self)

    def crop(self, person: Person | int, picture: Picture) -> Picture:
        """What a picture of this frame, of any size, shows inside a person's box: a copy. Raises UnknownName.

        Args:
            person: one of `people`, or a `track_id`.
            picture: uint8 (H, W, 3).
        """
        box = self.person(person.track_id if isinstance(person, Person) else person).box
        found: Picture = _exports("tools").cropped(self, box, picture)
        return found

    def _number_of(self, track_id: int) -> int:
        """The number in `instances` of a person."""
        for number, person in enumerate(self.people, start=1):
            if person.track_id == track_id:
                return number
        raise UnknownName("person", track_id, (str(person.track_id) for person in self.people))


def _exports(module: str) -> Any:
    """Loaded where it is used: most programs want none of them, and they are made of what is here."""
    return import_module(f"pipeline.exports.{module}")
