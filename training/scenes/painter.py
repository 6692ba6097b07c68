"""What is trained on: the n-th batch of scenes, the same whenever it is asked for."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.labels import CIHP, PART_GROUPS
from pipeline.types import Picture
from training.pack import HEADS, IGNORED, PERSON, UNKNOWN_SIDES, Photo
from training.scenes.augment import View, develop
from training.scenes.compose import Scene, empty, paste_person, paste_thing, place_photo, side_by_side, thing
from training.scenes.stock import Stock

SIZES = (Size(288, 288), Size(256, 448), Size(416, 288), Size(320, 320), Size(384, 256))
"""Of the inputs trained at; a batch has one."""
_GREY = 127
"""What `pipeline.network.letterbox` pads with."""
_THING_IN_FRONT = 0.03
"""Of scenes. With three times as many, dark sleeves on clips were taken for something in front of somebody."""
_IN_FRONT = 0.06
"""Of scenes: those with something wide in front, such as a desk."""
_HEADS = tuple(CIHP.id_of(name) for name in HEADS)
_LIMBS = (*(CIHP.id_of(name) for group in ("arms", "legs", "shoes") for name in PART_GROUPS[group]), *UNKNOWN_SIDES)
"""Hands on a keyboard, and a foot on a board, are somebody, too."""
_SMALL = 120
"""A head or a limb of fewer pixels does not fill a frame."""
_MAX_ENLARGED = 3.0
"""An ordinary picture is not enlarged more than so many times."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the scenes by kind; the rest show nobody."""

    portraits: float = 0.23
    ordinary: float = 0.25
    crowds: float = 0.10
    synthetic: float = 0.12
    """Of all scenes, before the others share the rest, if the pack has such a part."""


@dataclass(frozen=True, slots=True)
class Crowding:
    """How people are put into crowds."""

    smallest: float = 0.1
    """The least height, as a share of the picture's."""
    shaded: float = 0.35
    """Share of people who are darker than all around. The photos were taken in good light, and whoever wore black on a
    clip was not seen."""


class Painter:
    """Draws scenes of one size."""

    def __init__(
        self, stock: Stock, size: Size, rng: Generator, crowding: Crowding = Crowding(), mix: Mix = Mix()
    ) -> None:
        self._stock = stock
        self._mix = mix
        self._crowding = crowding
        self._size = size
        self._rng = rng

    def scene(self) -> Scene:
        """A rendered picture, a photo, ordinary life, a crowd or nobody at all, in any light."""
        kinds = (self._portrait, self._ordinary, self.crowd, self._nobody)
        ends = np.cumsum([self._mix.portraits, self._mix.ordinary, self._mix.crowds])
        rendered = self._stock.synthetic.any() and self._rng.random() < self._mix.synthetic
        scene = self._synthetic() if rendered else kinds[int(np.searchsorted(ends, self._rng.random(), side="right"))]()
        if self._rng.random() < _IN_FRONT:
            scene = self._behind_something(scene)
        return Scene(develop(scene.bgr, self._rng), scene.labels, scene.persons, scene.count)

    def _portrait(self) -> Scene:
        """One photo as it is: all of it, a person, or a part of one; now and then something in front."""
        rng = self._rng
        photo = self._photo(self._stock.chances)
        bgr = self._background() if rng.random() < 0.4 else np.full((*self._size, 3), _GREY, np.uint8)
        scene = place_photo(empty(bgr), photo, self._look(photo))
        if rng.random() < 0.15:
            scene = paste_person(scene, *self._somebody())
        if rng.random() < _THING_IN_FRONT:
            scene = self._things(scene, 1)
        return scene

    def _ordinary(self) -> Scene:
        """Ordinary life: the whole picture, somebody in it, a head that fills the frame, or four pictures in one."""
        rng = self._rng
        if not self._stock.ordinary.any():
            return self._portrait()
        if rng.random() < 0.2:
            return self._four()
        scene = self._around(self._photo(self._stock.ordinary))
        if rng.random() < 0.06:
            scene = paste_person(scene, *self._somebody())
        if rng.random() < 0.05:
            scene = self._things(scene, 1)
        return scene

    def _synthetic(self) -> Scene:
        return self._around(self._photo(self._stock.synthetic))

    def _around(self, photo: Photo) -> Scene:
        """A picture of ordinary life, or a part of it, before whatever is around it."""
        bgr = self._background() if self._rng.random() < 0.5 else np.full((*self._size, 3), _GREY, np.uint8)
        return place_photo(empty(bgr), photo, self._look_around(photo))

    def _look_around(self, photo: Photo) -> View:
        """A view of an ordinary picture: a head, a limb, somebody, or all of it."""
        rng, how = self._rng, self._rng.random()
        near = _blobs(np.isin(photo.labels, _HEADS if how < 0.16 else _LIMBS)) if how < 0.26 else []
        if near:
            return self._closer(near[int(rng.integers(len(near)))], rng.uniform(0.25, 1.15))
        if how < 0.6:
            numbers = [each for each in np.unique(photo.persons) if each not in (0, IGNORED)]
            somebody = photo.persons == rng.choice(numbers) if numbers else PERSON[photo.labels]
            return self._closer(_box_of(somebody), float(np.exp(rng.uniform(np.log(0.35), np.log(2.0)))))
        height, width = photo.labels.shape
        covers = self._size.width / self._size.height * height / width
        share = float(np.exp(rng.uniform(np.log(0.85 * min(1.0, covers)), np.log(1.15 * max(1.0, covers)))))
        return self._view((0.0, 0.0, float(width), float(height)), share, around=0.12)

    def _closer(self, focus: tuple[float, float, float, float], share: float) -> View:
        most = _MAX_ENLARGED * (focus[3] - focus[1]) / self._size.height
        return self._view(focus, min(share, most), around=0.2)

    def _four(self) -> Scene:
        """Four pictures in one: people as small as they are in a wide picture."""
        size = Size(self._size.height // 2, self._size.width // 2)
        painter = Painter(self._stock, size, self._rng, self._crowding)
        return side_by_side([[painter._quarter() for _ in range(2)] for _ in range(2)])

    def _quarter(self) -> Scene:
        how = self._rng.random()
        if how < 0.15 and self._stock.nobody:
            return self._nobody()
        photo = self._photo(self._stock.ordinary if how < 0.8 else self._stock.chances)
        look = self._look_around(photo) if photo.ordinary else self._look(photo)
        return place_photo(empty(np.full((*self._size, 3), _GREY, np.uint8)), photo, look)

    def _behind_something(self, scene: Scene) -> Scene:
        """The scene behind something wide that comes from below or from a side: a desk, a wall, a car's door."""
        rng, (height, width) = self._rng, self._size
        below = rng.random() < 0.75
        along, across = (width, height) if below else (height, width)
        first = across * rng.uniform(0.1, 0.5)
        last = first + rng.normal(0, 0.08) * across
        corners = np.array([(0, 0), (0, first), (along, last), (along, 0)])
        corners = corners * (1, -1) + (0, height) if below else corners[:, ::-1]
        mask = np.zeros(scene.labels.shape, np.uint8)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
        if not below and rng.random() < 0.5:
            mask = np.ascontiguousarray(mask[:, ::-1])
        front = self._background(None, float(np.exp(rng.uniform(0, np.log(3)))))
        return paste_thing(scene, front, mask, View(1.0, 1.0, 0.0, (0.0, 0.0), (0.0, 0.0)))

    def crowd(self) -> Scene:
        """One to six cut-out people on a background, as they were photographed."""
        rng = self._rng
        scene = empty(self._background())
        if rng.random() < 0.1:
            scene = self._things(scene, int(rng.integers(1, 3)))
        people = sorted((self._somebody() for _ in range(rng.integers(1, 7))), key=lambda each: each[1].height)
        for photo, view in people:
            scene = paste_person(scene, photo, view, self._light())
        if rng.random() < _THING_IN_FRONT:
            scene = self._things(scene, 1)
        return scene

    def _nobody(self) -> Scene:
        """A picture of anything but people, often from so close that one thing fills it."""
        rng, stock = self._rng, self._stock
        known = bool(stock.nobody) and rng.random() < 0.85
        bgr = stock.nobody[int(rng.choice(len(stock.nobody), p=stock.nobody_chances))] if known else None
        scene = empty(self._background(bgr, float(np.exp(rng.uniform(0, np.log(4))))))
        return scene if known and rng.random() < 0.85 else self._things(scene, int(rng.integers(1, 6)))

    def _photo(self, chances: NDArray[np.float64]) -> Photo:
        return self._stock.photos[int(self._rng.choice(len(chances), p=chances))]

    def _look(self, photo: Photo) -> View:
        """A view of a photo: the whole, around the person, or head and shoulders."""
        rng = self._rng
        focus = (0.0, 0.0, float(photo.bgr.shape[1]), float(photo.bgr.shape[0]))
        share = rng.uniform(0.9, 1.1)
        how = rng.random()
        if photo.anybody and how < 0.75:
            focus, share = _box_of(PERSON[photo.labels]), rng.uniform(0.65, 1.2)
        head = np.isin(photo.labels, _HEADS)
        if photo.anybody and how < 0.2 and np.count_nonzero(head) > 60:
            focus, share = _box_of(head), rng.uniform(0.2, 0.6)
        elif photo.anybody and how < 0.3:
            share = rng.uniform(1.3, 2.2)
        return self._view(focus, share, around=0.12)

    def _somebody(self) -> tuple[Photo, View]:
        """Somebody to cut out, and where they stand: mostly small, now and then cut by the picture's edge."""
        rng = self._rng
        photo = self._photo(self._stock.lone)
        share = np.exp(rng.uniform(np.log(self._crowding.smallest), np.log(1.3)))
        return photo, self._view(_box_of(photo.person > 0), share, around=0.55)

    def _light(self) -> float:
        """A factor on a person's colours."""
        shaded, rng = self._crowding.shaded, self._rng
        return float(rng.uniform(0.3, 1.15)) if shaded and rng.random() < shaded else 1.0

    def _view(self, focus: tuple[float, float, float, float], share: float, around: float) -> View:
        """A view in which a box's height is a share of the canvas's, its middle around the canvas's middle."""
        rng = self._rng
        left, top, right, bottom = focus
        scale = share * self._size.height / (bottom - top)
        aspect = np.exp(rng.normal(0, 0.06))
        turn = rng.normal(0, 5) if rng.random() < 0.88 else rng.uniform(-35, 35)
        spread_y = around if share < 1 else 0.25 * (share - 1) + 0.05
        target = (
            self._size.width * (0.5 + around * rng.uniform(-0.9, 0.9)),
            self._size.height * (0.5 + spread_y * rng.uniform(-0.8, 0.8)),
        )
        mirror = 1 if rng.random() < 0.5 else -1
        return View(scale, mirror * scale * aspect, turn, ((left + right) / 2, (top + bottom) / 2), target)

    def _background(self, bgr: Picture | None = None, closer: float = 1.0) -> Picture:
        """A picture of choice or any background, or one colour; `closer` by a factor than to cover the canvas."""
        rng = self._rng
        if bgr is None and (not self._stock.backgrounds or rng.random() < 0.05):
            return np.full((*self._size, 3), rng.integers(0, 256, 3), np.uint8)
        if bgr is None:
            bgr = self._stock.backgrounds[int(rng.integers(len(self._stock.backgrounds)))]
        height, width = bgr.shape[:2]
        # As large as it must be to cover the canvas, or larger; a strip is too narrow, and goes on mirrored.
        scale = closer * rng.uniform(1.0, 1.6) * max(self._size.height / height, min(2.0, self._size.width / width))
        focus = (width * rng.uniform(0.35, 0.65), height * rng.uniform(0.4, 0.6))
        mirror = 1 if rng.random() < 0.5 else -1
        view = View(scale, mirror * scale, 0.0, focus, (self._size.width / 2, self._size.height / 2))
        affine = view.affine
        flags = cv2.INTER_LINEAR
        return np.asarray(
            cv2.warpAffine(bgr, affine, self._size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )

    def _texture(self) -> Picture:
        rng = self._rng
        if not self._stock.backgrounds or rng.random() < 0.1:
            return self._photo(self._stock.chances).bgr
        return self._stock.backgrounds[int(rng.integers(len(self._stock.backgrounds)))]

    def _things(self, scene: Scene, count: int) -> Scene:
        rng = self._rng
        for _ in range(count):
            # Few bags, and little cloth: with more of them, whoever wears black was taken for a bag.
            if self._stock.bags and rng.random() < 0.15:
                bgr, mask = self._stock.bags[int(rng.integers(len(self._stock.bags)))]
            else:
                bgr, mask = thing(self._texture(), rng)
            height = mask.shape[0]
            view = self._view((0, 0, mask.shape[1], height), np.exp(rng.uniform(np.log(0.08), np.log(0.5))), 0.5)
            scene = paste_thing(scene, bgr, mask, view)
        return scene


def _blobs(mask: NDArray[np.bool_]) -> list[tuple[float, float, float, float]]:
    """The boxes around what hangs together, nearly, and is not small."""
    whole = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(whole)
    return [
        (float(left), float(top), float(left + width), float(top + height))
        for left, top, width, height, area in stats[1:]
        if area > _SMALL
    ]


def _box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return float(left), float(top), float(left + width), float(top + height)
