"""The pictures that a service is given: frames of the bundled clip, with people in them."""

from functools import cache

import cv2
import numpy as np

from pipeline.geometry import Size
from pipeline.types import Picture
from streamer.sources.open import open_source, sample

CLIP = "street.mp4"
QUALITY = 90


def pictures(size: Size, count: int) -> list[bytes]:
    """So many JPEGs of this size. Frames of the clip in turn, cut to its shape."""
    frames = _frames()
    made = {index: _jpeg(_fitted(frames[index], size)) for index in range(min(count, len(frames)))}
    return [made[index % len(frames)] for index in range(count)]


@cache
def _frames() -> tuple[Picture, ...]:
    with open_source(sample(CLIP)) as opened:
        return tuple(np.array(frame.bgr) for index, frame in enumerate(opened) if index % 10 == 0)


def _fitted(picture: Picture, size: Size) -> Picture:
    """The middle of a picture that has this shape, at this size."""
    height, width = picture.shape[:2]
    scale = min(height / size.height, width / size.width)
    cut_height, cut_width = max(1, round(size.height * scale)), max(1, round(size.width * scale))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    cut = picture[top : top + cut_height, left : left + cut_width]
    return np.asarray(
        cv2.resize(cut, size[::-1], interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC), np.uint8
    )


def _jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
