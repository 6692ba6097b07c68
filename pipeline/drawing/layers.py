"""The layers of a picture: one of three channels for BGR; one of brightness and two of colour, half as large, for YUV.

What is drawn is drawn on every layer, at the layer's scale and in the layer's terms for colours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.types import Picture
from pipeline.yuv import Yuv420

Colour = tuple[int, int, int]
"""BGR."""


@dataclass(frozen=True, slots=True)
class Layer:
    pixels: NDArray[np.uint8]
    step: int
    """Pixels of the picture to one of this layer, along each side."""
    terms: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """From colours, uint8 (n, 3) BGR, to this layer's values: uint8 (n, 3) or (n,)."""

    def value(self, colour: Colour) -> tuple[float, ...]:
        return tuple(float(each) for each in np.atleast_1d(self.terms(np.array([colour], np.uint8))[0]))

    def part(self, box: Box) -> NDArray[np.uint8]:
        """The pixels of a box of the picture."""
        return self.pixels[
            box.top // self.step : -(-box.bottom // self.step), box.left // self.step : -(-box.right // self.step)
        ]


def layers(picture: Picture | Yuv420) -> tuple[Layer, ...]:
    """Views: who writes to them writes to the picture."""
    if not isinstance(picture, Yuv420):
        return (Layer(picture, 1, lambda bgr: bgr),)

    def only(channel: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
        return lambda bgr: np.ascontiguousarray(picture.colours(bgr)[:, channel])

    y, u, v = picture.planes
    return Layer(y, 1, only(0)), Layer(u, 2, only(1)), Layer(v, 2, only(2))
