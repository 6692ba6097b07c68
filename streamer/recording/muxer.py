"""A video file in the making: packets in, each at its time."""

from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Stream

from streamer.errors import SinkError
from streamer.media.circles import break_circle
from streamer.media.failures import WRITING_FAILS
from streamer.media.paths import partial_name
from streamer.recording.containers import (
    EARLY_FRAGMENTS,
    LIVE,
    LIVE_FRAGMENTS,
    PICTURES,
    all_sounds,
    container_of,
    conversions,
    converted,
    extras_of,
    is_announced,
    open_container,
    try_header,
    why_not,
)
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.plain_file import PlainFile
from streamer.recording.sound_check import SoundCheck

HEARD_WITHIN_S = 0.9
"""How long the pictures of a live mp4 wait to be written for a first packet of each track of sound."""
ADTS_MASK = 0xFFF0
"""What framed AAC begins with."""


class Muxer:
    """Writes one file of the tracks of a recording."""

    def __init__(
        self,
        path: Path,
        tracks: Tracks,
        *,
        hidden: bool,
        live: bool = False,
        began: datetime | None = None,
        sounds: list[int] | None = None,
    ) -> None:
        """
        Args:
            hidden: carry another name until it is complete, so that nobody finds half of it.
            live: on the disk at once what was put in; else FFmpeg may wait until it can put it in order.
            began: when the first picture was taken.
            sounds: which tracks of sound there will be; None is all.

        Raises:
            SinkError: such a file does not take these tracks, or cannot be made.
        """
        self.path = path
        self._at = partial_name(path) if hidden else path
        self._tracks, self._live, self._began = tracks, live, began
        self._kind = container_of(path)
        # FFmpeg writes nothing of a fragmented file before it has something of each track.
        self._delays = live and self._kind.is_fragmented
        self._early = False
        self._recoded = conversions(self._kind, tracks)
        self._extras = extras_of(self._kind, tracks)
        templates = self._templates(all_sounds(tracks) if sounds is None else sounds)
        # The header is written with the first packet and not here: FFmpeg's mp4 writer crashes when it is closed
        # between the two. Making the file now tells of a folder that cannot be written before any work is done.
        try:
            self._file = PlainFile(self._at)
        except OSError as exc:
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
        self._open(templates)
        self._waiting: list[tuple[int, Packet]] | None = [] if self._delays and tracks.sounds else None
        self._bare: dict[int, BitStreamFilterContext] = {}
        self._checks: dict[int, SoundCheck] = {}
        self._newest_s: dict[int, Fraction] = {}
        self.empty = True
        self._damaged = 0

    @property
    def damaged(self) -> int:
        """Packets that were left out: they cannot be decoded, or no file could hold them."""
        return self._damaged + self._extras.damaged + sum(each.damaged for each in self._recoded.values())

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the source has and such a file cannot hold, in words."""
        return self._extras.left_out

    def put(self, track: int, packet: Packet, origin_s: Fraction = Fraction(0)) -> None:
        """Adds a packet, its time counted from `origin_s`. Raises SinkError."""
        shift = round(origin_s / packet.time_base)
        if shift:
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        self.empty = False
        if self._waiting is None:
            self._mux(track, packet)
            return
        self._waiting.append((track, packet))
        silent = set(self._streams) - {each for each, _ in self._waiting}
        if not silent or (track == PICTURES and self._waited_s() >= HEARD_WITHIN_S):
            self._settle()

    def complete(self) -> None:
        """Nothing more comes. Raises SinkError."""
        try:
            if self._waiting is not None:
                self._settle()
            for track in set(self._recoded) & set(self._streams):
                self._write(track, self._recoded[track].finish())
            self._close()
            self._at.replace(self.path)
        except WRITING_FAILS as exc:
            raise self._error(exc) from exc

    def keep(self) -> None:
        """It cannot go on, and what there is stays."""
        if self.empty:
            self.discard()
            return
        with suppress(OSError):  # as far as its disk still takes it
            self._close()
        with suppress(OSError):
            self._at.replace(self.path)

    def discard(self) -> None:
        """Removes it."""
        with suppress(OSError):  # what cannot be completed is removed next
            self._close()
        self._at.unlink(missing_ok=True)

    def _close(self) -> None:
        try:
            self._container.close()
        finally:
            break_circle(self._container)
            self._file.close()

    def _waited_s(self) -> float:
        times = [packet.dts * packet.time_base for track, packet in self._waiting or () if track == PICTURES]
        return float(times[-1] - times[0])

    def _settle(self) -> None:
        """The tracks of this file are those that were heard, and those that can be announced unheard."""
        waiting, self._waiting = self._waiting or [], None
        heard = {track for track, _ in waiting} - {PICTURES}
        if len(heard) < len(self._tracks.sounds):
            for each in set(all_sounds(self._tracks)) - heard - set(self._recoded):
                if not is_announced(self._tracks.sounds[each - 1]):
                    self._recoded |= converted(each, self._tracks, self._kind)
            announced = {each for each in all_sounds(self._tracks) if is_announced(self._template(each))}
            self._early = not announced <= heard
            self._open(self._templates(sorted(heard | announced)))
        for track, packet in waiting:
            self._mux(track, packet)

    def _mux(self, track: int, packet: Packet) -> None:
        if track not in self._streams:
            return
        try:
            self._write(track, self._converted(track, packet))
        except WRITING_FAILS as exc:
            raise self._error(exc) from exc

    def _converted(self, track: int, packet: Packet) -> list[Packet]:
        if track in self._recoded:
            return self._recoded[track].convert(packet)
        if track in self._extras.recoded:
            return self._extras.recoded[track].convert(packet)
        if track == PICTURES or track in self._extras.copied:
            return [packet]
        return self._bare_sound(track, packet)

    def _write(self, track: int, packets: list[Packet]) -> None:
        for packet in self._first:
            self._container.mux(packet)
        self._first.clear()
        for packet in packets:
            packet.stream = self._streams[track]
            if self._grows(track, packet):
                self._container.mux(packet)
                self._file.check()
            else:
                self._damaged += 1

    def _grows(self, track: int, packet: Packet) -> bool:
        """Whether a packet comes after the last of its track: for one that does not FFmpeg ends the file, or aborts."""
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None:
            return True
        if packet.pts is not None and packet.pts < ticks:
            return False  # shown before it is decoded
        time_s = ticks * packet.time_base
        if track in self._newest_s:
            newest_s = self._newest_s[track]
            if self._streams[track].type == "audio" and 0 <= newest_s - time_s < packet.time_base:
                time_s = _set_behind(newest_s, packet, self._streams[track])
            # Two subtitles may begin at once.
            if time_s < newest_s or (time_s == newest_s and self._streams[track].type != "subtitle"):
                return False
        self._newest_s[track] = time_s
        return True

    def _bare_sound(self, track: int, packet: Packet) -> list[Packet]:
        """Sound as files have it: AAC from MPEG-TS is framed, packet by packet. What is damaged is left out: FFmpeg,
        which takes the frame off otherwise, gives up the whole file for one."""
        stream = self._tracks.sounds[track - 1]
        if track not in self._checks:
            self._checks[track] = SoundCheck(stream)
        if self._checks[track].is_damaged(packet):
            self._damaged += 1
            return []
        if stream.codec_context.name != "aac":
            return [packet]
        if track not in self._bare:
            if int.from_bytes(bytes(packet)[:2]) & ADTS_MASK != ADTS_MASK:
                if not stream.codec_context.extradata:
                    self._damaged += 1  # it is framed, and this one's frame is broken
                    return []
                return [packet]
            self._bare[track] = BitStreamFilterContext("aac_adtstoasc", stream)
        time_base = packet.time_base
        try:
            bare = self._bare[track].filter(packet)
        except av.error.FFmpegError:
            self._damaged += 1
            return []
        for each in bare:
            each.time_base = time_base
        return bare

    def _error(self, exc: Exception) -> SinkError:
        return SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}")

    def _options(self) -> dict[str, str]:
        fragments = EARLY_FRAGMENTS if self._early else LIVE_FRAGMENTS
        return (LIVE if self._live else {}) | (fragments if self._delays else {})

    def _template(self, track: int) -> Stream:
        return self._recoded[track].stream if track in self._recoded else self._tracks.sounds[track - 1]

    def _templates(self, sounds: list[int]) -> dict[int, Stream]:
        """The tracks of sound as the file will have them. Raises SinkError where it does not take them."""
        templates = {each: self._template(each) for each in sounds}
        try:
            try_header(self._kind, self._tracks, templates, self._extras)
        except WRITING_FAILS as exc:
            raise SinkError(f"cannot write {self.path}: {why_not(self.path, self._tracks)} ({exc})") from exc
        return templates

    def _open(self, sounds: dict[int, Stream]) -> None:
        try:
            opened = open_container(self._file, self._kind, self._tracks, sounds, self._extras, self._options())
        except WRITING_FAILS as exc:
            raise self._error(exc) from exc
        self._container, self._streams, self._first = opened
        if self._began is not None:
            self._container.metadata["creation_time"] = self._began.astimezone(UTC).isoformat(timespec="microseconds")


def _set_behind(newest_s: Fraction, packet: Packet, sound: Any) -> Fraction:
    """Sound in pieces that are shorter than a tick of its clock, as of TrueHD in Matroska, says some times twice. Such
    a piece begins a sample after the one before, and those that follow are at their own times again."""
    sample_s = Fraction(1, sound.codec_context.sample_rate)
    packet.pts = packet.dts = int(newest_s / sample_s) + 1
    packet.time_base = sample_s
    return Fraction(packet.dts * sample_s)
