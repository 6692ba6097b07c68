"""Dense optical flow between frames, on small grey copies of them.

DIS flow (arXiv 1603.03590) is not summed up from frame to frame, which drifts, nor measured over a long distance at
once, which fails: the first frame is moved to where it was found last, and only what has moved since is measured.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.geometry import Box, Size
from pipeline.types import Frame
from pipeline.yuv import Yuv420

PIXELS = 24_576
"""Height times width of the small grey pictures: 118x209 of a frame of 16:9."""

LIKELY_SAME = 0.7
"""Frames whose greys correlate so well are one scene: 0.42 is the most of 400 pairs from different clips."""
MIN_LIKENESS = 0.1
"""Others are if one, moved onto the other, looks so much like it, less the share of it that had to be torn for that.
Of different clips -0.23 is the most; somebody close to the camera, with five of six frames missing, has 0.39."""
BLANK = 0.2
"""A frame with so much less contrast than the other shows nothing of its scene: black, white, a covered lens."""
TORN_PX = 1.0
"""Minimum difference of the flow between neighbouring pixels where the picture is torn."""

COARSE_PX = 100
"""Of a grey picture with shorter sides than this all of the pixels are needed to tell how something moved."""

_MIN_SIDE, _MAX_SIDE = 16, 1024
_SHRINK_FIRST = 2
_GRID_STEP = 128
_DIFFERENCE_WINDOW = (3, 3)
_LIKENESS_WINDOW = 9
_CONTRAST_FLOOR = 60.0

Field = NDArray[np.float32]
_Values = TypeVar("_Values", Field, NDArray[np.uint8])


@dataclass(frozen=True, slots=True, eq=False)
class Grey:
    """A small grey copy of a frame, and which frame it was."""

    pixels: NDArray[np.uint8]
    """(h, w), about `PIXELS` of them."""
    index: int
    pts_s: float
    captured_s: float
    frame_size: Size

    @classmethod
    def of(cls, frame: Frame) -> Self:
        picture = frame.picture
        small = _shrunk(picture.planes[0] if isinstance(picture, Yuv420) else picture, _small_size(frame.size))
        pixels = small if small.ndim == 2 else np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        return cls(pixels, frame.index, frame.pts_s, frame.captured_s, frame.size)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The position of each pixel of a frame in another one."""

    to: Grey
    """The frame."""
    source: Field
    """float32 (h, w, 2): how far away it was, across and down, in pixels of the grey picture."""
    difference: NDArray[np.uint8]
    """(h, w): levels of grey between the frame and what the other one, moved, makes of it."""


class Follower:
    """Follows one frame through others, each close to the one before. For one thread at a time."""

    def __init__(self, start: Grey) -> None:
        self.start = start
        shape = start.pixels.shape
        self.flow = Flow(start, np.zeros((*shape, 2), np.float32), np.zeros(shape, np.uint8))
        """To the frame last followed to."""
        self._dis = dis_flow()

    def follow(self, grey: Grey) -> Flow:
        """The flow to the next frame. Raises BadPicture if it is of another size."""
        if grey.pixels.shape != self.start.pixels.shape:
            raise BadPicture(f"the frames must be of one size, not {self.start.frame_size} and {grey.frame_size}")
        known = self.flow.source
        step = _step(self._dis, _moved(self.start.pixels, known), grey.pixels)
        source = np.asarray(cv2.add(step, _moved(known, step)), np.float32)
        self.flow = Flow(grey, source, _difference(_moved(self.start.pixels, source), grey.pixels))
        return self.flow


def flow_between(before: Grey, after: Grey, dis: cv2.DISOpticalFlow) -> Flow:
    """The flow from a frame to the one right after it, of the same size; by what `dis_flow` made."""
    step = _step(dis, before.pixels, after.pixels)
    return Flow(after, step, _difference(_moved(before.pixels, step), after.pixels))


def flow_inside(before: Grey, after: Grey, box: Box, dis: cv2.DISOpticalFlow) -> Field:
    """As `Flow.source` of `flow_between`, but 0 outside a box: in its part of the time."""
    source = np.zeros((*after.pixels.shape, 2), np.float32)
    here = np.s_[box.top : box.bottom, box.left : box.right]
    source[here] = _step(dis, np.ascontiguousarray(before.pixels[here]), np.ascontiguousarray(after.pixels[here]))
    return source


def unlike_inside(before: Grey, after: Grey, source: Field, box: Box) -> NDArray[np.uint8]:
    """Levels of grey between a frame and what its predecessor makes of it, moved: uint8 (h, w), 0 outside a box."""
    levels = np.zeros(after.pixels.shape, np.uint8)
    here = np.s_[box.top : box.bottom, box.left : box.right]
    places = cv2.add(grid(Size(*after.pixels.shape))[here], source[here])
    made = cv2.remap(before.pixels, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore
    levels[here] = cv2.absdiff(made, after.pixels[here])
    return levels


def is_cut(before: Grey, after: Grey) -> bool:
    """True if the second of two consecutive frames shows another scene."""
    if before.frame_size != after.frame_size:
        return True
    if _correlation(before.pixels, after.pixels) > LIKELY_SAME:
        return False
    weaker, stronger = sorted(float(grey.pixels.std()) for grey in (before, after))
    if weaker < BLANK * stronger:
        return True
    step = _step(dis_flow(), before.pixels, after.pixels)
    likeness = _likeness(_moved(before.pixels, step), after.pixels)
    return likeness - float(np.mean(torn(step))) < MIN_LIKENESS


def torn(source: Field) -> NDArray[np.bool_]:
    """The pixels at which a flow is torn: bool (h, w)."""
    across, down = cv2.split(cv2.morphologyEx(source, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    return np.asarray(cv2.max(across, down) > TORN_PX)


def grid(size: Size) -> Field:
    """Each pixel's own place, (across, down): float32 (h, w, 2), not to be written to."""
    # Of parts of a picture each has its own size: made are few, and larger.
    whole = _grid(Size(*(-(-side // _GRID_STEP) * _GRID_STEP for side in size)))
    return whole[: size.height, : size.width]


@lru_cache(maxsize=8)
def _grid(size: Size) -> Field:
    places = np.dstack(np.meshgrid(np.arange(size.width), np.arange(size.height))).astype(np.float32)
    places.setflags(write=False)
    return places


def dis_flow(iterations: int = 16) -> cv2.DISOpticalFlow:
    """The settings that carried masks best for their time; OpenCV's presets refine smoothly across edges, and lose."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    dis.setFinestScale(0)
    dis.setPatchSize(8)
    dis.setPatchStride(6)
    dis.setGradientDescentIterations(iterations)
    dis.setVariationalRefinementIterations(0)
    return dis


def coarse_flow(size: Size) -> cv2.DISOpticalFlow:
    """Tells how places of such a grey picture move, to half a pixel, not where their edges are; in half the time."""
    dis = dis_flow(iterations=8)
    if min(size) >= COARSE_PX:
        dis.setFinestScale(1)
        dis.setPatchStride(4)
    return dis


def _step(dis: cv2.DISOpticalFlow, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Field:
    # OpenCV could start from a known flow, but then reads past the end of its own arrays and crashes (seen in 5.0.0).
    return np.asarray(dis.calc(after, before, None), np.float32)  # type: ignore[call-overload]


def _moved(values: _Values, source: Field) -> _Values:
    """A field or picture warped by the flow; beyond its edge it continues as at the edge."""
    places = cv2.add(grid(Size(*source.shape[:2])), source)
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore


def _difference(made: NDArray[np.uint8], seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is brighter all over, by a lamp or the camera's exposure, does not differ."""
    levels = (seen[::3, ::3].astype(np.int16) - made[::3, ::3]).ravel()
    brighter = float(np.partition(levels, levels.size // 2)[levels.size // 2])
    lit = cv2.add(made, brighter)  # type: ignore[call-overload]
    return np.asarray(cv2.blur(cv2.absdiff(lit, seen), _DIFFERENCE_WINDOW), np.uint8)


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """In [-1, 1]. Pictures with next to no contrast are alike, and like no others."""
    a, b = (np.subtract(each, cv2.mean(each)[0], dtype=np.float32).ravel() for each in (one, other))
    floor = _CONTRAST_FLOOR * a.size
    return float((a @ b + floor) / np.sqrt((a @ a + floor) * (b @ b + floor)))


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean over small windows of contrast and structure as SSIM has them; brightness does not count. At most 1."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    window = (_LIKENESS_WINDOW, _LIKENESS_WINDOW)
    mean_a, mean_b = cv2.blur(a, window), cv2.blur(b, window)
    spread_a, spread_b = cv2.blur(a * a, window) - mean_a * mean_a, cv2.blur(b * b, window) - mean_b * mean_b
    shared = cv2.blur(a * b, window) - mean_a * mean_b
    return float(np.mean((2 * shared + _CONTRAST_FLOOR) / (spread_a + spread_b + _CONTRAST_FLOOR)))


def _small_size(size: Size) -> Size:
    scale = min(1.0, (PIXELS / size.area) ** 0.5)
    return Size(*(min(_MAX_SIDE, max(_MIN_SIDE, round(side * scale))) for side in size))


def _shrunk(picture: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Pixels at another size; of a very large picture only some are looked at."""
    first = Size(*(_SHRINK_FIRST * side for side in size))
    if picture.shape[0] > first.height and picture.shape[1] > first.width:
        picture = np.asarray(cv2.resize(picture, first[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    enlarging = picture.shape[0] < size.height or picture.shape[1] < size.width
    how = cv2.INTER_LINEAR if enlarging else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how), np.uint8)
