"""Faces: a frame around each."""

import numpy as np

from pipeline.drawing.canvas import Canvas, Colour
from pipeline.geometry import Box, Size
from pipeline.types import Parsing

AMBER: Colour = (0, 191, 255)
PX_PER_STROKE = 500
"""A frame's line is as many pixels wide as this goes into the shorter side of the picture, rounded."""


def draw_faces(canvas: Canvas, parsing: Parsing, size: Size) -> None:
    """Draws the faces of a parsing, if somebody looked for them.

    Args:
        size: of the picture.
    """
    boxes = [face.box.scaled(parsing.frame_size, size) for face in parsing.faces or ()]
    canvas.contours([_line(box) for box in boxes], AMBER, max(1, round(min(size) / PX_PER_STROKE)))


def _line(box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    left, top, right, bottom = box.left, box.top, box.right - 1, box.bottom - 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
