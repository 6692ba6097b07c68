"""What a network scores on photos and crowds that it was not trained on, read as the product reads it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.confusion import MERGED, Confusion
from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.lite.decode import decode
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.parsing.input_size import larger, times_for
from pipeline.people.garments import GarmentVote
from pipeline.people.tracking import PersonTracker
from pipeline.types import LabelMap, Picture
from training.compose import Scene
from training.pack import BAG, IGNORED, Photo
from training.scenes import Crowding, Painter, stock_of

CROWDS = 40
CROWD_SIZE = Size(360, 640)
CROWDING = Crowding(smallest=0.13, shaded=0.0)
"""Stays as it is whatever is trained on, so that figures can be compared."""
PIXELS = 256 * 448
_SAME_PERSON = 0.5
"""Masks that overlap more than this are of one person."""

Answers = Callable[[Picture], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""A network: uint8 BGR (H, W, 3), sides multiples of 32, to scores (20, H/4, W/4) and people (3, H/4, W/4)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a network scored; shares of 1."""

    miou: float
    """Over the classes in the truth of the annotated photos."""
    merged: float
    """The same of `MERGED`."""
    person_iou: float
    """Of all that is somebody against all that is nobody."""
    swapped_arms: float
    """Left and right exchanged: of what is known to be an arm and was called one."""
    swapped_legs: float
    swapped_shoes: float
    crowd_miou: float
    crowd_precision: float
    """Persons said that are there, masks overlapping by more than half."""
    crowd_recall: float
    empty_foreground: float
    """Of the pixels of pictures without anybody; 0 when there are none."""
    per_class: dict[str, float]


def measure(answers: Answers, photos: Sequence[Photo], crowds: Sequence[Scene], times: float | None = None) -> Figures:
    """Runs a network on photos of single persons, on pictures without anybody, and on crowds.

    Args:
        answers: the network.
        photos, crowds: what is measured on.
        times: so many times the usual rows and columns of each are shown; None shows as much as the people ask for.
    """

    def parsed(bgr: Picture) -> Decoded:
        size = network_size(Size(*bgr.shape[:2]), round(times * times * PIXELS)) if times else None
        return parse(answers, bgr, size)

    singles, groups = Confusion(CIHP), Confusion(CIHP)
    empty: list[float] = []
    for photo in photos:
        labels = parsed(photo.bgr).labels
        if photo.anybody:
            singles.add(_known(photo.labels), labels)
        else:
            empty.append(np.count_nonzero(labels) / labels.size)
    found = _Persons()
    for crowd in crowds:
        decoded = parsed(crowd.bgr)
        groups.add(_known(crowd.labels), decoded.labels)
        found.add(crowd.persons, _enlarged(decoded.instances, crowd.persons.shape))
    arms, legs, shoes = (swapped(singles.counts, part) for part in ("arm", "leg", "shoe"))
    return Figures(
        miou=_mean(singles.ious.values()),
        merged=_mean(merged_ious(singles.counts).values()),
        person_iou=_person_iou(singles.counts),
        swapped_arms=arms,
        swapped_legs=legs,
        swapped_shoes=shoes,
        crowd_miou=_mean(groups.ious.values()),
        crowd_precision=found.precision,
        crowd_recall=found.recall,
        empty_foreground=_mean(empty),
        per_class=singles.ious,
    )


def validation_crowds(photos: Sequence[Photo]) -> list[Scene]:
    """Made-up crowds of the people in some photos, the same every time; none if nobody is in any."""
    people = [photo for photo in photos if photo.alone]
    nobody = [photo for photo in photos if not photo.anybody]
    if not people:
        return []
    stock = stock_of([*people, *nobody], 1.0, lambda strip: True)
    seeds = (np.random.default_rng([CROWDS, index]) for index in range(CROWDS))
    return [Painter(stock, CROWD_SIZE, seed, CROWDING).crowd() for seed in seeds]


def parse(answers: Answers, bgr: Picture, size: Size | None = None) -> Decoded:
    """A picture parsed as `pipeline.parsing.parser` does it, at an input size of choice or its own."""
    fit = Letterbox.into(Size(*bgr.shape[:2]), size or network_size(Size(*bgr.shape[:2]), PIXELS))
    found = _seen(answers, bgr, fit)
    grown = fit.input_size if size else larger(fit, times_for(found.people, fit))
    if grown != fit.input_size:
        fit = Letterbox.into(fit.frame_size, grown)
        found = _seen(answers, bgr, fit)
    people = PersonTracker().update(found.people, 0.0)
    if found.garments is None:
        return found
    labels = GarmentVote().decide(found.labels, found.instances, people, found.garments, fit, 0.0)
    return found._replace(labels=labels, people=people)


def _seen(answers: Answers, bgr: Picture, fit: Letterbox) -> Decoded:
    small = fit.shrink(bgr)
    return decode(*answers(small), fit, small)


def merged_ious(counts: NDArray[np.int64]) -> dict[str, float]:
    """Intersection over union of the `MERGED` classes, from counts of truth against prediction."""
    gather = np.array([[name in names for name in CIHP.names] for names in MERGED.values()], np.int64)
    merged = gather @ counts @ gather.T
    hits = merged.diagonal()
    union = merged.sum(axis=0) + merged.sum(axis=1) - hits
    return {name: float(hits[i] / union[i]) for i, name in enumerate(MERGED) if merged[i].any()}


def swapped(counts: NDArray[np.int64], part: str) -> float:
    """Share of a part's pixels, of those called this part at all, that are called the other side's."""
    left, right = CIHP.id_of(f"Left-{part}"), CIHP.id_of(f"Right-{part}")
    wrong = counts[left, right] + counts[right, left]
    return float(wrong / max(1, wrong + counts[left, left] + counts[right, right]))


def _known(labels: LabelMap) -> LabelMap:
    truth = labels.copy()
    truth[truth >= len(CIHP)] = IGNORED
    truth[labels == BAG] = 0
    return truth


def _enlarged(instances: LabelMap, shape: tuple[int, ...]) -> LabelMap:
    return np.asarray(cv2.resize(instances, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _person_iou(counts: NDArray[np.int64]) -> float:
    hits = counts[1:, 1:].sum()
    return float(hits / max(1, counts.sum() - counts[0, 0]))


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return float(np.mean(kept)) if kept else 0.0


class _Persons:
    """Persons there, said, and both."""

    def __init__(self) -> None:
        self.there = self.said = self.both = 0

    def add(self, truth: LabelMap, said: LabelMap) -> None:
        # Of whom only a speck shows need not be found.
        there = [number for number in np.unique(truth) if number and np.count_nonzero(truth == number) >= 200]
        numbers = [number for number in np.unique(said) if number]
        self.there += len(there)
        self.said += len(numbers)
        for number in there:
            mask = truth == number
            self.both += any(_iou(mask, said == other) > _SAME_PERSON for other in np.unique(said[mask]) if other)

    @property
    def precision(self) -> float:
        return self.both / max(1, self.said)

    @property
    def recall(self) -> float:
        return self.both / max(1, self.there)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))
