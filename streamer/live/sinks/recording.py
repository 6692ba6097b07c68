"""The recording of a live stream, and the last seconds that clips are cut from: one encoder for both."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pipeline import Size
from streamer.errors import SinkError
from streamer.live.sinks.sink import Drawn
from streamer.recording.clip_buffer import Recent
from streamer.recording.codecs import Encoding
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing
from streamer.sources.source import Source

_LOG = logging.getLogger(__name__)


class Recording:
    """Encodes what is drawn, into files and for clips. When the files cannot go on, clips can."""

    def __init__(
        self,
        source: Source,
        frame_size: Size,
        encoding: Encoding,
        filing: Filing | None,
        recent: Recent | None,
        on_files_failed: Callable[[SinkError], None] | None = None,
        on_damaged: Callable[[int], None] | None = None,
        *,
        alpha: bool = False,
    ) -> None:
        """
        Args:
            frame_size: of what is drawn.
            filing: None for no files.
            recent: what clips are cut from; None for no clips.
            alpha: what is drawn is uint8 (H, W, 4), BGRA.
            on_damaged: told how many packets of sound were left out so far, whenever there are more.
            on_files_failed: told why there are no more files, where clips are to go on without; None if they are not.

        Raises:
            SinkError: it cannot be encoded or written.
        """
        if filing is not None and source.info.about.left_out:
            _LOG.warning("a recording has pictures and sound; left out: %s", ", ".join(source.info.about.left_out))
        self._recent = recent
        self._on_files_failed, self._on_damaged, self._damaged = on_files_failed, on_damaged, 0
        self._recorder = LiveRecorder(
            replace(source.info, frame_size=frame_size), source.audio, encoding, filing, recent, alpha=alpha
        )

    def write(self, item: Drawn) -> None:
        self._unless_clips_go_on(partial(self._recorder.write, item.picture, item.pts_s))

    def tick(self) -> bool:
        self._unless_clips_go_on(self._recorder.tick)
        self._tell_damaged()
        return True

    def close(self, ending: str) -> None:
        self._recorder.__exit__(None)
        self._tell_damaged()

    def _unless_clips_go_on(self, do: Callable[[], None]) -> None:
        """Raises what the recorder fails with, unless only its files do, and clips can be had without."""
        try:
            do()
        except SinkError as exc:
            # Files fail once, and the encoder for good.
            if self._on_files_failed is None or not self._recorder.encodes:
                self._forget()
                raise
            self._on_files_failed(exc)

    def _tell_damaged(self) -> None:
        damaged = self._recorder.damaged
        if damaged > self._damaged and self._on_damaged is not None:
            self._on_damaged(damaged)
        self._damaged = damaged

    def _forget(self) -> None:
        """Nothing more comes, and what clips would be cut from gets old."""
        if self._recent is not None:
            self._recent.clear()
