"""The files of a live recording, written where a disk that hangs does not hold the stream."""

from functools import partial

from streamer.media.disk import Disk
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.segments import Filing, Segments


class Files:
    """`Segments` on a thread of their own; errors are raised a little later than they are made."""

    def __init__(self, filing: Filing, tracks: Tracks) -> None:
        """Raises SinkError: nothing can be written there, or not such tracks; or its disk hangs."""
        self._disk = Disk(filing.path)
        self._segments: Segments | None = None
        self.damaged = 0
        """As `Segments.damaged`, as far as packets have been written."""
        try:
            self._disk.do(partial(self._begin, filing, tracks))
        except BaseException:
            self._disk.end(self._keep)
            raise

    def due(self, pts_s: float) -> bool:
        """As `Segments.due`, as far as packets have been written."""
        return self._segments is not None and self._segments.due(pts_s)

    def put(self, packets: list[tuple[int, Packet]]) -> None:
        """Takes packets, each with its track. Raises SinkError; then nothing more can be put in."""
        try:
            self._disk.begin(partial(self._put, packets))
        except BaseException:
            self._disk.end(self._keep)
            raise

    def close(self) -> None:
        """Completes what there is. Raises SinkError."""
        try:
            self._disk.do(self._close)
        finally:
            self._disk.end(self._keep)

    def _begin(self, filing: Filing, tracks: Tracks) -> None:
        self._segments = Segments(filing, tracks)

    def _put(self, packets: list[tuple[int, Packet]]) -> None:
        segments, self._segments = self._segments, None  # which has closed its files itself if it fails
        if segments is not None:
            for track, packet in packets:
                segments.put(track, packet)
            self._segments, self.damaged = segments, segments.damaged

    def _close(self) -> None:
        segments, self._segments = self._segments, None
        if segments is not None:
            segments.close()
            self.damaged = segments.damaged

    def _keep(self) -> None:
        """What there is stays, when its disk answers after it was left."""
        segments, self._segments = self._segments, None
        if segments is not None:
            segments.keep()
