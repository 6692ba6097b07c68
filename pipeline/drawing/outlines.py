"""Outlines of people: smooth closed lines, finer than the map that they are made from.

Each person's mask is blurred before it is enlarged, so that its edge does not follow the cells of the map. Where two
people touch, a wider blur decides between them: that border comes from the network's coarsest grid. The lines are
traced on a grid about as fine as the map, then smoothed along their length and given in fractions of a pixel.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.canvas import Line
from pipeline.drawing.enlarging import blurred, reach, window
from pipeline.drawing.silhouettes import Silhouette
from pipeline.geometry import Box, Size
from pipeline.types import LabelMap

TOUCHING_CELLS = 5
"""Cells of the map over which the border between two people is smoothed, twice: its steps are four cells long."""
REACH = 6
"""Cells around a person that its blurred mask reaches."""
TRACED_PX = 400
"""The shorter side, in pixels, of the grid on which lines are traced, where the frame is larger."""
ALONG_SIGMA = 2.0
"""Points of a traced line, a pixel of that grid apart, over which it is smoothed."""
KEPT_EVERY = 2
"""Of the points of a smoothed line, one in so many is drawn."""
MIN_POINTS = 12
"""A line of fewer points is around a speck and is not drawn."""
BEYOND_PX = 8.0
"""How far outside the picture a line runs where a person is cut by the picture's edge."""


def outlines(people: Sequence[Silhouette], labels: LabelMap, size: Size) -> list[Line]:
    """The outer lines around each person.

    Args:
        labels: uint8 (h, w); where it is 0, nothing of a person is drawn.
        size: of the picture that the map covers.

    Returns:
        float32 (n, 2) each: x and y in pixels of the picture; the centre of its first pixel is 0, 0.
    """
    step = max(1, round(min(size) / TRACED_PX))
    grid = Size(-(-size.height // step), -(-size.width // step))
    scale = np.array([size.width / grid.width, size.height / grid.height], np.float32)
    lines = []
    for box, inside in _insides(people, labels, size):
        area = reach(box, Size(*labels.shape), grid)
        for line in _traced(window(inside, box, Size(*labels.shape), grid, area)):
            corner = np.array([area.left + 0.5, area.top + 0.5], np.float32)
            lines.append(_past_edges((_smooth(line) + corner) * scale - np.float32(0.5), size, scale))
    return lines


def _insides(people: Sequence[Silhouette], labels: LabelMap, size: Size) -> list[tuple[Box, NDArray[np.uint8]]]:
    """For each person a box of the map, and how far inside the person its cells are: 128 is the edge."""
    anybody = np.zeros_like(labels)
    boxes = [_grown(person.box, labels.shape) for person in people]
    masks = [_drawn(person, box, labels) for person, box in zip(people, boxes)]
    for box, mask in zip(boxes, masks):
        whole = anybody[box.top : box.bottom, box.left : box.right]
        cv2.bitwise_or(whole, mask, dst=whole)
    fine, wide = blurred(anybody, Size(*anybody.shape), size), None
    found = []
    for which, (box, mask) in enumerate(zip(boxes, masks)):
        part = np.s_[box.top : box.bottom, box.left : box.right]
        inside = fine[part]
        if any(box.overlaps(other) for other in boxes[:which] + boxes[which + 1 :]):
            wide = _wide(anybody) if wide is None else wide
            # One person's share is the larger one where it is more than half of the sum of all shares.
            own = cv2.addWeighted(_wide(mask), 1.0, wide[part], -0.5, 128.0)
            inside = np.asarray(cv2.min(inside, own), np.uint8)
        found.append((box, inside))
    return found


def _grown(box: Box, shape: tuple[int, ...]) -> Box:
    return Box(
        max(0, box.left - REACH),
        max(0, box.top - REACH),
        min(shape[1], box.right + REACH),
        min(shape[0], box.bottom + REACH),
    )


def _drawn(person: Silhouette, around: Box, labels: LabelMap) -> NDArray[np.uint8]:
    """The part of a person that has a class that is drawn, in a box around it."""
    left, top, right, bottom = person.box
    mask = np.zeros((around.bottom - around.top, around.right - around.left), np.uint8)
    part = mask[top - around.top : bottom - around.top, left - around.left : right - around.left]
    cv2.copyTo(person.mask, labels[top:bottom, left:right], part)
    return mask


def _wide(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    for _ in range(2):
        mask = np.asarray(cv2.blur(mask, (TOUCHING_CELLS, TOUCHING_CELLS), borderType=cv2.BORDER_REPLICATE), np.uint8)
    return mask


def _traced(inside: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
    """Pixels along the outer edges, the ones inside: int32 (n, 2) each."""
    solid = cv2.threshold(inside, 127, 255, cv2.THRESH_BINARY)[1]
    found, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(line[:, 0], np.int32) for line in found if len(line) >= MIN_POINTS]


def _smooth(line: NDArray[np.int32]) -> Line:
    """The line without the steps of its grid, moved from the middles of the outermost pixels to their outer sides."""
    around = int(3 * ALONG_SIGMA) + 1
    closed = np.concatenate([line[-around:], line, line[:around]]).astype(np.float32)
    soft = cv2.GaussianBlur(closed.reshape(-1, 1, 2), (1, 2 * around + 1), 0, sigmaY=ALONG_SIGMA).reshape(-1, 2)
    along = soft[around + 1 : len(line) + around + 1] - soft[around - 1 : len(line) + around - 1]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-3)
    # OpenCV goes around with the inside on its left as seen on a screen: outwards is to the right.
    outwards = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
    return np.asarray((soft[around:-around] + outwards / 2)[::KEPT_EVERY], np.float32)


def _past_edges(line: Line, size: Size, scale: NDArray[np.float32]) -> Line:
    """Leads a line out of the picture where it runs along the picture's edge: nobody ends there."""
    last = np.array([size.width - 1, size.height - 1], np.float32)
    line = np.where(line < scale, -BEYOND_PX, line)
    return np.asarray(np.where(line > last - scale, last + BEYOND_PX, line), np.float32)
