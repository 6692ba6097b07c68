"""Where pictures go.

A sink is a context: left in peace, or by Ctrl-C, it completes what it has; left by any other error it
removes what it began. A file carries a hidden name beside its own until it is complete, so that nobody finds
half of one.
"""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError
from streamer.media.images import NO_TAGS, tags_of, write_picture
from streamer.media.packet_queue import PacketQueue
from streamer.media.paths import check_target
from streamer.media.tags import SourceInfo
from streamer.recording.codecs import Encoding
from streamer.recording.containers import PICTURES, container_of
from streamer.recording.encoder import Encoder, Packet
from streamer.recording.muxer import Muxer


class Sink(Protocol):
    """Takes pictures in the order of time."""

    path: Path
    """Of what it leaves behind."""

    @property
    def damaged(self) -> int:
        """Pieces of the source that were left out, for nothing could hold them."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the source has and this cannot hold, in words."""

    def write(self, picture: Picture | Yuv420, pts_s: float, duration_s: float | None = None) -> None:
        """Takes a picture, which nobody writes to any more. Raises SinkError when it cannot be encoded or stored.

        Args:
            duration_s: seconds for which it is shown, if it is the last; None is as long as any.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None: ...


class Recorder:
    """A video file of what was parsed: each picture at its time, sound and tags as in the source.

    The file is there when all of it is, and nothing of it after an error.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        audio: PacketQueue,
        encoding: Encoding,
        *,
        force: bool,
        alpha: bool = False,
        end_s: float | None = None,
        extras: PacketQueue | None = None,
    ) -> None:
        """
        Args:
            audio: the source's.
            alpha: pictures are uint8 (H, W, 4), BGRA; the encoding is one of `transparent`.
            end_s: other tracks are left out from this time on, as `pts_s` counts it.
            extras: the source's; None for none.

        Raises:
            SinkError: it cannot be written.
        """
        check_target(path, force)
        self.path = path
        self._queues = [audio] if extras is None else [audio, extras]
        others = () if extras is None else extras.streams
        self._encoder = Encoder(
            info, audio.streams, encoding, live=False, alpha=alpha, has_aspect=container_of(path).has_aspect
        )
        self._start_s = info.tags.start_ticks * info.tags.time_base
        self._begin_s: Fraction | None = None
        """Time of the first picture: the file begins with it."""
        self._end_s = None if end_s is None else self._start_s + Fraction(end_s)
        self._file = Muxer(path, replace(self._encoder.tracks, extras=others), hidden=True)
        self._places = {stream: number for number, stream in enumerate((*audio.streams, *others), start=1)}
        for queue in self._queues:
            queue.on_many = self._put_others

    def write(self, picture: Picture | Yuv420, pts_s: float, duration_s: float | None = None) -> None:
        if self._begin_s is None:
            self._begin_s = Fraction(pts_s)
        self._put(self._encoder.encode(picture, pts_s - float(self._begin_s), duration_s))

    @property
    def damaged(self) -> int:
        """Packets of other tracks that were left out: they cannot be decoded, or no file could hold them."""
        return self._file.damaged + sum(queue.left_out for queue in self._queues)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the source has and this file cannot hold, in words."""
        return self._file.left_out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        for queue in self._queues:
            queue.on_many = None  # or it would hold the encoder
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
        self._put_others()

    def _put_others(self) -> None:
        if self._begin_s is None:
            return  # it is not known yet where the file begins
        for queue in self._queues:
            for packet in queue.take():
                if self._is_within(packet):
                    self._file.put(self._places[packet.stream], packet, self._begin_s)

    def _is_within(self, packet: Packet) -> bool:
        """Whether a packet is of the time that the pictures are of; what leads up to a source's first picture is."""
        if packet.pts is None or (not self._begin_s and self._end_s is None):
            return True
        time_s = packet.pts * packet.time_base
        begins_s = self._start_s + self._begin_s if self._begin_s else None
        return (begins_s is None or time_s >= begins_s) and (self._end_s is None or time_s < self._end_s)


class PictureFolder:
    """A folder of pictures, one for each that comes, named as they are told."""

    def __init__(self, path: Path, names: list[str], *, force: bool, sources: list[Path] | None = None) -> None:
        """
        Args:
            sources: the picture that each one is made of; it keeps the profile and EXIF.

        Raises:
            SinkError: one of them cannot be written.
        """
        self._sources = sources
        self._targets = [path / name for name in names]
        self.path = path if len(names) > 1 else self._targets[0]
        for target in self._targets:
            check_target(target, force)
        self._written = 0
        self.damaged = 0
        self.left_out: tuple[str, ...] = ()

    def write(self, picture: Picture | Yuv420, pts_s: float, duration_s: float | None = None) -> None:
        pixels = picture.pixels if isinstance(picture, Yuv420) else picture
        tags = NO_TAGS if self._sources is None else tags_of(self._sources[self._written])
        write_picture(self._targets[self._written], pixels, tags)
        self._written += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Each picture is complete as soon as it is written."""
