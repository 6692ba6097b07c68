"""A live stream: builds its threads, starts them, stops them, and says how they ended."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline import Parsing, load_parser
from streamer.errors import ConfigError, ShutdownTimeout, SinkError
from streamer.inference.pool import usable_cores
from streamer.live.capture import capture
from streamer.live.config import MaskSettings, RecordSettings, StreamConfig
from streamer.live.latest import LatestParsings
from streamer.live.parse import WAIT_S, ParseLoop
from streamer.live.render import RenderLoop
from streamer.live.ring import FrameRing
from streamer.live.sinks.controls import Controls
from streamer.live.sinks.sink import Remaining
from streamer.live.sinks.snapshots import Saver
from streamer.live.sinks.table import ROWS, Place, Rows
from streamer.live.stats import Snapshot, Stats
from streamer.live.sync import ExactSync, LiveSync, Sync
from streamer.media.arenas import limit_arenas
from streamer.media.disk import patiently
from streamer.media.opencv_threads import limited_threads
from streamer.media.paths import check_apart, check_target
from streamer.sources.source import Source
from streamer.sources.timing.playout import HELD_S
from streamer.sources.uri import comes_by_itself
from streamer.zeromq.curve import read_allowed, read_key

RING_FRAMES = 16
"""Frames kept for a renderer that is behind: half a second of a usual camera."""
UNSEEN = frozenset({"recording", "masks"})
"""The sinks that nobody watches while it runs."""
UNSEEN_HELD_S = 8.0
"""Pictures that only these take may wait for room so long, on a machine that is behind; others for `HELD_S`, since what
is watched is not to be late."""
STOP_S = 10.0
"""Time after which a thread that still runs is named in ShutdownTimeout. Three seconds are enough, but on a machine
that is very busy."""


class _Announced:
    """The source, from the thread that opens it to the one that records it."""

    def __init__(self) -> None:
        self._there = threading.Event()
        self._source: Source | None = None

    def put(self, source: Source) -> None:
        self._source = source
        self._there.set()

    def get(self, timeout_s: float) -> Source | None:
        self._there.wait(timeout_s)
        return self._source


class Stream:
    """Captures, parses and shows until the source ends, something fails, or `stop`.

    with Stream(StreamConfig(source="rtsp://camera/1", record="door.mp4")) as stream:
        stream.join()
    """

    def __init__(self, config: StreamConfig, rows: Rows = ROWS) -> None:
        """Nothing runs yet.

        Args:
            rows: the sinks that the stream has where its configuration wants them.

        Raises:
            PipelineError, ConfigError: for settings that cannot be.
            SinkError: there is no folder for the recording, or something in its place.
        """
        record, uri = config.record, config.source.uri
        if record.file is not None:
            # It would else be told when the camera is there, maybe hours later.
            patiently(Path(record.file), partial(_check, uri, Path(record.file), record))
        if config.masks.sidecar is not None:
            sidecar = Path(config.masks.sidecar)
            patiently(sidecar, partial(check_target, sidecar, force=False))
        if config.publish.key is not None and config.publish.allow is not None:
            read_key(Path(config.publish.key))
            read_allowed(Path(config.publish.allow))
        self.config = config
        self._stop = threading.Event()
        self._stats = Stats()
        self._newest = LatestParsings()
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        ring, source = FrameRing(RING_FRAMES), _Announced()
        remaining = Remaining(
            rows.names(config),
            on_end=self._stats.sink_ended,
            keep=self._failures.append,
            on_last_closed=self._stop.set,
        )
        saver = Saver(record.keeps_s, self._stats.saved)
        parser = load_parser(config.parser)
        config.look.check(parser.label_set)  # refuses names that there are not
        controls = Controls(config.look, saver, self._stop.set)
        place = Place(config, parser.label_set, self._stats, controls, remaining.failed_partly)
        parse = ParseLoop(parser, config, ring.reader(), self._newest, self._stop, rows.parsings, place, remaining)
        reader = ring.reader()
        # Only what is recorded must not miss a picture; a window rather shows the newest.
        ready = (lambda: reader.unread < RING_FRAMES - 1) if record.encodes and rows.draws(config) else None
        held_s = HELD_S if rows.names(config) - UNSEEN else UNSEEN_HELD_S
        # What capture fails with travels through the ring: the others show what is left in it, and end by themselves.
        hdr = record.encodes and bool(config.encoding.details.deep)
        self._add(
            "capture",
            lambda: capture(
                config.source, record.encodes, ring, self._stats, self._stop, source.put, ready, held_s, hdr=hdr
            ),
            stops_others=False,
        )
        self._add("parse", parse.run)
        self._shows = rows.draws(config)
        self._saver = saver if self._shows else None
        if self._shows:
            sync = _sync(config.masks, self._newest)
            render = RenderLoop(config, reader, sync, self._stop, source.get, rows.pictures, place, remaining)
            self._add("render", render.run)

    def start(self) -> None:
        """Starts the threads, once; what fails in them is raised by `join`."""
        if any(thread.ident for thread in self._threads):
            raise ConfigError("a stream is started once; make another to run it again")
        limit_arenas(max(2, usable_cores()))
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for the end; whether it came within the time. Raises what the stream, or a sink of it, failed with."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while any(thread.is_alive() for thread in self._threads):
            left_s = WAIT_S if until_s is None else min(WAIT_S, until_s - time.monotonic())
            if left_s <= 0:
                return False
            next(thread for thread in self._threads if thread.is_alive()).join(left_s)
        if self._failures:
            raise self._failures[0]
        return True

    def ask_to_stop(self) -> None:
        """The stream ends soon; `join` and `stop` wait for that. From any thread."""
        self._stop.set()

    def stop(self) -> None:
        """Ends the stream; safe to call twice, and from any thread but its own.

        Raises:
            ShutdownTimeout: a thread did not end in time; which one.
        """
        self._stop.set()
        until_s = time.monotonic() + STOP_S
        for thread in self._threads:
            if thread.ident:
                thread.join(max(0.0, until_s - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            raise ShutdownTimeout(f"{', '.join(late)} did not end within {STOP_S:.0f} s")

    @property
    def stats(self) -> Snapshot:
        """The counters so far."""
        snapshot = self._stats.snapshot(time.monotonic())
        return snapshot if self._shows else snapshot.without_sink()

    @property
    def newest(self) -> Parsing | None:
        """The newest parsing, or None before the first."""
        return self._newest.get()

    def snapshot(self, path: str | Path, *, force: bool = False) -> None:
        """Writes the picture that was drawn last. Raises SinkError."""
        self._saved().snapshot(Path(path), force=force)

    def clip(self, path: str | Path, *, force: bool = False) -> None:
        """Writes the last seconds, with their sound, into a video file; `clip_seconds` of `StreamConfig` says how many.

        Raises:
            SinkError: it cannot be written, or nothing is kept for it.
        """
        self._saved().clip(Path(path), force=force)

    def _saved(self) -> Saver:
        if self._saver is None:
            raise SinkError("this stream draws nothing: it has no window, no recording and no clip_seconds")
        return self._saver

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _add(self, name: str, work: Callable[[], None], *, stops_others: bool = True) -> None:
        arguments = (work, stops_others)
        self._threads.append(
            threading.Thread(target=self._guarded, args=arguments, name=f"{name} {self.config.stream}")
        )

    def _guarded(self, work: Callable[[], None], stops_others: bool) -> None:
        """The boundary of a thread: what fails is kept for `join`, and stops the others."""
        try:
            with limited_threads():
                work()
        except Exception as exc:  # noqa: BLE001
            self._failures.append(exc)
            if stops_others:
                self._stop.set()


def _check(uri: str, file: Path, record: RecordSettings) -> None:
    if not comes_by_itself(uri):
        check_apart(uri, file)
    check_target(file, record.force or record.segment_s is not None)


def _sync(masks: MaskSettings, newest: LatestParsings) -> Sync:
    if masks.sync == "exact":
        return ExactSync(newest, masks.mask_ttl_s)
    return LiveSync(newest, masks.mask_wait_s, masks.mask_ttl_s)
