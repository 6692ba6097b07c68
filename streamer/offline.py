"""Recorded files: every frame parsed, drawn and written, in order. The whole product as a for-loop.

Both cores are busy all the same: the decoder and the encoder work ahead in FFmpeg's threads, and the parser keeps a
picture in the network while the one before it is drawn here.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline import Look, Parser, ParserSettings, load_parser
from pipeline.drawing.legend import LegendMemory
from pipeline.drawing.overlay import Memory, draw, drawn_size, undrawn
from pipeline.faces.cover import FaceCover
from pipeline.labels import LabelSet
from pipeline.motion.linger import KEPT_S, LINGER_S, MAX_TIMES, Covered, Looked, covered_both_ways
from streamer.errors import ConfigError
from streamer.masks.records import check_sidecar_name
from streamer.media.images import is_picture, is_single
from streamer.media.opencv_threads import limited_threads
from streamer.media.paths import ANIMATION_SUFFIXES, VIDEO_SUFFIXES, check_apart, opaque_or_not
from streamer.parsings.looked import looked
from streamer.parsings.parsed import FrameParser, are_stills
from streamer.parsings.take import FromParser, FromSidecar, Parsings
from streamer.parsings.threads import threads_beside
from streamer.recording.animation import Animation
from streamer.recording.codecs import Encoding, transparent
from streamer.recording.file import PictureFolder, Recorder, Sink
from streamer.sources.excerpt import Excerpt, Part
from streamer.sources.images import Pictures
from streamer.sources.lacks import Lacks, lacks_of, missing_end_s
from streamer.sources.open import open_source
from streamer.sources.source import Source


@dataclass(frozen=True, slots=True)
class Rendering:
    """How files are rendered."""

    parser: ParserSettings = field(default_factory=ParserSettings)
    look: Look = field(default_factory=Look)
    parse_every: int = 1
    """Parse every this many frames, and the first after a cut; masks are carried to the frames between.
    Pictures are parsed each by itself, unless this is more than 1: then they are frames of one stream."""
    start_s: float = 0.0
    """Begin at this time of the source; what is before is not parsed."""
    end_s: float | None = None
    """End at this time of the source; by default at its end."""
    every: int = 1
    """Write, and parse, only every Nth frame."""
    encoding: Encoding = field(default_factory=Encoding)
    """Of videos."""
    tracks: Literal["all", "first"] = "all"
    """Tracks of a video that are kept beside its pictures: all, also subtitles, data and other videos, or its first
    track of sound."""
    video_track: int | None = None
    """Number of the video track to parse, from 1; by default the one that a file says, else its largest."""
    deinterlace: bool = False
    """Make whole pictures of interlaced video's; else H.264 stays interlaced, and other codecs do the same."""
    force: bool = False
    """Overwrite files that exist."""
    resume: bool = False
    """Keep the parsings that the file of --masks has from a run that was stopped or killed, and go on behind them;
    what is complete is left as it is."""

    def __post_init__(self) -> None:
        if self.parse_every < 1:
            raise ConfigError(f"parse_every is at least 1, not {self.parse_every}")
        if self.video_track is not None and self.video_track < 1:
            raise ConfigError(f"video_track is at least 1, not {self.video_track}")
        self.excerpt  # noqa: B018  (refuse what cannot be)

    @property
    def excerpt(self) -> Excerpt:
        """The frames that are written."""
        return Excerpt(self.start_s, self.end_s, self.every)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rendering has come."""

    done: int
    """Frames written."""
    total: int | None
    """Frames expected, as far as the source says."""
    network_s: float = field(default=0.0, compare=False)
    """The time that the network took for the last frame written; 0 if it was not parsed for it."""


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
    left_out: tuple[str, ...]
    """What the source has and the result cannot hold, in words: tracks, covers, tags."""
    stopped: bool
    """Whether it was asked to stop before the source's end."""
    lost_pictures: int = 0
    """Pictures that the source should have, by its index or the times of the others, and does not give."""
    lost_sound_s: float = 0.0
    """Seconds of sound that are missing in the source, of the track that lacks most."""
    flawed: int = 0
    """Pictures that are written though parts of them could not be decoded."""
    jumps: int = 0
    """Times at which the source's clock jumped; what followed went on where the rest had ended."""
    unseen: tuple[int, ...] = ()
    """The numbers of people that the look selects and that nobody had."""

    @property
    def lacks(self) -> Lacks:
        """What is wrong with the source."""
        counts = (self.damaged, self.lost_pictures, self.lost_sound_s, self.flawed, self.jumps, self.missing_s)
        return Lacks(*counts)


def _keep_going(so_far: Progress) -> bool:
    return True


def render_file(
    source: str | Path,
    out: str | Path,
    settings: Rendering,
    on_frame: Callable[[Progress], bool] = _keep_going,
    parser: Parser | None = None,
    *,
    masks: str | Path | None = None,
    by: FrameParser | None = None,
) -> Rendered:
    """Writes what `source` shows with every person's parts drawn over it.

    Args:
        source: as for `open_source`.
        out: a video file (.mp4, .mkv, .mov, .webm) or an animation (.gif, .webp); for pictures also a picture, or a
            folder that exists.
        settings: how.
        on_frame: called after each frame written; answering False ends the rendering there, the file complete.
        parser: one that is loaded already, in place of loading `settings.parser`; the persons of each source are
            numbered from 1.
        masks: keep every parsing in this file, for `redraw_file`; the same source gives the same bytes.
        by: who parses, as several processes, in place of `parser` itself.

    Raises:
        SourceError: the source cannot be opened or read.
        SinkError: the result cannot be written. Nothing half-written stays, but of `masks` what was parsed.
        ConfigError: `out` is of no kind that can be written, or the source itself.
    """
    kept = None if masks is None else Path(masks)
    if kept is None and settings.resume:
        raise ConfigError("resume goes on with masks that were kept, and none are: add masks, or leave it out")
    if kept is not None:
        check_sidecar_name(kept)
        check_apart(source, kept)
    parser = parser or load_parser(threads_beside(settings.parser))
    parsings = FromParser(
        parser,
        source,
        settings.parse_every,
        kept,
        settings.force,
        settings.resume,
        settings.video_track,
        settings.deinterlace,
        by,
    )
    return rendered(source, Path(out), settings, on_frame, parsings)


def redraw_file(
    source: str | Path,
    out: str | Path,
    masks: str | Path,
    settings: Rendering,
    on_frame: Callable[[Progress], bool] = _keep_going,
) -> Rendered:
    """Writes what `source` shows with parsings drawn over it that were kept, and parses nothing.

    Args:
        source, out, on_frame: as for `render_file`.
        masks: what that was told to keep of this source.
        settings: how; its parser does not matter.

    Raises:
        SourceError, SinkError: as `render_file`; or `masks` is no such file, or of a later version.
        ConfigError: as `render_file`; or `masks` is of another source, or torn.
        BadMessage: `masks` is damaged.
        UnknownName: the look names a class that the parsings' label set lacks.
    """
    with FromSidecar(Path(masks), source, settings.video_track) as parsings:
        settings.look.check(parsings.label_set)
        return rendered(source, Path(out), settings, on_frame, parsings)


def rendered(
    source: str | Path, out: Path, settings: Rendering, on_frame: Callable[[Progress], bool], parsings: Parsings
) -> Rendered:
    """As `render_file`, with parsings of any origin."""
    began = time.monotonic()
    done = parsed = 0
    shown_s = 0.0
    unseen = set(settings.look.people)
    stopped = False
    check_apart(source, out)
    wanted: Any = {name: getattr(settings, name) for name in ("tracks", "video_track")}
    codec = settings.encoding.details
    wanted["deinterlace"] = settings.deinterlace or not codec.has_fields
    wanted["hdr"] = bool(codec.deep) and out.suffix.lower() in VIDEO_SUFFIXES
    with limited_threads(), _opened(source, out, wanted) as opened, Memory() as memory:
        part = _part(opened, settings, parsings)
        stills = are_stills(part, parsings.every)
        with _sink(opened, out, settings, parsings.label_set) as sink, parsings.over(part) as pairs:
            look = settings.look
            cover = FaceCover(settings.parser.run_options) if look.hides_faces(parsings.label_set) else None
            seen = (looked(frame, parsing, look, cover) for frame, parsing in pairs)
            for each in _covered(seen, look, stills=stills):
                frame, parsing = each.frame, each.parsing
                if isinstance(opened, Pictures):
                    memory.legend = LegendMemory()
                if parsing is None:
                    picture = undrawn(frame, settings.look, parsings.label_set, memory)
                else:
                    picture = draw(frame, parsing, settings.look, memory, each.lingering)
                    unseen -= {person.track_id for person in parsing.people}
                    parsed += parsing.carried_from == frame.index
                sink.write(picture, frame.pts_s, frame.duration_s)
                done += 1
                shown_s = max(shown_s, frame.pts_s)
                is_parsed = parsing is not None and parsing.carried_from == frame.index
                network_s = parsing.inferred_s if parsing is not None and is_parsed else 0.0
                if not on_frame(Progress(done, part.info.expected_frames, network_s)):
                    stopped = True
                    break
        whole = not stopped and settings.end_s is None
        missing_s = missing_end_s(opened.info, done, shown_s) if whole else 0.0
        lacks = lacks_of(opened.health, missing_s, sink.damaged)
    return Rendered(
        sink.path,
        done,
        parsed,
        time.monotonic() - began,
        lacks.damaged,
        lacks.missing_s,
        sink.left_out,
        stopped,
        lacks.lost_pictures,
        lacks.lost_sound_s,
        lacks.flawed,
        lacks.jumps,
        tuple(sorted(unseen)),
    )


def _covered(seen: Iterator[Looked], look: Look, *, stills: bool) -> Iterator[Covered]:
    """What is hidden, or kept, in a video is so before it is seen first and after it is seen last, too."""
    if look.effects and not stills:
        times = (LINGER_S, MAX_TIMES) if look.hides else (KEPT_S, 1)
        return covered_both_ways(seen, *times, hides=look.hides)
    return (Covered(each.frame, each.parsing, None) for each in seen)


def _opened(source: str | Path, out: Path, wanted: dict[str, Any]) -> Source:
    """As a still where one is written, though files of its kind are read as videos otherwise."""
    path = Path(source)
    if is_picture(out) and out.suffix.lower() not in ANIMATION_SUFFIXES and is_single(path):
        return Pictures(str(source), [path])
    return open_source(source, audio=True, **wanted)


def _part(source: Source, settings: Rendering, parsings: Parsings) -> Source:
    """What is wanted of a source. Raises ConfigError."""
    excerpt = settings.excerpt
    if excerpt.is_whole:
        return source
    if isinstance(source, Pictures):
        raise ConfigError("start, end and every are for videos; of pictures, name those that are wanted")
    if isinstance(parsings, FromParser) and parsings.masks is not None:
        raise ConfigError("masks are kept of all frames: leave start, end and every out, and name them with --from")
    return Part(source, excerpt)


def _sink(source: Source, out: Path, settings: Rendering, label_set: LabelSet) -> Sink:
    force, cut = settings.force, settings.look.is_cut
    info = settings.excerpt.info(source.info)
    info = replace(info, frame_size=drawn_size(info.frame_size, settings.look, label_set))
    if out.suffix.lower() in VIDEO_SUFFIXES:
        encoding = transparent(settings.encoding, str(out)) if cut else settings.encoding
        return Recorder(
            out, info, source.audio, encoding, force=force, alpha=cut, end_s=settings.end_s, extras=source.extras
        )
    if isinstance(source, Pictures):
        if out.is_dir():
            names = [opaque_or_not(path.name, cut=cut) for path in source.paths]
            for path, name in zip(source.paths, names):
                check_apart(path, out / name)
            return PictureFolder(out, names, force=force, sources=source.paths)
        if is_picture(out) and len(source.paths) == 1:
            name = opaque_or_not(out.name, cut=cut, strict=True)
            return PictureFolder(out.parent, [name], force=force, sources=source.paths)
    if out.suffix.lower() in ANIMATION_SUFFIXES:
        return Animation(out, info, force=force, alpha=cut)
    allowed = ", ".join((*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES))
    if is_picture(out):
        several, folder = ("several pictures", ", or a folder") if isinstance(source, Pictures) else ("a video", "")
        raise ConfigError(f"{out} would hold one picture, and {info.name} is {several}: name {allowed}{folder}")
    raise ConfigError(
        f"{out} is no kind of file that can be written here: videos are {allowed}; pictures go into a folder"
    )
