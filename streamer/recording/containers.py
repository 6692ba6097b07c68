"""The kinds of video file: what each takes, how it is written, and what to say where it cannot be."""

from contextlib import suppress
from math import lcm
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from streamer.media.paths import VIDEO_SUFFIXES
from streamer.recording.codecs import CODECS
from streamer.recording.encoder import Tracks
from streamer.recording.transcode import AAC, OPUS, Recoder

PICTURES = 0
"""The track of the pictures; those of sound are counted from 1."""
FINEST_TIMESCALE = 10_000_000
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
LIVE = {"max_interleave_delta": "200000"}
# Without `delay_moov` players leave out the first half second of an mp4 that was not completed.
LIVE_FRAGMENTS = {"movflags": "hybrid_fragmented+delay_moov"}
# What has to be written before all sound has come has no samples in its head, nor when tracks begin: fragments say it.
EARLY_FRAGMENTS = {"movflags": "hybrid_fragmented+empty_moov+frag_discont"}
_SELF_EVIDENT = ("mp2", "mp3", "pcm_")
"""Names of sound, or how they begin, that mp4 can announce without anything of it; else what FFmpeg calls extradata is
needed, and of AC-3 even that would not do."""
_IN_EXTRADATA = ("aac", "opus")


def takers(tracks: Tracks) -> list[str]:
    """How the name of a file ends that takes these tracks, what most programs play first."""
    found = []
    for suffix in VIDEO_SUFFIXES:
        recoded = {each: recoder.stream for each, recoder in conversions(suffix, tracks).items()}
        templates = dict(enumerate(tracks.sounds, start=1)) | recoded
        with suppress(OSError, ValueError):
            open_container(Path(f"any{suffix}"), tracks, templates, {})
            found.append(suffix)
    return found


def conversions(suffix: str, tracks: Tracks) -> dict[int, Recoder]:
    """Of the tracks of sound that files of a kind do not take as they are."""
    found: dict[int, Recoder] = {}
    for each in all_sounds(tracks):
        if not _takes(suffix, tracks.sounds[each - 1]):
            found |= converted(each, tracks, suffix)
    return found


def converted(track: int, tracks: Tracks, suffix: str) -> dict[int, Recoder]:
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


def is_fragmented(path: Path) -> bool:
    return _CRASH_SAFE.get(path.suffix.lower()) is _FRAGMENTS


def all_sounds(tracks: Tracks) -> list[int]:
    return list(range(1, len(tracks.sounds) + 1))


def is_announced(sound: AudioStream) -> bool:
    """Whether an mp4 can begin with a track of which nothing has come."""
    context = sound.codec_context
    return context.name.startswith(_SELF_EVIDENT) or (context.name in _IN_EXTRADATA and bool(context.extradata))


def open_container(
    path: Path, tracks: Tracks, sounds: dict[int, AudioStream], more: dict[str, str]
) -> tuple[OutputContainer, dict[int, Stream]]:
    """Nothing of it is on the disk before the first packet. Raises OSError or ValueError.

    Args:
        sounds: the tracks of sound, as they come.
        more: options of FFmpeg's, beside those of all files of the kind.
    """
    options = _CRASH_SAFE.get(path.suffix.lower(), {}) | more
    if is_fragmented(path):
        # When a track begins is written in this unit; in the usual thousandths, sound would shift against pictures.
        units = [tracks.tags.time_base.denominator, *(sound.sample_rate for sound in sounds.values())]
        options["movie_timescale"] = str(min(lcm(*units), FINEST_TIMESCALE))
    # By its protocol: of a name such as 10:30.mp4 FFmpeg would take the beginning for one.
    container = av.open(f"file:{path}", "w", options=options)
    streams: dict[int, Stream] = {PICTURES: tracks.add_pictures(container)}
    for each, sound in sounds.items():
        streams[each] = container.add_stream_from_template(sound, opaque=True)
    return container, streams


def why_not(suffix: str, tracks: Tracks) -> str:
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
