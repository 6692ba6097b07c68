"""Contact sheets of labelled pictures, to look at."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.types import Picture
from training.pack import IGNORED, SOMEBODY, UNKNOWN_SIDES, Photo

HEIGHT, WIDTH = 180, 640
"""Pixels of a picture with its labels and persons."""
COLUMNS, MAX_ROWS = 2, 30
_UNKNOWN_SIDE, _UNKNOWN_GARMENT, _SOMEBODY, _OPEN = (200, 200, 255), (150, 220, 150), (160, 160, 160), (70, 70, 70)


class Sheet:
    """The first pictures that are labelled, each beside its classes and its persons."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tiles: list[Picture] = []

    def add(self, photo: Photo) -> None:
        if len(self._tiles) < COLUMNS * MAX_ROWS:
            self._tiles.append(tile(photo))

    def write(self) -> None:
        """Writes what there is; nothing if nothing was added."""
        if not self._tiles:
            return
        blank = np.zeros_like(self._tiles[0])
        tiles = self._tiles + [blank] * (-len(self._tiles) % COLUMNS)
        rows = [np.hstack(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
        cv2.imwrite(str(self._path), np.vstack(rows))


def tile(photo: Photo) -> Picture:
    """A picture, its classes and its persons side by side: uint8 (HEIGHT, WIDTH, 3)."""
    persons = _distinct()[photo.persons]
    row = np.hstack([photo.bgr, _colours()[photo.labels], persons])
    scale = min(HEIGHT / row.shape[0], WIDTH / row.shape[1])
    small = cv2.resize(row, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:HEIGHT, :WIDTH]
    framed = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    framed[: small.shape[0], : small.shape[1]] = small
    return framed


def _colours() -> NDArray[np.uint8]:
    """Of classes and codes: uint8 (256, 3), BGR."""
    colours = np.full((256, 3), _UNKNOWN_GARMENT, np.uint8)
    colours[: len(CIHP)] = CIHP.palette
    colours[list(UNKNOWN_SIDES)] = _UNKNOWN_SIDE
    colours[SOMEBODY], colours[IGNORED] = _SOMEBODY, _OPEN
    return colours


def _distinct() -> NDArray[np.uint8]:
    """Of persons' numbers: uint8 (256, 3), BGR."""
    hues = (np.arange(256) * 47 % 180).astype(np.uint8)
    hsv = np.stack([hues, np.full(256, 200, np.uint8), np.full(256, 230, np.uint8)], axis=1)[None]
    colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0]
    colours[0], colours[IGNORED] = 0, _OPEN
    return np.asarray(colours, np.uint8)
