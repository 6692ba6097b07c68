"""The files of a live recording: one, or one after the other, none of them ever overwritten by the next."""

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from streamer.errors import SinkError
from streamer.media.paths import check_target, dated
from streamer.recording.containers import PICTURES
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.muxer import Muxer

MAX_LATE_S = 2
"""Sound that comes so long after pictures of its time still finds its file open."""
MAX_AHEAD = 2000
"""So many packets of a track of sound wait for the pictures of their time: half a minute and more."""


@dataclass(frozen=True, slots=True)
class Filing:
    """Into what files a live recording goes."""

    path: Path
    segment_s: float | None = None
    """A new file after so long, each named by when it began; None is one file of this very name."""
    keep_free_bytes: int = 0
    """When less than this is free on the disk, the recording ends."""
    force: bool = False
    """Overwrite the one file."""


def free_bytes(folder: Path) -> int:
    """What may still be written on the disk of a folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the files."""

    file: Muxer
    origin_s: Fraction
    """What its times are counted from."""
    since_s: Fraction | float
    """The first time that belongs into it."""

    def put(self, track: int, packet: Packet) -> None:
        self.file.put(track, packet, self.origin_s)


class Segments:
    """Packets in, each into the file of its time. Whatever ends it, what was written stays, and can be played."""

    def __init__(
        self,
        filing: Filing,
        tracks: Tracks,
        free: Callable[[Path], int] = free_bytes,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """
        Args:
            now: the clock on the wall.

        Raises:
            SinkError: nothing can be written there, or not such tracks.
        """
        self._filing, self._tracks = filing, tracks
        self._free, self._now = free, now
        check_target(filing.path, filing.force or filing.segment_s is not None)
        self._check_disk()
        self._part = _Part(self._begun(), Fraction(0), float("-inf"))
        self._before: _Part | None = None
        self._due_ticks: int | None = None
        self._newest_s = Fraction(0)
        self._damaged = 0
        """In the files that are complete."""
        self._ahead: dict[int, deque[Packet]] = {}
        """Of each track of sound, what waits for the pictures of its time."""

    def due(self, pts_s: float) -> bool:
        """Whether a picture of this time begins a new file."""
        tags = self._tracks.tags
        return self._due_ticks is not None and tags.start_ticks + round(pts_s / tags.time_base) >= self._due_ticks

    def put(self, track: int, packet: Packet) -> None:
        """Raises SinkError; then nothing more can be put in."""
        try:
            if track == PICTURES:
                self._put_picture(packet)
            else:
                self._ahead.setdefault(track, deque()).append(packet)
            self._put_sounds(self._newest_s)
        except SinkError as exc:
            raise self._kept(exc) from exc

    def close(self) -> None:
        """Completes what there is. Raises SinkError."""
        try:
            self._put_sounds(None)
            self._finish_before()
            if self._part.file.empty:
                raise SinkError(f"no picture came, so {self._part.file.path} was not written")
            self._part.file.complete()
        except SinkError as exc:
            raise self._kept(exc) from exc

    def keep(self) -> None:
        """It cannot go on, and what there is stays. Nothing more can be put in."""
        for part in (self._before, self._part):
            if part is not None:
                part.file.keep()

    def _put_picture(self, packet: Packet) -> None:
        self._check_disk()
        self._newest_s = packet.pts * packet.time_base
        if self._filing.segment_s is not None:
            self._turn_over_when_due(packet, round(self._filing.segment_s / packet.time_base))
        if self._before is not None and self._newest_s >= self._part.since_s + MAX_LATE_S:
            self._finish_before()
        self._part.put(PICTURES, packet)

    def _turn_over_when_due(self, packet: Packet, every_ticks: int) -> None:
        if self._due_ticks is None:
            self._due_ticks = packet.pts + every_ticks
        elif packet.is_keyframe and packet.pts >= self._due_ticks:
            # Counted from the first one, and past a time without pictures.
            self._due_ticks += every_ticks * ((packet.pts - self._due_ticks) // every_ticks + 1)
            self._finish_before()
            begun = _Part(self._begun(), self._newest_s, self._newest_s)
            self._before, self._part = self._part, begun

    def _put_sounds(self, until_s: Fraction | None) -> None:
        """Sound waits for the pictures of its time: only then is it known into which file it goes."""
        for track, waiting in self._ahead.items():
            while waiting:
                time_s = self._time_s(waiting[0])
                if until_s is not None and time_s > until_s and len(waiting) <= MAX_AHEAD:
                    break
                self._put_sound(track, waiting.popleft(), time_s)

    def _put_sound(self, track: int, packet: Packet, time_s: Fraction) -> None:
        if time_s >= self._part.since_s:
            self._part.put(track, packet)
        elif self._before is not None:
            self._before.put(track, packet)

    def _time_s(self, packet: Packet) -> Fraction:
        ticks = packet.pts if packet.dts is None else packet.dts
        return self._newest_s if ticks is None else Fraction(ticks * packet.time_base)

    @property
    def damaged(self) -> int:
        """Packets of sound that were left out of the files: they are damaged, or no file could hold them."""
        return self._damaged + sum(each.file.damaged for each in (self._before, self._part) if each is not None)

    def _finish_before(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            before.file.complete()
            self._damaged += before.file.damaged

    def _begun(self) -> Muxer:
        filing, began = self._filing, self._now()
        path = filing.path if filing.segment_s is None else dated(filing.path, began)
        return Muxer(path, self._tracks, hidden=False, live=True, began=began)

    def _check_disk(self) -> None:
        path, floor = self._filing.path, self._filing.keep_free_bytes
        try:
            free = self._free(path.parent)
        except OSError as exc:
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
        if free < floor:
            raise SinkError(
                f"cannot write {path}: its disk has {free / 1e6:.0f} MB free, less than the {floor / 1e6:.0f} MB"
                " of --keep-free"
            )

    def _kept(self, why: SinkError) -> SinkError:
        self.keep()
        return (
            why
            if self._part.file.empty and self._before is None
            else SinkError(f"{why}; what was written until then is kept")
        )
