"""The persons of one parsing: their numbers in the map, and the boxes around their pixels."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.id_boxes import id_boxes
from pipeline.network.letterbox import Letterbox
from pipeline.types import LabelMap, Person

MAX_PEOPLE = 255
"""The maximum that an instance map of bytes can tell apart."""


def persons_of(
    instances: LabelMap, scores: NDArray[np.floating], fit: Letterbox
) -> tuple[LabelMap, tuple[Person, ...]]:
    """The persons of a map, and the map with their numbers: of those without a pixel there is neither.

    Args:
        instances: uint8 (h, w) of the fit's content; k is the person with the k-th score, 0 nobody.
        scores: one for each person.
        fit: how the frame went into the network.
    """
    people = [Person(0, float(score), Box(0, 0, 0, 0)) for score in scores]
    return boxed(instances, people, fit.frame_size)


def boxed(instances: LabelMap, people: Sequence[Person], frame_size: Size) -> tuple[LabelMap, tuple[Person, ...]]:
    """The same persons in boxes around their pixels, and the map with their numbers: as `persons_of`.

    Args:
        instances: uint8 (h, w), covering the frame; k is the k-th person, 0 nobody.
        people: their boxes do not matter.
        frame_size: in pixels.
    """
    present: list[Person] = []
    renumbered = np.zeros(256, np.uint8)
    for index, (person, box) in enumerate(zip(people, id_boxes(instances, len(people))), start=1):
        if box is not None:
            present.append(replace(person, box=_in_frame(box, Size(*instances.shape), frame_size)))
            renumbered[index] = len(present)
    if len(present) == len(people):
        return instances, tuple(present)
    return np.asarray(cv2.LUT(instances, renumbered), np.uint8), tuple(present)


def _in_frame(box: Box, map_size: Size, frame_size: Size) -> Box:
    """From the label map to frame pixels, outward to whole ones."""
    down, across = frame_size.height / map_size.height, frame_size.width / map_size.width
    return Box(
        int(box.left * across),
        int(box.top * down),
        min(frame_size.width, int(np.ceil(box.right * across))),
        min(frame_size.height, int(np.ceil(box.bottom * down))),
    )
