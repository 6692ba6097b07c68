"""What a live stream is encoded for: files that outlive a kill, and clips of its last seconds."""

from typing import Self

from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.recording.clip_buffer import Recent
from streamer.recording.codecs import Encoding
from streamer.recording.containers import PICTURES
from streamer.recording.encoder import Encoder, Packet
from streamer.recording.files import Files
from streamer.recording.segments import Filing


class LiveRecorder:
    """Encodes each picture once, for the files and for the clips. Whatever ends it, what was written stays."""

    def __init__(
        self,
        info: SourceInfo,
        audio: PacketQueue,
        encoding: Encoding,
        filing: Filing | None,
        recent: Recent | None,
        *,
        alpha: bool = False,
    ) -> None:
        """
        Args:
            filing: None for no files.
            recent: is given each packet; None for no clips.
            alpha: pictures are uint8 (H, W, 4), BGRA.

        Raises:
            SinkError: it cannot be encoded or written.
        """
        self._audio = audio
        self._encoder = Encoder(info, audio.streams, encoding, live=True, alpha=alpha)
        self._files = None if filing is None else Files(filing, self._encoder.tracks)
        self._places = {stream: number for number, stream in enumerate(audio.streams, start=1)}
        self._recent = recent
        self._broken = False
        self._damaged = 0
        if recent is not None:
            recent.begin(self._encoder.tracks)

    @property
    def damaged(self) -> int:
        """Packets of sound that were left out of the files: they are damaged, or no file could hold them."""
        return self._damaged if self._files is None else self._files.damaged

    @property
    def encodes(self) -> bool:
        """Whether it takes pictures still: when files cannot go on, clips can."""
        return not self._broken

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        """Takes a picture. Raises SinkError when the files cannot go on, or the encoder."""
        key = self._files is not None and self._files.due(pts_s)
        try:
            packets = self._encoder.encode(picture, pts_s, key=key)
        except SinkError:
            self._broken = True
            self._close_files()
            raise
        self._put(packets)

    def tick(self) -> None:
        """Takes the sound that came since, while no picture comes. Raises SinkError when the files cannot go on."""
        if not self._broken:
            self._put([])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if not self._broken:
                self._put(self._encoder.finish())
            self._close_files()
        except SinkError:
            if kind is None:  # else that is what there is to tell
                raise

    def _put(self, packets: list[Packet]) -> None:
        new = [(PICTURES, packet) for packet in packets]
        new += [(self._places[packet.stream], packet) for packet in self._audio.take()]
        if self._recent is not None:
            for track, packet in new:
                self._recent.put(track, packet)
        if self._files is None or not new:
            return
        try:
            self._files.put(new)
        except SinkError:
            self._files = None
            raise

    def _close_files(self) -> None:
        files, self._files = self._files, None
        if files is not None:
            try:
                files.close()
            finally:
                self._damaged = files.damaged
