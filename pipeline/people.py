"""Persons in one parsing, and the same person over time.

Each person known so far is expected where its box would have moved to at its last speed; the persons of a new
parsing take the numbers of the expected boxes that they overlap most, best pair first, as in SORT
(arXiv 1602.00763) with greedy pairing in place of the Hungarian method and a smoothed speed in place of the
Kalman filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.fit import Fit
from pipeline.types import Box, LabelMap, Person, Size

IOU_LEAST = 0.2
"""An overlap smaller than this is somebody else."""
ABSENT_MOST_S = 1.0
"""Somebody unseen for longer gets a new number."""
SPEED_KEPT = 0.6
"""How much of the last known speed stays when a new one is measured, in [0, 1)."""


@dataclass(frozen=True, slots=True)
class _Track:
    id: int
    box: Box
    seen_s: float
    speed: tuple[float, float]
    """Of the box's centre, (down, across), in pixels a second."""

    def expected(self, pts_s: float) -> Box:
        passed = pts_s - self.seen_s
        down, across = round(self.speed[0] * passed), round(self.speed[1] * passed)
        return Box(self.box.left + across, self.box.top + down, self.box.right + across, self.box.bottom + down)

    def moved_to(self, box: Box, pts_s: float) -> "_Track":
        passed = pts_s - self.seen_s
        if passed <= 0:
            return replace(self, box=box)
        down = (box.top + box.bottom - self.box.top - self.box.bottom) / 2 / passed
        across = (box.left + box.right - self.box.left - self.box.right) / 2 / passed
        kept = SPEED_KEPT if any(self.speed) else 0.0
        speed = (kept * self.speed[0] + (1 - kept) * down, kept * self.speed[1] + (1 - kept) * across)
        return _Track(self.id, box, pts_s, speed)


class PersonTracker:
    """Gives the same person the same number over the parsings of one stream, in the order of time."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._pts_s = 0.0

    def update(self, people: Sequence[Person], pts_s: float) -> tuple[Person, ...]:
        """The same persons in the same order, with `track_id` set.

        Args:
            people: of one parsing.
            pts_s: its time. Going back in time means another stream: everybody is new.
        """
        if pts_s < self._pts_s:
            self._tracks = []
        self._pts_s = pts_s
        self._tracks = [track for track in self._tracks if pts_s - track.seen_s <= ABSENT_MOST_S]
        taken = self._pairs(people, pts_s)
        numbered: list[Person] = []
        for index, person in enumerate(people):
            track = taken.get(index)
            if track is None:
                self._last_id += 1
                self._tracks.append(_Track(self._last_id, person.box, pts_s, (0.0, 0.0)))
                numbered.append(replace(person, track_id=self._last_id))
            else:
                self._tracks[self._tracks.index(track)] = track.moved_to(person.box, pts_s)
                numbered.append(replace(person, track_id=track.id))
        return tuple(numbered)

    def _pairs(self, people: Sequence[Person], pts_s: float) -> dict[int, _Track]:
        """Index of a person -> its track; best overlap first."""
        overlaps = [
            (overlap, index, track)
            for track in self._tracks
            for expected in [track.expected(pts_s)]
            for index, person in enumerate(people)
            if (overlap := expected.iou(person.box)) >= IOU_LEAST
        ]
        pairs: dict[int, _Track] = {}
        used: set[int] = set()
        for _, index, track in sorted(overlaps, key=lambda each: (-each[0], each[2].id, each[1])):
            if index not in pairs and track.id not in used:
                pairs[index] = track
                used.add(track.id)
        return pairs


def persons_of(instances: LabelMap, scores: NDArray[np.floating], fit: Fit) -> tuple[LabelMap, tuple[Person, ...]]:
    """The persons of a map, and the map with their numbers: of those without a pixel there is neither.

    Args:
        instances: uint8 (h, w) of the fit's content; k is the person with the k-th score, 0 nobody.
        scores: one for each person.
        fit: how the frame went into the network.
    """
    people = [Person(0, float(score), Box(0, 0, 0, 0)) for score in scores]
    return boxed(instances, people, fit.frame_size)


def boxed(instances: LabelMap, people: Sequence[Person], frame_size: Size) -> tuple[LabelMap, tuple[Person, ...]]:
    """The same persons in boxes around their pixels, and the map with their numbers: as `persons_of`.

    Args:
        instances: uint8 (h, w), covering the frame; k is the k-th person, 0 nobody.
        people: their boxes do not matter.
        frame_size: in pixels.
    """
    present: list[Person] = []
    renumbered = np.zeros(len(people) + 1, np.uint8)
    # All together first: the rest of the map need not be looked at once for each.
    across, down, wide, tall = cv2.boundingRect(instances)
    anybody = instances[down : down + tall, across : across + wide]
    for index, person in enumerate(people if anybody.size else (), start=1):
        left, top, width, height = cv2.boundingRect((anybody == index).view(np.uint8))
        if width and height:
            box = Box(across + left, down + top, across + left + width, down + top + height)
            present.append(replace(person, box=_in_frame(box, Size(*instances.shape), frame_size)))
            renumbered[index] = len(present)
    return renumbered[instances], tuple(present)


def _in_frame(box: Box, map_size: Size, frame_size: Size) -> Box:
    """From the label map to frame pixels, outward to whole ones."""
    down, across = frame_size.height / map_size.height, frame_size.width / map_size.width
    return Box(
        int(box.left * across),
        int(box.top * down),
        min(frame_size.width, int(np.ceil(box.right * across))),
        min(frame_size.height, int(np.ceil(box.bottom * down))),
    )
