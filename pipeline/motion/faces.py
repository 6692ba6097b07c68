"""Faces carried by optical flow: each moves as most of what is in its box does."""

from dataclasses import replace

import numpy as np

from pipeline.geometry import Box, Point, Size
from pipeline.motion.flow import Flow
from pipeline.types import Face

STEPS = 3
"""The flow tells where a place was, not where it goes: the place is found in so many steps."""


def moved(face: Face, flow: Flow) -> Face | None:
    """The face in the frame that the flow leads to; None where it has left the picture.

    Args:
        face: in the frame that the flow leads from.
    """
    size = flow.to.frame_size
    across = down = 0.0
    for _ in range(STEPS):
        across, down = _distance(_shifted(face.box, across, down), flow, size)
    box = _inside(_shifted(face.box, across, down), size)
    if not box.area:
        return None
    return replace(face, box=box, points=tuple(Point(each.x + across, each.y + down) for each in face.points))


def _distance(box: Box, flow: Flow, size: Size) -> tuple[float, float]:
    """How far what is in a box has come, across and down, in frame pixels."""
    small = Size(*flow.source.shape[:2])
    left, top, right, bottom = box.scaled(size, small)
    row, column = min(max(top, 0), small.height - 1), min(max(left, 0), small.width - 1)
    there = flow.source[row : max(row + 1, bottom), column : max(column + 1, right)]
    across, down = np.median(there.reshape(-1, 2), axis=0).tolist()
    return -across * size.width / small.width, -down * size.height / small.height


def _shifted(box: Box, across: float, down: float) -> Box:
    x, y = round(across), round(down)
    return Box(box.left + x, box.top + y, box.right + x, box.bottom + y)


def _inside(box: Box, size: Size) -> Box:
    left, right = (min(max(each, 0), size.width) for each in (box.left, box.right))
    top, bottom = (min(max(each, 0), size.height) for each in (box.top, box.bottom))
    return Box(left, top, right, bottom)
