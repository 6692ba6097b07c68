"""Drawing: a frame and its parsing become a picture that a person can read.

The label map is coloured at its own size and then enlarged, which gives the same pixels as the other way
round at a tenth of the time. Outlines are traced for each person around its mask enlarged to the frame.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.labels import LabelSet
from pipeline.types import Box, Frame, LabelMap, Parsing, Picture, Size

_WHITE = (255, 255, 255)
_DARK = (32, 32, 32)


@dataclass(frozen=True, slots=True)
class Look:
    """How a parsing is drawn."""

    opacity: float = 0.5
    """Of the colours over the picture: 0 shows none of them, 1 none of the picture beneath."""
    outline: bool = True
    """A white line around each person."""
    legend: bool = False
    """The names of the classes, those in the picture bright."""
    tags: bool = True
    """Each person's number at the top of its box."""
    hidden: frozenset[str] = frozenset()
    """Names of classes that are not drawn."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity <= 1.0:
            raise PipelineError(f"opacity is between 0 and 1, not {self.opacity}")


def blend(frame: Frame, parsing: Parsing, look: Look | None = None, *, opacity: float | None = None) -> Picture:
    """The frame with the parsing drawn over it.

    Args:
        frame: the picture; not written to.
        parsing: of this frame, or one close by in time; its maps are scaled to the frame.
        look: how to draw; the default `Look` when None.
        opacity: in place of the look's own.

    Returns:
        uint8 (H, W, 3), BGR, new.

    Raises:
        UnknownName: `look.hidden` names a class that the label set lacks.
        PipelineError: an opacity outside [0, 1].
    """
    look = look or Look()
    if opacity is not None:
        look = replace(look, opacity=opacity)
    picture = frame.bgr.copy()
    labels = _shown(parsing.labels, parsing.label_set, look.hidden)
    _colour(picture, labels, parsing.label_set.palette, look.opacity)
    if look.outline:
        visible = np.where(labels > 0, parsing.instances, np.uint8(0))
        for index, person in enumerate(parsing.people, start=1):
            _outline(picture, visible, index, person.box)
    if look.tags:
        for person in parsing.people:
            _tag(picture, f"{person.track_id}", person.box)
    if look.legend:
        _legend(picture, parsing, look.hidden)
    return picture


def _shown(labels: LabelMap, label_set: LabelSet, hidden: Iterable[str]) -> LabelMap:
    ids = [label_set.id_of(name) for name in hidden]
    if not ids:
        return labels
    kept = np.arange(len(label_set), dtype=np.uint8)
    kept[ids] = 0
    return kept[labels]


def _colour(picture: Picture, labels: LabelMap, palette: NDArray[np.uint8], opacity: float) -> None:
    """Writes the classes' colours into the picture."""
    left, top, width, height = cv2.boundingRect((labels > 0).view(np.uint8))
    if not width or not opacity:
        return
    size = Size(*picture.shape[:2])
    area = _area(Box(left, top, left + width, top + height), Size(*labels.shape), size)
    # Bilinear enlarging rounds the corners off; background takes its neighbours' colours first, or the rim of
    # each mask would be mixed with black.
    spread = np.where(labels > 0, labels, cv2.dilate(labels, np.ones((3, 3), np.uint8)))
    colours = enlarge(palette[spread], size, area)
    mask = _mask(labels > 0, size, area)
    under = picture[area.top : area.bottom, area.left : area.right]
    cv2.addWeighted(under, 1.0 - opacity, colours, opacity, 0.0, dst=colours)
    cv2.copyTo(colours, mask, under)


def enlarge(small: NDArray[np.uint8], size: Size, area: Box) -> NDArray[np.uint8]:
    """A part of what enlarging a whole map to `size` would give, bilinear; to the same pixels.

    Args:
        small: uint8 (h, w) or (h, w, channels), covering the whole frame.
        size: of the frame.
        area: the part of the frame that is wanted.
    """
    down, across = small.shape[0] / size.height, small.shape[1] / size.width
    # Pixel centres lie at half: frame pixel x is at (x + 0.5) * across - 0.5 of the map.
    matrix = np.array(
        [
            [across, 0, (area.left + 0.5) * across - 0.5],
            [0, down, (area.top + 0.5) * down - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = (area.right - area.left, area.bottom - area.top)
    return np.asarray(cv2.warpAffine(small, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _mask(inside: NDArray[np.bool_], size: Size, area: Box) -> NDArray[np.uint8]:
    """Enlarged with a smooth edge: uint8 of the area, 0 or 255."""
    soft = enlarge(inside.view(np.uint8) * np.uint8(255), size, area)
    return np.asarray(cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _area(box: Box, map_size: Size, frame_size: Size) -> Box:
    """The frame pixels that a box of the map reaches when enlarged."""
    down, across = frame_size.height / map_size.height, frame_size.width / map_size.width
    return Box(
        max(0, int((box.left - 1) * across)),
        max(0, int((box.top - 1) * down)),
        min(frame_size.width, int(np.ceil((box.right + 1) * across))),
        min(frame_size.height, int(np.ceil((box.bottom + 1) * down))),
    )


def _outline(picture: Picture, instances: LabelMap, index: int, box: Box) -> None:
    size = Size(*picture.shape[:2])
    margin = 2 * max(1, size.height // instances.shape[0])
    area = Box(
        max(0, box.left - margin),
        max(0, box.top - margin),
        min(size.width, box.right + margin),
        min(size.height, box.bottom + margin),
    )
    mask = _mask(instances == index, size, area)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    inner = picture[area.top : area.bottom, area.left : area.right]
    cv2.drawContours(inner, contours, -1, _WHITE, _stroke(size), cv2.LINE_AA)


def _tag(picture: Picture, text: str, box: Box) -> None:
    size = Size(*picture.shape[:2])
    scale, stroke = _font_scale(size), _stroke(size)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
    pad = 2 + stroke
    # Above the box where there is room, else inside it: nothing is drawn off the picture.
    bottom = box.top if box.top >= height + below + 2 * pad else min(size.height, box.top + height + below + 2 * pad)
    left = max(0, min(box.left, size.width - width - 2 * pad))
    top = max(0, bottom - height - below - 2 * pad)
    cv2.rectangle(picture, (left, top), (left + width + 2 * pad, bottom), _DARK, cv2.FILLED)
    cv2.putText(
        picture, text, (left + pad, bottom - pad - below), cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, stroke, cv2.LINE_AA
    )


def _legend(picture: Picture, parsing: Parsing, hidden: frozenset[str]) -> None:
    size = Size(*picture.shape[:2])
    present = np.bincount(parsing.labels.ravel(), minlength=len(parsing.label_set)) > 0
    panel = _legend_panel(parsing.label_set, hidden, tuple(present.tolist()), _font_scale(size), size.height)
    height, width = min(panel.shape[0], size.height), min(panel.shape[1], size.width)
    corner = picture[:height, size.width - width :]
    cv2.addWeighted(corner, 0.25, np.ascontiguousarray(panel[:height, :width]), 0.75, 0.0, dst=corner)


@lru_cache(maxsize=32)
def _legend_panel(
    label_set: LabelSet, hidden: frozenset[str], present: tuple[bool, ...], scale: float, most_height: int
) -> Picture:
    """All classes in a fixed order, so that nothing jumps when one comes or goes."""
    off = {label_set.id_of(name) for name in hidden}
    rows = [index for index in range(1, len(label_set)) if index not in off]
    line = max(8, min(round(30 * scale), most_height // max(1, len(rows))))
    scale = line / 30
    stroke = max(1, round(scale * 1.5))
    widths = [cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)[0][0] for name in label_set.names]
    panel = np.full((line * len(rows), max(widths) + 2 * line, 3), _DARK, np.uint8)
    for row, index in enumerate(rows):
        top = row * line
        colour = tuple(int(channel) for channel in label_set.palette[index])
        cv2.rectangle(panel, (4, top + 3), (line, top + line - 3), colour, cv2.FILLED)
        ink = _WHITE if present[index] else (128, 128, 128)
        place = (line + line // 3, top + round(line * 0.72))
        cv2.putText(panel, label_set.names[index], place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, stroke, cv2.LINE_AA)
    panel.setflags(write=False)
    return panel


def _stroke(size: Size) -> int:
    return max(1, round(min(size) / 500))


def _font_scale(size: Size) -> float:
    return max(0.35, min(size) / 1100)
