"""What a network scores on photos and crowds that it was not trained on, read as the product reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.evaluation.evaluate import Evaluation, Labelled, evaluate
from pipeline.evaluation.person_ap import UNKNOWN
from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.types import Frame, LabelMap, Parsing, Picture
from training.pack import Photo
from training.scenes.compose import Scene
from training.scenes.painter import Crowding, Painter
from training.scenes.stock import stock_of, strips_of

CROWDS = 40
CROWD_SIZE = Size(360, 640)
CROWDING = Crowding(smallest=0.13, shaded=0.0)
"""Stays as it is whatever is trained on, so that figures can be compared."""
PASSERS_BY = frozenset(
    f"ccp/{number:04}"
    for number in (
        *(13, 44, 52, 70, 103, 174, 180, 267, 337, 354, 363, 394, 426, 516, 555, 612, 658, 789, 813, 824, 866, 884),
        *(886, 892, 928, 989, 994, 995),
    )
)
"""Photos of Clothing Co-Parsing with others behind, whom nobody labelled, found by eye: whoever sees them is right, and
lost up to .11 of the crowds' person IoU by two crowds in front of one such background."""
MIN_PERSON_PIXELS = 200
"""Of whom fewer show in a crowd need not be found."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a network scored."""

    photos: Evaluation
    crowds: Evaluation | None
    """Of made-up crowds of the people in the photos; None if there are none."""


def measure(parse: Callable[[Frame], Parsing], photos: Sequence[Photo], crowds: Sequence[Scene]) -> Figures:
    """Runs a parser on photos of single persons, on pictures without anybody, and on crowds.

    Raises BadPicture if there are no photos.
    """
    return Figures(
        photos=evaluate(parse, CIHP, [Labelled(photo.name, photo.bgr, photo.labels) for photo in photos]),
        crowds=evaluate(parse, CIHP, _crowds(crowds)) if crowds else None,
    )


def validation_crowds(photos: Sequence[Photo]) -> list[Scene]:
    """Made-up crowds of the people in some photos, the same every time; none if nobody is in any."""
    people = [photo for photo in photos if photo.alone]
    nobody = [photo for photo in photos if not photo.anybody]
    if not people:
        return []
    stock = stock_of([*people, *nobody], 1.0, lambda strip: True)
    stock = replace(stock, backgrounds=_without_passers_by(stock.backgrounds, [*people, *nobody]))
    seeds = (np.random.default_rng([CROWDS, index]) for index in range(CROWDS))
    return [Painter(stock, CROWD_SIZE, seed, CROWDING).crowd() for seed in seeds]


def _without_passers_by(backgrounds: Sequence[Picture], photos: Sequence[Photo]) -> tuple[Picture, ...]:
    """The backgrounds, those with passers-by as the next one without: the others stay where they are."""
    seen = [photo.name in PASSERS_BY for photo in photos for _ in strips_of(photo)]
    if all(seen):
        return ()
    clear = [index for index, is_seen in enumerate(seen) if not is_seen]
    return tuple(
        backgrounds[next((each for each in clear if each > index), clear[0])] if is_seen else backgrounds[index]
        for index, is_seen in enumerate(seen)
    )


def _crowds(scenes: Sequence[Scene]) -> list[Labelled]:
    return [Labelled(f"crowd {index}", scene.bgr, scene.labels, _large(scene)) for index, scene in enumerate(scenes)]


def _large(scene: Scene) -> LabelMap:
    """The scene's persons; those of whom only a speck shows are unknown."""
    persons = scene.persons.copy()
    for number in np.unique(scene.persons[scene.persons > 0]):
        mask = scene.persons == number
        if np.count_nonzero(mask) < MIN_PERSON_PIXELS:
            persons[mask] = UNKNOWN
    return persons
