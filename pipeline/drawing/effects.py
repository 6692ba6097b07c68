"""Effects: what people show is blurred, coarsened, painted over, cut out, or given another background.

Effects that hide something fail closed. Without a parsing, all of the picture is treated as selected by those that
cover, and nothing of it as a person by those that cut out. What is selected is covered whole, and a little around it.

A picture stays in the form that it has, for of a 720p frame the way to BGR and back takes longer than any effect. Only
the boxes in which something is selected are looked at, and rounding may be one level off.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.layers import Colour, Layer, layers
from pipeline.drawing.mixing import copied, lay, scratch
from pipeline.drawing.selection import Mask, On, Region, connected, joined, regions, selected
from pipeline.drawing.shares import AROUND_CELLS, Share, covering, keeping, widened
from pipeline.geometry import Size
from pipeline.types import Parsing, Picture
from pipeline.yuv import Yuv420

CELLS = 6
"""Cells along the shorter side of what is hidden, by which it is blurred or pixelated: nobody is known in 6 by 6."""
MIN_CELL_PX = 4
WHOLE_CELLS = 12
"""The same of a whole picture, of which no person is known."""
MOVED_CELLS = 2
"""Cells of the map around what lingers that are hidden besides: it has been moved, and not to the cell."""
BACKGROUND_SHARE = 1 / 40
"""How far a background is blurred, of the shorter side of the picture."""

AnyForm = TypeVar("AnyForm", bound=Picture | Yuv420)
"""uint8 (H, W, 3), BGR, or as video has it."""
_Pixels = NDArray[np.uint8]
_Treat = Callable[[Layer, _Pixels, int, _Pixels], object]
"""From a layer, pixels of it, and the size of a cell in pixels of the picture: what covers them, written to others,
which may be the same."""


def blur(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> AnyForm:
    """The picture with what is selected blurred, the more the larger it is.

    Args:
        picture: not written to.
        parsing: its maps are scaled to the picture; None covers all of the picture.
        on: what is covered.
        lingering: what else is covered, of the size of the parsing's maps.

    Returns:
        A new picture of the same size and form. Of one with 10 bits it has only those of `Yuv420.video`.

    Raises:
        UnknownName: `on` names a class or group that the label set lacks.
    """
    return _covered(picture, parsing, on, lingering, _blurred)


def pixelate(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> AnyForm:
    """As `blur`, in squares of one colour."""
    return _covered(picture, parsing, on, lingering, _pixelated)


def fill(picture: AnyForm, parsing: Parsing | None, on: On, colour: Colour, lingering: Mask | None = None) -> AnyForm:
    """As `blur`, painted over with a colour, BGR."""
    return _covered(picture, parsing, on, lingering, lambda layer, part, _, to: _paint(layer, colour, to))


def cut(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> AnyForm:
    """What is selected, on nothing; without a parsing nothing at all.

    Args:
        lingering: what else is kept, of the size of the parsing's maps.

    Returns:
        uint8 (H, W, 4), BGRA with straight alpha, of BGR; of YUV a picture with `alpha`. Where it is transparent it is
        black: nothing is left there.
    """
    share = _kept(picture, parsing, on, lingering)
    cutout = _cut_yuv(picture, share) if isinstance(picture, Yuv420) else _cut_bgr(picture, share)
    return cast(AnyForm, cutout)


def _cut_yuv(picture: Yuv420, share: Share | None) -> Yuv420:
    done = picture.cleared()
    if share is not None and done.alpha is not None:
        for layer, kept in zip(layers(done), layers(picture)):
            cv2.copyTo(kept.part(share.area), share.of(layer), layer.part(share.area))
        left, top, right, bottom = share.area
        done.alpha[top:bottom, left:right] = share.full
    return done


def _cut_bgr(picture: Picture, share: Share | None) -> _Pixels:
    done = np.zeros((*picture.shape[:2], 4), np.uint8)
    if share is not None:
        left, top, right, bottom = share.area
        kept = cv2.copyTo(picture[top:bottom, left:right], share.full)
        cv2.merge([*cv2.split(kept), share.full], done[top:bottom, left:right])
    return done


def replace_background(
    picture: AnyForm,
    parsing: Parsing | None,
    on: On,
    backdrop: Picture | Yuv420 | Colour,
    lingering: Mask | None = None,
) -> AnyForm:
    """What is selected, on another picture or a colour; without a parsing the other alone.

    Args:
        backdrop: what `fitted` made of another picture, any BGR picture, or a colour.
        lingering: as of `cut`.
    """
    done = _blank(picture)
    if isinstance(backdrop, tuple):
        for layer in layers(done):
            _paint(layer, backdrop, layer.pixels)
    else:
        behind = backdrop if isinstance(backdrop, Yuv420) else fitted(backdrop, picture)
        for layer, other in zip(layers(done), layers(behind)):
            layer.pixels[:] = other.pixels
    return _laid(done, picture, _kept(picture, parsing, on, lingering))


def blur_background(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> AnyForm:
    """As `cut`, on the blurred picture; without a parsing all of it is blurred."""
    done = _blank(picture)
    cell = max(MIN_CELL_PX, round(min(picture.shape[:2]) * BACKGROUND_SHARE))
    for layer, sharp in zip(layers(done), layers(picture)):
        _blurred(layer, sharp.pixels, cell, layer.pixels)
    return _laid(done, picture, _kept(picture, parsing, on, lingering))


def fitted(backdrop: Picture, picture: AnyForm) -> AnyForm:
    """A picture to lie behind another: its middle, scaled until it fills the other's size, in the other's form.

    Args:
        backdrop: uint8 (H, W, 3), BGR.
    """
    filling = _filling(backdrop, Size(*picture.shape[:2]))
    return cast(AnyForm, picture.of_bgr(filling) if isinstance(picture, Yuv420) else filling)


def fits(backdrop: Picture | Yuv420, picture: Picture | Yuv420) -> bool:
    """Whether `fitted` made it for such a picture."""
    if isinstance(backdrop, Yuv420) and isinstance(picture, Yuv420):
        return backdrop.shape == picture.shape and backdrop.tags == picture.tags
    return type(backdrop) is type(picture) and backdrop.shape[:2] == picture.shape[:2]


def _covered(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None, treat: _Treat) -> AnyForm:
    size = Size(*picture.shape[:2])
    if parsing is None:
        done, cell = _blank(picture), max(MIN_CELL_PX, min(size) // WHOLE_CELLS)
        for layer, bare in zip(layers(done), layers(picture)):
            treat(layer, bare.pixels, cell, layer.pixels)
        return done
    done = _copied(picture)
    more = () if lingering is None else connected(widened(lingering, MOVED_CELLS))
    for region in joined(regions(parsing, on), more, AROUND_CELLS):
        share, cell = covering(region, parsing.map_size, size), _cell(region, parsing.map_size, size)
        for layer in layers(done):
            part = layer.part(share.area)
            cover = scratch("cover", part.shape)
            treat(layer, part, cell, cover)
            lay(part, cover, share.of(layer))
    return done


def _kept(picture: AnyForm, parsing: Parsing | None, on: On, lingering: Mask | None) -> Share | None:
    """How far each pixel is selected; None of nothing."""
    if parsing is None:
        return None
    mask = selected(parsing, on)
    if lingering is not None:
        mask = np.asarray(cv2.bitwise_or(mask, lingering), np.uint8)
    return keeping(layers(picture)[0].pixels, mask)


def _laid(done: AnyForm, picture: AnyForm, share: Share | None) -> AnyForm:
    """Lays what is kept of a picture over another one, which is written to."""
    if share is not None:
        for layer, kept in zip(layers(done), layers(picture)):
            lay(layer.part(share.area), copied("cover", kept.part(share.area)), share.of(layer))
    return done


def _copied(picture: AnyForm) -> AnyForm:
    if isinstance(picture, Yuv420):
        # Not with the original behind it: of pixels that stay as they were by chance its 10 bits would come back, and
        # with them the lines along which a face is as bright as its blur.
        return cast(AnyForm, replace(picture.copy(), origin=None))
    return cast(AnyForm, picture.copy())


def _blank(picture: AnyForm) -> AnyForm:
    """A new picture of the same size and form, of any colours."""
    return cast(AnyForm, picture.blank() if isinstance(picture, Yuv420) else np.empty_like(picture))


def _cell(region: Region, map_size: Size, size: Size) -> int:
    left, top, right, bottom = region.box.scaled(map_size, size)
    return max(MIN_CELL_PX, min(right - left, bottom - top) // CELLS)


def _blurred(layer: Layer, part: _Pixels, cell: int, to: _Pixels) -> None:
    soft = cv2.blur(_coarse(part, cell / layer.step), (3, 3), borderType=cv2.BORDER_REPLICATE)
    cv2.resize(soft, to.shape[1::-1], dst=to, interpolation=cv2.INTER_LINEAR)


def _pixelated(layer: Layer, part: _Pixels, cell: int, to: _Pixels) -> None:
    cv2.resize(_coarse(part, cell / layer.step), to.shape[1::-1], dst=to, interpolation=cv2.INTER_NEAREST)


def _paint(layer: Layer, colour: Colour, to: _Pixels) -> None:
    # A tenth of the time that numpy takes to fill three channels.
    cv2.rectangle(to, (0, 0), to.shape[1::-1], layer.value(colour), cv2.FILLED)


def _coarse(part: _Pixels, cell: float) -> _Pixels:
    size = max(1, round(part.shape[1] / cell)), max(1, round(part.shape[0] / cell))
    # Halving is many times as quick as another ratio, and linear weights are then those of an average.
    while part.shape[1] > 4 * size[0] and part.shape[0] > 4 * size[1]:
        half = part.shape[1] // 2, part.shape[0] // 2
        part = np.asarray(cv2.resize(part, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _filling(picture: Picture, size: Size) -> Picture:
    """The middle of a picture, enlarged or reduced until it fills another size."""
    if picture.shape[:2] == size:
        return picture
    scale = max(size.height / picture.shape[0], size.width / picture.shape[1])
    height, width = (max(1, round(side / scale)) for side in size)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    part = picture[top : top + height, left : left + width]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, size[::-1], interpolation=how), np.uint8)
