"""Subtitles in a text format that a file does not take become those that it takes; their looks may be lost."""

from typing import Any, cast

from av.container import OutputContainer
from av.stream import Stream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from streamer.media.failures import WRITING_FAILS
from streamer.recording.encoder import Packet
from streamer.recording.transcode import decoder_of


class TextRecoder:
    """Packets of one track of subtitles in, packets of another format out, at the same times."""

    def __init__(self, subtitles: Stream, encoder: str) -> None:
        """Raises OSError or ValueError where nothing here reads such subtitles as text.

        Args:
            encoder: FFmpeg's name of it.
        """
        self._decoder, self._encoder = decoder_of(subtitles), encoder
        if self._decoder.subtitle_header is None:
            raise ValueError("these subtitles are pictures")
        self._template = subtitles
        self.damaged = 0
        """Packets that could not be decoded."""

    def add(self, container: OutputContainer) -> Stream:
        """The track in a file, the last one of those that it was added to."""
        self._stream = cast(Any, container).add_stream(self._encoder)
        context: Any = self._stream.codec_context
        context.time_base, context.subtitle_header = self._template.time_base, self._decoder.subtitle_header
        self._stream.metadata.update(self._template.metadata)
        self._stream.disposition = self._template.disposition
        return cast(Stream, self._stream)

    def convert(self, packet: Packet) -> list[Packet]:
        """One, or none if nothing is shown. Raises OSError or ValueError."""
        try:
            lines = [each.ass for each in self._decoder.decode(packet) if isinstance(each, AssSubtitle)]
        except WRITING_FAILS:
            self.damaged += 1
            return []
        if not any(lines):
            return []
        duration_ms = round(1000 * (packet.duration or 0) * packet.time_base)
        shown = SubtitleSet.create(text=b"\\N".join(lines), start=0, end=duration_ms)
        made = self._stream.codec_context.encode_subtitle(shown)
        made.pts = made.dts = packet.pts
        made.duration, made.time_base, made.is_keyframe = packet.duration, packet.time_base, True
        return [made]
