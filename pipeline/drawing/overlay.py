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

from pipeline.drawing.canvas import FONT, Canvas, reach, smooth_mask
from pipeline.errors import PipelineError
from pipeline.geometry import Box, Size
from pipeline.labels import LabelSet
from pipeline.pictures import AnyPicture, as_frame
from pipeline.types import Frame, LabelMap, Parsing, Picture
from pipeline.yuv import Yuv420

LEGEND_OPACITY = 0.75

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


def blend(picture: AnyPicture, parsing: Parsing, look: Look | None = None, *, opacity: float | None = None) -> Picture:
    """The picture with the parsing drawn over it.

    Args:
        picture: the frame, array, file or PIL image that was parsed; not written to.
        parsing: of this picture, or one close by in time; its maps are scaled to the picture.
        look: how to draw; the default `Look` when None.
        opacity: in place of the look's own.

    Returns:
        uint8 (H, W, 3), BGR, new.

    Raises:
        BadPicture: see `pipeline.pictures.as_frame`.
        UnknownName: `look.hidden` names a class that the label set lacks.
        PipelineError: an opacity outside [0, 1].
    """
    look = look or Look()
    drawn = as_frame(picture).bgr.copy()
    _draw(Canvas.on_bgr(drawn), parsing, look if opacity is None else replace(look, opacity=opacity))
    return drawn


def draw(frame: Frame, parsing: Parsing, look: Look) -> Picture | Yuv420:
    """As `blend`, but the picture stays in the form that the frame has: for a recording, at half the cost."""
    picture = frame.picture.copy()
    canvas = Canvas.on_yuv(picture) if isinstance(picture, Yuv420) else Canvas.on_bgr(picture)
    _draw(canvas, parsing, look)
    return picture


def _draw(canvas: Canvas, parsing: Parsing, look: Look) -> None:
    labels = _shown(parsing.labels, parsing.label_set, look.hidden)
    canvas.tint(labels, parsing.label_set.palette, look.opacity)
    if look.outline:
        visible = np.where(labels > 0, parsing.instances, np.uint8(0))
        solids = (cv2.inRange(visible, index, index) for index in range(1, len(parsing.people) + 1))
        lines = [line for solid in solids for line in _outline(np.asarray(solid, np.uint8), canvas.size)]
        canvas.contours(lines, _WHITE, _stroke(canvas.size))
    if look.tags:
        for person in parsing.people:
            _tag(canvas, f"{person.track_id}", person.box.scaled(parsing.frame_size, canvas.size))
    if look.legend:
        _legend(canvas, parsing, look.hidden)


def _shown(labels: LabelMap, label_set: LabelSet, hidden: Iterable[str]) -> LabelMap:
    ids = [label_set.id_of(name) for name in hidden]
    if not ids:
        return labels
    kept = np.arange(len(label_set), dtype=np.uint8)
    kept[ids] = 0
    return kept[labels]


def _outline(solid: NDArray[np.uint8], size: Size) -> list[NDArray[np.int32]]:
    """The outer lines around a mask of 0 and 255, in pixels of a picture of this size."""
    left, top, width, height = cv2.boundingRect(solid)
    if not width:
        return []
    area = reach(Box(left, top, left + width, top + height), Size(*solid.shape), size)
    lines, _ = cv2.findContours(smooth_mask(solid, size, area), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(line + np.array([area.left, area.top]), np.int32) for line in lines]


def _tag(canvas: Canvas, text: str, box: Box) -> None:
    size = canvas.size
    scale, stroke = _font_scale(size), _stroke(size)
    (width, height), below = cv2.getTextSize(text, FONT, scale, stroke)
    pad = 2 + stroke
    tall, wide = height + below + 2 * pad, width + 2 * pad
    # Above the box where there is room, else inside it: nothing is drawn off the picture.
    top = box.top - tall if box.top >= tall else max(0, min(box.top, size.height - tall))
    left = max(0, min(box.left, size.width - wide))
    canvas.fill(Box(left, top, min(size.width, left + wide), min(size.height, top + tall)), _DARK)
    canvas.write(text, left + pad, top + pad + height, scale, _WHITE, stroke)


def _legend(canvas: Canvas, parsing: Parsing, hidden: frozenset[str]) -> None:
    present = np.bincount(parsing.labels.ravel(), minlength=len(parsing.label_set)) > 0
    scale = _font_scale(canvas.size)
    panel = _legend_panel(parsing.label_set, hidden, tuple(present.tolist()), scale, canvas.size.height)
    canvas.lay(panel, max(0, canvas.size.width - panel.shape[1]) // 2 * 2, 0, LEGEND_OPACITY)


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
    widths = [cv2.getTextSize(name, FONT, scale, stroke)[0][0] for name in label_set.names]
    panel = np.full((line * len(rows), max(widths) + 2 * line, 3), _DARK, np.uint8)
    for row, index in enumerate(rows):
        top = row * line
        colour = tuple(int(channel) for channel in label_set.palette[index])
        cv2.rectangle(panel, (4, top + 3), (line, top + line - 3), colour, cv2.FILLED)
        ink = _WHITE if present[index] else (128, 128, 128)
        place = (line + line // 3, top + round(line * 0.8))
        cv2.putText(panel, label_set.names[index], place, FONT, scale, ink, stroke, cv2.LINE_AA)
    panel.setflags(write=False)
    return panel


def _stroke(size: Size) -> int:
    return max(1, round(min(size) / 500))


def _font_scale(size: Size) -> float:
    return max(0.35, min(size) / 1100)
