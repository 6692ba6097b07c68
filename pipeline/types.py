"""The three things that flow through the whole program: a frame, a person, a parsing.

All are frozen and checked when made, so that a wrong shape is reported where it arises and not three
stages later.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.geometry import Box, Size
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

    def __post_init__(self) -> None:
        if isinstance(self.picture, Yuv420):
            return
        if self.picture.dtype != np.uint8 or self.picture.ndim != 3 or self.picture.shape[2] != 3:
            raise BadPicture(f"a frame is uint8 (H, W, 3), not {self.picture.dtype} {self.picture.shape}")
        if not self.picture.size:
            raise BadPicture(f"a frame has pixels, and this is {self.picture.shape}")
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


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the picture."""

    track_id: int
    """The same number on the same person from frame to frame, from 1; 0 before tracking."""
    score: float
    """How sure the parser is that this is a person, in [0, 1]."""
    box: Box
    """The rectangle around the person's pixels, in frame pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Parsing:
    """Who and what is where in one frame.

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
    """Of the frame, in pixels."""
    inferred_s: float
    """Seconds that the network took."""
    carried_from: int
    """Index of the frame that was really parsed: `frame_index` itself unless motion carried the maps here."""

    def __post_init__(self) -> None:
        for name, ids, limit in (
            ("labels", self.labels, len(self.label_set)),
            ("instances", self.instances, len(self.people) + 1),
        ):
            if ids.dtype != np.uint8 or ids.ndim != 2 or not ids.size:
                raise BadPicture(f"{name} are uint8 (h, w), not {ids.dtype} {ids.shape}")
            if (highest := int(ids.max())) >= limit:
                raise BadPicture(f"{name} go up to {highest}, but must stay below {limit}")
        if self.labels.shape != self.instances.shape:
            raise BadPicture(f"labels {self.labels.shape} and instances {self.instances.shape} differ in shape")

    @property
    def map_size(self) -> Size:
        return Size(*self.labels.shape)

    def mask(self, class_name: str) -> NDArray[np.bool_]:
        """Where a class is: bool (h, w). Raises UnknownName for a class that the label set lacks."""
        return np.asarray(self.labels == self.label_set.id_of(class_name))

    def share(self, class_name: str) -> float:
        """How much of the picture is of a class, in [0, 1]. Raises UnknownName as `mask` does."""
        return float(np.count_nonzero(self.mask(class_name))) / self.labels.size
