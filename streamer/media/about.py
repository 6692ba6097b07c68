"""What a file says of itself and has beside its tracks: names, places, chapters, a cover."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

from av.stream import Stream

_OF_THE_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
"""Tags that say how that very file is made."""
_OF_THE_TRACK = frozenset({"encoder", "vendor_id", "duration", "bps", "number_of_frames", "number_of_bytes"})
_STATISTICS = "_statistics_"
"""How the names of others begin, that Matroska's own tools write."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a file with a name of its own."""

    begins_s: Fraction
    ends_s: Fraction
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cover:
    """A picture that stands for a file."""

    name: str
    codec: str
    """FFmpeg's name of it."""
    data: bytes
    metadata: Mapping[str, str]

    @property
    def mimetype(self) -> str:
        """Its kind, as a file's attachments have it."""
        return f"image/{'jpeg' if self.codec == 'mjpeg' else self.codec}"


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself, as a file made of it may say it too."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """By FFmpeg's names: title, creation_time, location."""
    video: Mapping[str, str] = field(default_factory=dict)
    """The same of the pictures' track: language, title, timecode."""
    disposition: int = 0
    """FFmpeg's flags of that track, such as that it is the default one."""
    chapters: tuple[Chapter, ...] = ()
    covers: tuple[Cover, ...] = ()
    extras: tuple[str, ...] = ()
    """The tracks that are neither the pictures nor sound, in words, in the order of `Source.extras`."""
    left_out: tuple[str, ...] = ()
    """Tracks that cannot be read or copied, in words."""

    def part(self, start_s: float, end_s: float | None) -> Self:
        """What is true of a part of the file, which begins with it."""
        until_s = None if end_s is None else Fraction(end_s)
        return replace(self, chapters=tuple(_within(self.chapters, Fraction(start_s), until_s)))


def tags_of_file(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags that are true of a copy, too."""
    return {
        name: value
        for name, value in metadata.items()
        # mp4 says where it was taken once more in each language.
        if name.lower() not in _OF_THE_FILE and not (name.startswith("location-") and "location" in metadata)
    }


def tags_of_track(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags of a track that are true of a copy, too."""
    kept = {name: value for name, value in metadata.items() if not _is_statistics(name)}
    if "name" in kept:  # so mp4 calls it, and is told of it by the other name
        kept.setdefault("title", kept.pop("name"))
    return kept


def described(stream: Stream) -> str:
    """A track in words: its number in its file, what it is, its language."""
    context = stream.codec_context
    kind = context.name if context is not None else getattr(stream, "name", None)
    words = [word for word in (kind, stream.metadata.get("language")) if word and word != "und"]
    what = {"subtitle": "subtitles", "audio": "sound"}.get(stream.type, stream.type)
    return f"#{stream.index} {what} ({', '.join(words)})" if words else f"#{stream.index} {what}"


def _within(chapters: Sequence[Chapter], start_s: Fraction, end_s: Fraction | None) -> Iterator[Chapter]:
    for each in chapters:
        ends_s = each.ends_s if end_s is None else min(each.ends_s, end_s)
        if ends_s > start_s and (end_s is None or each.begins_s < end_s):
            yield replace(each, begins_s=max(Fraction(0), each.begins_s - start_s), ends_s=ends_s - start_s)


def _is_statistics(name: str) -> bool:
    plain = name.lower().split("-")[0]
    return plain in _OF_THE_TRACK or plain.startswith(_STATISTICS)
