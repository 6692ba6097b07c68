"""The kinds of video file: what each takes, how it is written, and what to say where it cannot be."""

import io
from contextlib import suppress
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.stream import Stream

from pipeline import Size
from streamer.errors import SinkError
from streamer.media.circles import break_circle
from streamer.media.failures import WRITING_FAILS
from streamer.media.priority import same_priority
from streamer.recording.codecs import CODECS, EDITING
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.extras import MKV, MOV, MP4, WEBM, Extras, Holds
from streamer.recording.plain_file import PlainFile
from streamer.recording.transcode import AAC, OPUS, Coding, Recoder

PICTURES = 0
"""The track of the pictures; those of sound are counted from 1."""
MAX_TIMESCALE = 10_000_000

# Index and pictures are written in step, twice a second, so that a killed process leaves a playable file. Without an
# edit list the frames of such an mp4 would all be shown two frames late, and its tracks begin together.
_FRAGMENTS = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "use_editlist": "1", "flush_packets": "1"}
_CLUSTERS = {"cluster_time_limit": "500", "flush_packets": "1"}
# A track that falls silent holds the others back so long; FFmpeg's own patience is ten seconds.
LIVE = {"max_interleave_delta": "200000"}
# Without `delay_moov` players leave out the first half second of an mp4 that was not completed.
LIVE_FRAGMENTS = {"movflags": "hybrid_fragmented+delay_moov"}
# What has to be written before all sound has come has no samples in its head, nor when tracks begin: fragments say it.
EARLY_FRAGMENTS = {"movflags": "hybrid_fragmented+empty_moov+frag_discont"}

_ALPHA = {"vp9": ("webm", "matroska"), "prores": ("mov",)}
"""FFmpeg's names of the files that hold the transparency of a codec."""
_SELF_EVIDENT = ("mp2", "mp3", "pcm_")
"""Names of sound, or how they begin, that mp4 can announce without anything of it; else what FFmpeg calls extradata is
needed, and of AC-3 even that would not do."""
_READ_FROM_MP4, _MAX_PLAIN_HZ = ("pcm_s16le", "pcm_s16be"), 48_000
_IN_EXTRADATA = ("aac", "opus")
_USUAL_SIZE = Size(64, 64)
"""Any that every codec takes."""
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""By the number of channels: AVI, Matroska and MXF say no more of plain sound, and mp4 has to say which they are."""


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of video file."""

    format: str
    """FFmpeg's name of it."""
    crash_safe: dict[str, str]
    """FFmpeg's options with which a killed process leaves a file that can be played."""
    coding: Coding
    """The codec for sound that it does not take as it is."""
    holds: Holds
    """What it has place for beside them."""
    is_fragmented: bool = False
    has_aspect: bool = False
    """Whether it says which shape the pixels have. Matroska has a place for it that PyAV leaves empty."""


CONTAINERS = {
    ".mp4": Container("mp4", _FRAGMENTS, AAC, MP4, is_fragmented=True, has_aspect=True),
    ".mkv": Container("matroska", _CLUSTERS, AAC, MKV),
    ".mov": Container("mov", _FRAGMENTS, AAC, MOV, is_fragmented=True, has_aspect=True),
    ".webm": Container("webm", _CLUSTERS, OPUS, WEBM),
}
"""By the suffix of their files, in the order in which they are advised."""


def container_of(path: Path) -> Container:
    """The kind of a file by its name. Raises SinkError."""
    kind = CONTAINERS.get(path.suffix.lower())
    if kind is None:
        raise SinkError(f"cannot write {path}: there is no kind of video {path.suffix!r}; there are: {_listed()}")
    return kind


def containers_for(tracks: Tracks) -> list[str]:
    """The suffixes of the files that take these tracks."""
    found = []
    for suffix, kind in CONTAINERS.items():
        recoded = {each: recoder.stream for each, recoder in conversions(kind, tracks).items()}
        with suppress(*WRITING_FAILS):
            try_header(kind, tracks, dict(enumerate(tracks.sounds, start=1)) | recoded)
            found.append(suffix)
    return found


def conversions(kind: Container, tracks: Tracks) -> dict[int, Recoder]:
    """The recoders of the tracks of sound that a kind of file does not take as they are."""
    found: dict[int, Recoder] = {}
    for each in all_sounds(tracks):
        if not takes(kind, tracks.sounds[each - 1]):
            found |= converted(each, tracks, kind)
    return found


def converted(track: int, tracks: Tracks, kind: Container) -> dict[int, Recoder]:
    """The recoder of a track of sound; empty where nothing decodes such sound."""
    try:
        recoder = Recoder(tracks.sounds[track - 1], kind.coding)
    except WRITING_FAILS:
        return {}
    recoder.stream.metadata.update(tracks.sounds[track - 1].metadata)
    recoder.stream.disposition = tracks.sounds[track - 1].disposition
    return {track: recoder}


def all_sounds(tracks: Tracks) -> list[int]:
    """The numbers of the tracks of sound."""
    return list(range(1, len(tracks.sounds) + 1))


def is_announced(sound: Stream) -> bool:
    """Whether an mp4 can begin with a track of which nothing has come."""
    context = sound.codec_context
    return context.name.startswith(_SELF_EVIDENT) or (context.name in _IN_EXTRADATA and bool(context.extradata))


def extras_of(kind: Container, tracks: Tracks) -> Extras:
    """What of a recording a kind of file holds beside pictures and sound."""
    first = 1 + len(tracks.sounds)
    return Extras(kind.holds, tracks, {first + place: takes(kind, each) for place, each in enumerate(tracks.extras)})


def try_header(kind: Container, tracks: Tracks, others: dict[int, Stream], extras: Extras | None = None) -> None:
    """Writes the beginning of a file into memory: whether these tracks go together is known only then.

    Args:
        others: the tracks of sound, as they come or recoded.

    Raises:
        OSError: the file does not take them, or the encoder not such pictures.
        ValueError: the same.
    """
    if tracks.alpha and kind.format not in _ALPHA[tracks.codec]:
        raise ValueError("it holds no transparency")
    container = _in_memory(kind)
    _add_all(container, tracks, others, extras)
    try:
        with same_priority():
            container.start_encoding()
    finally:
        break_circle(container)


def open_container(
    file: PlainFile,
    kind: Container,
    tracks: Tracks,
    others: dict[int, Stream],
    extras: Extras | None,
    more: dict[str, str],
) -> tuple[OutputContainer, dict[int, Stream], list[Packet]]:
    """Nothing is written before the first packet. Raises OSError or ValueError.

    Args:
        file: stays open when the container is closed.
        others: as for `try_header`.
        more: options of FFmpeg's, beside those of all files of the kind.

    Returns:
        The file, its tracks, and what goes into it before anything else.
    """
    # FFmpeg writes no fragment before it has something of each track, and no cover into a file of fragments.
    whole = kind.is_fragmented and extras is not None and extras.are_sparse
    options = ({} if whole else kind.crash_safe) | more
    if kind.is_fragmented:
        # When a track begins is written in this unit; in the usual thousandths, sound would shift against pictures.
        rates = [rate for each in others.values() if (rate := getattr(each, "sample_rate", 0))]
        options["movie_timescale"] = str(min(lcm(tracks.tags.time_base.denominator, *rates), MAX_TIMESCALE))
        flags = [options["movflags"]] if "movflags" in options else []
        options["movflags"] = "+".join(flags + (extras.options if extras is not None else []))
    container = av.open(file, "w", format=kind.format, options={name: text for name, text in options.items() if text})
    streams = _add_all(container, tracks, others, extras)
    return container, streams, [] if extras is None else extras.describe(container)


def _add_all(
    container: OutputContainer, tracks: Tracks, others: dict[int, Stream], extras: Extras | None
) -> dict[int, Stream]:
    streams: dict[int, Stream] = {PICTURES: tracks.add_pictures(container)}
    for number, each in (others | (extras.copied if extras else {})).items():
        streams[number] = _add_copy(container, each)
    return streams | (extras.add_text(container) if extras else {})


def why_not(path: Path, tracks: Tracks) -> str:
    """Why a file does not take these tracks, and which would."""
    kind = container_of(path)
    sound = ", ".join(stream.codec_context.name for stream in tracks.sounds)
    with_sound = f" with sound as {sound}" if sound else ""
    is_taken = _encodes(kind, tracks.codec, _USUAL_SIZE)
    codecs = [] if is_taken else [each for each in CODECS if _encodes(kind, each, tracks.size)]
    but = f", but {' and '.join(codecs)}" if codecs else ""
    takes = containers_for(tracks)
    cure = f"{' and '.join(takes)} {'does' if len(takes) == 1 else 'do'}" if takes else "no other kind of file does"
    return f"{path.suffix} does not take {tracks.codec}{with_sound} at {tracks.size}{but}; {cure}"


def _listed() -> str:
    return ", ".join(CONTAINERS)


def _in_memory(kind: Container) -> OutputContainer:
    return av.open(io.BytesIO(), "w", format=kind.format)


def _add_copy(container: OutputContainer, template: Stream) -> Stream:
    stream = container.add_stream_from_template(template, opaque=True)
    stream.metadata.update(template.metadata)
    stream.disposition = template.disposition
    context: Any = stream.codec_context
    # FFmpeg's name of a layout that is none.
    if template.type == "audio" and context.layout.name == f"{context.channels} channels":
        context.layout = _USUAL_LAYOUTS.get(context.channels, context.layout)
    return stream


def takes(kind: Container, track: Stream) -> bool:
    """Whether a kind of file takes such a track as it is, and its readers do."""
    if kind is CONTAINERS[".mp4"] and not _is_read_from_mp4(track):
        return False
    try:
        container = _in_memory(kind)
        _add_copy(container, track)
        container.start_encoding()
    except WRITING_FAILS:
        return False
    return True


def _is_read_from_mp4(track: Stream) -> bool:
    """Plain sound is new in mp4: FFmpeg before version 6 takes all of it for 16 bits at 48 kHz at most, and plays noise
    of what has more of them."""
    context: Any = track.codec_context
    plain = track.type == "audio" and context.name.startswith("pcm_")
    return not plain or (context.name in _READ_FROM_MP4 and context.sample_rate <= _MAX_PLAIN_HZ)


def _encodes(kind: Container, codec: str, size: Size) -> bool:
    try:
        container = _in_memory(kind)
        details = (CODECS | EDITING)[codec]
        stream: Any = container.add_stream(details.encoder, 25, dict(details.options))
        stream.height, stream.width, stream.pix_fmt = *size, details.pixels
        with same_priority():
            container.start_encoding()
    except WRITING_FAILS:
        return False
    return True
