"""What is drawn on: a BGR picture, or the planes of a YUV one. The strokes are the same for both.

Each stroke is made on every layer of it: see `pipeline.drawing.layers`.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.enlarging import blurred, clear_edged, reach, window
from pipeline.drawing.layers import Colour, Layer, layers
from pipeline.geometry import Box, Size
from pipeline.types import LabelMap, Picture
from pipeline.yuv import Yuv420

ISLAND_CELL = 4
"""What is tinted is looked for in cells of so many pixels of the label map."""

LARGE = 0.8
"""If what is tinted is a larger share of the picture, all of it is looked at: one part takes less time than several."""

SUB_PX_BITS = 4
"""Lines are drawn to 1/16 of a pixel."""

FONT = cv2.FONT_HERSHEY_SIMPLEX

Line = NDArray[np.float32]
"""A closed line: float32 (n, 2), x and y in pixels of the picture; the centre of its first pixel is 0, 0."""


class Canvas:
    """A picture that is being drawn on."""

    def __init__(self, size: Size, parts: tuple[Layer, ...]) -> None:
        self.size = size
        self._layers = parts

    @classmethod
    def on_bgr(cls, picture: Picture) -> "Canvas":
        """Draws into uint8 (H, W, 3)."""
        return cls(Size(*picture.shape[:2]), layers(picture))

    @classmethod
    def on_yuv(cls, picture: Yuv420) -> "Canvas":
        """Draws into the planes of a picture."""
        return cls(Size(*picture.shape), layers(picture))

    def rows(self, top: int, bottom: int) -> "Canvas":
        """A part of the picture, from an even row on, as a canvas of its own."""
        part = Box(0, top, self.size.width, bottom)
        parts = tuple(Layer(layer.part(part), layer.step, layer.terms) for layer in self._layers)
        return Canvas(Size(bottom - top, self.size.width), parts)

    def tint(
        self,
        labels: LabelMap,
        palette: NDArray[np.uint8],
        opacity: float,
        faint: NDArray[np.uint8],
        faint_opacity: float,
    ) -> None:
        """Lays each label's colour over the picture, but for label 0.

        Args:
            labels: uint8 (h, w), covering the whole picture.
            palette: uint8 (n, 3), BGR.
            opacity: in [0, 1].
            faint: uint8 (256,); not 0 for the labels that have an opacity of their own.
            faint_opacity: theirs, in [0, 1].
        """
        if not opacity:
            return
        solid = np.asarray(cv2.threshold(labels, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)
        boxes = islands(solid)
        if not boxes:
            return
        if sum(box.area for box in boxes) > LARGE * labels.size:
            boxes = [Box(0, 0, labels.shape[1], labels.shape[0])]
        there, map_size = boxes[0].around(boxes[1:]), Size(*labels.shape)
        labels, solid = _cut(labels, there), _cut(solid, there)
        fainter = np.asarray(cv2.LUT(labels, faint), np.uint8)
        masks = (_Part(blurred(each, map_size, self.size), there, map_size) for each in (solid, fainter))
        washes = tuple(_Wash(*each) for each in zip(masks, (opacity, faint_opacity)))
        faint_boxes = [each.moved(there.left, there.top) for each in islands(fainter)]
        # Bilinear enlarging rounds the corners off; background takes its neighbours' colours first, or the rim of
        # each mask would be mixed with black.
        spread = np.asarray(cv2.copyTo(labels, labels, cv2.dilate(labels, np.ones((3, 3), np.uint8))), np.uint8)
        for layer in self._layers:
            coloured = _Part(_coloured(spread, layer.terms(palette)), there, map_size)
            for box in boxes:
                _tint_part(layer.pixels, coloured, box, [each for each in faint_boxes if each.overlaps(box)], *washes)

    def contours(self, lines: list[Line], colour: Colour, stroke: int) -> None:
        """Draws closed lines."""
        for layer in self._layers:
            scaled = [
                np.rint(((line + 0.5) / layer.step - 0.5) * (1 << SUB_PX_BITS)).astype(np.int32) for line in lines
            ]
            width = max(1, stroke // layer.step)
            cv2.polylines(layer.pixels, scaled, True, layer.value(colour), width, cv2.LINE_AA, SUB_PX_BITS)

    def fill(self, box: Box, colour: Colour) -> None:
        """Fills a rectangle; what lies outside the picture is left out."""
        for layer in self._layers:
            layer.part(box)[:] = np.array(layer.value(colour)) if layer.pixels.ndim == 3 else layer.value(colour)[0]

    def write(self, text: str, left: int, baseline: int, scale: float, colour: Colour, stroke: int) -> None:
        """Writes in grey tones, whose colour is that of the ground: only brightness changes."""
        layer = self._layers[0]
        cv2.putText(layer.pixels, text, (left, baseline), FONT, scale, layer.value(colour), stroke, cv2.LINE_AA)

    def lay(self, panel: Picture, left: int, top: int, opacity: float) -> None:
        """Lays a picture over this one; what reaches past the edge is left out.

        Args:
            panel: uint8 (h, w, 3), BGR.
            left, top: where; even numbers, so that the half-size layers fit.
            opacity: in [0, 1].
        """
        height, width = min(panel.shape[0], self.size.height - top), min(panel.shape[1], self.size.width - left)
        panel = np.ascontiguousarray(panel[:height, :width])
        for layer in self._layers:
            under = layer.part(Box(left, top, left + width, top + height))
            shape = under.shape[1], under.shape[0]
            small = panel if layer.step == 1 else cv2.resize(panel, shape, interpolation=cv2.INTER_AREA)
            over = layer.terms(np.asarray(small, np.uint8).reshape(-1, 3)).reshape(under.shape)
            cv2.addWeighted(under, 1.0 - opacity, over, opacity, 0.0, dst=under)


def _coloured(labels: LabelMap, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each label's value: uint8 (h, w, 3) of values (n, 3), (h, w) of (n,). A tenth of the time of `values[labels]`."""
    tables = np.zeros((256, values.size // len(values)), np.uint8)
    tables[: len(values)] = values.reshape(len(values), -1)
    channels = [cv2.LUT(labels, np.ascontiguousarray(table)) for table in tables.T]
    return np.asarray(channels[0] if values.ndim == 1 else cv2.merge(channels), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of a map, of which parts of a picture are enlarged."""

    cells: NDArray[np.uint8]
    """uint8 of the box's height and width."""
    box: Box
    map_size: Size

    def enlarged(self, size: Size, area: Box) -> NDArray[np.uint8]:
        return window(self.cells, self.box, self.map_size, size, area)


@dataclass(frozen=True, slots=True, eq=False)
class _Wash:
    """What is tinted alike."""

    mask: _Part
    """127.5 is its edge."""
    opacity: float
    _masks: dict[tuple[Size, Box], NDArray[np.uint8]] = field(default_factory=dict)

    def enlarged(self, size: Size, area: Box) -> NDArray[np.uint8]:
        """The mask in a part of a layer; the two layers of colour are alike, so it is made once for both."""
        if (size, area) not in self._masks:
            self._masks[size, area] = clear_edged(self.mask.enlarged(size, area))
        return self._masks[size, area]

    def mixed(self, under: NDArray[np.uint8], over: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.addWeighted(under, 1.0 - self.opacity, over, self.opacity, 0.0), np.uint8)


def _tint_part(
    pixels: NDArray[np.uint8], coloured: _Part, box: Box, faint_boxes: list[Box], wash: _Wash, faint: _Wash
) -> None:
    """Tints a box of a map, and otherwise boxes of it that lie in that box."""
    size, map_size = Size(*pixels.shape[:2]), coloured.map_size
    area = reach(box, map_size, size)
    over = coloured.enlarged(size, area)
    spots = [reach(each, map_size, size) for each in faint_boxes]
    fainter = [faint.mixed(_cut(pixels, spot), _cut(over, spot, *area[:2])) for spot in spots]
    under = _cut(pixels, area)
    cv2.addWeighted(under, 1.0 - wash.opacity, over, wash.opacity, 0.0, dst=over)
    for spot, tinted in zip(spots, fainter):
        cv2.copyTo(tinted, faint.enlarged(size, spot), _cut(over, spot, *area[:2]))
    cv2.copyTo(over, wash.enlarged(size, area), under)


def _cut(pixels: NDArray[np.uint8], box: Box, left: int = 0, top: int = 0) -> NDArray[np.uint8]:
    """The pixels of a box, of those that begin at a column and a row."""
    return pixels[box.top - top : box.bottom - top, box.left - left : box.right - left]


def islands(solid: NDArray[np.uint8]) -> list[Box]:
    """Boxes of a map that hold all its pixels but 0, two pixels from their edges at least, and do not overlap."""
    left, top, wide, tall = cv2.boundingRect(solid)
    if not wide:
        return []
    # Whole cells, and one more to each side, into which what is dilated grows.
    right, bottom = (-(-each // ISLAND_CELL) * ISLAND_CELL + ISLAND_CELL for each in (left + wide, top + tall))
    left, top = (max(0, each // ISLAND_CELL - 1) * ISLAND_CELL for each in (left, top))
    seen = solid[top:bottom, left:right]
    height, width = (-(-side // ISLAND_CELL) for side in seen.shape)
    below, beside = height * ISLAND_CELL - seen.shape[0], width * ISLAND_CELL - seen.shape[1]
    if below or beside:
        seen = np.asarray(cv2.copyMakeBorder(seen, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=0), np.uint8)
    # Any pixel makes its cell count: the mean of a cell of 16 with one pixel of 255 in it rounds to 16.
    coarse = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(coarse, np.ones((3, 3), np.uint8)))
    apart: list[Box] = []
    for across, down, wide, tall, _ in (ISLAND_CELL * stats[1:count]).tolist():
        first = left + across, top + down
        box = Box(*first, min(first[0] + wide, solid.shape[1]), min(first[1] + tall, solid.shape[0]))
        while overlapping := [other for other in apart if box.overlaps(other)]:
            apart = [other for other in apart if other not in overlapping]
            box = box.around(overlapping)
        apart.append(box)
    return apart
