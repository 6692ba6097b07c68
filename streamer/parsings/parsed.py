"""The parsings of a file's frames from a parser, in order.

Both cores are busy all the same: the decoder works ahead in FFmpeg's threads, and the parser keeps a picture in the
network while the one before it is drawn elsewhere.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline import Frame, Parser, Parsing
from pipeline.motion.carry import between, carry
from pipeline.motion.flow import Follower, Grey, is_cut
from pipeline.parsing.parser import Pending
from streamer.sources.images import Pictures
from streamer.sources.source import Source

MAX_LOOK_AHEAD = 32
"""Frames that wait in memory for the next one to be parsed; those further away from it get the masks of the last."""

FramesParsed = Iterator[tuple[Frame, Parsing]]
"""Frames in their order, each with its parsing."""
FramesKnown = Iterator[tuple[Frame, Parsing | None]]
"""The same, where nothing may be known of some frames."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A parser's memory, and after how many parsings it was saved; of none, nothing."""

    masks: int = 0
    memory: bytes = b""


class FrameParser(Protocol):
    """Parses the frames of one source in their order, here or in several processes."""

    def reset(self) -> None:
        """The frames to come are of another source."""

    def parsed(self, frames: Iterable[Frame], every: int, *, stills: bool) -> FramesParsed:
        """As `parsed_frames`."""

    def saved(self, masks: int) -> Saved:
        """The newest memory that there is after so many parsings, those of before `load` among them."""

    def load(self, saved: Saved) -> None:
        """Goes on behind the parsings after which the memory was saved."""


@dataclass(frozen=True, slots=True)
class OneProcess:
    """A parser in this process."""

    parser: Parser

    def reset(self) -> None:
        self.parser.reset()

    def parsed(self, frames: Iterable[Frame], every: int, *, stills: bool) -> FramesParsed:
        return parsed_frames(self.parser, frames, every, stills=stills)

    def saved(self, masks: int) -> Saved:
        return Saved(masks, self.parser.save())

    def load(self, saved: Saved) -> None:
        if saved.masks:
            self.parser.load(saved.memory)


def parsed_frames(parser: Parser, frames: Iterable[Frame], every: int, *, stills: bool) -> FramesParsed:
    """Each frame with its parsing.

    Args:
        every: parse every this many frames, and the first after a cut; masks are carried to the frames between.
        stills: they belong to no stream, and each is parsed by itself.
    """
    if stills:
        return ((frame, parser.still(frame)) for frame in frames)
    return _all_parsed(parser, frames) if every == 1 else _some_parsed(parser, frames, every)


def are_stills(frames: Source, every: int) -> bool:
    """Whether they are pictures that belong to no stream."""
    return isinstance(frames, Pictures) and every == 1


def _all_parsed(parser: Parser, frames: Iterable[Frame]) -> FramesParsed:
    waiting: deque[tuple[Frame, Pending]] = deque()
    for frame in frames:
        waiting.append((frame, parser.start(frame)))
        if len(waiting) > parser.settings.in_flight:
            earlier, begun = waiting.popleft()
            yield earlier, begun.result()
    for earlier, begun in waiting:
        yield earlier, begun.result()


def _some_parsed(parser: Parser, frames: Iterable[Frame], every: int) -> FramesParsed:
    last = 0

    def parse(frame: Frame, count: int, begins: bool) -> Parsing | None:
        nonlocal last
        if not begins and count < last + every:
            return None
        last = count
        return parser(frame)

    for frame, parsing in spread(frames, parse):
        assert parsing is not None  # the first one of each scene is parsed
        yield frame, parsing


def spread(
    frames: Iterable[Frame], parse: Callable[[Frame, int, bool], Parsing | None], max_age_s: float = math.inf
) -> FramesKnown:
    """Each frame with its parsing; those of frames without one are carried there from both sides.

    Args:
        parse: the parsing of a frame that has one, from its number among those read, and whether a scene begins with
            it.
        max_age_s: nothing is known of a frame that is further than this from all that have a parsing in its scene.
    """
    waiting: deque[_Waiting] = deque()
    last: _Parsed | None = None
    previous: Grey | None = None
    for count, frame in enumerate(frames):
        grey = Grey.of(frame)
        begins = previous is None or is_cut(previous, grey)
        previous = grey
        if begins:
            yield from _between(last, waiting, None, max_age_s)
            last = None
        parsing = parse(frame, count, begins)
        if parsing is not None:
            new = _Parsed(parsing, Follower(grey))
            yield from _between(last, waiting, new, max_age_s)
            yield frame, parsing
            last = new
            continue
        waiting.append(_Waiting(frame, grey))
        if len(waiting) > MAX_LOOK_AHEAD:
            yield from _between(last, deque([waiting.popleft()]), None, max_age_s)
    yield from _between(last, waiting, None, max_age_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    frame: Frame
    grey: Grey


@dataclass(frozen=True, slots=True, eq=False)
class _Parsed:
    parsing: Parsing
    follower: Follower
    """From that frame on."""


def _between(last: _Parsed | None, waiting: deque[_Waiting], new: _Parsed | None, max_age_s: float) -> FramesKnown:
    """Takes all that wait between two parsed frames of a scene, of which there may be one or none."""
    parsed = [each.parsing for each in (last, new) if each is not None]
    made = _carried(last, [each.grey for each in waiting], new)
    while waiting:
        frame, parsing = waiting.popleft().frame, next(made)
        age_s = min((abs(frame.pts_s - each.pts_s) for each in parsed), default=math.inf)
        yield frame, None if age_s > max_age_s else parsing


def _carried(last: _Parsed | None, greys: Sequence[Grey], new: _Parsed | None) -> Iterator[Parsing | None]:
    if new is None:
        return (None if last is None else carry(last.parsing, last.follower.follow(grey)) for grey in greys)
    back = Follower(new.follower.start)
    if last is not None:
        return between(last.parsing, last.follower, greys, back, new.parsing)
    return iter([carry(new.parsing, back.follow(grey)) for grey in reversed(greys)][::-1])
