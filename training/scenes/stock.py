"""What scenes are made of: a pack's photos and how often each is drawn, backgrounds, and pictures of nobody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.types import LabelMap, Picture
from training.pack import BAG, Photo
from training.scenes.compose import bag_of

_SEEN_PIXELS = 12
"""A class of fewer pixels is not in a photo."""
_MAX_CUT = 0.6
"""Of a person's width, at the photo's lower edge: through legs, but not through a chest."""
_FILMED_SHARE = 2.0
"""How much more often a frame of a clip is drawn than a photo that networks labelled: there are few, and each camera
sees otherwise."""
_RAREST = 7.0
"""No photo is drawn more often than this many times the commonest."""
_EASY_SHARE, _EASY = 0.2, 0.25
"""Somebody alone in an ordinary picture who covers more than this share of it is easy, and drawn so many times as often
as the others."""
_HARD, _MOST_HARD = 80.0, 10.0
"""A picture without people is drawn more often by so many times the share of it that a parser takes for somebody, and
not more than so many times as often as one in which it sees nobody."""

_MISSED = 3.0
"""An ordinary picture is drawn more often by so many times the share of its people that a parser does not see."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What scenes are made of, and how often."""

    photos: tuple[Photo, ...]
    chances: NDArray[np.float64]
    """Of each photo, by the rarity of what is worn in it; they add up to 1."""
    lone: NDArray[np.float64]
    """The same of those with one person, who can be cut out; 0 for the others."""
    backgrounds: tuple[Picture, ...]
    """Without anybody."""
    ordinary: NDArray[np.float64]
    """Chances of the photos of ordinary life; they add up to 1, or to 0 if there are none."""
    synthetic: NDArray[np.float64]
    """Chances of rendered pictures; they add up to 1, or to 0 if there are none. Nothing else is made of them."""
    nobody: tuple[Picture, ...]
    """Whole pictures of which people said that nobody is in them: of animals and things, large and small."""
    nobody_chances: NDArray[np.float64]
    """Of each of them; they add up to 1."""
    bags: tuple[tuple[Picture, LabelMap], ...]
    """Pictures and masks of things that people carry."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What a network does wrong on the pictures that it is trained on."""

    mistaken: NDArray[np.float64]
    """Of each picture in `Stock.nobody`, the share that it takes for somebody."""
    missed: NDArray[np.float64]
    """Of each in `Stock.photos`, the share of its people that it does not see; 0 where nobody asked."""


def stock_of(photos: Sequence[Photo], annotated_share: float, is_empty: Callable[[Picture], bool]) -> Stock:
    """Sorts a pack's photos into what scenes are made of.

    Args:
        photos: to train on.
        annotated_share: how much more often a photo labelled by people is drawn than another.
        is_empty: whether nobody is in a strip of background: annotators skip who passes by far behind.
    """
    made = np.array([photo.synthetic for photo in photos])
    taken = [photo for photo in photos if not photo.synthetic]
    seen = np.array([photo.classes[: len(CIHP)] >= _SEEN_PIXELS for photo in photos])
    rarity = 1 / np.sqrt(np.maximum(seen[~made].mean(axis=0), 1e-6))
    rarity[0] = 0.0
    chances = np.minimum(_RAREST, np.maximum(1.0, (seen * rarity).max(axis=1)))
    chances *= [annotated_share if photo.annotated else 1.0 for photo in photos]
    chances *= [_FILMED_SHARE if photo.name.startswith("frames/") else 1.0 for photo in photos]
    lone = chances * [photo.alone and _is_whole(photo) and not photo.synthetic for photo in photos]
    chances *= [not photo.ordinary for photo in photos]
    ordinary = np.array([_ordinary_chance(photo) for photo in photos])
    # Where people said that nobody is, nobody is: a dog looks like somebody to a parser that never saw one.
    strips = [strip for photo in taken for strip in strips_of(photo) if _said_empty(photo) or is_empty(strip)]
    bags = [(photo, where) for photo in taken if (where := bag_of(photo)) is not None]
    nobody = tuple(photo.bgr for photo in taken if _said_empty(photo))
    return Stock(
        tuple(photos),
        chances / chances.sum(),
        lone / lone.sum(),
        tuple(strips),
        ordinary / max(1e-9, ordinary.sum()),
        made / max(1, made.sum()),
        nobody,
        np.full(len(nobody), 1 / max(1, len(nobody))),
        tuple((photo.bgr[where], _bag_mask(photo.labels[where])) for photo, where in bags),
    )


def harder(stock: Stock, faults: Faults) -> Stock:
    """The stock with what a network does wrong drawn more often.

    Args:
        stock: as `stock_of` gave it.
        faults: of the network that is trained, while it is trained. Those of another network were those of this one
            for a few minutes only: what it took for somebody afterwards was drawn as rarely as any wall.
    """
    ordinary = stock.ordinary * (1 + _MISSED * faults.missed)
    nobody = stock.nobody_chances * np.minimum(_MOST_HARD, 1 + _HARD * faults.mistaken)
    return replace(
        stock, ordinary=ordinary / max(1e-9, ordinary.sum()), nobody_chances=nobody / max(1e-9, nobody.sum())
    )


def _ordinary_chance(photo: Photo) -> float:
    if not photo.ordinary or not photo.anybody or photo.synthetic:
        return 0.0
    fills = np.count_nonzero(photo.persons) > _EASY_SHARE * photo.persons.size
    return _EASY if photo.alone and fills else 1.0


def _said_empty(photo: Photo) -> bool:
    return photo.annotated and not photo.labels.any()


def _is_whole(photo: Photo) -> bool:
    """Whether the photo's lower edge does not cut somebody in two: a bust on a pavement is nobody."""
    _, _, width, _ = cv2.boundingRect(photo.person)
    return bool(np.count_nonzero(photo.person[-1]) <= _MAX_CUT * width)


def _bag_mask(labels: LabelMap) -> LabelMap:
    return np.asarray((labels == BAG) * np.uint8(255), np.uint8)


def strips_of(photo: Photo) -> list[Picture]:
    """The whole picture if nobody is in it, else what is left and right of the person."""
    used = (photo.labels != 0).any(axis=0)
    if not used.any():
        return [photo.bgr]
    columns = np.flatnonzero(used)
    least = photo.bgr.shape[1] // 5
    sides = (photo.bgr[:, : columns[0]], photo.bgr[:, columns[-1] + 1 :])
    return [np.ascontiguousarray(side) for side in sides if side.shape[1] >= least]
