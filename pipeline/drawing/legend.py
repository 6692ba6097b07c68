"""The legend: which colour is which class, in a corner where few people are, or in a band below the picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from pipeline.drawing.canvas import FONT, Canvas
from pipeline.drawing.look import LegendPlace
from pipeline.geometry import Box, Size
from pipeline.labels import LabelSet
from pipeline.types import LabelMap, Picture

OPACITY = 0.75
MIN_SHARE = 1 / 5000
"""Share of the picture that a class has to have to be listed: of a few stray pixels nothing is to be seen."""
KEPT_S = 5.0
"""A class stays listed for so long after it was last seen."""
MOVES_AFTER_S = 2.0
"""The legend of a video leaves its corner when another one was clearly emptier for so long."""
CLEARLY = 0.1
"""Share of the legend's own area by which another corner has to be emptier."""
LINE_PX = 30
"""Height of a line at scale 1 of the font."""
MIN_SCALE, FRAME_PX_PER_SCALE = 0.35, 1100
"""The font's scale is the shorter side of the frame divided by the second; the first can just be read."""

_DARK, _WHITE, _GREY = (32, 32, 32), (255, 255, 255), (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Corner:
    """A corner of the picture."""

    right: bool
    bottom: bool

    def box(self, height: int, width: int, size: Size) -> Box:
        """The place of a panel in this corner: at even numbers, for the sake of planes that are half as large."""
        left = max(0, size.width - width) // 2 * 2 if self.right else 0
        top = max(0, size.height - height) // 2 * 2 if self.bottom else 0
        return Box(left, top, min(size.width, left + width), min(size.height, top + height))


CORNERS = {
    "auto": (Corner(True, False), Corner(False, False), Corner(True, True), Corner(False, True)),
    "left": (Corner(False, False), Corner(False, True)),
    "right": (Corner(True, False), Corner(True, True)),
}
"""Of each place of the legend, the corners that it may be in; where people cover them equally, the first."""


class LegendMemory:
    """The classes of the last seconds of a stream, and the corner that its legend is in. For one stream."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        """When each class was last seen."""
        self._corner: Corner | None = None
        self._content_s = 0.0
        """When no other corner was clearly emptier for the last time."""
        self._now_s = -np.inf

    def listed(self, present: Sequence[int], now_s: float) -> tuple[int, ...]:
        """The classes that were present in the last seconds, in the order of their ids.

        Args:
            present: ids of the classes in the picture.
            now_s: time of the picture. A time before that of the last picture begins anew.
        """
        if now_s < self._now_s:
            self._seen, self._corner = {}, None
        self._now_s = now_s
        self._seen = {index: at_s for index, at_s in self._seen.items() if now_s - at_s <= KEPT_S}
        self._seen |= dict.fromkeys(present, now_s)
        return tuple(sorted(self._seen))

    def corner(self, covered: dict[Corner, float]) -> Corner:
        """The corner for the legend of the picture whose classes were told last.

        Args:
            covered: of each corner that is allowed, the share of the legend's area where people are.
        """
        emptiest = min(covered, key=lambda corner: covered[corner])
        if self._corner not in covered:
            self._corner = emptiest
        if covered[self._corner] - covered[emptiest] <= CLEARLY:
            self._content_s = self._now_s
        elif self._now_s - self._content_s >= MOVES_AFTER_S:
            self._corner, self._content_s = emptiest, self._now_s
        return self._corner


@dataclass(frozen=True, slots=True, eq=False)
class Legend:
    """A legend in its place in the picture."""

    panel: Picture
    box: Box

    def draw(self, canvas: Canvas) -> None:
        canvas.lay(self.panel, self.box.left, self.box.top, OPACITY)


def present(labels: LabelMap) -> tuple[int, ...]:
    """The ids of the classes that a label map shows, but for the background."""
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    return tuple(np.flatnonzero(counts[1:] >= max(1.0, MIN_SHARE * labels.size)) + 1)


def legend(
    place: LegendPlace, label_set: LabelSet, labels: LabelMap, size: Size, memory: LegendMemory, now_s: float
) -> Legend | None:
    """The legend of a picture in its corner; None where nothing is to be listed.

    Args:
        place: `auto`, `left` or `right`.
        labels: uint8 (h, w): what is drawn.
        size: of the picture.
    """
    ids = memory.listed(present(labels), now_s)
    if not ids:
        return None
    panel = _panel(label_set, ids, size)
    boxes = {corner: corner.box(panel.shape[0], panel.shape[1], size) for corner in CORNERS[place]}
    corner = memory.corner({corner: _covered(labels, box, size) for corner, box in boxes.items()})
    return Legend(panel, boxes[corner])


def _covered(labels: LabelMap, box: Box, size: Size) -> float:
    left, top, right, bottom = box.scaled(size, Size(*labels.shape))
    part = labels[top : max(top + 1, bottom), left : max(left + 1, right)]
    return cv2.countNonZero(part) / max(1, part.size)


@lru_cache(maxsize=32)
def _panel(label_set: LabelSet, ids: tuple[int, ...], size: Size) -> Picture:
    line = max(8, min(_line(size), size.height // len(ids)))
    panel = np.full((line * len(ids), _cell_width(label_set, ids, line), 3), _DARK, np.uint8)
    for row, index in enumerate(ids):
        _entry(panel, label_set, index, row * line, 0, line, _WHITE)
    panel.setflags(write=False)
    return panel


def band_height(label_set: LabelSet, ids: tuple[int, ...], size: Size) -> int:
    """Rows that the legend below a picture of this size adds to it: an even number, whatever is in the picture."""
    columns = max(1, size.width // max(1, _cell_width(label_set, ids, _line(size))))
    return -(-len(ids) // columns) * _line(size) // 2 * 2 + 2


@lru_cache(maxsize=32)
def band(label_set: LabelSet, ids: tuple[int, ...], listed: tuple[int, ...], size: Size) -> Picture:
    """The legend below a picture: each class has its place; those that are not listed are grey.

    Args:
        ids: of the classes that may be drawn.
        size: of the picture.

    Returns:
        uint8 (`band_height`, width, 3), BGR; not to be written to.
    """
    line = _line(size)
    columns = max(1, size.width // max(1, _cell_width(label_set, ids, line)))
    picture = np.full((band_height(label_set, ids, size), size.width, 3), _DARK, np.uint8)
    for place, index in enumerate(ids):
        row, column = divmod(place, columns)
        ink = _WHITE if index in listed else _GREY
        _entry(picture, label_set, index, row * line + 1, column * (size.width // columns), line, ink)
    picture.setflags(write=False)
    return picture


def _line(size: Size) -> int:
    return round(LINE_PX * max(MIN_SCALE, min(size) / FRAME_PX_PER_SCALE))


def _stroke(line: int) -> int:
    return max(1, round(1.5 * line / LINE_PX))


def _cell_width(label_set: LabelSet, ids: tuple[int, ...], line: int) -> int:
    widths = [cv2.getTextSize(label_set.names[index], FONT, line / LINE_PX, _stroke(line))[0][0] for index in ids]
    return max(widths, default=0) + 2 * line


def _entry(
    picture: Picture, label_set: LabelSet, index: int, top: int, left: int, line: int, ink: tuple[int, int, int]
) -> None:
    colour = tuple(int(channel) for channel in label_set.palette[index])
    cv2.rectangle(picture, (left + 4, top + 3), (left + line, top + line - 3), colour, cv2.FILLED)
    place = (left + line + line // 3, top + round(line * 0.8))
    cv2.putText(picture, label_set.names[index], place, FONT, line / LINE_PX, ink, _stroke(line), cv2.LINE_AA)
