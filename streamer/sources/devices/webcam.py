"""Webcams: by FFmpeg on Linux, by OpenCV elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import cv2
import numpy as np

from pipeline import Frame, Size
from pipeline.types import Picture
from streamer.errors import CannotOpen, ConfigError, SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.sources.demuxer.protocol import Request
from streamer.sources.network import Timeouts, connect
from streamer.sources.playback import Stopped
from streamer.sources.source import Source
from streamer.sources.timing.playout import Playing
from streamer.sources.video import LiveReading, Video
from streamer.units import read_size


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, and the mode that is asked of it; of the rates, the driver takes the nearest that there is."""

    device: str
    """Number or path."""
    size: Size | None = None
    rate: Fraction | None = None
    """Pictures a second."""
    format: str | None = None
    """FFmpeg's name of the pixels, as mjpeg or yuyv422."""

    @property
    def options(self) -> dict[str, str]:
        """For FFmpeg's reader of V4L2."""
        asked = {
            "video_size": None if self.size is None else f"{self.size.width}x{self.size.height}",
            "framerate": None if self.rate is None else str(self.rate),
            "input_format": self.format,
        }
        return {name: value for name, value in asked.items() if value is not None}


def read_camera(uri: str) -> Camera:
    """What `webcam:0,size=HxW,rate=R,format=F` asks for, any part left out. Raises ConfigError."""
    device, *parts = uri.removeprefix("webcam:").split(",")
    asked = dict(part.partition("=")[::2] for part in parts)
    if unknown := asked.keys() - {"size", "rate", "format"}:
        raise ConfigError(
            f"webcam: no setting {min(unknown)!r}; there are size=HxW, rate=R and format=F, with commas between them"
        )
    try:
        rate = Fraction(asked["rate"]) if "rate" in asked else None
        if rate is not None and rate <= 0:
            raise ValueError
    except (ValueError, ZeroDivisionError) as exc:
        raise ConfigError(f"webcam: rate={asked['rate']} is not pictures a second, such as 30 or 30000/1001") from exc
    size = Size(*read_size(asked["size"])) if "size" in asked else None
    return Camera(device, size, rate, asked.get("format"))


def open_camera(uri: str, timeouts: Timeouts, stopped: Stopped, playing: Playing | None) -> Source:
    """A webcam, by number or device. Raises CannotOpen, or ConfigError for a mode that cannot be."""
    camera = read_camera(uri)
    device = camera.device
    if not sys.platform.startswith("linux"):
        return OpenCvCamera(camera)
    path = f"/dev/video{device}" if device.isdecimal() else device
    feed = connect(Request(path, False, camera.options, "v4l2"), f"the camera {path}", timeouts.open_s, stopped)
    return Video(feed, path, LiveReading(stopped, timeouts.open_s, timeouts.read_s, playing))


class OpenCvCamera(Source):
    """A webcam by way of OpenCV."""

    def __init__(self, asked: Camera) -> None:
        """Raises CannotOpen."""
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # or Windows takes a minute to open
        device = asked.device
        name = f"webcam:{device}"
        self.audio = PacketQueue()
        self._capture = cv2.VideoCapture(int(device) if device.isdecimal() else device)
        if asked.format is not None and asked.format.lower() == "mjpeg":
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if asked.size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked.size.width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.size.height)
        if asked.rate is not None:
            self._capture.set(cv2.CAP_PROP_FPS, float(asked.rate))
        first = self._next()
        if first is None:
            self.close()
            raise CannotOpen(f"cannot open the camera {name}: it is not there, or another program uses it")
        self._first, self._began_s = first, time.monotonic()
        self.info = SourceInfo(name, Size(*first.shape[:2]), live=True)

    def __iter__(self) -> Iterator[Frame]:
        with self:
            yield Frame(self._first, 0, 0.0, self._began_s)
            for index in count(1):
                bgr = self._next()
                if bgr is None:
                    raise SourceLost(f"{self.info.name} gives no more pictures")
                now_s = time.monotonic()
                yield Frame(bgr, index, now_s - self._began_s, now_s)

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> Picture | None:
        came, bgr = self._capture.read()
        return np.ascontiguousarray(bgr, np.uint8) if came else None
