"""Recorded files: every frame parsed, drawn and written, in order. The whole product as a for-loop.

Both cores are busy all the same: the decoder and the encoder work ahead in FFmpeg's threads, and the parser
keeps a picture in the network while the one before it is drawn here.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import Frame, Look, Parser, ParserSettings, Parsing, load_parser
from pipeline.drawing.legend import LegendMemory
from pipeline.drawing.overlay import draw, drawn_size
from pipeline.drawing.selection import selected
from pipeline.labels import LabelSet
from pipeline.motion.carry import between, carry
from pipeline.motion.flow import Follower, Grey, is_cut
from pipeline.motion.linger import Covered, covered_both_ways
from pipeline.parsing.parser import Pending
from streamer.errors import ConfigError
from streamer.media.images import is_picture
from streamer.media.paths import VIDEO_SUFFIXES, check_apart
from streamer.media.tags import SourceInfo
from streamer.recording.codecs import Encoding
from streamer.recording.file import PictureFolder, Recorder, Sink
from streamer.sources.images import Pictures
from streamer.sources.open import open_source
from streamer.sources.source import Source

MAX_LOOK_AHEAD = 32
"""Frames that wait in memory for the next one to be parsed; those further away from it get the masks of the last."""

MIN_MISSING_S = 0.5
"""A source that ends so much earlier than it said is not cut short: headers are rounded."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How files are rendered."""

    parser: ParserSettings = field(default_factory=ParserSettings)
    look: Look = field(default_factory=Look)
    parse_every: int = 1
    """Parse every this many frames, and the first after a cut; masks are carried to the frames between.
    Pictures are parsed each by itself, unless this is more than 1: then they are frames of one stream."""
    encoding: Encoding = field(default_factory=Encoding)
    """Of videos."""
    force: bool = False
    """Overwrite files that exist."""

    def __post_init__(self) -> None:
        if self.parse_every < 1:
            raise ConfigError(f"parse_every is at least 1, not {self.parse_every}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rendering has come."""

    done: int
    """Frames written."""
    total: int | None
    """Frames expected, as far as the source says."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a rendering left behind."""

    path: Path
    frames: int
    parsed: int
    """Frames that went through the network; to the others the masks of these were carried."""
    seconds: float
    """It took, by the clock on the wall."""
    damaged: int
    """Pieces of the source that could not be decoded and were left out."""
    missing_s: float
    """How much earlier the pictures ended than the source had said: a file that was cut short."""
    stopped: bool
    """Whether it was asked to stop before the source's end."""


def _keep_going(so_far: Progress) -> bool:
    return True


def render_file(
    source: str | Path,
    out: str | Path,
    settings: Rendering,
    on_frame: Callable[[Progress], bool] = _keep_going,
    parser: Parser | None = None,
) -> Rendered:
    """Writes what `source` shows with every person's parts drawn over it.

    Args:
        source: as for `open_source`.
        out: a video file (.mp4, .mkv, .mov, .webm); for pictures also a picture, or a folder that exists.
        settings: how.
        on_frame: called after each frame written; answering False ends the rendering there, the file complete.
        parser: one that is loaded already, in place of loading `settings.parser`; the persons of each source are
            numbered from 1.

    Raises:
        SourceError: the source cannot be opened or read.
        SinkError: the result cannot be written. Nothing half-written stays.
        ConfigError: `out` is of no kind that can be written, or the source itself.
    """
    began = time.monotonic()
    parser = parser or load_parser(settings.parser)
    parser.reset()
    done = parsed = 0
    shown_s = 0.0
    stopped = False
    check_apart(source, Path(out))
    with open_source(source, audio=True) as opened:
        memory = None if isinstance(opened, Pictures) else LegendMemory()
        with _sink(opened, Path(out), settings, parser.label_set) as sink:
            parsings = _parsed(parser, opened, settings.parse_every)
            for each in _covered(parsings, settings.look, stills=_are_stills(opened, settings.parse_every)):
                frame, parsing = each.frame, each.parsing
                picture = draw(frame, parsing, settings.look, memory, each.lingering)
                sink.write(picture, frame.pts_s, frame.duration_s)
                done += 1
                shown_s = max(shown_s, frame.pts_s)
                parsed += parsing.carried_from == frame.index
                if not on_frame(Progress(done, opened.info.expected_frames)):
                    stopped = True
                    break
        damaged = opened.health.damaged + sink.damaged
        # The clock of a file whose times jump does not tell how long it is.
        missing_s = 0.0 if stopped or opened.health.jumps else _missing_s(opened.info, done, shown_s)
    return Rendered(sink.path, done, parsed, time.monotonic() - began, damaged, missing_s, stopped)


def _covered(parsed: Iterable[tuple[Frame, Parsing]], look: Look, *, stills: bool) -> Iterator[Covered]:
    """What is hidden in a video is hidden before it is seen first and after it is seen last, too."""
    if look.hides and not stills:
        on = look.selection
        return covered_both_ways(parsed, lambda parsing: selected(parsing, on))
    return (Covered(frame, parsing, None) for frame, parsing in parsed)


def _are_stills(frames: Source, every: int) -> bool:
    """Whether they are pictures that belong to no stream."""
    return isinstance(frames, Pictures) and every == 1


def _parsed(parser: Parser, frames: Source, every: int) -> Iterator[tuple[Frame, Parsing]]:
    """Each frame with its parsing; pictures that belong to no stream, each by itself."""
    if _are_stills(frames, every):
        return ((frame, parser.still(frame)) for frame in frames)
    return _all_parsed(parser, frames) if every == 1 else _some_parsed(parser, frames, every)


def _all_parsed(parser: Parser, frames: Source) -> Iterator[tuple[Frame, Parsing]]:
    waiting: deque[tuple[Frame, Pending]] = deque()
    for frame in frames:
        waiting.append((frame, parser.start(frame)))
        if len(waiting) > parser.settings.in_flight:
            earlier, begun = waiting.popleft()
            yield earlier, begun.result()
    for earlier, begun in waiting:
        yield earlier, begun.result()


def _some_parsed(parser: Parser, frames: Source, every: int) -> Iterator[tuple[Frame, Parsing]]:
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


def _from_behind(last: _Parsed, waiting: Iterable[tuple[Frame, Grey]]) -> Iterator[tuple[Frame, Parsing]]:
    for frame, grey in waiting:
        yield frame, carry(last.parsing, last.follower.follow(grey))


def _from_both_sides(
    last: _Parsed, waiting: Iterable[tuple[Frame, Grey]], new: _Parsed
) -> Iterator[tuple[Frame, Parsing]]:
    frames, greys = [frame for frame, _ in waiting], [grey for _, grey in waiting]
    back = Follower(new.follower.start)
    return zip(frames, between(last.parsing, last.follower, greys, back, new.parsing))


def _missing_s(info: SourceInfo, frames: int, shown_s: float) -> float:
    """What the source had said it would show and did not; the last frame's own time is not counted as missing."""
    if info.duration_s is None or (info.frames is not None and frames >= info.frames):
        return 0.0
    missing = info.duration_s - shown_s
    return missing if missing > max(MIN_MISSING_S, 2 * info.duration_s / max(1, frames)) else 0.0


def _sink(source: Source, out: Path, settings: Rendering, label_set: LabelSet) -> Sink:
    force = settings.force
    if out.suffix.lower() in VIDEO_SUFFIXES:
        size = drawn_size(source.info.frame_size, settings.look, label_set)
        return Recorder(out, replace(source.info, frame_size=size), source.audio, settings.encoding, force=force)
    if isinstance(source, Pictures):
        if out.is_dir():
            for path in source.paths:
                check_apart(path, out / path.name)
            return PictureFolder(out, [path.name for path in source.paths], force=force)
        if is_picture(out) and len(source.paths) == 1:
            return PictureFolder(out.parent, [out.name], force=force)
    allowed = ", ".join(VIDEO_SUFFIXES)
    raise ConfigError(
        f"{out} is no kind of file that can be written here: videos are {allowed}; pictures go into a folder"
    )
