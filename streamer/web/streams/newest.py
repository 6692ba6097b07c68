"""The sink for browsers: the newest picture before drawing, its parsing, and a recording at will."""

import threading
from pathlib import Path

from pipeline import Size
from streamer.errors import SinkError
from streamer.live.sinks.recording import Recording
from streamer.live.sinks.sink import Drawn
from streamer.live.sinks.snapshots import bgr_of
from streamer.recording.codecs import Encoding
from streamer.recording.segments import Filing
from streamer.sources.source import Source


class Newest:
    """Keeps the newest picture for whoever asks, and drops those before it."""

    def __init__(self, encoding: Encoding, keep_free_bytes: int) -> None:
        self._encoding, self._keep_free_bytes = encoding, keep_free_bytes
        self._changed = threading.Condition()
        self._source: Source | None = None
        self._drawn: Drawn | None = None
        self._count = 0
        self._wanted: Path | None = None
        self._recording: tuple[Path, Recording] | None = None
        self.trouble = ""
        """Why the recording ended by itself, the last time."""

    def opened(self, source: Source) -> "Newest":
        """In the render thread, when the source is there."""
        self._source = source
        return self

    def record(self, file: Path | None) -> None:
        """Records into a file from the next picture on; None ends the recording."""
        with self._changed:
            self._wanted, self.trouble = file, ""

    @property
    def wanted(self) -> Path | None:
        """The file that is recorded into, from the next picture on."""
        with self._changed:
            return self._wanted

    @property
    def recording(self) -> Path | None:
        """The file that is being written, or will be with the next picture, or is not whole before it."""
        open_one = self._recording
        return self.wanted or (None if open_one is None else open_one[0])

    def after(self, count: int, timeout_s: float) -> tuple[int, Drawn] | None:
        """The newest picture, if there is one after the picture of this count, or comes in time; and its count."""
        with self._changed:
            self._changed.wait_for(lambda: self._count > count and self._drawn is not None, timeout_s)
            if self._drawn is None or self._count <= count:
                return None
            return self._count, self._drawn

    # The contract of a sink.

    def write(self, item: Drawn) -> None:
        with self._changed:
            self._count += 1
            self._drawn = item
            wanted = self._wanted
            self._changed.notify_all()
        self._switch(wanted, item)
        if self._recording is not None:
            try:
                self._recording[1].write(item)
            except SinkError as exc:
                self._failed(exc)

    def tick(self) -> bool:
        return True

    def close(self, ending: str) -> None:
        self._switch(None, None)

    def _switch(self, wanted: Path | None, item: Drawn | None) -> None:
        """Begins and ends files as it is wanted."""
        if self._recording is not None and self._recording[0] != wanted:
            recording = self._recording[1]
            self._recording = None
            recording.close("stopped")
        if wanted is not None and self._recording is None and item is not None and self._source is not None:
            size = Size(*bgr_of(item.picture).shape[:2])
            filing = Filing(wanted, None, self._keep_free_bytes)
            try:
                self._recording = wanted, Recording(self._source, size, self._encoding, filing, None)
            except SinkError as exc:
                self._failed(exc)

    def _failed(self, error: SinkError) -> None:
        """The recording ends, and the stream goes on."""
        self._recording = None
        with self._changed:
            self._wanted, self.trouble = None, str(error)
