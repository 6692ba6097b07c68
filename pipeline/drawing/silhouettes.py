"""Silhouettes: each person of a parsing by itself, cut out of the map."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.id_boxes import id_boxes
from pipeline.types import LabelMap


@dataclass(frozen=True, slots=True, eq=False)
class Silhouette:
    """A person's pixels."""

    index: int
    """Place in `Parsing.people`."""
    box: Box
    """The rectangle around them, in cells of the map."""
    mask: NDArray[np.uint8]
    """255 where the person is: uint8 of the box's height and width."""


def silhouettes(instances: LabelMap, people: int) -> list[Silhouette]:
    """All people who have a pixel of the map.

    Args:
        instances: as in `Parsing`.
        people: their number.
    """
    found = []
    for index, box in enumerate(id_boxes(instances, people)):
        if box is not None:
            mask = cv2.inRange(instances[box.top : box.bottom, box.left : box.right], index + 1, index + 1)
            found.append(Silhouette(index, box, np.asarray(mask, np.uint8)))
    return found
