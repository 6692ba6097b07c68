"""How steady a parser is on video, without any truth: each parsing against the parser's own of the frame before.

Frames and maps are reduced to `SIDE_MOST_PX`, so that parsers of any resolution compare, and dense optical flow says
where each pixel was in the frame before. A pixel is compared where flow back and forth ends within `ASTRAY_MOST_PX` of
where it began and both parsings see somebody. It flips where either one's class is not within a pixel in the other:
flow knows no better than that where an edge is. What comes out of background or falls back to it is not counted.

With it are counted the garments that change type (`pipeline.evaluation.garment_flips`) and the bodies that change
number (`pipeline.evaluation.id_switches`). Only frames of one size that follow each other within
`APART_MOST_S` are compared.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.garment_flips import GarmentFlips
from pipeline.evaluation.id_switches import NumberSwitches
from pipeline.geometry import Size
from pipeline.labels import LabelSet
from pipeline.types import Frame, LabelMap, Parsing
from pipeline.yuv import Yuv420

SIDE_MOST_PX = 448
"""Frames are compared at this length of their longer side, unless they are smaller."""
SIDE_LEAST_PX = 16
"""Of the shorter side, stretched if need be: flow cannot be had of less."""
APART_MOST_S = 0.5
"""Over a longer gap flow says little."""
ASTRAY_MOST_PX = 1.0
"""Where flow there and back leads further astray, something was covered or came into sight, or flow is wrong."""

Ids = TypeVar("Ids", LabelMap, NDArray[np.bool_])


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What was counted; of several videos by adding."""

    frames: int = 0
    seconds: float = 0.0
    """Between frames that were compared."""
    person_s: float = 0.0
    """The same, each times the persons in the later frame."""
    pixel_s: float = 0.0
    """The same, each times the pixels compared."""
    label_flips: int = 0
    garment_flips: int = 0
    number_switches: int = 0

    def __add__(self, other: "Steadiness") -> "Steadiness":
        return Steadiness(
            frames=self.frames + other.frames,
            seconds=self.seconds + other.seconds,
            person_s=self.person_s + other.person_s,
            pixel_s=self.pixel_s + other.pixel_s,
            label_flips=self.label_flips + other.label_flips,
            garment_flips=self.garment_flips + other.garment_flips,
            number_switches=self.number_switches + other.number_switches,
        )

    @property
    def label_flips_per_pixel_s(self) -> float:
        """Per foreground pixel and second: one that changes at each of 25 frames a second has 25. 0 without any."""
        return self.label_flips / self.pixel_s if self.pixel_s else 0.0

    @property
    def garment_flips_per_person_s(self) -> float:
        """Per person and second; 0 without persons."""
        return self.garment_flips / self.person_s if self.person_s else 0.0

    @property
    def number_switches_per_person_min(self) -> float:
        """Per person and minute; 0 without persons."""
        return 60 * self.number_switches / self.person_s if self.person_s else 0.0


class Flicker:
    """Counts over the parsings of one stream, in the order of time."""

    def __init__(self, label_set: LabelSet) -> None:
        self.counted = Steadiness()
        self._garments = GarmentFlips(label_set)
        self._switches = NumberSwitches()
        self._before: _Shot | None = None

    def add(self, frame: Frame, parsing: Parsing) -> None:
        """Counts one frame, or begins anew with it if it does not follow the last one."""
        now, before = _Shot.of(frame, parsing), self._before
        self._before = now
        if before is not None and now.follows(before):
            self._compare(before, now, len(parsing.people))
        else:
            self._garments.forget()
            self._switches.forget()
        masks = {person.track_id: now.instances == index for index, person in enumerate(parsing.people, start=1)}
        self.counted += Steadiness(
            frames=1,
            garment_flips=self._garments.add(parsing),
            number_switches=self._switches.add(masks, now.pts_s),
        )

    def _compare(self, before: "_Shot", now: "_Shot", people: int) -> None:
        apart_s = now.pts_s - before.pts_s
        way = _Way.between(before.grey, now.grey)
        self._switches.carry(way.carried)
        compared, flips = _label_flips(way.carried(before.labels), now.labels, way.sure)
        self.counted += Steadiness(
            seconds=apart_s, person_s=apart_s * people, pixel_s=apart_s * compared, label_flips=flips
        )


def steadiness(parse: Callable[[Frame], Parsing], label_set: LabelSet, frames: Iterable[Frame]) -> Steadiness:
    """Parses the frames of one stream and counts.

    Args:
        parse: a parser that gives the same person the same number over time.
        label_set: that it answers in.
        frames: in the order of time, read one at a time.
    """
    flicker = Flicker(label_set)
    for frame in frames:
        flicker.add(frame, parse(frame))
    return flicker.counted


class _Shot(NamedTuple):
    """A frame and its maps at the size at which they are compared."""

    grey: NDArray[np.uint8]
    labels: LabelMap
    instances: LabelMap
    pts_s: float

    @classmethod
    def of(cls, frame: Frame, parsing: Parsing) -> "_Shot":
        scale = min(1.0, SIDE_MOST_PX / max(frame.size))
        size = Size(*(max(SIDE_LEAST_PX, round(side * scale)) for side in frame.size))
        return cls(_grey(frame, size), _scaled(parsing.labels, size), _scaled(parsing.instances, size), frame.pts_s)

    def follows(self, before: "_Shot") -> bool:
        return self.grey.shape == before.grey.shape and 0 < self.pts_s - before.pts_s <= APART_MOST_S


class _Way(NamedTuple):
    """Where each pixel of a frame was in the one before."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    sure: NDArray[np.bool_]
    """Where it can be relied on."""

    @classmethod
    def between(cls, before: NDArray[np.uint8], now: NDArray[np.uint8]) -> "_Way":
        back, forth = _flow(now, before), _flow(before, now)
        rows, columns = np.indices(now.shape)
        rows_before = np.rint(rows + back[..., 1]).astype(np.intp)
        columns_before = np.rint(columns + back[..., 0]).astype(np.intp)
        height, width = now.shape
        inside = (rows_before >= 0) & (rows_before < height) & (columns_before >= 0) & (columns_before < width)
        way = cls(rows_before.clip(0, height - 1), columns_before.clip(0, width - 1), inside)
        astray = np.linalg.norm(back + forth[way.rows, way.columns], axis=-1)
        return way._replace(sure=inside & (astray <= ASTRAY_MOST_PX))

    def carried(self, ids: Ids) -> Ids:
        """A map of the frame before, where it is in this one."""
        return ids[self.rows, self.columns]


def _flow(of: NDArray[np.uint8], to: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How far each pixel is displaced: float32 (h, w, 2), across and down."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(of, to, np.zeros((*of.shape, 2), np.float32)), np.float32)


def _label_flips(before: LabelMap, now: LabelMap, sure: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixels compared, and those of them that flipped."""
    compared = sure & (before > 0) & (now > 0)
    flipped = compared & ~(_is_near(before, now) & _is_near(now, before))
    return int(np.count_nonzero(compared)), int(np.count_nonzero(flipped))


def _is_near(ids: LabelMap, wanted: LabelMap) -> NDArray[np.bool_]:
    """Whether what is wanted at a pixel is there or at one of its eight neighbours."""
    height, width = ids.shape
    padded = np.pad(ids, 1, mode="edge")
    shifted = (padded[down : down + height, across : across + width] for down in range(3) for across in range(3))
    return np.asarray(np.any([each == wanted for each in shifted], axis=0))


def _grey(frame: Frame, size: Size) -> NDArray[np.uint8]:
    picture = frame.picture
    if isinstance(picture, Yuv420):
        small = picture.scaled(*size)
    else:
        small = np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def _scaled(ids: LabelMap, size: Size) -> LabelMap:
    return np.asarray(cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
