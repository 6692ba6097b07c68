"""What the network should answer to a scene, on its grid."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.lite.decode import MIN_CELLS, OFFSET_CELLS
from pipeline.types import LabelMap
from training.network.lite_net import STRIDE
from training.pack import IGNORED
from training.scenes.compose import Scene

_PEAK_CELLS = (1.25, 3.5)
"""Deviation of the hill drawn around a centre: of the smallest person and of the largest."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Of one picture or, with an axis in front, of a batch; h and w are those of the answer."""

    labels: LabelMap
    """uint8 (h, w): classes and codes."""
    persons: LabelMap
    """uint8 (h, w): numbers from 1, 0 for nobody."""
    centre: NDArray[np.float32]
    """(h, w): 1 at a person's centre, falling to 0 around it."""
    centre_known: NDArray[np.bool_]
    """(h, w): where `centre` is the truth."""
    offset: NDArray[np.float32]
    """(2, h, w): from each cell of a person down and across to its centre, in the unit of `decode`."""


def targets_of(scene: Scene, rng: Generator) -> Targets:
    """Targets of a scene, from one pixel in each cell, the same in all; which one is drawn anew for each scene.

    In the mean over many scenes each pixel counts the same, and nothing is half a pixel off.
    """
    down, across = rng.integers(0, STRIDE, 2)
    labels = np.ascontiguousarray(scene.labels[down::STRIDE, across::STRIDE])
    persons = np.ascontiguousarray(scene.persons[down::STRIDE, across::STRIDE])
    unnamed = (persons == IGNORED) | (labels == IGNORED)
    persons[persons == IGNORED] = 0
    centre = np.zeros(labels.shape, np.float32)
    offset = np.zeros((2, *labels.shape), np.float32)
    for number in np.unique(persons[persons > 0]):
        rows, columns = np.nonzero(persons == number)
        if rows.size < MIN_CELLS:
            persons[rows, columns] = 0
            unnamed[rows, columns] = True
            continue
        row, column = rows.mean(), columns.mean()
        offset[0][rows, columns] = (row - rows) / OFFSET_CELLS
        offset[1][rows, columns] = (column - columns) / OFFSET_CELLS
        np.maximum(centre, _hill(labels.shape, row, column, rows.size), out=centre)
    return Targets(labels, persons, centre, ~unnamed, offset)


def _hill(shape: tuple[int, ...], row: float, column: float, cells: int) -> NDArray[np.float32]:
    deviation = float(np.clip(np.sqrt(cells) / 8, *_PEAK_CELLS))
    down = np.exp(-0.5 * ((np.arange(shape[0]) - row) / deviation) ** 2)
    across = np.exp(-0.5 * ((np.arange(shape[1]) - column) / deviation) ** 2)
    return np.asarray(np.outer(down, across), np.float32)
