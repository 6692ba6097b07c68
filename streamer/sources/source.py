"""The contract of a source."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pipeline import Frame
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo


@dataclass(slots=True)
class Health:
    """Counts of what was read so far; all are 0 for a source without packets, such as a folder of pictures."""

    bytes: int = 0
    """Size of the packets of the pictures."""
    key_frames: int = 0
    """Pictures that need no other to be decoded."""
    damaged: int = 0
    """Pieces that could not be decoded."""
    skipped: int = 0
    """Pictures of a live source that were not decoded, since this machine decodes too slowly."""
    jumps: int = 0
    """Times at which a file's clock jumped and its frames went on as one."""
    lost_pictures: int = 0
    """Pictures that are missing in a recording, or went into the decoder and did not come out of it."""
    lost_sound_s: float = 0.0
    """Seconds of sound that are missing in a recording."""
    flawed: int = 0
    """Pictures that are shown though parts of them could not be decoded."""
    _first_key_s: float = 0.0
    _last_key_s: float = 0.0

    def add_packet(self, size: int, time_s: float | None, *, key: bool) -> None:
        """Counts a packet of pictures; its time is the stream's own, in seconds."""
        self.bytes += size
        if key and time_s is not None:
            self._first_key_s = time_s if not self.key_frames else self._first_key_s
            self._last_key_s = time_s
            self.key_frames += 1

    @property
    def key_every_s(self) -> float | None:
        """Seconds from one key frame to the next, on average; None before the second."""
        return (self._last_key_s - self._first_key_s) / (self.key_frames - 1) if self.key_frames > 1 else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the pictures of a live source come and are given, as measured over the last minute; 0 of others."""

    delay_s: float = 0.0
    """Time that they are kept back, so that what comes in bursts is shown steadily."""
    uneven_s: float = 0.0
    """How much later than the most punctual one the least punctual one came."""
    behind_s: float = 0.0
    """Time for which a picture has been due that waits for this machine now."""


class Source(ABC):
    """Frames, once, in order; a context that closes the source."""

    info: SourceInfo
    audio: PacketQueue
    """Packets of sound that were read along with the frames; empty where there are none."""

    @property
    def health(self) -> Health:
        """The counts of what was read so far."""
        return Health()

    @property
    def extras(self) -> PacketQueue:
        """Packets of other tracks that were read along with the frames: subtitles, data, other videos of a file."""
        return PacketQueue()

    @property
    def delivery(self) -> Delivery:
        """How the pictures come."""
        return Delivery()

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:  # noqa: B027  (a source that holds nothing has nothing to close)
        """Closes the file or connection; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
