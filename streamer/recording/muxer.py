"""A video file in the making: packets in, each at its time."""

from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from math import lcm
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.stream import Stream

from streamer.errors import SinkError
from streamer.media.paths import VIDEO_SUFFIXES
from streamer.recording.codecs import CODECS
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.transcode import AAC, OPUS, Recoder

PICTURES = 0
"""The track of the pictures; those of sound are counted from 1."""
HEARD_WITHIN_S = 0.9
"""How long the pictures of a live mp4 wait to be written for a first packet of each track of sound."""
FINEST_TIMESCALE = 10_000_000
ADTS_MASK = 0xFFF0
"""What framed AAC begins with."""

# Index and pictures are written in step, twice a second, so that a killed process leaves a playable file. Without an
# edit list the frames of such an mp4 would all be shown two frames late, and its tracks begin together.
_FRAGMENTS = {
    "movflags": "hybrid_fragmented",
    "frag_duration": "500000",
    "use_editlist": "1",
    "flush_packets": "1",
}
_CLUSTERS = {"cluster_time_limit": "500", "flush_packets": "1"}
_CRASH_SAFE = {".mp4": _FRAGMENTS, ".mov": _FRAGMENTS, ".mkv": _CLUSTERS, ".webm": _CLUSTERS}
# A track that falls silent holds the others back so long; FFmpeg's own patience is ten seconds.
_LIVE = {"max_interleave_delta": "200000"}
# Without `delay_moov` players leave out the first half second of an mp4 that was not completed.
_LIVE_FRAGMENTS = {"movflags": "hybrid_fragmented+delay_moov"}
# What has to be written before all sound has come has no samples in its head, nor when tracks begin: fragments say it.
_EARLY_FRAGMENTS = {"movflags": "hybrid_fragmented+empty_moov+frag_discont"}
_SELF_EVIDENT = ("mp2", "mp3", "pcm_")
"""Names of sound, or how they begin, that mp4 can announce without anything of it; else what FFmpeg calls extradata is
needed, and of AC-3 even that would not do."""
_IN_EXTRADATA = ("aac", "opus")


class VideoFile:
    """One file of the tracks of a recording."""

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
        self._at = path.with_name(f".{path.stem}.partial{path.suffix}") if hidden else path
        self._tracks, self._live, self._began = tracks, live, began
        # FFmpeg writes nothing of a fragmented file before it has something of each track.
        self._delays = live and _is_fragmented(path)
        self._early = False
        self._recoded = _conversions(path.suffix, tracks)
        self._open(_all(tracks) if sounds is None else sounds)
        # The header is written with the first packet and not here: FFmpeg's mp4 writer crashes when it is closed
        # between the two. Making the file now tells of a folder that cannot be written before any work is done.
        try:
            self._at.touch()
        except OSError as exc:
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc
        self._waiting: list[tuple[int, Packet]] | None = [] if self._delays and tracks.sounds else None
        self._bare: dict[int, BitStreamFilterContext] = {}
        self.empty = True

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
            self._container.close()
            self._at.replace(self.path)
        except (OSError, ValueError) as exc:
            raise self._error(exc) from exc

    def keep(self) -> None:
        """It cannot go on, and what there is stays."""
        if self.empty:
            self.discard()
            return
        with suppress(OSError):  # as far as its disk still takes it
            self._container.close()
        with suppress(OSError):
            self._at.replace(self.path)

    def discard(self) -> None:
        """Removes it."""
        with suppress(OSError):  # what cannot be completed is removed next
            self._container.close()
        self._at.unlink(missing_ok=True)

    def _waited_s(self) -> float:
        times = [packet.dts * packet.time_base for track, packet in self._waiting or () if track == PICTURES]
        return float(times[-1] - times[0])

    def _settle(self) -> None:
        """The tracks of this file are those that were heard, and those that can be announced unheard."""
        waiting, self._waiting = self._waiting or [], None
        heard = {track for track, _ in waiting} - {PICTURES}
        if len(heard) < len(self._tracks.sounds):
            for each in set(_all(self._tracks)) - heard - set(self._recoded):
                if not _announces(self._tracks.sounds[each - 1]):
                    self._recoded |= _converted(each, self._tracks, self.path.suffix)
            announced = {each for each in _all(self._tracks) if _announces(self._template(each))}
            self._early = not announced <= heard
            self._open(sorted(heard | announced))
        for track, packet in waiting:
            self._mux(track, packet)

    def _mux(self, track: int, packet: Packet) -> None:
        if track not in self._streams:
            return
        try:
            if track in self._recoded:
                self._write(track, self._recoded[track].convert(packet))
            elif self._delays and track != PICTURES:
                self._write(track, [self._without_frame(track, packet)])
            else:
                self._write(track, [packet])
        except (OSError, ValueError) as exc:
            raise self._error(exc) from exc

    def _write(self, track: int, packets: list[Packet]) -> None:
        for packet in packets:
            packet.stream = self._streams[track]
            self._container.mux(packet)

    def _without_frame(self, track: int, packet: Packet) -> Packet:
        """As mp4 has it: AAC from MPEG-TS is framed, packet by packet, and with `delay_moov` FFmpeg leaves it so."""
        if track not in self._bare:
            stream = self._tracks.sounds[track - 1]
            if stream.codec_context.name != "aac" or int.from_bytes(bytes(packet)[:2]) & ADTS_MASK != ADTS_MASK:
                return packet
            self._bare[track] = BitStreamFilterContext("aac_adtstoasc", stream)
        time_base = packet.time_base
        (bare,) = self._bare[track].filter(packet)
        bare.time_base = time_base
        return bare

    def _error(self, exc: OSError | ValueError) -> SinkError:
        return SinkError(f"cannot write {self.path}: {getattr(exc, 'strerror', None) or exc}")

    def _options(self) -> dict[str, str]:
        fragments = _EARLY_FRAGMENTS if self._early else _LIVE_FRAGMENTS
        return (_LIVE if self._live else {}) | (fragments if self._delays else {})

    def _template(self, track: int) -> AudioStream:
        return self._recoded[track].stream if track in self._recoded else self._tracks.sounds[track - 1]

    def _open(self, sounds: list[int]) -> None:
        templates = {each: self._template(each) for each in sounds}
        try:
            self._container, self._streams = _opened(self._at, self._tracks, templates, self._options())
        except (OSError, ValueError) as exc:
            raise SinkError(f"cannot write {self.path}: {_why_not(self.path.suffix, self._tracks)} ({exc})") from exc
        if self._began is not None:
            self._container.metadata["creation_time"] = self._began.astimezone(UTC).isoformat(timespec="microseconds")


def takers(tracks: Tracks) -> list[str]:
    """How the name of a file ends that takes these tracks, what most programs play first."""
    found = []
    for suffix in VIDEO_SUFFIXES:
        recoded = {each: recoder.stream for each, recoder in _conversions(suffix, tracks).items()}
        templates = dict(enumerate(tracks.sounds, start=1)) | recoded
        with suppress(OSError, ValueError):
            _opened(Path(f"any{suffix}"), tracks, templates, {})
            found.append(suffix)
    return found


def _conversions(suffix: str, tracks: Tracks) -> dict[int, Recoder]:
    """Of the tracks of sound that files of a kind do not take as they are."""
    found: dict[int, Recoder] = {}
    for each in _all(tracks):
        if not _takes(suffix, tracks.sounds[each - 1]):
            found |= _converted(each, tracks, suffix)
    return found


def _converted(track: int, tracks: Tracks, suffix: str) -> dict[int, Recoder]:
    """Empty where nothing decodes such sound."""
    try:
        return {track: Recoder(tracks.sounds[track - 1], OPUS if suffix.lower() == ".webm" else AAC)}
    except (OSError, ValueError):
        return {}


def _takes(suffix: str, sound: AudioStream) -> bool:
    try:
        av.open(f"any{suffix}", "w").add_stream_from_template(sound, opaque=True)
    except (OSError, ValueError):
        return False
    return True


def _is_fragmented(path: Path) -> bool:
    return _CRASH_SAFE.get(path.suffix.lower()) is _FRAGMENTS


def _all(tracks: Tracks) -> list[int]:
    return list(range(1, len(tracks.sounds) + 1))


def _announces(sound: AudioStream) -> bool:
    """Whether an mp4 can begin with a track of which nothing has come."""
    context = sound.codec_context
    return context.name.startswith(_SELF_EVIDENT) or (context.name in _IN_EXTRADATA and bool(context.extradata))


def _opened(
    path: Path, tracks: Tracks, sounds: dict[int, AudioStream], more: dict[str, str]
) -> tuple[OutputContainer, dict[int, Stream]]:
    """Nothing of it is on the disk before the first packet. Raises OSError or ValueError.

    Args:
        sounds: the tracks of sound, as they come.
        more: options of FFmpeg's, beside those of all files of the kind.
    """
    options = _CRASH_SAFE.get(path.suffix.lower(), {}) | more
    if _is_fragmented(path):
        # When a track begins is written in this unit; in the usual thousandths, sound would shift against pictures.
        units = [tracks.tags.time_base.denominator, *(sound.sample_rate for sound in sounds.values())]
        options["movie_timescale"] = str(min(lcm(*units), FINEST_TIMESCALE))
    # By its protocol: of a name such as 10:30.mp4 FFmpeg would take the beginning for one.
    container = av.open(f"file:{path}", "w", options=options)
    streams: dict[int, Stream] = {PICTURES: tracks.add_pictures(container)}
    for each, sound in sounds.items():
        streams[each] = container.add_stream_from_template(sound, opaque=True)
    return container, streams


def _why_not(suffix: str, tracks: Tracks) -> str:
    sound = ", ".join(stream.codec_context.name for stream in tracks.sounds)
    with_sound = f" with sound as {sound}" if sound else ""
    codecs = [] if _encodes(suffix, tracks.codec) else [each for each in CODECS if _encodes(suffix, each)]
    but = f", but {' and '.join(codecs)}" if codecs else ""
    takes = takers(tracks)
    cure = f"{' and '.join(takes)} {'does' if len(takes) == 1 else 'do'}" if takes else "no other kind of file does"
    return f"{suffix} does not take {tracks.codec}{with_sound} at {tracks.size}{but}; {cure}"


def _encodes(suffix: str, codec: str) -> bool:
    try:
        av.open(f"any{suffix}", "w").add_stream(CODECS[codec].encoder)
    except (OSError, ValueError):
        return False
    return True
