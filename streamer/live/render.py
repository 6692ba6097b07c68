"""The render thread: every captured frame, in order, with the newest masks, to the sinks."""

import threading
import time
from collections.abc import Callable, Iterator

from pipeline.drawing.overlay import Memory, draw, undrawn
from pipeline.faces.cover import LIVE_PERSON_SCORE, FaceCover
from pipeline.motion.linger import KEPT_S, Lingering
from streamer.live.config import StreamConfig
from streamer.live.parse import WAIT_S
from streamer.live.ring import EndOfStream, RingReader
from streamer.live.sinks.sink import Drawn, Remaining, SinkSet
from streamer.live.sinks.table import Place, Row, SourceRow
from streamer.live.sync import Masked, Sync
from streamer.parsings.looked import looked
from streamer.sources.source import Source


class RenderLoop:
    """The work of the render thread. Made by another thread."""

    def __init__(
        self,
        config: StreamConfig,
        reader: RingReader,
        sync: Sync,
        stop: threading.Event,
        source: Callable[[float], Source | None],
        rows: tuple[Row[Drawn] | SourceRow[Drawn], ...],
        place: Place,
        remaining: Remaining,
    ) -> None:
        """
        Args:
            sync: decides which masks each frame is shown with.
            source: gives the source once it is open, or None after so many seconds without.
            rows: the sinks for what is drawn.
        """
        self._config = config
        self._reader, self._sync, self._stop = reader, sync, stop
        self._stats, self._controls = place.stats, place.controls
        self._source = source
        self._rows, self._place = [row for row in rows if row.wanted(config)], place
        self._sinks: SinkSet[Drawn] = SinkSet(remaining)
        self._unseen = self._unshown = 0
        self._memory = Memory()
        self._lingering = Lingering() if config.look.hides else Lingering(KEPT_S, 1, hides=False)
        hides_faces = config.look.hides_faces(place.label_set)
        self._cover = (
            FaceCover(config.parser.run_options, enlarges=False, person_score=LIVE_PERSON_SCORE)
            if hides_faces
            else None
        )

    def run(self) -> None:
        """Draws and shows until the frames end or the stream is stopped."""
        with self._sinks, self._memory:
            if self._begin():
                self._show_until_the_end()
            self._account()

    def _begin(self) -> bool:
        """Makes the sinks, those that need the source when it is open; whether it was before the end."""
        for row in self._rows:
            if isinstance(row, Row):
                self._sinks.add(row.name, row.make(self._place))
        late = [row for row in self._rows if isinstance(row, SourceRow)]
        if not late:
            return True
        while not self._stop.is_set():
            self._stats.round(time.monotonic())
            ended = self._reader.writer_ended
            source = self._source(WAIT_S)
            if source is not None:
                for row in late:
                    self._sinks.add(row.name, row.make(self._place, source))
                return True
            if ended:
                break  # it never opened
            self._sinks.tick()
        return False

    def _show_until_the_end(self) -> None:
        while not self._stop.is_set():
            self._stats.round(time.monotonic())
            try:
                frame = self._reader.next(WAIT_S)
            except EndOfStream:
                self._show_all(self._sync.rest())
                return
            self._stats.dropped("behind", self._reader.missed)
            self._show_all(self._sync.push(frame))
            if frame is None:
                self._sinks.tick()

    def _show_all(self, shown: Iterator[Masked]) -> None:
        for number, masked in enumerate(shown):
            # A stop does not take back the frame at hand; those that have waited with it are not drawn any more.
            if number and self._stop.is_set():
                self._unshown += 1
            else:
                self._show(masked)

    def _show(self, masked: Masked) -> None:
        if not self._sinks:
            self._unseen += 1
            self._stats.dropped("no_sink", self._unseen)
            return
        frame, parsing = masked.frame, masked.parsing
        look = self._controls.look
        seen = looked(frame, parsing, look, self._cover)
        safe = seen.parsing
        lingering = seen.into(self._lingering, masked.grey) if look.effects else None
        if safe is None:
            picture = undrawn(frame, look, self._place.label_set, self._memory)
        else:
            picture = draw(frame, safe, look, self._memory, lingering)
        drawn = Drawn(picture, frame.index, frame.pts_s, parsing)
        self._controls.saver.show(drawn)
        self._sinks.write(drawn)
        self._sinks.tick()
        self._stats.shown(time.monotonic(), frame.captured_s, masked.age_s)

    def _account(self) -> None:
        self._stats.dropped("behind", self._reader.missed)
        self._stats.dropped("at_end", self._reader.unread + self._sync.waiting + self._unshown)
