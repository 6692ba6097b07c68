"""What a file has beside pictures and sound: subtitles, data, other videos, fonts, a cover, chapters, tags."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.stream import Disposition, Stream

from streamer.media.about import Cover
from streamer.media.failures import WRITING_FAILS
from streamer.recording.encoder import Packet, Tracks
from streamer.recording.subtitles import TextRecoder

_COVER_TIME_BASE = Fraction(1, 90_000)
_CHAPTER_TIME_BASE = Fraction(1, 1_000_000)
_MP4_COVERS = frozenset({"mjpeg", "png", "bmp"})
# What FFmpeg writes in the way that players know; all other tags it can only write in the place of these.
_ITUNES = (
    "title artist album_artist composer album date comment genre copyright grouping lyrics description synopsis show"
    " episode_id network keywords episode_sort season_number media_type hd_video gapless_playback compilation track"
    " disc tempo location creation_time"
)
_QUICKTIME = "title artist author album date comment genre copyright make model location key creation_time"
_IN_QUICKTIME = {
    "bod": "tib", "cym": "wel", "cze": "ces", "deu": "ger", "ell": "gre", "eus": "baq", "fas": "per", "fre": "fra",
    "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur", "nld": "dut", "rum": "ron",
    "slo": "slk", "sqi": "alb", "zho": "chi",
}  # fmt: skip
"""ISO 639-2 has two codes of some languages: FFmpeg's list of those in QuickTime has the second one only."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What a kind of file has place for beside pictures and sound."""

    subtitles: str
    """The encoder of text that it takes."""
    tags: frozenset[str] | None = None
    """The tags that it has places for; None is all. Others take the place of covers."""
    covers: frozenset[str] = frozenset()
    """The codecs of covers, as pictures of the file itself."""
    attached: bool = False
    """Covers are attached to it, as any file can be."""
    quicktime_languages: bool = False
    """It knows some languages by another code."""


MP4 = Holds("mov_text", frozenset(_ITUNES.split()), _MP4_COVERS)
MOV = Holds("mov_text", frozenset(_QUICKTIME.split()), quicktime_languages=True)
MKV = Holds("srt", attached=True)
WEBM = Holds("webvtt")


class Extras:
    """The tracks of a recording beside pictures and sound in one file, and what the file says of itself."""

    def __init__(self, holds: Holds, tracks: Tracks, takes: Mapping[int, bool]) -> None:
        """
        Args:
            takes: for each of the tracks, by its number in the file, whether such a file takes it as it is.
        """
        self._holds, self._about = holds, tracks.about
        self.copied: dict[int, Stream] = {}
        """Tracks that go into the file as they come, by their numbers."""
        self.recoded: dict[int, TextRecoder] = {}
        """Tracks of text that are made another kind of text."""
        left_out = list(tracks.about.left_out)
        for number, stream, name in zip(takes, tracks.extras, tracks.about.extras):
            if takes[number]:
                self.copied[number] = stream
                continue
            if stream.type == "subtitle":
                with suppress(*WRITING_FAILS):
                    self.recoded[number] = TextRecoder(stream, holds.subtitles)
                    continue
            left_out.append(name)
        self._covers = [each for each in tracks.about.covers if holds.attached or each.codec in holds.covers]
        left_out += [f"a cover ({each.codec})" for each in tracks.about.covers if each not in self._covers]
        known = holds.tags is None or not self._covers
        self._tags = {name: text for name, text in self._about.metadata.items() if known or self._has_place(name)}
        left_out += [f"the tag {name}" for name in self._about.metadata if name not in self._tags]
        self.left_out = tuple(left_out)
        """What such a file cannot hold, in words."""

    @property
    def are_sparse(self) -> bool:
        """Whether a file may be long without anything of one of the tracks."""
        return bool(self.copied or self.recoded or (self._covers and not self._holds.attached))

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""
        return sum(each.damaged for each in self.recoded.values())

    @property
    def options(self) -> list[str]:
        """Flags of FFmpeg's for files of QuickTime's kind."""
        return [] if all(map(self._has_place, self._tags)) else ["use_metadata_tags"]

    def add_text(self, container: OutputContainer) -> dict[int, Stream]:
        """The tracks of text that is converted, in a file that has not been begun. Raises OSError or ValueError."""
        return {number: recoder.add(container) for number, recoder in self.recoded.items()}

    def describe(self, container: OutputContainer) -> list[Packet]:
        """Gives a file that has not been begun its tags, chapters and covers; what comes back goes into it first."""
        container.metadata.update(self._tags)
        chapters: list[Any] = [
            {
                "id": number,
                "start": round(each.begins_s / _CHAPTER_TIME_BASE),
                "end": round(each.ends_s / _CHAPTER_TIME_BASE),
                "time_base": _CHAPTER_TIME_BASE,
                "metadata": dict(each.metadata),
            }
            for number, each in enumerate(self._about.chapters)
        ]
        container.set_chapters(chapters)
        if self._holds.quicktime_languages:
            for stream in container.streams:
                if (language := stream.metadata.get("language")) in _IN_QUICKTIME:
                    stream.metadata["language"] = _IN_QUICKTIME[str(language)]
        return [packet for cover in self._covers for packet in self._put(container, cover)]

    def _put(self, container: OutputContainer, cover: Cover) -> list[Packet]:
        if self._holds.attached:
            container.add_attachment(cover.name, cover.mimetype, cover.data)
            return []
        stream = container.add_mux_stream(cover.codec, width=1, height=1)
        stream.disposition = Disposition.attached_pic
        stream.time_base = _COVER_TIME_BASE
        packet: Packet = av.Packet(cover.data)
        packet.stream, packet.time_base, packet.is_keyframe = stream, _COVER_TIME_BASE, True
        packet.pts = packet.dts = 0
        return [packet]

    def _has_place(self, tag: str) -> bool:
        return self._holds.tags is None or tag.lower() in self._holds.tags
