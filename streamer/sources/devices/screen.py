"""The screen of this machine as a source: of X11 by FFmpeg's own reader, on Windows and macOS by mss."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import av
import numpy as np

from pipeline import Frame, Size
from pipeline.types import Picture
from streamer.errors import CannotOpen, Cause, ConfigError, SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.sources.demuxer.protocol import Request
from streamer.sources.failures import OUTSIDE, X11
from streamer.sources.network import Timeouts, connect
from streamer.sources.playback import Stopped
from streamer.sources.source import Source
from streamer.sources.timing.playout import Playing
from streamer.sources.video import LiveReading, Video
from streamer.units import read_size

_LOG = logging.getLogger(__name__)
_NO_DISPLAY = "DISPLAY names none; Wayland shows it to no program: use a session of X11, or name a display: screen::1"
DEFAULT_RATE = Fraction(15)
"""Pictures of a screen are not compressed: 1080p takes 8 MB each."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A part of a screen, and how often it is looked at."""

    name: str = ""
    """Of X11 the display, as `:1`; elsewhere the number of the monitor, from 1. Empty is the usual one."""
    size: Size | None = None
    """None is all of it."""
    left: int = 0
    top: int = 0
    rate: Fraction = DEFAULT_RATE
    """Pictures a second."""

    @property
    def options(self) -> dict[str, str]:
        """For FFmpeg's reader of X11."""
        asked = {"framerate": str(self.rate), "grab_x": str(self.left), "grab_y": str(self.top)}
        return asked if self.size is None else asked | {"video_size": f"{self.size.width}x{self.size.height}"}


def read_screen(uri: str) -> Screen:
    """What `screen:NAME,size=HxW,left=X,top=Y,rate=R` asks for, any part left out. Raises ConfigError."""
    first, *parts = uri.removeprefix("screen:").split(",")
    if "=" in first:
        first, parts = "", [first, *parts]
    asked = dict(part.partition("=")[::2] for part in parts)
    if unknown := asked.keys() - {"size", "left", "top", "rate"}:
        raise ConfigError(
            f"screen: no setting {min(unknown)!r}; there are size=HxW, left=X, top=Y and rate=R, with commas between"
        )
    for name in ("left", "top"):
        if not asked.get(name, "0").isdecimal():
            raise ConfigError(f"screen: {name}={asked[name]} is not a number of pixels, such as 100")
    try:
        rate = Fraction(asked["rate"]) if "rate" in asked else DEFAULT_RATE
        if rate <= 0:
            raise ValueError
    except (ValueError, ZeroDivisionError) as exc:
        raise ConfigError(f"screen: rate={asked['rate']} is not pictures a second, such as 15 or 30000/1001") from exc
    size = Size(*read_size(asked["size"])) if "size" in asked else None
    return Screen(first, size, int(asked.get("left", "0")), int(asked.get("top", "0")), rate)


def open_screen(uri: str, timeouts: Timeouts, stopped: Stopped, playing: Playing | None) -> Source:
    """A screen, or a part of it. Raises CannotOpen, or ConfigError for a part that cannot be."""
    screen = read_screen(uri)
    if not sys.platform.startswith("linux"):
        return GrabbedScreen(screen, stopped)
    if X11 not in av.formats_available:
        # And not mss: with the X server libxcb ends the program.
        raise CannotOpen("cannot open the screen: this FFmpeg does not read X11; PyAV's own does", Cause.NOT_FOUND)
    if os.environ.get("WAYLAND_DISPLAY") and not screen.name:
        _LOG.warning("under Wayland only the windows of X11 programs are seen; the rest of the screen is black")
    display = screen.name or os.environ.get("DISPLAY", "")
    if not display:
        raise CannotOpen(f"cannot open the screen: {_NO_DISPLAY}", Cause.NOT_FOUND)
    name = f"the screen {display}"
    feed = connect(Request(display, False, screen.options, X11), name, timeouts.open_s, stopped)
    return Video(feed, name, LiveReading(stopped, timeouts.open_s, timeouts.read_s, playing))


class GrabbedScreen(Source):
    """A screen by way of mss. It was tried on X11 alone, with which it shares all but mss's own part."""

    def __init__(self, asked: Screen, stopped: Stopped) -> None:
        """Raises CannotOpen, or ConfigError without mss."""
        try:
            from mss import MSS, ScreenShotError
        except ImportError as exc:
            raise ConfigError("screen: needs mss; install it by: pip install 'm2fp-streamer[screen]'") from exc
        self.audio = PacketQueue()
        self._every_s, self._stopped = float(1 / asked.rate), stopped
        self._failures = (ScreenShotError, OSError)
        try:
            self._screens = MSS()
        except self._failures as exc:
            raise CannotOpen(f"cannot open the screen: {exc}", Cause.NOT_FOUND) from exc
        try:
            self._part = part_of(asked, self._screens.monitors)
            self._first, self._began_s = self._grabbed(), time.monotonic()
        except SourceLost as exc:
            self.close()
            raise CannotOpen(f"cannot open {exc}", exc.cause) from exc
        except CannotOpen:
            self.close()
            raise
        self.info = SourceInfo("the screen", Size(*self._first.shape[:2]), rate=asked.rate, live=True)

    def __iter__(self) -> Iterator[Frame]:
        with self:
            yield Frame(self._first, 0, 0.0, self._began_s)
            due_s = self._began_s
            for index in count(1):
                # Whoever is slow sees fewer pictures, each of its own time.
                due_s = max(due_s + self._every_s, time.monotonic())
                if self._stopped.wait(due_s - time.monotonic()):
                    return
                bgr, now_s = self._grabbed(), time.monotonic()
                yield Frame(bgr, index, now_s - self._began_s, now_s)

    def close(self) -> None:
        self._screens.close()

    def _grabbed(self) -> Picture:
        try:
            shot = self._screens.grab(self._part)
        except self._failures as exc:
            raise SourceLost(f"the screen: {exc}", Cause.FAILED) from exc
        bgra = np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)
        return np.ascontiguousarray(bgra[:, :, :3])


def part_of(asked: Screen, monitors: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What mss is to grab. Raises CannotOpen.

    Args:
        monitors: as mss lists them: all together, then each.
    """
    number = int(asked.name) if asked.name.isdecimal() else (-1 if asked.name else 1)
    if not 0 <= number < len(monitors):
        there = f"{len(monitors) - 1}, from 1; 0 is all of them" if len(monitors) > 1 else "none"
        raise CannotOpen(
            f"cannot open the screen: there is no monitor {asked.name}; there are {there}", Cause.NOT_FOUND
        )
    whole = monitors[number]
    width, height = whole["width"] - asked.left, whole["height"] - asked.top
    wanted = asked.size or Size(height, width)
    if not (0 < wanted.height <= height and 0 < wanted.width <= width):
        raise CannotOpen(
            f"cannot open the screen: {OUTSIDE}, which is {whole['height']}x{whole['width']}", Cause.NOT_FOUND
        )
    left, top = whole["left"] + asked.left, whole["top"] + asked.top
    return {"left": left, "top": top, "width": wanted.width, "height": wanted.height}
