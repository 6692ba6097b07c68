"""Pictures that need no parsing: a scene in which nothing moves, and pictures that were seen before."""

from collections import OrderedDict
from hashlib import blake2b

import cv2
import numpy as np

from pipeline.parsing.reading import Reading
from pipeline.types import Picture

BLOCK_PX = 16
"""Side of the squares of the input that are compared as a whole, which a camera's noise does not change."""
STILL_LEVELS = 2.0
"""No square may differ by more from what was parsed, of 255."""
MAX_PICTURES = 16
"""Pictures remembered: as many as a slide show turns back."""


class Repeats:
    """Remembers what was read in pictures of one stream. Pure: it is told the time."""

    def __init__(self, still_for_s: float) -> None:
        """
        Args:
            still_for_s: time after which a still scene is parsed again; 0 remembers nothing.
        """
        self._still_for_s = still_for_s
        self._kept: OrderedDict[bytes, Reading] = OrderedDict()
        self._seen: Picture | None = None
        self._seen_s = 0.0
        self._reading: Reading | None = None

    def recall(self, small: Picture, now_s: float) -> Reading | None:
        """The reading of the same picture, or of nearly the same one a moment ago; None if there is none.

        Args:
            small: uint8 (h, w, 3), as it goes into the network.
            now_s: monotonic seconds.
        """
        if not self._still_for_s:
            return None
        if self._reading is not None and now_s - self._seen_s < self._still_for_s and self._is_still(small):
            return self._reading
        return self._kept.get(_digest(small))

    def remember(self, small: Picture, reading: Reading, now_s: float) -> None:
        """This was read in a picture."""
        if self._still_for_s:
            self._seen, self._seen_s, self._reading = small, now_s, reading
            self._kept[_digest(small)] = reading
            while len(self._kept) > MAX_PICTURES:
                self._kept.popitem(last=False)

    def _is_still(self, small: Picture) -> bool:
        if self._seen is None or self._seen.shape != small.shape:
            return False
        return still(self._seen, small)


def still(before: Picture, after: Picture) -> bool:
    """True if nothing moved between two pictures of one size, uint8 (h, w, 3); noise does not count."""
    height, width = before.shape[:2]
    squares = (max(1, width // BLOCK_PX), max(1, height // BLOCK_PX))
    one, other = (cv2.resize(each, squares, interpolation=cv2.INTER_AREA).astype(np.int16) for each in (before, after))
    return int(np.abs(one - other).max()) <= STILL_LEVELS


def _digest(small: Picture) -> bytes:
    return blake2b(small.tobytes(), digest_size=16, key=str(small.shape).encode()).digest()
