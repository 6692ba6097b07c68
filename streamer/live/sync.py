"""The masks that each frame is shown with: it is shown at once, or when its own masks are known."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline import Frame, Parsing
from pipeline.motion.carry import Motion, between, carry
from pipeline.motion.flow import Follower, Grey, is_cut
from streamer.live.latest import LatestParsings

MAX_WAITING = 60
"""Frames that may wait for masks: at 1080p, as video keeps it, 190 MB."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A frame that is to be shown now."""

    frame: Frame
    parsing: Parsing | None
    """Its own, or carried to it; None where there is none, or none that is young enough."""
    age_s: float | None
    """Between the capture of the frame and that of the nearest one that was really parsed; None without a parsing."""
    grey: Grey
    """Of the frame."""


class Sync(Protocol):
    """For one thread at a time."""

    def push(self, frame: Frame | None) -> Iterator[Masked]:
        """Takes the next frame, or None if none came, and gives those to be shown now, in order."""

    def rest(self) -> Iterator[Masked]:
        """The frames that are left after the last one."""

    @property
    def waiting(self) -> int:
        """Frames taken and not given yet."""


class LiveSync:
    """Shows each frame as it comes, with the newest masks carried to it by the motion in between."""

    def __init__(self, newest: LatestParsings, wait_s: float, ttl_s: float) -> None:
        """
        Args:
            wait_s: how long a frame that is being parsed waits for its own masks.
            ttl_s: older masks are not shown.
        """
        self._newest, self._wait_s, self._ttl_s = newest, wait_s, ttl_s
        self._motion = Motion()

    waiting = 0

    def push(self, frame: Frame | None) -> Iterator[Masked]:
        if frame is not None:
            grey = Grey.of(frame)
            self._motion.add(grey)
            parsing = self._newest.wait_for(frame.index, self._wait_s)
            age_s = 0.0 if parsing is None else frame.captured_s - parsing.captured_s
            fresh = None if parsing is None or age_s > self._ttl_s else self._motion.carry(parsing)
            yield Masked(frame, fresh, None if fresh is None else age_s, grey)

    def rest(self) -> Iterator[Masked]:
        yield from ()


class ExactSync:
    """Shows each frame when it was parsed, or when the next one was that is parsed: it gets masks from both sides."""

    def __init__(self, newest: LatestParsings, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            ttl_s: no frame waits longer, and older masks are not shown.
            clock: monotonic seconds, as in `Frame.captured_s`.
        """
        self._newest, self._ttl_s, self._clock = newest, ttl_s, clock
        self._waiting: deque[_Waiting] = deque()
        self._last: _Parsed | None = None
        self._previous: Grey | None = None
        self._scene = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def push(self, frame: Frame | None) -> Iterator[Masked]:
        if frame is not None:
            grey = Grey.of(frame)
            self._scene += self._previous is not None and is_cut(self._previous, grey)
            self._previous = grey
            self._waiting.append(_Waiting(frame, grey, self._scene))
        yield from self._known()
        yield from self._overdue()

    def rest(self) -> Iterator[Masked]:
        self._newest.wait_closed(self._ttl_s)
        yield from self._known()
        yield from self._from_behind(self._taken(len(self._waiting)))

    def _known(self) -> Iterator[Masked]:
        """The frames up to the last one that was parsed."""
        while self._waiting:
            places = {each.frame.index: place for place, each in enumerate(self._waiting)}
            parsings = self._newest.since(self._waiting[0].frame.index - 1)
            parsing = next((each for each in parsings if each.frame_index in places), None)
            if parsing is None:
                return
            earlier = self._taken(places[parsing.frame_index])
            own = self._waiting.popleft()
            new = _Parsed(parsing, own.grey, own.scene, Follower(own.grey))
            yield from self._between(earlier, new)
            yield Masked(own.frame, parsing, 0.0, own.grey)
            self._last = new

    def _overdue(self) -> Iterator[Masked]:
        while self._waiting and (
            len(self._waiting) > MAX_WAITING or self._clock() - self._waiting[0].frame.captured_s > self._ttl_s
        ):
            yield from self._from_behind(self._taken(1))

    def _taken(self, count: int) -> "list[_Waiting]":
        return [self._waiting.popleft() for _ in range(count)]

    def _between(self, earlier: "Sequence[_Waiting]", new: "_Parsed") -> Iterator[Masked]:
        """Frames between the last parsed one and the next: a cut parts them."""
        last = self._last
        if last is not None and last.scene == new.scene:
            greys = [each.grey for each in earlier]
            back = Follower(new.grey)
            made = between(last.parsing, last.follower, greys, back, new.parsing)
            for each, parsing in zip(earlier, made):
                yield self._young(each, parsing, (last.parsing, new.parsing))
            return
        yield from self._from_behind([each for each in earlier if each.scene != new.scene])
        yield from self._from_ahead([each for each in earlier if each.scene == new.scene], new)

    def _from_behind(self, waiting: "Sequence[_Waiting]") -> Iterator[Masked]:
        last = self._last
        for each in waiting:
            if last is None or each.scene != last.scene:
                yield Masked(each.frame, None, None, each.grey)
            else:
                flow = last.follower.follow(each.grey)
                yield self._young(each, carry(last.parsing, flow), (last.parsing,))

    def _from_ahead(self, waiting: "Sequence[_Waiting]", new: "_Parsed") -> Iterator[Masked]:
        back = Follower(new.grey)
        flows = [back.follow(each.grey) for each in reversed(waiting)]
        for each in waiting:
            yield self._young(each, carry(new.parsing, flows.pop()), (new.parsing,))

    def _young(self, waiting: "_Waiting", parsing: Parsing, parsed: Sequence[Parsing]) -> Masked:
        frame, grey = waiting.frame, waiting.grey
        age_s = min(abs(frame.captured_s - each.captured_s) for each in parsed)
        return Masked(frame, None, None, grey) if age_s > self._ttl_s else Masked(frame, parsing, age_s, grey)


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: Frame
    grey: Grey
    scene: int
    """Frames on two sides of a cut have different ones."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    parsing: Parsing
    grey: Grey
    scene: int
    follower: Follower
    """From that frame on."""
