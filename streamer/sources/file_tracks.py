"""The tracks of a file: which one is parsed, which go along, and what the file says of itself."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeVar

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from streamer.errors import CannotOpen, Cause
from streamer.media.about import About, Chapter, Cover, described, tags_of_file, tags_of_track
from streamer.media.failures import WRITING_FAILS
from streamer.sources.demuxer.main import is_known

Kept = Literal["none", "sound", "first", "all"]
"""Which tracks go along with the pictures: none; all of sound; the first of sound; all that there are."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a file is read."""

    kept: Kept = "none"
    video_track: int | None = None
    """Number of the video track, from 1; None is the default one, or the largest."""
    deinterlace: bool = False
    """Whole pictures of those that are two fields."""
    hdr: bool = False
    """HDR as it is; else its pictures become what an ordinary display shows."""


ANY_PARTS = Parts()

_STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff"})
_STILL_S = 1
"""A track of pictures of such a kind that lasts no longer is a cover, whatever it is said to be."""
_TIMECODE = "tmcd"
"""A track of QuickTime's that is made again from what the pictures' track says."""

S = TypeVar("S", bound=Stream)


@dataclass(frozen=True, slots=True)
class FileTracks:
    """The tracks of an open file."""

    video: VideoStream
    sounds: tuple[Stream, ...]
    extras: tuple[Stream, ...]
    """Those that are neither parsed nor sound: subtitles, data, fonts, other videos."""
    about: About
    unknown: int
    """Tracks of sound that are left out, for what they are is not known."""


def tracks_of(
    container: InputContainer, name: str, kept: Kept, origin_s: Fraction, number: int | None = None
) -> FileTracks:
    """Chooses.

    Args:
        name: what errors call the file.
        origin_s: where its clock starts.
        number: of the video track to parse, from 1; None is the default one, or the largest.

    Raises:
        CannotOpen: there is no such track.
    """
    video = _chosen(container, name, number)
    sounds = [] if kept == "none" else [each for each in container.streams.audio if is_known(each)]
    unknown = 0 if kept == "none" else len(container.streams.audio) - len(sounds)
    if kept == "first":
        sounds = sorted(sounds, key=lambda each: not each.disposition & Disposition.default)[:1]
    others = [each for each in container.streams if each is not video and each.type != "audio" and not _is_made(each)]
    covers = [each for each in others if each.disposition & Disposition.attached_pic]
    extras = [each for each in others if each not in covers and _can_be_copied(each)]
    left_out = [each for each in others if each not in covers and each not in extras]
    if kept != "all":
        covers, extras, left_out = [], [], others if kept == "sound" else []
    about = About(
        tags_of_file(container.metadata),
        tags_of_track(video.metadata),
        int(video.disposition),
        tuple(_chapters(container, origin_s)),
        tuple(_covers(container.name, covers)),
        tuple(map(described, extras)),
        tuple(map(described, left_out)),
    )
    return FileTracks(video, tuple(sounds), tuple(extras), about, unknown)


def copies(streams: Sequence[S]) -> tuple[S, ...]:
    """What records a track may ask for its stream when the file is closed, and then PyAV reads freed memory."""
    container = av.open(io.BytesIO(), "w", format="null")  # it takes every kind, and is never written
    copied = []
    for each in streams:
        copy: Any = container.add_stream_from_template(each, opaque=True)
        copy.metadata.update(tags_of_track(each.metadata))
        copy.disposition = int(each.disposition)
        copied.append(copy)
    return tuple(copied)


def _chosen(container: InputContainer, name: str, number: int | None) -> VideoStream:
    # A song's cover is a video stream of one picture; it is not what somebody opens a file for.
    videos = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not videos:
        raise CannotOpen(f"{name} has no video in it", Cause.CODEC)
    if number is not None:
        if not 1 <= number <= len(videos):
            have = "1 video track" if len(videos) == 1 else f"{len(videos)} video tracks"
            raise CannotOpen(f"{name} has {have}, and no number {number}", Cause.NOT_FOUND)
        return videos[number - 1]
    return min(
        videos,
        key=lambda each: (
            _is_still(container, each),
            not each.disposition & Disposition.default,
            -each.codec_context.height * each.codec_context.width,
        ),
    )


def _is_still(container: InputContainer, video: VideoStream) -> bool:
    if video.codec_context.name not in _STILL_CODECS or container.duration is None:
        return False
    lasts_s = _stated_s(video)
    longer = container.duration / av.time_base > _STILL_S
    return longer and (video.frames == 1 or (lasts_s is not None and lasts_s < _STILL_S))


def _stated_s(video: VideoStream) -> float | None:
    """How long a track lasts by itself."""
    if video.duration is not None and video.time_base is not None:
        return float(video.duration * video.time_base)
    parts = video.metadata.get("DURATION", "").split(":")  # as Matroska says it
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _is_made(stream: Stream) -> bool:
    """Whether a track is made again by whoever writes a file: that of chapters' names, that of timecodes."""
    return stream.discard == Discard.all or (stream.type == "data" and stream.metadata.get("timecode") is not None)


def _can_be_copied(stream: Stream) -> bool:
    try:
        copies([stream])
    except WRITING_FAILS:
        return False
    return True


def _chapters(container: InputContainer, origin_s: Fraction) -> Iterator[Chapter]:
    for each in container.chapters():
        time_base = each["time_base"] or Fraction(1)
        yield Chapter(each["start"] * time_base - origin_s, each["end"] * time_base - origin_s, each["metadata"])


def _covers(name: str, covers: list[Stream]) -> Iterator[Cover]:
    if not covers:
        return
    with av.open(name, metadata_errors="replace") as again:
        for each in covers:
            for packet in again.demux(again.streams[each.index]):
                if packet.size:
                    codec = each.codec_context.name
                    filename = each.metadata.get("filename") or f"cover.{'jpg' if codec == 'mjpeg' else codec}"
                    yield Cover(filename, codec, bytes(packet), dict(each.metadata))
                    break
