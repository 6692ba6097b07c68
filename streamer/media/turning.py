"""Frames turned plane by plane: nothing is converted, so that turned and turned back they are the same."""

from collections.abc import Callable
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_EIGHT = 8

Turn = Callable[[NDArray[Any]], NDArray[Any]]
"""Turns (H, W) of any kind."""


def turned(frame: av.VideoFrame, turn: Turn) -> av.VideoFrame:
    """A new frame with each plane turned, of the same colours; it has no time.

    Args:
        frame: planar, of as many samples of colour across as down: 4:2:0 or 4:4:4.
    """
    planes = [turn(plane) for plane in _planes(frame)]
    height, width = planes[0].shape
    made = av.VideoFrame(width, height, frame.format.name)
    for target, source in zip(_planes(made), planes):
        target[:] = source
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made


def _planes(frame: av.VideoFrame) -> list[NDArray[Any]]:
    """Views of (H, W)."""
    kind = np.dtype(np.uint8 if frame.format.components[0].bits == _EIGHT else np.uint16)
    return [
        np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)[
            : plane.height, : plane.width
        ]
        for plane in frame.planes
    ]
