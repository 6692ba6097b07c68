"""Drawing: a frame and its parsing become a picture that a person can read.

The label map is coloured at its own size and then enlarged, which gives the same pixels as the other way
round at a tenth of the time.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.canvas import Canvas
from pipeline.drawing.colours import Scheme, scheme
from pipeline.drawing.faces import draw_faces
from pipeline.drawing.legend import LegendMemory, band, band_height, legend, present
from pipeline.drawing.look import Look
from pipeline.drawing.outlines import outlines
from pipeline.drawing.selection import Mask
from pipeline.drawing.silhouettes import silhouettes
from pipeline.drawing.tags import tags
from pipeline.drawing.treatment import Backdrops, Knowledge, treated
from pipeline.geometry import Size
from pipeline.labels import LabelSet
from pipeline.pictures import AnyPicture, as_frame
from pipeline.types import Frame, Parsing, Picture
from pipeline.yuv import Yuv420

FAINT = frozenset({"Face"})
"""Classes whose opacity is squared: a face is known by its shades, and a lid of colour makes a ghost of it."""
OUTLINE_PX_PER_STROKE = 700
"""An outline is as many pixels wide as this goes into the shorter side of the frame, rounded."""

_WHITE = (255, 255, 255)


class Memory:
    """What is drawn on the pictures of a stream depends on those before. For one stream, one thread at a time."""

    def __init__(self) -> None:
        self.legend = LegendMemory()
        self.backdrops = Backdrops()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the videos that are backgrounds."""
        self.backdrops.close()


def blend(picture: AnyPicture, parsing: Parsing, look: Look | None = None, *, opacity: float | None = None) -> Picture:
    """The picture with the parsing drawn over it.

    Args:
        picture: the frame, array, file or PIL image that was parsed; not written to.
        parsing: of this picture, or one close by in time; its maps are scaled to the picture.
        look: how to draw; the default `Look` when None.
        opacity: in place of the look's own.

    Returns:
        uint8 (H, W, 3), BGR, new, of `drawn_size`; (H, W, 4), BGRA, of what is cut out.

    Raises:
        BadPicture: see `pipeline.pictures.as_frame`; or a background that cannot be read.
        UnknownName: the look names a class that the label set lacks.
        PipelineError: an opacity outside [0, 1].
    """
    look = look or Look()
    look = look if opacity is None else replace(look, opacity=opacity)
    frame = as_frame(picture)
    drawn = cast(Picture, draw(replace(frame, picture=frame.bgr), parsing, look))
    return drawn.copy() if drawn is frame.bgr else drawn


def draw(
    frame: Frame,
    parsing: Parsing,
    look: Look,
    memory: Memory | None = None,
    lingering: Mask | None = None,
) -> Picture | Yuv420:
    """As `blend`, but the picture stays in the form that the frame has: for a recording, at half the cost.

    Args:
        memory: the stream's own, by which its legend lists the classes of the last seconds, by the frames' `pts_s`,
            and keeps its corner, and a video goes on behind it; None lists the classes of this parsing.
        lingering: what effects hide beside their selection: see `pipeline.motion.linger`.
    """
    if memory is None:
        with Memory() as own:
            return draw(frame, parsing, look, own, lingering)
    if look.effect:
        knowledge = Knowledge(parsing, frame.pts_s, lingering, memory.backdrops)
        return treated(_treatable(frame), knowledge, look.effects, look.selection)
    if look.view == "original":
        return frame.picture
    if look.view == "masks":
        frame, look = _black(frame), replace(look, view="overlay", opacity=1.0, outline=False, tags=False)
    rows = _band_rows(frame.size, look, parsing.label_set)
    picture, canvas = _canvas(frame.picture, rows)
    _draw(canvas, frame, parsing, look, memory.legend)
    return _beside(frame, picture) if look.view == "side-by-side" else picture


def undrawn(frame: Frame, look: Look, label_set: LabelSet, memory: Memory | None = None) -> Picture | Yuv420:
    """A frame without a parsing, of the same size as those with one: a legend below it is there, too.

    Returns:
        The frame's own picture where nothing is added to it. With effects that hide people, all of it is hidden: who
        is where is not known.

    Raises:
        UnknownName: the look names a class that the label set lacks.
    """
    if memory is None:
        with Memory() as own:
            return undrawn(frame, look, label_set, own)
    if look.effect:
        knowledge = Knowledge(None, frame.pts_s, None, memory.backdrops)
        return treated(_treatable(frame), knowledge, look.effects, look.selection)
    frame = _black(frame) if look.view == "masks" else frame
    picture: Picture | Yuv420 = frame.picture
    rows = _band_rows(frame.size, look, label_set)
    if rows:
        shown = scheme(look, label_set)
        picture, canvas = _canvas(frame.picture, rows)
        _draw_band(canvas, frame, shown, memory.legend.listed((), frame.pts_s))
    return _beside(frame, picture) if look.view == "side-by-side" else picture


def drawn_size(size: Size, look: Look, label_set: LabelSet) -> Size:
    """The size of what `draw`, `blend` and `undrawn` make of a frame of this size: higher by a legend below it, twice
    as wide side by side.

    Raises:
        UnknownName: the look names a class that the label set lacks.
    """
    width = 2 * size.width if look.view == "side-by-side" else size.width
    return Size(size.height + _band_rows(size, look, label_set), width)


def _band_rows(size: Size, look: Look, label_set: LabelSet) -> int:
    shown = scheme(look, label_set)
    if look.legend != "below" or look.effect or look.view == "original":
        return 0
    return band_height(shown.label_set, _ids(shown.shown), size)


def _ids(shown: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(shown).tolist())


def _treatable(frame: Frame) -> Picture | Yuv420:
    """The picture in the form that it has, but HDR as an ordinary display shows it."""
    is_hdr = isinstance(frame.picture, Yuv420) and frame.picture.as_shown is not None
    return frame.bgr if is_hdr else frame.picture


def _black(frame: Frame) -> Frame:
    return replace(frame, picture=np.zeros((*frame.size, 3), np.uint8))


def _beside(frame: Frame, picture: Picture | Yuv420) -> Picture:
    """The frame as it is, and beside it what was made of it."""
    right = picture.bgr if isinstance(picture, Yuv420) else picture
    both = np.zeros((right.shape[0], 2 * right.shape[1], 3), np.uint8)
    both[: frame.size.height, : frame.size.width], both[:, right.shape[1] :] = frame.bgr, right
    return both


def _canvas(picture: Picture | Yuv420, rows: int) -> tuple[Picture | Yuv420, Canvas]:
    """A copy of a picture, with so many rows more below it."""
    if isinstance(picture, Yuv420):
        copied = picture.copy(rows)
        return copied, Canvas.on_yuv(copied)
    enlarged = _with_room(picture, rows)
    return enlarged, Canvas.on_bgr(enlarged)


def _with_room(bgr: Picture, rows: int) -> Picture:
    height, width = bgr.shape[:2]
    picture = np.empty((height + rows, width, 3), np.uint8)
    picture[:height] = bgr
    return picture


def _draw(canvas: Canvas, frame: Frame, parsing: Parsing, look: Look, memory: LegendMemory) -> None:
    size, shown = frame.size, scheme(look, parsing.label_set)
    label_set, labels = shown.label_set, shown.coloured(parsing)
    canvas, whole = canvas.rows(0, size.height), canvas
    canvas.tint(labels, label_set.palette, look.opacity, _faint(label_set), look.opacity**2)
    people = silhouettes(parsing.instances, len(parsing.people)) if look.outline or look.tags else []
    if look.outline:
        stroke = max(1, round(min(size) / OUTLINE_PX_PER_STROKE))
        canvas.contours(outlines(people, labels, size), _WHITE, stroke)
    draw_faces(canvas, parsing, size)
    placed = None
    if look.legend == "below":
        _draw_band(whole, frame, shown, memory.listed(present(labels), frame.pts_s))
    elif look.legend != "off":
        placed = legend(look.legend, label_set, labels, size, memory, frame.pts_s)
    if look.tags:
        for tag in tags(parsing, people, size, [placed.box] if placed else []):
            tag.draw(canvas)
    if placed:
        placed.draw(canvas)


def _draw_band(canvas: Canvas, frame: Frame, shown: Scheme, listed: tuple[int, ...]) -> None:
    canvas.lay(band(shown.label_set, _ids(shown.shown), listed, frame.size), 0, frame.size.height, 1.0)


@lru_cache(maxsize=8)
def _faint(label_set: LabelSet) -> NDArray[np.uint8]:
    """255 for the ids of the classes that are drawn fainter, of all 256 ids."""
    faint = np.zeros(256, np.uint8)
    faint[[index for index, name in enumerate(label_set.names) if name in FAINT]] = 255
    return faint
