"""The two ways to parsings of a file's frames: parse them, and keep them if asked to; or read those that were kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import LabelSet, Parser
from streamer.errors import ConfigError
from streamer.masks.origin import Origin
from streamer.masks.sidecar import Sidecar
from streamer.parsings.identity import check_source, parser_key, source_key
from streamer.parsings.live_run import LiveRun
from streamer.parsings.parsed import FrameParser, FramesKnown, FramesParsed, OneProcess, are_stills
from streamer.parsings.resume import Keeper
from streamer.sources.source import Source


class Parsings(Protocol):
    """Gives the frames of one source with their parsings."""

    @property
    def label_set(self) -> LabelSet:
        """Of the parsings."""

    @property
    def every(self) -> int:
        """Every how many frames one was parsed; of a live run more than 1, for it varies."""

    def over(self, frames: Source) -> AbstractContextManager[FramesKnown]:
        """A context that yields the frames with their parsings. Raises what parsing, or reading a sidecar, raises."""


@dataclass(frozen=True, slots=True)
class FromParser:
    """Parses each frame, or some."""

    parser: Parser
    uri: str | Path
    every: int = 1
    """See `parsed_frames`."""
    masks: Path | None = None
    """The sidecar to keep the parsings in."""
    force: bool = False
    """Overwrite that."""
    resume: bool = False
    """Read the parsings that it has, and parse on behind them."""
    video_track: int | None = None
    """The video track that the frames are of, if one was named; and whether they were made whole of interlaced ones."""
    deinterlace: bool = False
    by: FrameParser | None = None
    """Who parses, in place of `parser` itself, with the same settings."""

    @property
    def label_set(self) -> LabelSet:
        return self.parser.label_set

    @contextmanager
    def over(self, frames: Source) -> Iterator[FramesParsed]:
        by = self.by or OneProcess(self.parser)
        by.reset()
        stills = are_stills(frames, self.every)
        if self.masks is None:
            yield by.parsed(frames, self.every, stills=stills)
            return
        keeper = Keeper(self.masks, self._origin(frames, stills=stills), by, force=self.force)
        keeping = keeper.resumed if self.resume and not self.force else keeper.begun
        with keeping(iter(frames), stills=stills) as pairs:
            yield pairs

    def _origin(self, frames: Source, *, stills: bool) -> Origin:
        return Origin(
            source=source_key(self.uri),
            parser=parser_key(self.parser, frames.info.frame_size, stills=stills),
            parse_every=self.every,
            video_track=self.video_track or 0,
            deinterlace=self.deinterlace,
        )


class FromSidecar:
    """Reads the parsings that a sidecar has of each frame, or of some of a live run. `with` closes it."""

    def __init__(self, path: Path, uri: str | Path, video_track: int | None = None) -> None:
        """
        Args:
            uri: the source that it is of.
            video_track: the track of it that is drawn on, if one was named.

        Raises:
            CannotOpen: it is no sidecar, or one of a later version.
            ConfigError: it is of another source; or it is torn, and not of a live run; or it has no parsings.
        """
        self._sidecar = Sidecar(path)
        try:
            check_source(self._sidecar, uri, video_track)
            origin = self._sidecar.origin
            self._is_live = origin is not None and origin.live
            self._check_whole()
            self.every = 1 if origin is None else origin.parse_every + self._is_live
            self.label_set = self._sidecar.label_set_of(self._sidecar.masks[0])
        except BaseException:
            self._sidecar.close()
            raise

    @contextmanager
    def over(self, frames: Source) -> Iterator[FramesKnown]:
        yield LiveRun(self._sidecar).over(frames) if self._is_live else self._read(frames)

    def __enter__(self) -> "FromSidecar":
        return self

    def __exit__(self, *exc: object) -> None:
        self._sidecar.close()

    def _read(self, frames: Source) -> FramesParsed:
        sidecar = self._sidecar
        for frame in frames:
            entry = sidecar.of(frame.index)
            if entry is None:
                raise ConfigError(
                    f"{sidecar.path} ends at {sidecar.masks[-1].pts_s:.2f} s, before the video does:"
                    " `streamer render --resume --masks` completes it"
                )
            yield frame, sidecar.read(entry)

    def _check_whole(self) -> None:
        path, count = self._sidecar.path, len(self._sidecar)
        if not self._sidecar.has_index and not self._is_live:
            raise ConfigError(
                f"{path} is torn: it has {count} parsings and no index; `streamer render --resume --masks` completes it"
            )
        if not count:
            raise ConfigError(f"{path} has no parsings")
