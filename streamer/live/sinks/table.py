"""The table of sinks: one row each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from pipeline import LabelSet, Parsing
from pipeline.drawing.overlay import drawn_size
from streamer.errors import SinkError
from streamer.live.config import StreamConfig
from streamer.live.sinks.controls import Controls
from streamer.live.sinks.keeping import Keeping
from streamer.live.sinks.publishing import Publishing
from streamer.live.sinks.recording import Recording
from streamer.live.sinks.sink import Drawn, Sink
from streamer.live.sinks.state import RECORDING, words_of
from streamer.live.sinks.viewer import Viewer
from streamer.live.sinks.virtual_camera import VirtualCamera
from streamer.live.sinks.window import Window
from streamer.live.sinks.words import Word
from streamer.live.stats import Stats
from streamer.parsings.identity import live_origin
from streamer.recording.codecs import transparent
from streamer.recording.segments import Filing
from streamer.sources.source import Source
from streamer.zeromq.publisher import Publisher

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Place:
    """The surroundings that a sink is made in."""

    config: StreamConfig
    label_set: LabelSet
    """Of the parsings."""
    stats: Stats
    controls: Controls
    on_part_failed: Callable[[str, SinkError], None]
    """Told the name of a sink that goes on without a part of what it does, and why."""


@dataclass(frozen=True, slots=True)
class Row(Generic[Item]):
    """A kind of sink. A sink that cannot be made ends the stream: whoever started it is there to be told."""

    name: str
    wanted: Callable[[StreamConfig], bool]
    make: Callable[[Place], Sink[Item]]
    """Called in the sink's thread, at once. Raises SinkError."""


@dataclass(frozen=True, slots=True)
class SourceRow(Generic[Item]):
    """The same of one that has to know its source."""

    name: str
    wanted: Callable[[StreamConfig], bool]
    make: Callable[[Place, Source], Sink[Item]]
    """Called in the sink's thread, when the source is open and before its first frame is drawn. Raises SinkError."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All kinds."""

    pictures: tuple[Row[Drawn] | SourceRow[Drawn], ...]
    """Each takes what is drawn, in the render thread."""
    parsings: tuple[Row[Parsing], ...]
    """Each takes what is parsed, in the parse thread."""

    def names(self, config: StreamConfig) -> set[str]:
        """The names of the sinks that are wanted."""
        return {row.name for row in (*self.pictures, *self.parsings) if row.wanted(config)}

    def draws(self, config: StreamConfig) -> bool:
        """True if any sink wants what is drawn."""
        return any(row.wanted(config) for row in self.pictures)


def _window(place: Place) -> Viewer:
    records = place.config.record.file is not None

    def words() -> list[Word]:
        return words_of(place.stats.snapshot(time.monotonic()), records=records)

    return Viewer(Window(f"streamer {place.config.stream}"), place.controls, words)


def _recording(place: Place, source: Source) -> Recording:
    record = place.config.record
    filing = None
    if record.file is not None:
        filing = Filing(Path(record.file), record.segment_s, record.keep_free_bytes, record.force)
    on_files_failed = partial(place.on_part_failed, RECORDING) if record.clip_seconds else None
    size = drawn_size(source.info.frame_size, place.config.look, place.label_set)
    cut, encoding, recent = place.config.look.is_cut, place.config.encoding, place.controls.saver.recent
    encoding = transparent(encoding, record.file) if cut else encoding
    return Recording(source, size, encoding, filing, recent, on_files_failed, place.stats.sound_damaged, alpha=cut)


def _publisher(place: Place) -> Publishing:
    config = place.config
    address = config.publish.address or ""  # it is wanted only where there is one
    key, allow = (each and Path(each) for each in (config.publish.key, config.publish.allow))
    publisher = Publisher(
        address,
        stream=config.stream,
        parser=config.parser.name,
        insecure=config.publish.insecure,
        key=key or None,
        allow=allow or None,
    )
    return Publishing(publisher, lambda: place.stats.snapshot(time.monotonic()).totals())


def _sidecar(place: Place) -> Keeping:
    config = place.config
    return Keeping(Path(config.masks.sidecar or ""), live_origin(config.source.uri, config.parser))


ROWS = Rows(
    pictures=(
        Row("window", lambda config: config.window.show, _window),
        Row(
            "virtual camera",
            lambda config: config.window.virtual_camera is not None,
            lambda place: VirtualCamera(place.config.window.virtual_camera or ""),
        ),
        SourceRow(RECORDING, lambda config: config.record.encodes, _recording),
    ),
    parsings=(
        Row("publisher", lambda config: config.publish.address is not None, _publisher),
        Row("masks", lambda config: config.masks.sidecar is not None, _sidecar),
    ),
)
