"""A video file of what was parsed: each picture at its time, sound and tags as in the source."""

from pathlib import Path
from typing import Self

from pipeline import Picture, Yuv420
from streamer.errors import SinkError
from streamer.media.audio import AudioQueue
from streamer.media.paths import check_target
from streamer.media.tags import SourceInfo
from streamer.recording.codecs import Encoding
from streamer.recording.encoder import Encoder, Packet
from streamer.recording.muxer import PICTURES, VideoFile


class Recorder:
    """A sink: the file is there when all of it is, and nothing of it after an error."""

    def __init__(self, path: Path, info: SourceInfo, audio: AudioQueue, encoding: Encoding, *, force: bool) -> None:
        """Raises SinkError."""
        check_target(path, force)
        self.path = path
        self._audio = audio
        self._encoder = Encoder(info, audio.streams, encoding, live=False)
        self._file = VideoFile(path, self._encoder.tracks, hidden=True)
        self._places = {stream: number for number, stream in enumerate(audio.streams, start=1)}

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        self._put(self._encoder.encode(picture, pts_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self._file.discard()
            return
        try:
            self._close()
        except SinkError:
            self._file.discard()
            raise

    def _close(self) -> None:
        self._put(self._encoder.finish())
        if self._file.empty:
            raise SinkError(f"no picture came, so {self.path} was not written")
        self._file.complete()

    def _put(self, packets: list[Packet]) -> None:
        for packet in packets:
            self._file.put(PICTURES, packet)
        for packet in self._audio.take():
            self._file.put(self._places[packet.stream], packet)
