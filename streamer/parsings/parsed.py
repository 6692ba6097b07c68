"""The parsings of a file's frames from a parser, in order.

Both cores are busy all the same: the decoder works ahead in FFmpeg's threads, and the parser keeps a picture in the
network while the one before it is drawn elsewhere.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    """Those between two parsed frames wait for the second one, and are made of both."""
    waiting: deque[tuple[Frame, Grey]] = deque()
    last: _Parsed | None = None
    previous: Grey | None = None
    for count, frame in enumerate(frames):
        grey = Grey.of(frame)
        cut = previous is not None and is_cut(previous, grey)
        previous = grey
        if last is None or cut or count == last.count + every:
            new = _Parsed(count, parser(frame), Follower(grey))
            if last is not None:
                yield from _from_behind(last, waiting) if cut else _from_both_sides(last, waiting, new)
            waiting.clear()
            yield frame, new.parsing
            last = new
            continue
        waiting.append((frame, grey))
        if len(waiting) > MAX_LOOK_AHEAD:
            yield from _from_behind(last, [waiting.popleft()])
    if last is not None:
        yield from _from_behind(last, waiting)


@dataclass(frozen=True, slots=True)
class _Parsed:
    count: int
    """The place of the frame among those read."""
    parsing: Parsing
    follower: Follower
    """From that frame on."""


def _from_behind(last: _Parsed, waiting: Iterable[tuple[Frame, Grey]]) -> FramesParsed:
    for frame, grey in waiting:
        yield frame, carry(last.parsing, last.follower.follow(grey))


def _from_both_sides(last: _Parsed, waiting: Iterable[tuple[Frame, Grey]], new: _Parsed) -> FramesParsed:
    frames, greys = [frame for frame, _ in waiting], [grey for _, grey in waiting]
    back = Follower(new.follower.start)
    return zip(frames, between(last.parsing, last.follower, greys, back, new.parsing))
