"""The plan of the parse thread: the size of the input, the interval, and the pictures that need no parsing.

Pure: it is told the time and what was measured. The thread itself waits and runs the network.
"""

from dataclasses import dataclass

import numpy as np

from pipeline import Frame, Parser, Person, Size
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.parsing.input_size import SMALLER, Zoom
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer.live.rate import Governor, Plan, affordable
from streamer.live.still import Repeats

MIN_FOUND_PX = 48
"""People who are less tall in the network's input are seldom found."""
REMEMBERED_S = 60.0
"""People who were not seen for this long count as gone rather than lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that the user sets."""

    max_mask_age_s: float
    interval_s: float
    """Minimum interval between parsings; 0 means none."""
    still_for_s: float
    """A still scene is parsed again after so long; 0 parses every frame."""
    size: Size | None = None
    """The one size of input; None chooses."""


class Planner:
    """Plans for the frames of one stream, in their order."""

    def __init__(self, parser: Parser, limits: Limits) -> None:
        self._parser, self._limits = parser, limits
        self._frame_size = self._size = Size(0, 0)
        self._governor: Governor | None = None
        self._zoom, self._times = Zoom(), 1.0
        self._repeats = Repeats(limits.still_for_s)
        self._lost = Lost()

    def plan(self, frame_size: Size) -> Plan:
        """The plan for a frame. A frame size other than the last one begins everything anew."""
        if self._governor is None or frame_size != self._frame_size:
            self._frame_size = frame_size
            self._governor = Governor(self._limits.max_mask_age_s, self._sizes(), self._limits.interval_s)
            self._size = self._governor.plan.size
            self._repeats, self._lost = Repeats(self._limits.still_for_s), Lost()
        return Plan(self._size, self._governor.plan.interval_s)

    @property
    def next_size(self) -> Size | None:
        """The size of input that a network should be made ready for, beside the present one; None where none is."""
        wanted = self._size if self._governor is None else self._governor.plan.size
        return None if wanted == self._size else wanted

    def made_ready(self, size: Size) -> None:
        """There is a network for this size: it is used from now on, if it is the wanted one still."""
        if size == self.next_size:
            self._size = size

    def recall(self, small: Picture, now_s: float) -> Reading | None:
        """The reading of a picture that need not be parsed, as of `Repeats`."""
        return self._repeats.recall(small, now_s)

    def parsed(
        self,
        frame: Frame,
        small: Picture,
        reading: Reading,
        began_s: float,
        now_s: float,
        dropped: int,
        beside: int = 0,
    ) -> None:
        """After each parsing.

        Args:
            small: what was parsed of the frame.
            began_s, now_s: monotonic seconds when its parsing began, and now.
            dropped: frames that were dropped since the last time because this machine was too slow.
            beside: those of other streams.
        """
        self._repeats.remember(small, reading, now_s)
        governor = self._governor
        if governor is None:
            return
        # While the next size is made ready, neither the present one nor the time it takes is what was chosen.
        if self.next_size is None:
            governor.parsed(now_s, now_s - frame.captured_s, now_s - began_s, dropped, beside)
        usual = self._parser.fit_for(frame.size)
        self._lost.seen(reading.people, reading.fit, usual, now_s)
        times = affordable(self._zoom.seen(reading.people, usual, frame.pts_s), self._times, governor.work_s)
        if times != self._times:
            self._times = times
            governor.offer(self._sizes())

    @property
    def too_slow_s(self) -> float | None:
        """The age of the masks where it is above the limit and no smaller size may be chosen; None elsewhere."""
        governor = self._governor
        return None if governor is None or governor.within_reach else governor.age_s

    @property
    def people_too_small(self) -> bool:
        return self._lost.any

    def _sizes(self) -> list[Size]:
        """The sizes of input that the governor may choose from, the largest first."""
        frame_size = self._frame_size
        usual = self._parser.fit_for(frame_size)
        own = usual.input_size
        if self._limits.size is not None or not self._parser.model.compiles_at_once:
            return [own]
        smaller = (network_size(usual.shown_size, int(share * own.area)) for share in SMALLER)
        zoomed = self._parser.zoomed(frame_size, self._times).input_size
        return sorted({zoomed, own, *smaller}, key=lambda size: -size.area)


class Lost:
    """People who are lost because of the size of the input alone: they were found in a larger one, and are less tall in
    the present one than those the network finds."""

    def __init__(self) -> None:
        self._heights: list[float] = []
        """Heights of the people found in the usual input or a larger one, as shares of the frame's height."""
        self._seen_s = float("-inf")
        self.any = False

    def seen(self, people: "tuple[Person, ...]", fit: Letterbox, usual: Letterbox, now_s: float) -> None:
        """After each parsing.

        Args:
            fit: how the frame went into the network.
            usual: how it does on a machine that is fast enough.
        """
        height = fit.frame_size.height
        if fit.input_size.area >= usual.input_size.area:
            self._heights = [(person.box.bottom - person.box.top) / height for person in people]
            self._seen_s, self.any = now_s, False
            return
        shown = np.array(self._heights) * fit.content_size.height
        self.any = bool((shown < MIN_FOUND_PX).sum() > 0 and len(people) < len(shown)) and (
            now_s - self._seen_s < REMEMBERED_S
        )
