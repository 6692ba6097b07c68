"""A camera of Linux's v4l2loopback, by which other programs see what is drawn: in a call, or in a studio."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError
from streamer.live.sinks.sink import Drawn

FORMAT = "v4l2"
PIXELS = "yuv420p"
"""What all programs take."""
CURE = "make one by: sudo modprobe v4l2loopback video_nr=9 exclusive_caps=1"
_RATE = 30
"""FFmpeg wants to know one; each picture is given to the device when it is drawn."""


class VirtualCamera:
    """Writes each picture to a device, at the size of the first one. Where a picture is transparent it is black."""

    def __init__(self, device: str) -> None:
        """Raises SinkError."""
        self._device = device
        self._stream: VideoStream | None = None
        if not Path(device).exists():
            raise SinkError(f"there is no virtual camera {device}; {CURE}")
        try:
            self._container = av.open(device, "w", format=FORMAT)
        except (OSError, ValueError) as exc:
            raise self._failed(exc) from exc

    def write(self, item: Drawn) -> None:
        try:
            frame = VideoFrame.from_ndarray(_bgr(item.picture), format="bgr24")
            stream = self._stream = self._stream or self._begun(frame)
            frame = frame.reformat(stream.width, stream.height, PIXELS)
            frame.pts, frame.time_base = item.index, Fraction(1, _RATE)
            self._container.mux(stream.encode(frame))
        except (OSError, ValueError) as exc:
            raise self._failed(exc) from exc

    def tick(self) -> bool:
        return True

    def close(self, ending: str) -> None:
        try:
            self._container.close()
        except (OSError, ValueError) as exc:
            raise self._failed(exc) from exc

    def _begun(self, frame: VideoFrame) -> VideoStream:
        stream = self._container.add_stream("rawvideo", _RATE)
        assert isinstance(stream, VideoStream)
        # Two colour samples a side share one of brightness.
        stream.width, stream.height, stream.pix_fmt = frame.width & ~1, frame.height & ~1, PIXELS
        return stream

    def _failed(self, exc: Exception) -> SinkError:
        return SinkError(f"{self._device} takes no pictures as a virtual camera: {exc}; {CURE}")


def _bgr(picture: Picture | Yuv420) -> Picture:
    bgr = picture.pixels if isinstance(picture, Yuv420) else picture
    return np.ascontiguousarray(bgr[..., :3])
