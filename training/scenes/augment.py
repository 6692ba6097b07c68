"""Pictures as cameras might have taken them: where they look, and what they do to light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.types import LabelMap, Picture
from training.pack import MIRRORED

Affine = NDArray[np.float64]
"""(2, 3): from (x, y, 1) in one picture to (x, y) in another; pixel i reaches from i to i + 1."""


@dataclass(frozen=True, slots=True)
class View:
    """Where a picture goes on a canvas."""

    height: float
    """Canvas pixels that a picture's pixel becomes, up and down."""
    width: float
    """The same across; below 0 mirrors."""
    degrees: float
    """Turned by so much."""
    source: tuple[float, float]
    """(x, y) in the picture that ..."""
    target: tuple[float, float]
    """... goes to this (x, y) on the canvas."""

    @property
    def mirrors(self) -> bool:
        return self.width < 0

    @property
    def affine(self) -> Affine:
        angle = np.deg2rad(self.degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = turn @ np.diag([self.width, self.height])
        return np.column_stack([linear, np.array(self.target) - linear @ np.array(self.source)])


def warp_picture(
    bgr: NDArray[np.uint8], affine: Affine, size: Size, border: int, fill: tuple[int, ...] = ()
) -> Picture:
    """A picture on a canvas; what shrinks is averaged first, as `pipeline.network.letterbox` does it."""
    factor = _shrinking(affine)
    if factor > 1:
        small = (max(1, bgr.shape[1] // factor), max(1, bgr.shape[0] // factor))
        affine = affine @ np.diag([bgr.shape[1] / small[0], bgr.shape[0] / small[1], 1.0])
        bgr = np.asarray(cv2.resize(bgr, small, interpolation=cv2.INTER_AREA), np.uint8)
    warped = cv2.warpAffine(
        bgr, _for_centres(affine), size[::-1], flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill
    )
    return np.asarray(warped, np.uint8)


def warp_labels(labels: LabelMap, affine: Affine, size: Size, outside: int) -> LabelMap:
    """Labels on a canvas, unmixed; left and right change places where the view mirrors."""
    warped = _nearest(labels, affine, size, outside)
    return np.asarray(cv2.LUT(warped, MIRRORED) if np.linalg.det(affine[:, :2]) < 0 else warped, np.uint8)


def warp_persons(persons: LabelMap, affine: Affine, size: Size) -> LabelMap:
    """Persons' numbers on a canvas, unmixed; 0 outside."""
    return _nearest(persons, affine, size, 0)


def _nearest(ids: LabelMap, affine: Affine, size: Size, outside: int) -> LabelMap:
    warped = cv2.warpAffine(ids, _for_centres(affine), size[::-1], flags=cv2.INTER_NEAREST, borderValue=outside)
    return np.asarray(warped, np.uint8)


def _shrinking(affine: Affine) -> int:
    scale = abs(np.linalg.det(affine[:, :2])) ** 0.5
    return max(1, int(0.75 / scale))


def _for_centres(affine: Affine) -> Affine:
    """For OpenCV, to whom pixel i is the point i and not the span from i to i + 1."""
    moved = affine.copy()
    moved[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    return moved


def develop(bgr: Picture, rng: Generator) -> Picture:
    """The same picture in other light, from another camera."""
    bgr = _relit(bgr, rng)
    if rng.random() < 0.06:
        bgr = _night(bgr, rng)
    if rng.random() < 0.1:
        bgr = _moved(bgr, rng) if rng.random() < 0.6 else _unsharp(bgr, rng)
    if rng.random() < 0.1:
        bgr = _coarse(bgr, rng)
    if rng.random() < 0.12:
        bgr = _noisy(bgr, rng)
    if rng.random() < 0.1:
        bgr = _compressed(bgr, rng)
    return bgr


def _relit(bgr: Picture, rng: Generator) -> Picture:
    """Exposure, contrast and colour by one table a channel; now and then dim, or without colour."""
    dim = rng.random() < 0.1
    gain = rng.uniform(0.25, 0.5) if dim else rng.uniform(0.7, 1.3)
    gamma = np.exp(rng.uniform(-0.45, 0.45))
    tints = np.exp(rng.normal(0, 0.08, 3))
    steps = np.linspace(0, 1, 256)
    curve = np.clip((steps[:, None] ** gamma) * gain * tints + rng.uniform(-0.06, 0.06), 0, 1)
    table = np.asarray(np.rint(curve * 255), np.uint8)
    lit = cv2.LUT(bgr, np.ascontiguousarray(table[None]))
    colour = rng.random()
    if colour < 0.12:
        lit = cv2.cvtColor(cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if colour < 0.03:
            lit = _two_toned(np.asarray(lit, np.uint8), rng)
    elif colour < 0.42:
        grey = cv2.cvtColor(cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        kept = rng.uniform(0.4, 1.5)
        lit = cv2.addWeighted(lit, kept, grey, 1 - kept, 0)
    return np.asarray(lit, np.uint8)


def _two_toned(bgr: Picture, rng: Generator) -> Picture:
    """From one colour to another, as posters are and what coloured lamps light."""
    dark, light = rng.uniform(0, 110, 3), rng.uniform(130, 256, 3)
    table = np.asarray(dark + np.linspace(0, 1, 256)[:, None] * (light - dark), np.uint8)
    return np.asarray(cv2.LUT(bgr, np.ascontiguousarray(table[None])), np.uint8)


def _night(bgr: Picture, rng: Generator) -> Picture:
    """By a lamp: warm or cold, lit from somewhere, dark elsewhere, and noisy."""
    height, width = bgr.shape[:2]
    y, x = rng.uniform(0, 1, 2)
    down, across = np.arange(height)[:, None] / height - y, np.arange(width) / width - x
    light = np.exp(-(down * down + across * across) / rng.uniform(0.15, 1.5)) * rng.uniform(0.4, 1.0) + 0.08
    warm = rng.uniform(-0.1, 0.5)
    tint = np.array([1 - warm, 1 - 0.3 * warm, 1.0], np.float32)
    lit = np.clip(bgr * light[..., None].astype(np.float32) * tint, 0, 255)
    return _noisy(np.asarray(lit, np.uint8), rng)


def _moved(bgr: Picture, rng: Generator) -> Picture:
    """Blurred along a line."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    start, end = (np.rint(middle + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(cv2.filter2D(bgr, -1, kernel / kernel.sum()), np.uint8)


def _unsharp(bgr: Picture, rng: Generator) -> Picture:
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), rng.uniform(0.6, 1.8)), np.uint8)


def _coarse(bgr: Picture, rng: Generator) -> Picture:
    """As from a camera of fewer pixels."""
    share = rng.uniform(0.35, 0.8)
    small = (max(8, int(bgr.shape[1] * share)), max(8, int(bgr.shape[0] * share)))
    shrunk = cv2.resize(bgr, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _noisy(bgr: Picture, rng: Generator) -> Picture:
    # Made at a random place of a small tile and repeated: fresh noise for each pixel takes as long as all the rest.
    tile = rng.normal(0, rng.uniform(2, 12), (61, 67, 3))
    repeats = (-(-bgr.shape[0] // 61), -(-bgr.shape[1] // 67), 1)
    noise = np.tile(np.asarray(np.rint(tile), np.int16), repeats)[: bgr.shape[0], : bgr.shape[1]]
    return np.asarray(cv2.add(bgr, noise, dtype=cv2.CV_8U), np.uint8)


def _compressed(bgr: Picture, rng: Generator) -> Picture:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", bgr, quality)[1], cv2.IMREAD_COLOR), np.uint8)
