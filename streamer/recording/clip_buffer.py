"""The last seconds of a live stream, as they were encoded: from them a clip is cut at any moment, without encoding."""

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from streamer.errors import SinkError
from streamer.media.paths import VIDEO_SUFFIXES, check_target
from streamer.recording.containers import PICTURES, containers_for
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.muxer import Muxer

ALPHA = "matroska_block_additional"
"""PyAV's name of what VP9 has its transparency in."""
MAX_CLIP_BYTES = 256_000_000
"""Half a minute of 60 Mbit/s; of more, the oldest seconds go first."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A packet: its bytes, and what a file needs to know of them."""

    track: int
    body: bytes
    pts: int | None
    dts: int
    duration: int | None
    time_base: Fraction
    key: bool
    alpha: Any
    """The transparency of a picture, which goes beside it; None where there is none."""

    @property
    def time_s(self) -> Fraction:
        return self.dts * self.time_base

    def packet(self) -> Packet:
        packet: Packet = av.Packet(self.body)
        packet.time_base, packet.pts, packet.dts = self.time_base, self.pts, self.dts
        packet.duration, packet.is_keyframe = self.duration, self.key
        if self.alpha is not None:
            packet.set_sidedata(self.alpha)
        return packet


class Recent:
    """Filled by the thread that records, read by any."""

    def __init__(self, seconds: float, max_bytes: int = MAX_CLIP_BYTES) -> None:
        """
        Args:
            seconds: so many are there, and those before them back to a key frame.
        """
        self._seconds, self._max_bytes = seconds, max_bytes
        self._lock = threading.Lock()
        self._tracks: Tracks | None = None
        self._stretches: deque[list[_Kept]] = deque()
        self._sounds: deque[_Kept] = deque()
        self._bytes = 0

    def begin(self, tracks: Tracks) -> None:
        """What the packets will be of."""
        with self._lock:
            self._tracks = tracks

    def put(self, track: int, packet: Packet) -> None:
        """Keeps a copy, and drops what is older than it has to be, or more than may be kept."""
        if packet.dts is None:
            return
        times = packet.pts, packet.dts, packet.duration, packet.time_base
        alpha = packet.get_sidedata(ALPHA) if packet.has_sidedata(ALPHA) else None
        kept = _Kept(track, bytes(packet), *times, packet.is_keyframe, alpha)
        with self._lock:
            if track != PICTURES:
                self._sounds.append(kept)
            elif kept.key:
                self._stretches.append([kept])
            elif self._stretches:
                self._stretches[-1].append(kept)
            else:
                return  # its beginning is gone
            self._bytes += len(kept.body)
            self._forget(kept.time_s)

    def clear(self) -> None:
        """Nothing more comes, and what is there gets old."""
        with self._lock:
            self._stretches.clear()
            self._sounds.clear()
            self._bytes = 0

    @property
    def bytes(self) -> int:
        """How many are kept."""
        with self._lock:
            return self._bytes

    @property
    def suffix(self) -> str:
        """What a clip's name best ends with. Raises SinkError when there is nothing to cut one from."""
        return next(iter(containers_for(self._taken()[0])), VIDEO_SUFFIXES[0])

    def clip(self, path: Path, *, force: bool = False) -> None:
        """Writes what is there into a video file, whole or not at all. Raises SinkError."""
        check_target(path, force)
        tracks, pictures, sounds = self._taken()
        begins_s = pictures[0].time_s
        ends_s = pictures[-1].time_s + (pictures[-1].duration or 0) * pictures[-1].time_base
        heard = [each for each in sounds if begins_s <= each.time_s < ends_s]
        file = Muxer(path, tracks, hidden=True, sounds=sorted({each.track for each in heard}))
        try:
            for each in sorted(pictures + heard, key=lambda kept: kept.time_s):
                file.put(each.track, each.packet(), begins_s)
            file.complete()
        except SinkError:
            file.discard()
            raise

    def _taken(self) -> tuple[Tracks, list[_Kept], list[_Kept]]:
        with self._lock:
            if self._tracks is None or not self._stretches:
                raise SinkError("there is nothing to cut a clip from: no picture has been encoded lately")
            return self._tracks, [each for stretch in self._stretches for each in stretch], list(self._sounds)

    def _forget(self, newest_s: Fraction) -> None:
        while self._stretches and (self._bytes > self._max_bytes or self._is_spare(newest_s)):
            self._bytes -= sum(len(each.body) for each in self._stretches.popleft())
            self._forget_sounds(self._stretches[0][0].time_s if self._stretches else newest_s)
        if self._bytes > self._max_bytes:  # sound alone
            self._forget_sounds(newest_s)

    def _is_spare(self, newest_s: Fraction) -> bool:
        return len(self._stretches) > 1 and newest_s - self._stretches[1][0].time_s >= self._seconds

    def _forget_sounds(self, before_s: Fraction) -> None:
        while self._sounds and self._sounds[0].time_s < before_s:
            self._bytes -= len(self._sounds.popleft().body)
