"""A sheet to look at: each picture, its classes and its persons side by side."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.types import LabelMap, Picture
from training.pack import BAG, SOMEBODY
from training.synthetic.painting import Painting

_CELL = 256
"""Pixels of a cell's side."""
_GROUND = 40
_CODES = {BAG: (255, 255, 255), SOMEBODY: (160, 160, 160)}
"""Blue, green, red of what is no class."""


def contact_sheet(paintings: list[Painting], columns: int = 4) -> Picture:
    """All of them, so many beside each other, each as three cells."""
    rows = [_row(paintings[first : first + columns], columns) for first in range(0, len(paintings), columns)]
    return np.concatenate(rows)


def _row(paintings: list[Painting], columns: int) -> Picture:
    cells = [np.concatenate([_cell(view) for view in _views(painting)], axis=1) for painting in paintings]
    empty = np.full((_CELL, 3 * _CELL, 3), _GROUND, np.uint8)
    return np.concatenate([*cells, *[empty] * (columns - len(paintings))], axis=1)


def _views(painting: Painting) -> tuple[Picture, Picture, Picture]:
    return painting.bgr, _classes()[painting.labels], _numbers()[painting.persons]


def _classes() -> NDArray[np.uint8]:
    """Blue, green, red of each class and code, (256, 3)."""
    table = np.full((256, 3), 255, np.uint8)
    table[: len(CIHP)] = CIHP.palette
    for code, colour in _CODES.items():
        table[code] = colour
    return table


def _numbers() -> NDArray[np.uint8]:
    """Blue, green, red of each person's number: hues far apart, and black for nobody."""
    hues = (np.arange(256) * 67 % 180).astype(np.uint8)
    table = cv2.cvtColor(
        np.stack([hues, np.full(256, 200), np.full(256, 240)], axis=1).astype(np.uint8)[None], cv2.COLOR_HSV2BGR
    )
    colours = np.asarray(table[0], np.uint8)
    colours[0] = 0
    return colours


def _cell(view: LabelMap) -> Picture:
    scale = _CELL / max(view.shape[:2])
    height, width = (round(side * scale) for side in view.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cell = np.full((_CELL, _CELL, 3), _GROUND, np.uint8)
    cell[:height, :width] = cv2.resize(view, (width, height), interpolation=how)
    return cell
