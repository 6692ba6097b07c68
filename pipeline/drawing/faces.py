"""Faces: a frame around each, and what it is taken for."""

import cv2
import numpy as np

from pipeline.drawing.canvas import FONT, Canvas
from pipeline.drawing.layers import Colour
from pipeline.geometry import Box, Size
from pipeline.types import Estimate, Parsing

AMBER: Colour = (0, 191, 255)
DARK: Colour = (32, 32, 32)
MIN_SCALE, PX_PER_SCALE = 0.4, 1400
"""The font's scale is the shorter side of the picture divided by the second, but never less than the first."""
PX_PER_STROKE = 500
"""A frame's line is as many pixels wide as this goes into the shorter side of the picture, rounded."""


def draw_faces(canvas: Canvas, parsing: Parsing, size: Size) -> None:
    """Draws the faces of a parsing, if somebody looked for them.

    Args:
        size: of the picture.
    """
    faces = parsing.faces or ()
    boxes = [face.box.scaled(parsing.frame_size, size) for face in faces]
    canvas.contours([_line(box) for box in boxes], AMBER, max(1, round(min(size) / PX_PER_STROKE)))
    for face, box in zip(faces, boxes):
        if face.estimate is not None:
            _write(canvas, told(face.estimate), box, size)


def told(estimate: Estimate) -> str:
    """An estimate as it is drawn: the range of ages, and the gender if one is told."""
    years = "-".join(f"{each:.0f}" for each in estimate.age_range)
    return years if estimate.gender is None else f"{years} {estimate.gender}"


def _write(canvas: Canvas, text: str, box: Box, size: Size) -> None:
    """Below the face, or above it where there is no room; inside the picture."""
    scale = max(MIN_SCALE, min(size) / PX_PER_SCALE)
    stroke = max(1, round(1.6 * scale))
    (wide, tall), below = cv2.getTextSize(text, FONT, scale, stroke)
    pad = max(2, round(4 * scale))
    height = tall + below + 2 * pad
    top = box.bottom + pad if box.bottom + pad + height <= size.height else max(0, box.top - pad - height)
    left = max(0, min((box.left + box.right - wide) // 2 - pad, size.width - wide - 2 * pad))
    canvas.fill(Box(left, top, min(size.width, left + wide + 2 * pad), min(size.height, top + height)), DARK)
    canvas.write(text, left + pad, top + pad + tall, scale, AMBER, stroke)


def _line(box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    left, top, right, bottom = box.left, box.top, box.right - 1, box.bottom - 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
