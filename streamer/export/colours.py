"""The colours of garments, measured in the video that the parsings are of."""

from collections import defaultdict
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Frame, Parsing
from pipeline.labels import BOTTOMS, TOPS

EVERY_S = 0.5
"""Time between two measurements."""
MIN_CELLS = 20
"""Pixels of the maps that a garment needs to be measured."""
NAMED = {
    "black": "101010",
    "grey": "808080",
    "white": "f0f0f0",
    "red": "c02020",
    "orange": "e07a20",
    "yellow": "e0d030",
    "green": "308040",
    "olive": "707030",
    "cyan": "30b0b0",
    "blue": "3060c0",
    "navy": "1c2848",
    "purple": "704090",
    "pink": "e090b0",
    "brown": "6b4a30",
    "beige": "d0c0a0",
}
"""Names of colours, RGB; the nearest in CIELAB is said."""


class Colours:
    """The colours of each person's garments: the median over their pixels, and over time."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        """
        Args:
            frames: of the video, in order; read as far as the parsings that are seen.
        """
        self._frames = frames
        self._frame: Frame | None = None
        self._due_s = 0.0
        self._seen: dict[int, dict[str, list[NDArray[np.float64]]]] = defaultdict(lambda: defaultdict(list))

    def see(self, parsing: Parsing) -> None:
        """Measures the frame of a parsing, if it is time for that. Raises what the frames' source raises."""
        if parsing.pts_s < self._due_s:
            return
        frame = self._frame_of(parsing.frame_index)
        if frame is None:
            return
        self._due_s = parsing.pts_s + EVERY_S
        small = cv2.resize(frame.bgr, parsing.map_size[::-1], interpolation=cv2.INTER_AREA)
        for number, person in enumerate(parsing.people, start=1):
            for garment in {*TOPS, *BOTTOMS} & set(parsing.label_set.names):
                where = (parsing.instances == number) & (parsing.labels == parsing.label_set.id_of(garment))
                if np.count_nonzero(where) >= MIN_CELLS:
                    self._seen[person.track_id][garment].append(np.median(small[where], axis=0))

    def of(self, track_id: int) -> dict[str, str]:
        """The colour of each garment of a person, as in `navy #1f2a44`."""
        return {garment: colour_text(np.median(each, axis=0)) for garment, each in self._seen[track_id].items()}

    def _frame_of(self, index: int) -> Frame | None:
        while self._frame is None or self._frame.index < index:
            following = next(self._frames, None)
            if following is None:
                return None
            self._frame = following
        return self._frame if self._frame.index == index else None


def colour_text(bgr: NDArray[np.float64]) -> str:
    """The name of the nearest colour, and its own."""
    names = list(NAMED)
    known = np.array([list(bytes.fromhex(NAMED[name]))[::-1] for name in names], np.uint8)
    all_of_them = np.vstack((np.round(bgr).astype(np.uint8), known))[None].astype(np.float32) / 255
    lab = cv2.cvtColor(all_of_them, cv2.COLOR_BGR2Lab)[0]
    nearest = names[int(np.linalg.norm(lab[1:] - lab[0], axis=1).argmin())]
    blue, green, red = (round(float(each)) for each in bgr)
    return f"{nearest} #{red:02x}{green:02x}{blue:02x}"
