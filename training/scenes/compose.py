"""Scenes put together from cut-out people, so that who is who is known to the pixel.

Who is pasted later stands in front. Each pixel keeps its label and the number of the person that it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.types import LabelMap, Picture
from training.pack import BAG, IGNORED, PERSON, Photo
from training.scenes.augment import View, warp_labels, warp_persons, warp_picture


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and all that is known of it."""

    bgr: Picture
    labels: LabelMap
    """Classes and codes of a pack."""
    persons: LabelMap
    """uint8: 0 is nobody, k the k-th person; IGNORED where it is somebody, but who is not known."""
    count: int
    """Persons that were put in."""


def empty(bgr: Picture) -> Scene:
    """A picture without anybody."""
    nobody = np.zeros(bgr.shape[:2], np.uint8)
    return Scene(bgr, nobody, nobody.copy(), 0)


def place_photo(scene: Scene, photo: Photo, view: View) -> Scene:
    """A whole photo, its background too, put over a scene; of what it covers nothing is left."""
    size = Size(*scene.labels.shape)
    bgr = warp_picture(photo.bgr, view.affine, size, cv2.BORDER_REPLICATE)
    covered = warp_labels(np.ones_like(photo.labels), view.affine, size, 0) > 0
    labels = np.where(covered, warp_labels(photo.labels, view.affine, size, 0), scene.labels)
    theirs = warp_persons(photo.persons, view.affine, size)
    known = (theirs > 0) & (theirs != IGNORED)
    persons = np.where(covered, np.where(known, theirs + np.uint8(scene.count), theirs), scene.persons)
    picture = np.where(covered[..., None], bgr, scene.bgr)
    return Scene(picture, labels, persons, scene.count + int(theirs[known].max(initial=0)))


def paste_person(scene: Scene, photo: Photo, view: View, light: float = 1.0) -> Scene:
    """The person of a photo, and what they carry, put in front of a scene; `light` is a factor on their colours."""
    cut = _box(photo.person)
    part = replace(view, source=(view.source[0] - cut[1].start, view.source[1] - cut[0].start))
    labels = photo.labels[cut]
    number = scene.count + 1
    lit = cv2.convertScaleAbs(photo.bgr[cut], alpha=light)
    return _paste(scene, np.asarray(lit, np.uint8), np.where(labels == BAG, 0, labels), photo.person[cut], part, number)


def paste_thing(scene: Scene, bgr: Picture, mask: LabelMap, view: View) -> Scene:
    """Something that is nobody, in front of a scene: what it covers is background."""
    return _paste(scene, bgr, np.zeros_like(mask), mask, view, 0)


def side_by_side(rows: Sequence[Sequence[Scene]]) -> Scene:
    """Scenes of one size as one, row by row; whose persons are theirs alone."""
    count = 0
    strips = []
    for row in rows:
        parts = []
        for scene in row:
            known = (scene.persons > 0) & (scene.persons != IGNORED)
            persons = np.where(known, scene.persons + np.uint8(count), scene.persons)
            parts.append((scene.bgr, scene.labels, persons))
            count += scene.count
        strips.append([np.concatenate(each, axis=1) for each in zip(*parts)])
    bgr, labels, persons = (np.concatenate(each, axis=0) for each in zip(*strips))
    return Scene(bgr, labels, persons, count)


def _paste(scene: Scene, bgr: Picture, labels: LabelMap, mask: LabelMap, view: View, number: int) -> Scene:
    where = _reach(view, mask.shape, scene.labels.shape)
    size = Size(where[0].stop - where[0].start, where[1].stop - where[1].start)
    if min(size) <= 0:
        return scene
    affine = view.affine
    affine[:, 2] -= (where[1].start, where[0].start)
    alpha = warp_picture(mask, affine, size, cv2.BORDER_CONSTANT)
    picture, new_labels, new_persons = scene.bgr.copy(), scene.labels.copy(), scene.persons.copy()
    picture[where] = _blended(warp_picture(bgr, affine, size, cv2.BORDER_REPLICATE), picture[where], alpha)
    solid = alpha > 127
    warped = warp_labels(labels, affine, size, IGNORED)
    new_labels[where][solid] = warped[solid]
    new_persons[where][solid] = np.where(PERSON[warped[solid]], number, 0)
    return Scene(picture, new_labels, new_persons, max(scene.count, number))


def _blended(front: Picture, behind: Picture, alpha: LabelMap) -> Picture:
    # Half a pixel of the old background clings to a cut-out's edge: the mask is drawn in by so much.
    share = cv2.merge([cv2.LUT(alpha, _DRAWN_IN)] * 3)
    mixed = cv2.multiply(front, share, scale=1 / 255, dtype=cv2.CV_16S)
    return np.asarray(
        cv2.add(mixed, cv2.multiply(behind, 255 - share, scale=1 / 255, dtype=cv2.CV_16S), dtype=cv2.CV_8U)
    )


_DRAWN_IN = np.clip((np.arange(256) - 96) * (255 / (255 - 96)), 0, 255).astype(np.uint8)


def _box(mask: LabelMap) -> tuple[slice, slice]:
    left, top, width, height = cv2.boundingRect(mask)
    return slice(top, top + height), slice(left, left + width)


def _reach(view: View, shape: tuple[int, ...], canvas: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the canvas that a picture of some shape falls into."""
    corners = np.array([[x, y, 1] for x in (0, shape[1]) for y in (0, shape[0])]).T
    reached: NDArray[np.float64] = np.asarray(view.affine @ corners)
    x, y = reached[0], reached[1]
    rows = slice(max(0, int(y.min())), min(canvas[0], int(np.ceil(y.max()))))
    return rows, slice(max(0, int(x.min())), min(canvas[1], int(np.ceil(x.max()))))


def thing(texture: Picture, rng: Generator) -> tuple[Picture, LabelMap]:
    """A ball, a board, a bar or a blob with somebody's cloth or wall on it: what is no person though it is dressed."""
    size = int(rng.integers(24, 96))
    top = int(rng.integers(0, max(1, texture.shape[0] - size)))
    left = int(rng.integers(0, max(1, texture.shape[1] - size)))
    patch = np.ascontiguousarray(texture[top : top + size, left : left + size])
    mask = np.zeros(patch.shape[:2], np.uint8)
    height, width = patch.shape[:2]
    kind = rng.random()
    if kind < 0.4:
        axes = (int(width * rng.uniform(0.25, 0.48)), int(height * rng.uniform(0.25, 0.48)))
        cv2.ellipse(mask, (width // 2, height // 2), axes, rng.uniform(0, 180), 0, 360, 255, -1)
    elif kind < 0.7:
        left, top = int(width * rng.uniform(0, 0.4)), int(height * rng.uniform(0, 0.4))
        mask[top : height - top, left : width - left] = 255
    else:
        count = int(rng.integers(3, 8))
        points = rng.uniform(0.02, 0.98, (count, 2)) * (width, height)
        cv2.fillPoly(mask, [cv2.convexHull(points.astype(np.int32)) if kind < 0.85 else points.astype(np.int32)], 255)
    return _shaded(patch, rng), mask


def _shaded(patch: Picture, rng: Generator) -> Picture:
    """Lighter at one side, as round things are; plain now and then."""
    if rng.random() < 0.15:
        patch = np.full_like(patch, patch.reshape(-1, 3).mean(axis=0).astype(np.uint8))
    height, width = patch.shape[:2]
    across, down = rng.uniform(-0.5, 0.5, 2)
    light = 1 + across * np.linspace(-1, 1, width)[None] + down * np.linspace(-1, 1, height)[:, None]
    return np.asarray(np.clip(patch * light[..., None], 0, 255), np.uint8)


def bag_of(photo: Photo) -> tuple[slice, slice] | None:
    """Where a photo has a bag worth pasting elsewhere."""
    bag = (photo.labels == BAG).view(np.uint8)
    return _box(bag) if np.count_nonzero(bag) > 600 else None
