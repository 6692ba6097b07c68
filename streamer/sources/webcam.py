"""Webcams: by FFmpeg on Linux, by OpenCV elsewhere."""

import os
import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np

from streamer.errors import CannotOpen, SourceLost
from streamer.media.audio import AudioQueue
from streamer.media.tags import VideoTags
from streamer.sources.demuxer.protocol import Request
from streamer.sources.network import Connection, Timeouts
from streamer.sources.playback import Stopped
from streamer.sources.video import Reading, Shot, Video
from streamer.sources.vitals import Vitals


def open_camera(uri: str, timeouts: Timeouts, stopped: Stopped) -> "Video | OpenCvCamera":
    """A webcam, by number or device. Raises CannotOpen."""
    device = uri.removeprefix("webcam:")
    if not sys.platform.startswith("linux"):
        return OpenCvCamera(int(device) if device.isdecimal() else device)
    path = f"/dev/video{device}" if device.isdecimal() else device
    feed = Connection(Request(path, False, {}, "v4l2"), f"the camera {path}", timeouts.open_s, stopped)
    return Video(feed, path, Reading(stopped, timeouts.open_s, timeouts.read_s))


class OpenCvCamera:
    """A webcam by way of OpenCV, with the same face as `Video`."""

    damaged = 0
    rate = frames = duration_s = None
    live = True

    def __init__(self, device: int | str) -> None:
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # or Windows takes a minute to open
        self.name = f"webcam:{device}"
        self.audio = AudioQueue()
        self.vitals = Vitals()
        self.codec = None
        self.tags = VideoTags()
        self._capture = cv2.VideoCapture(device)
        self._began_s: float | None = None
        first = self._next()
        if first is None:
            self.close()
            raise CannotOpen(f"cannot open the camera {self.name}: it is not there, or another program uses it")
        self.first = first

    def __iter__(self) -> Iterator[Shot]:
        yield self.first
        while shot := self._next():
            yield shot
        raise SourceLost(f"{self.name} gives no more pictures")

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> Shot | None:
        came, bgr = self._capture.read()
        now_s = time.monotonic()
        self._began_s = self._began_s or now_s
        ticks = round((now_s - self._began_s) / self.tags.time_base)
        return Shot(np.ascontiguousarray(bgr, np.uint8), ticks) if came else None
