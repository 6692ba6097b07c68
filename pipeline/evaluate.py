"""How good a parser is: numbers from pictures and their true label maps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.labels import LabelSet
from pipeline.types import Frame, LabelMap, Parsing, Picture

IGNORED = 255
"""Pixels of this label count for nothing."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and the truth about it."""

    name: str
    bgr: Picture
    truth: LabelMap
    """uint8 of the picture's size: ids of the label set, 255 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a parser scored on a set of pictures."""

    per_class: dict[str, float]
    """Intersection over union of each class that is in the truth, over all pictures together."""
    miou: float
    """Mean of `per_class`."""
    pixel_accuracy: float
    pictures: int
    ms_per_picture: float
    """Median milliseconds from a picture in memory to its parsing, the first picture of each input size left out."""


class Confusion:
    """Counts of truth against prediction over many pictures."""

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self.counts = np.zeros((len(label_set), len(label_set)), np.int64)

    def add(self, truth: LabelMap, labels: LabelMap) -> None:
        """Counts one picture.

        Args:
            truth: uint8 (H, W), ids or 255.
            labels: uint8 (h, w); scaled to the truth's size.
        """
        classes = len(self._label_set)
        known = truth != IGNORED
        highest = int(truth[known].max(initial=0))
        if highest >= classes:
            raise BadPicture(
                f"label {highest} is neither below {classes}, the classes of {self._label_set.name}, nor 255"
            )
        scaled = cv2.resize(labels, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        pairs = truth[known].astype(np.int64) * classes + scaled[known]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    @property
    def ious(self) -> dict[str, float]:
        """Of each class in the truth."""
        hits = self.counts.diagonal()
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits
        present = np.flatnonzero(self.counts.sum(axis=1))
        return {self._label_set.names[index]: float(hits[index] / union[index]) for index in present}

    @property
    def pixel_accuracy(self) -> float:
        return float(self.counts.trace() / max(1, self.counts.sum()))


def evaluate(parse: Callable[[Frame], Parsing], label_set: LabelSet, pictures: Iterable[Labelled]) -> Evaluation:
    """Parses each picture and compares.

    Args:
        parse: a parser.
        label_set: that it answers in.
        pictures: read one at a time.

    Raises:
        BadPicture: there are none, sizes differ, or a label map holds something else.
    """
    confusion = Confusion(label_set)
    seconds: list[float] = []
    seen: set[tuple[int, ...]] = set()
    count = 0
    for each in pictures:
        count += 1
        if each.bgr.shape[:2] != each.truth.shape:
            raise BadPicture(f"{each.name}: the picture is {each.bgr.shape[:2]}, its label map {each.truth.shape}")
        frame = Frame.still(each.bgr)
        began = perf_counter()
        parsing = parse(frame)
        passed = perf_counter() - began
        if each.bgr.shape in seen:
            seconds.append(passed)
        seen.add(each.bgr.shape)
        try:
            confusion.add(each.truth, parsing.labels)
        except BadPicture as exc:
            raise BadPicture(f"{each.name}: {exc}") from exc
    if not count:
        raise BadPicture("there are no pictures to evaluate on")
    ious = confusion.ious
    return Evaluation(
        per_class=ious,
        miou=float(np.mean(list(ious.values()))) if ious else 0.0,
        pixel_accuracy=confusion.pixel_accuracy,
        pictures=count,
        ms_per_picture=_median_ms(seconds or [passed]),
    )


def _median_ms(seconds: list[float]) -> float:
    values: NDArray[np.float64] = np.array(seconds)
    return float(np.median(values) * 1e3)
