"""Webcams: by FFmpeg on Linux, by OpenCV elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from itertools import count

import cv2
import numpy as np

from pipeline import Frame, Size
from pipeline.types import Picture
from streamer.errors import CannotOpen, SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.sources.demuxer.protocol import Request
from streamer.sources.network import Timeouts, connect
from streamer.sources.playback import Stopped
from streamer.sources.source import Source
from streamer.sources.timing.playout import Playing
from streamer.sources.video import LiveReading, Video


def open_camera(uri: str, timeouts: Timeouts, stopped: Stopped, playing: Playing | None) -> Source:
    """A webcam, by number or device. Raises CannotOpen."""
    device = uri.removeprefix("webcam:")
    if not sys.platform.startswith("linux"):
        return OpenCvCamera(int(device) if device.isdecimal() else device)
    path = f"/dev/video{device}" if device.isdecimal() else device
    feed = connect(Request(path, False, {}, "v4l2"), f"the camera {path}", timeouts.open_s, stopped)
    return Video(feed, path, LiveReading(stopped, timeouts.open_s, timeouts.read_s, playing))


class OpenCvCamera(Source):
    """A webcam by way of OpenCV."""

    def __init__(self, device: int | str) -> None:
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # or Windows takes a minute to open
        name = f"webcam:{device}"
        self.audio = PacketQueue()
        self._capture = cv2.VideoCapture(device)
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
