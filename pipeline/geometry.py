"""Sizes and boxes, in pixels.

Sizes are (height, width) everywhere; OpenCV's (width, height) is `size[::-1]` at the call.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    @property
    def area(self) -> int:
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Point(NamedTuple):
    """A place in frame pixels, whole numbers at the pixels' edges."""

    x: float
    """From the left edge."""
    y: float
    """From the top."""


class Box(NamedTuple):
    """A rectangle in frame pixels, half-open: a box of the whole frame is (0, 0, W, H)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def scaled(self, from_size: Size, to_size: Size) -> "Box":
        """The same rectangle on a picture of another size, rounded to whole pixels."""
        down, across = to_size.height / from_size.height, to_size.width / from_size.width
        return Box(*(round(side * scale) for side, scale in zip(self, (across, down, across, down))))

    def moved(self, right: int, down: int) -> "Box":
        """The same rectangle elsewhere."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def overlaps(self, other: "Box") -> bool:
        """True if the two share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def around(self, others: Iterable["Box"]) -> "Box":
        """The smallest box that holds this one and the others."""
        left, top, right, bottom = zip(self, *others)
        return Box(min(left), min(top), max(right), max(bottom))

    def iou(self, other: "Box") -> float:
        """Intersection over union, in [0, 1]."""
        if not self.overlaps(other):
            return 0.0
        shared = Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area
        union = self.area + other.area - shared
        return shared / union if union else 0.0
