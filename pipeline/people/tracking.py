"""Tracking: the same person over time.

Each person known so far is expected where its box would have moved to at its last speed, and expected to look as
before. The persons of a new parsing take the numbers that fit best, by overlap as in SORT (arXiv 1602.00763) and by
their colours as in DeepSORT (arXiv 1703.07402), best pair first; with greedy pairing in place of the Hungarian method
and a smoothed speed in place of the Kalman filter. A person found near, but not at, the predicted box is matched by
colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.geometry import Box
from pipeline.people.appearance import Appearance, likeness
from pipeline.types import Person

MIN_IOU = 0.2
"""An overlap smaller than this is somebody else, unless the colours say otherwise."""
MAX_ABSENT_S = 2.0
"""Somebody unseen for longer gets a new number."""
SPEED_KEPT = 0.6
"""Weight of the last known speed when a new one is measured, in [0, 1)."""
LOOKS_WEIGHT = 8.0
"""Weight of the likeness against the overlap, both in [0, 1]: the likeness of a person with themselves is nearly always
0.96 or more, that of two who cross 0.7 in the median, so that a difference of 0.1 outweighs most of an overlap."""
MIN_LIKENESS = 0.85
"""Minimum likeness for a match by colour alone."""
NEAR_HEIGHTS, NEAR_HEIGHTS_A_S = 0.3, 1.0
"""Maximum distance from the predicted box, in heights of the body, and what each second of absence adds to it."""
LOOKS_KEPT_S, OTHER_LOOKS_KEPT_S = 1.0, 20.0
"""Time constant of the average of a person's descriptor; and where the new one is unlike it, since it may be of
somebody who stands in front."""


@dataclass(frozen=True, slots=True)
class _Track:
    id: int
    box: Box
    seen_s: float
    speed: tuple[float, float] = (0.0, 0.0)
    """Speed of the box's centre, (down, across), in pixels a second."""
    looks: Appearance | None = None

    def expected(self, pts_s: float) -> Box:
        passed = pts_s - self.seen_s
        down, across = round(self.speed[0] * passed), round(self.speed[1] * passed)
        return Box(self.box.left + across, self.box.top + down, self.box.right + across, self.box.bottom + down)

    def moved_to(self, box: Box, pts_s: float, looks: Appearance | None) -> "_Track":
        passed = pts_s - self.seen_s
        if passed <= 0:
            return replace(self, box=box)
        down = (box.top + box.bottom - self.box.top - self.box.bottom) / 2 / passed
        across = (box.left + box.right - self.box.left - self.box.right) / 2 / passed
        kept = SPEED_KEPT if any(self.speed) else 0.0
        speed = (kept * self.speed[0] + (1 - kept) * down, kept * self.speed[1] + (1 - kept) * across)
        alike = self._alike(looks)
        kept_s = OTHER_LOOKS_KEPT_S if alike is not None and alike < MIN_LIKENESS else LOOKS_KEPT_S
        return _Track(self.id, box, pts_s, speed, _mixed(self.looks, looks, float(np.exp(-passed / kept_s))))

    def fits(self, box: Box, looks: Appearance | None, pts_s: float, expected: Box) -> float:
        """The score of a match with a person in this box with these looks; 0 means no match.

        Args:
            expected: what `expected` says of that time.
        """
        overlap = expected.iou(box)
        alike = self._alike(looks)
        if overlap >= MIN_IOU:
            return overlap + LOOKS_WEIGHT * (alike or 0.0)
        reach = (NEAR_HEIGHTS + NEAR_HEIGHTS_A_S * (pts_s - self.seen_s)) * (box.bottom - box.top)
        # Where they were last, too: who stopped or turned is not where expected.
        if alike is None or alike < MIN_LIKENESS or min(_apart(box, expected), _apart(box, self.box)) > reach:
            return 0.0
        return LOOKS_WEIGHT * alike

    def _alike(self, looks: Appearance | None) -> float | None:
        return None if looks is None or self.looks is None else likeness(self.looks, looks)


@dataclass(slots=True)
class PersonTracker:
    """Gives the same person the same number over the parsings of one stream, in the order of time."""

    _tracks: list[_Track] = field(default_factory=list)
    _last_id: int = 0
    _pts_s: float = 0.0

    def update(
        self, people: Sequence[Person], pts_s: float, looks: Sequence[Appearance] | None = None
    ) -> tuple[Person, ...]:
        """The same persons in the same order, with `track_id` set.

        Args:
            people: of one parsing.
            pts_s: its time. Going back in time means another stream: everybody is new.
            looks: of each person, as `appearances` gives; None goes by place alone.
        """
        if pts_s < self._pts_s:
            self._tracks = []
        self._pts_s = pts_s
        self._tracks = [track for track in self._tracks if pts_s - track.seen_s <= MAX_ABSENT_S]
        each_looks: Sequence[Appearance | None] = [None] * len(people) if looks is None else looks
        pairs = self._pairs(people, each_looks, pts_s)
        numbered: list[Person] = []
        for index, (person, its_looks) in enumerate(zip(people, each_looks)):
            at = pairs.get(index)
            if at is None:
                self._last_id += 1
                self._tracks.append(_Track(self._last_id, person.box, pts_s, looks=its_looks))
                numbered.append(replace(person, track_id=self._last_id))
                continue
            track = self._tracks[at]
            self._tracks[at] = track.moved_to(person.box, pts_s, its_looks)
            numbered.append(replace(person, track_id=track.id))
        return tuple(numbered)

    def _pairs(self, people: Sequence[Person], looks: Sequence[Appearance | None], pts_s: float) -> dict[int, int]:
        """Index of a person -> of its track."""
        candidates = [
            (-fit, at, index)
            for at, (track, expected) in enumerate([(track, track.expected(pts_s)) for track in self._tracks])
            for index, (person, its_looks) in enumerate(zip(people, looks))
            if (fit := track.fits(person.box, its_looks, pts_s, expected)) > 0
        ]
        pairs: dict[int, int] = {}
        used: set[int] = set()
        for _, at, index in sorted(candidates):
            if index not in pairs and at not in used:
                pairs[index] = at
                used.add(at)
        return pairs


def _mixed(before: Appearance | None, now: Appearance | None, kept: float) -> Appearance | None:
    if before is None or now is None:
        return before if now is None else now
    mixed = kept * before + (1 - kept) * now
    return np.asarray(mixed / max(1e-6, float(np.linalg.norm(mixed))), np.float32)


def _apart(one: Box, other: Box) -> float:
    """Between the middles of two boxes, in pixels."""
    down = (one.top + one.bottom - other.top - other.bottom) / 2
    return float(np.hypot(down, (one.left + one.right - other.left - other.right) / 2))
