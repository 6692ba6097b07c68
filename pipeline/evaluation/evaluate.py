"""How good a parser is: numbers from pictures and their true label maps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.evaluation.confusion import IGNORED, SOMEBODY, Confusion, silhouettes
from pipeline.evaluation.person_ap import PersonFigures, PersonMatches
from pipeline.evaluation.seen import SeenFigures, SeenPeople
from pipeline.labels import LabelSet
from pipeline.types import Frame, LabelMap, Parsing, Picture


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and the truth about it."""

    name: str
    bgr: Picture
    truth: LabelMap
    """uint8 of the picture's size: ids of the label set, 255 where nobody knows; 247 to 252 where it is known in part,
    253 for bags, 254 for somebody, see `pipeline.evaluation.confusion`."""
    instances: LabelMap | None = None
    """uint8 of the picture's size: a number for each person, 0 for nobody, 255 where nobody knows whose; None if the
    persons are not known."""

    @classmethod
    def of(cls, name: str, bgr: Picture, truth: LabelMap | None, instances: LabelMap | None) -> Self:
        """A picture of which classes, persons, both or neither are known; without either, nobody is in it.

        Args:
            truth, instances: as the fields of these names. Somebody whose classes are not known is somebody still.
        """
        if instances is None:
            return cls(name, bgr, np.zeros(bgr.shape[:2], np.uint8) if truth is None else truth)
        outlines = silhouettes(instances)
        if truth is None or truth.shape != outlines.shape:
            return cls(name, bgr, outlines if truth is None else truth, instances)
        return cls(name, bgr, np.where((truth == IGNORED) & (outlines == SOMEBODY), outlines, truth), instances)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a parser scored on a set of pictures."""

    per_class: dict[str, float]
    """Intersection over union of each class that is in the truth, over all pictures together."""
    miou: float
    """Mean of `per_class`."""
    pixel_accuracy: float
    person_iou: float
    """Intersection over union of everybody against background."""
    merged: dict[str, float]
    """Intersection over union of the six merged classes (`pipeline.evaluation.confusion.MERGED`) in the truth."""
    merged_miou: float
    """Mean of `merged`."""
    swapped: dict[str, float]
    """Left and right exchanged: of the pixels of arms, legs and shoes that were predicted as such, which share was
    said to be the other side's."""
    person_pictures: int
    """Pictures in whose truth somebody is."""
    hardly_seen: float
    """Share of them in which less than a tenth of the people's pixels was said to be somebody."""
    person_free_pictures: int
    """Pictures in whose truth nobody is."""
    person_free_foreground: float
    """Share of their pixels that were said to be somebody."""
    person_free_capped: float
    """The mean over the pictures of that share, each capped at 2 %: one picture does not decide."""
    person_free_wrong: float
    """Share of the pictures in which that share is above 1 %."""
    persons: PersonFigures | None
    """How well persons were found in the pictures whose instances are known; None if there are none."""
    seen: tuple[SeenFigures, ...]
    """How much of the same persons was seen, by their height; groups without persons are left out."""
    pictures: int
    ms_per_picture: float
    """Median milliseconds from a picture in memory to its parsing, the first picture of each input size left out."""


def evaluate(parse: Callable[[Frame], Parsing], label_set: LabelSet, pictures: Iterable[Labelled]) -> Evaluation:
    """Parses each picture and compares.

    Args:
        parse: a parser.
        label_set: that it answers in.
        pictures: read one at a time.

    Raises:
        BadPicture: there are none, sizes differ, or a label map holds something else.
    """
    confusion, matches, seen_people = Confusion(label_set), PersonMatches(), SeenPeople()
    seconds: list[float] = []
    seen: set[tuple[int, ...]] = set()
    count = 0
    for each in pictures:
        count += 1
        _check_sizes(each)
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
        if each.instances is not None:
            matches.add(each.instances, parsing)
            seen_people.add(each.instances, parsing.labels)
    if not count:
        raise BadPicture("there are no pictures to evaluate on")
    return Evaluation(
        per_class=confusion.ious,
        miou=_mean(confusion.ious),
        pixel_accuracy=confusion.pixel_accuracy,
        person_iou=confusion.person_iou,
        merged=confusion.merged_ious,
        merged_miou=_mean(confusion.merged_ious),
        swapped=confusion.swapped,
        person_pictures=confusion.person_pictures,
        hardly_seen=confusion.hardly_seen,
        person_free_pictures=confusion.person_free_pictures,
        person_free_foreground=confusion.person_free_foreground,
        person_free_capped=confusion.person_free_capped,
        person_free_wrong=confusion.person_free_wrong,
        persons=matches.figures if matches.pictures else None,
        seen=seen_people.figures,
        pictures=count,
        ms_per_picture=_median_ms(seconds or [passed]),
    )


def _check_sizes(each: Labelled) -> None:
    for what, known in (("label", each.truth), ("instance", each.instances)):
        if known is not None and known.shape != each.bgr.shape[:2]:
            raise BadPicture(f"{each.name}: the picture is {each.bgr.shape[:2]}, its {what} map {known.shape}")


def _mean(ious: dict[str, float]) -> float:
    return float(np.mean(list(ious.values()))) if ious else 0.0


def _median_ms(seconds: list[float]) -> float:
    values: NDArray[np.float64] = np.array(seconds)
    return float(np.median(values) * 1e3)
