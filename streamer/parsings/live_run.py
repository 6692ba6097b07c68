"""The parsings of a live run on the frames of its source, or of what it recorded: found by their times."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline import Frame, Parsing
from streamer.errors import ConfigError
from streamer.masks.sidecar import Sidecar
from streamer.parsings.parsed import FramesKnown, spread

MAX_AGE_S = 1.0
"""Time to the nearest parsed frame from which on nothing is known of one, as by default of a live run's masks."""
SAME_TIME_S = 0.005
"""Containers round times: Matroska to milliseconds."""
MIN_FOUND_SHARE = 0.5
"""Of the parsings whose time has passed: with fewer, it is another video. A recording may lack some frames."""
MIN_PASSED = 10
"""Parsings whose time has passed, from which on that is judged."""


class LiveRun:
    """Gives each frame the parsing of its time, and carries these to the frames between. For one video."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._next = self._found = 0

    def over(self, frames: Iterable[Frame]) -> FramesKnown:
        """The frames with their parsings; None further than `MAX_AGE_S` from a parsed one of the same scene.

        Raises:
            ConfigError: the frames have other times than those that were parsed, or another size.
            BadMessage: the sidecar is damaged.
        """
        yield from spread(frames, lambda frame, *_: self._of(frame), MAX_AGE_S)
        if not self._found:
            raise self._wrong("none of its parsings has the time of a frame")

    def _of(self, frame: Frame) -> Parsing | None:
        masks = self._sidecar.masks
        while self._next < len(masks) and masks[self._next].pts_s < frame.pts_s - SAME_TIME_S:
            self._next += 1
        if self._next >= MIN_PASSED and self._found < MIN_FOUND_SHARE * self._next:
            raise self._wrong(f"at {frame.pts_s:.2f} s {self._found} of {self._next} parsings had the time of a frame")
        if self._next == len(masks) or masks[self._next].pts_s > frame.pts_s + SAME_TIME_S:
            return None
        parsing = self._sidecar.read(masks[self._next])
        self._next, self._found = self._next + 1, self._found + 1
        if parsing.frame_size != frame.size:
            raise self._wrong(f"its frames are {parsing.frame_size}, not {frame.size}")
        return replace(parsing, frame_index=frame.index, carried_from=frame.index, pts_s=frame.pts_s)

    def _wrong(self, why: str) -> ConfigError:
        return ConfigError(f"{self._sidecar.path} is of another video than this recording: {why}")
