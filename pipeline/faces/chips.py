"""Faces cut out of pictures as networks for age and gender want them."""

import math

import cv2
import numpy as np

from pipeline.geometry import Box, Point
from pipeline.types import Face, Picture

MARGIN = 1.2
"""The side of a square chip, of the longer side of the face."""
_EYES = (Point(0.227310, 0.221396), Point(0.752814, 0.221233))
"""The middles of the eyes in dlib's mean face of five points, without padding: the left one in the picture first."""
PADDING = 0.2
MAX_OVERSAMPLING = 8


def square(picture: Picture, box: Box, side_px: int) -> Picture:
    """The square around a face, 1.2 times as large as its longer side; the picture's edges go on outside of it.

    Returns:
        uint8 (side_px, side_px, 3), BGR.
    """
    side = max(2, round(MARGIN * max(box.right - box.left, box.bottom - box.top)))
    left, top = round((box.left + box.right - side) / 2), round((box.top + box.bottom - side) / 2)
    height, width = picture.shape[:2]
    inside = picture[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    outside = (max(0, -top), max(0, top + side - height), max(0, -left), max(0, left + side - width))
    whole = cv2.copyMakeBorder(inside, *outside, cv2.BORDER_REPLICATE) if any(outside) else inside
    how = cv2.INTER_AREA if side > side_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(whole, (side_px, side_px), interpolation=how), np.uint8)


def aligned(picture: Picture, face: Face, side_px: int) -> Picture:
    """A face turned upright and scaled as dlib does, by its eyes alone, with a fifth of padding.

    Returns:
        uint8 (side_px, side_px, 3), BGR.
    """
    times = max(1, min(MAX_OVERSAMPLING, math.ceil(_distance(face.points[0], face.points[1]) / _eyes_px(side_px))))
    large = side_px * times
    goal = [complex((each.x + PADDING) * large, (each.y + PADDING) * large) / (1 + 2 * PADDING) for each in _EYES]
    eyes = [complex(each.x, each.y) for each in face.points[:2]]
    turn = (goal[1] - goal[0]) / ((eyes[1] - eyes[0]) or 1e-6)
    shift = goal[0] - turn * eyes[0]
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    warped = cv2.warpAffine(picture, matrix, (large, large), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(warped, (side_px, side_px), interpolation=cv2.INTER_AREA) if times > 1 else warped
    return np.asarray(small, np.uint8)


def _eyes_px(side_px: int) -> float:
    """The distance between the eyes in a chip."""
    return _distance(*_EYES) * side_px / (1 + 2 * PADDING)


def _distance(one: Point, other: Point) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)
