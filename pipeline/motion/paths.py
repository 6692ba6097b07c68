"""Paths: where faces that are seen off and on are in the frames between.

A small face in the dark, turned or smeared by its motion is found in one frame and missed in the next. Masks that
linger follow it by the picture, and lose what is small and fast; its path goes on at its pace. It does so for the
longer the surer the face has been: a doubtful one is mostly none, and would hide a wall for a second each time.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.motion.blobs import Mask
from pipeline.types import Face

MAX_LOOKS = 8
"""Sightings by which the pace of a path is told."""
SURE_S = 0.4
"""The scores of the sightings of so much time are added up: a path goes on for as many seconds as they come to."""
MAX_S = 1.0
"""No path goes on for longer than this after its last sighting, and in a recording before its first."""
NEW_REACH, REACH = 1.6, 1.0
"""Sides of a face by which it may be off its path: while the pace of the path is not known, and later. It is half of
that from one frame to the next, and all of it half a second later."""
GROWTH_A_S = 1.0
"""Times its side by which a place grows for each second, since nobody knows exactly where the face is."""
MAX_RATIO = 2.0
"""Of the heights of one face in two frames."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face is, or may be, in frame pixels."""

    x: float
    y: float
    """Of its middle."""
    width: float
    height: float

    @classmethod
    def of(cls, face: Face) -> Self:
        left, top, right, bottom = face.box
        return cls((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)

    def grown(self, times: float) -> "Place":
        return Place(self.x, self.y, times * self.width, times * self.height)


@dataclass(frozen=True, slots=True)
class Look:
    """A sighting."""

    place: Place
    score: float
    pts_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """The last sightings of one face."""

    looks: tuple[Look, ...]
    """In the order in which they were taken; time may go backward."""
    across_s: float
    down_s: float
    """Its pace, in pixels a second of the frames' own time."""
    lasts_s: float
    """Time for which it goes on after the last sighting."""

    @classmethod
    def through(cls, looks: Sequence[Look]) -> Self:
        last = looks[-1]
        sure = sum(look.score for look in looks if abs(last.pts_s - look.pts_s) <= SURE_S)
        return cls(tuple(looks), *_pace(looks), min(MAX_S, sure))

    def gone_s(self, pts_s: float) -> float:
        """Time since the last sighting."""
        return abs(pts_s - self.looks[-1].pts_s)

    def at(self, pts_s: float) -> Place:
        last = self.looks[-1]
        later_s = pts_s - last.pts_s
        width = sum(look.place.width for look in self.looks) / len(self.looks)
        height = sum(look.place.height for look in self.looks) / len(self.looks)
        return Place(
            last.place.x + later_s * self.across_s,
            last.place.y + later_s * self.down_s,
            max(width, last.place.width),
            max(height, last.place.height),
        )

    def after(self, pts_s: float) -> Place:
        """As `at`, and what is around it: nobody knows exactly where a face is that was not seen since."""
        return self.at(pts_s).grown(1 + GROWTH_A_S * self.gone_s(pts_s))


class Paths:
    """The paths of faces through one frame after the other, in either direction of time. For one thread at a time."""

    def __init__(self, new_reach: float = NEW_REACH) -> None:
        """
        Args:
            new_reach: sides of a face by which it may be off while its pace is not known.
        """
        self._new_reach = new_reach
        self._paths: list[Path] = []

    def add(self, faces: Iterable[Face], pts_s: float, *, cut: bool = False) -> list[Place]:
        """Takes the faces of the next frame.

        Args:
            faces: all that may be one.
            cut: whether another scene begins with the frame.

        Returns:
            The places of those that have been seen before, and are missed.
        """
        looks = [Look(Place.of(face), face.score, pts_s) for face in faces]
        return [path.after(pts_s) for path in self.step(looks, pts_s, cut=cut) if path.gone_s(pts_s)]

    def step(self, looks: Sequence[Look], pts_s: float, *, cut: bool = False) -> list[Path]:
        """All paths as of the next frame, those of who is missed too, from what is seen in it."""
        if cut:
            self._paths = []
        middles = np.array([(look.place.x, look.place.y, look.place.height) for look in looks], np.float64)
        free = np.ones(len(looks), np.bool_)
        paths = []
        # The surest path chooses first.
        for path in sorted(self._paths, key=lambda path: -path.looks[-1].score):
            place = path.at(pts_s)
            nearest = _nearest(place, self._reach(path, place, pts_s), middles, free)
            if nearest is not None:
                free[nearest] = False
                paths.append(Path.through((*path.looks, looks[nearest])[-MAX_LOOKS:]))
            elif path.gone_s(pts_s) <= path.lasts_s:
                paths.append(path)
        self._paths = paths + [Path.through([looks[index]]) for index in np.flatnonzero(free).tolist()]
        return self._paths

    def _reach(self, path: Path, place: Place, pts_s: float) -> float:
        """How far from its place at a time the face may be."""
        sides = REACH if len(path.looks) > 2 else self._new_reach
        return sides * max(place.width, place.height) * min(1.5, 0.5 + 4 * path.gone_s(pts_s))


def places_drawn(places: Iterable[Place], frame_size: Size, map_size: Size) -> Mask | None:
    """The ellipses of places on a map: uint8 (h, w), 255 or 0; None of no place that is in the picture."""
    down, across = map_size.height / frame_size.height, map_size.width / frame_size.width
    drawn = np.zeros(map_size, np.uint8)
    for each in places:
        # Cells are covered that it only touches; the middle of the first cell is 0.
        middle = each.x * across - 0.5, each.y * down - 0.5
        cv2.ellipse(drawn, (middle, (each.width * across + 1, each.height * down + 1), 0.0), (255,), cv2.FILLED)
    return drawn if cv2.countNonZero(drawn) else None


def _nearest(place: Place, reach: float, middles: NDArray[np.float64], free: NDArray[np.bool_]) -> int | None:
    """The nearest of the free faces of about this size that are within reach."""
    if not len(middles):
        return None
    x, y, height = middles.T
    away = np.hypot(x - place.x, y - place.y)
    likely = free & (away < reach) & (height < MAX_RATIO * place.height) & (MAX_RATIO * height > place.height)
    return int(np.where(likely, away, np.inf).argmin()) if likely.any() else None


def _pace(looks: Sequence[Look]) -> tuple[float, float]:
    """Pixels a second across and down: the line through all of them."""
    middle_s = math.fsum(look.pts_s for look in looks) / len(looks)
    apart_s = [look.pts_s - middle_s for look in looks]
    spread = math.fsum(each**2 for each in apart_s)
    if not spread:
        return 0.0, 0.0
    across = math.fsum(each * look.place.x for each, look in zip(apart_s, looks))
    down = math.fsum(each * look.place.y for each, look in zip(apart_s, looks))
    return across / spread, down / spread
