"""A film as people have them: two languages, subtitles, chapters, a second video, a cover, tags."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.stream import Disposition
from av.subtitles.subtitle import SubtitleSet

from tests.support.media import quarters

SECONDS = 2
TAGS = {
    "title": "Trip",
    "artist": "Me",
    "creation_time": "2024-03-01T10:00:00.000000Z",
    "location": "+48.1000+011.5000/",
}
OWN_TAG = {"weather": "rain"}
"""A tag that has no place of its own in mp4."""
LINES = ((500, b"hello"), (1200, b"good bye"))
"""When subtitles begin, in milliseconds, and what they say; each is shown for half a second."""
JPEG: bytes = cv2.imencode(".jpg", quarters(40, 40))[1].tobytes()
_ASS = (
    b"[Script Info]\nScriptType: v4.00+\nPlayResX: 384\nPlayResY: 288\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic,"
    b" Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR,"
    b" MarginV, Encoding\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


def film(path: Path, subtitles: str = "srt", *, cover: bool = True, more: dict[str, str] | None = None) -> Path:
    """Writes one; its default pictures are the second track, its default sound the second one of two."""
    with av.open(
        str(path), "w", options={"movflags": "use_metadata_tags"} if more and path.suffix != ".mkv" else {}
    ) as file:
        file.metadata.update(TAGS | (more or {}))
        file.set_chapters([_chapter(0, "One"), _chapter(1, "Two")])
        small, large = _video(file, (32, 48)), _video(file, (64, 96))
        small.disposition, large.disposition = 0, Disposition.default
        large.metadata.update(language="eng", timecode="01:02:03:04")
        sounds = [_sound(file, language, title) for language, title in (("eng", "Original"), ("deu", "Kommentar"))]
        sounds[0].disposition, sounds[1].disposition = 0, Disposition.default
        said = _subtitles(file, subtitles)
        first = _cover(file, path) if cover else []
        file.start_encoding()
        packets = [packet for stream in (small, large) for packet in _pictures(stream)]
        packets += [packet for number, stream in enumerate(sounds) for packet in _tone(stream, 0.02 * (number + 1))]
        packets += list(_lines(said))
        for packet in first + sorted(packets, key=lambda each: each.dts * each.time_base):
            file.mux(packet)
    return path


def _chapter(second: int, title: str) -> Any:
    unit = Fraction(1, 1000)
    return {
        "id": second,
        "start": 1000 * second,
        "end": 1000 * second + 1000,
        "time_base": unit,
        "metadata": {"title": title},
    }


def _video(file: Any, size: tuple[int, int]) -> Any:
    stream = file.add_stream("libx264", 10)
    (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
    return stream


def _pictures(stream: Any) -> list[Any]:
    packets = []
    for index in range(10 * SECONDS):
        frame = av.VideoFrame.from_ndarray(quarters(stream.height, stream.width, index), format="bgr24")
        frame.pts, frame.time_base = index, Fraction(1, 10)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(file: Any, language: str, title: str) -> Any:
    stream = file.add_stream("aac", rate=48_000, layout="mono")
    stream.metadata.update(language=language, title=title)
    return stream


def _tone(stream: Any, pitch: float) -> list[Any]:
    packets = []
    for start in range(0, 48_000 * SECONDS - 1024, 1024):
        wave = np.sin(np.arange(start, start + 1024) * pitch).astype(np.float32)[None] * 0.3
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _subtitles(file: Any, encoder: str) -> Any:
    stream = file.add_stream(encoder)
    stream.metadata["language"] = "eng"
    stream.codec_context.time_base, stream.codec_context.subtitle_header = Fraction(1, 1000), _ASS
    return stream


def _lines(stream: Any) -> Any:
    for begins_ms, text in LINES:
        shown = SubtitleSet.create(text=b"0,0,Default,,0,0,0,," + text, start=0, end=500)
        packet = stream.codec_context.encode_subtitle(shown)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = begins_ms
        packet.duration, packet.is_keyframe = 500, True
        yield packet


def _cover(file: Any, path: Path) -> list[Any]:
    if path.suffix == ".mkv":
        file.add_attachment("cover.jpg", "image/jpeg", JPEG)
        return []
    stream = file.add_mux_stream("mjpeg", width=40, height=40)
    stream.disposition, stream.time_base = Disposition.attached_pic, Fraction(1, 1000)
    packet: Any = av.Packet(JPEG)
    packet.stream, packet.time_base, packet.pts, packet.dts, packet.is_keyframe = stream, Fraction(1, 1000), 0, 0, True
    return [packet]
