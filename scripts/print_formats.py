"""Prints the tables of docs/formats.md: what goes into each kind of file, found out by writing and reading it.

    python -m scripts.print_formats

A source with every kind of track is recorded with each codec into each kind of file, and what is in that is read again.
"""

import logging
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from streamer import CODECS, Encoding, Recorder, SinkError, open_source
from streamer.media.paths import VIDEO_SUFFIXES
from streamer.media.tags import VideoTags
from streamer.recording.codecs import EDITING
from tests.streamer.recording.test_containers import CHANNELS, singing
from tests.streamer.recording.test_deep import LIGHT
from tests.support.films import OWN_TAG, TAGS, film
from tests.support.media import quarters

SOUNDS = (
    ("aac", ".mp4"),
    ("libmp3lame", ".mkv"),
    ("ac3", ".mkv"),
    ("libopus", ".mkv"),
    ("flac", ".mkv"),
    ("alac", ".mov"),
    ("pcm_s16le", ".avi"),
    ("pcm_mulaw", ".avi"),
    ("adpcm_ima_wav", ".avi"),
    ("wmav2", ".wmv"),
)
"""Encoders of FFmpeg's, and a kind of file that has them."""
YES, NO = "yes", "-"


def main() -> None:
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        for title, rows in (
            ("Codecs", _codecs(Path(folder))),
            ("Sound", _sounds(Path(folder))),
            ("What else is kept", _extras(Path(folder))),
        ):
            print(f"## {title}\n")
            for row in rows:
                print(f"| {' | '.join(row)} |")
            print()


def _codecs(folder: Path) -> Iterator[list[str]]:
    yield ["", *VIDEO_SUFFIXES, "bits", "HDR's light", "interlaced"]
    yield ["---"] * (len(VIDEO_SUFFIXES) + 4)
    for codec in CODECS | EDITING:
        takes = [YES if _written(folder / f"a{suffix}", codec) else NO for suffix in VIDEO_SUFFIXES]
        path = folder / "b.mov" if codec in EDITING else folder / "b.mkv"
        _written(path, codec, bits=10, light=LIGHT, matrix=9, colour_range=1, primaries=9, transfer=16)
        with av.open(str(path)) as file:
            frame = next(file.decode(video=0))
        bits = str(max(each.bits for each in frame.format.components))
        with open_source(path) as source:
            light = YES if source.info.tags.light is not None else NO
        _written(path, codec, fields="tff")
        with open_source(path) as source:
            fields = YES if source.info.tags.fields else NO
        yield [codec, *takes, bits, light, fields]


def _written(path: Path, codec: str, **tags: Any) -> bool:
    from streamer.media.packet_queue import PacketQueue
    from tests.streamer.recording.test_file import info

    assert VideoTags(**tags)
    try:
        with Recorder(path, info(**tags), PacketQueue(), Encoding(codec), force=True) as recorder:
            for index in range(5):
                recorder.write(quarters(64, 96), index / 25)
    except SinkError:
        return False
    return True


def _sounds(folder: Path) -> Iterator[list[str]]:
    yield ["", *VIDEO_SUFFIXES]
    yield ["---"] * (len(VIDEO_SUFFIXES) + 1)
    for sound, kind in SOUNDS:
        layout = "mono" if sound == "pcm_mulaw" else "stereo"
        source = singing(folder / f"in{kind}", "wmv2" if kind == ".wmv" else "mpeg4", sound, layout)
        row = []
        for suffix in VIDEO_SUFFIXES:
            out = _recorded(source, folder / f"out{suffix}")[0]
            with av.open(str(source)) as before, av.open(str(out)) as after:
                was, became = (file.streams.audio[0].codec_context.codec.canonical_name for file in (before, after))
            row.append("copied" if was == became else f"becomes {became}")
        yield [f"{was}, {CHANNELS[layout]} channels", *row]


def _recorded(source: Path, out: Path) -> tuple[Path, tuple[str, ...]]:
    encoding = Encoding("vp9" if out.suffix == ".webm" else "h264")
    with open_source(source, audio=True, tracks="all") as opened:
        with Recorder(out, opened.info, opened.audio, encoding, force=True, extras=opened.extras) as sink:
            for frame in opened:
                sink.write(frame.picture, frame.pts_s)
    return out, sink.left_out


def _extras(folder: Path) -> Iterator[list[str]]:
    yield ["", *VIDEO_SUFFIXES]
    yield ["---"] * (len(VIDEO_SUFFIXES) + 1)
    covered, bare = film(folder / "film.mkv"), film(folder / "bare.mkv", cover=False, more=OWN_TAG)
    columns = [_kept(_recorded(covered, folder / f"c{suffix}")[0], _recorded(bare, folder / f"d{suffix}")[0])
               for suffix in VIDEO_SUFFIXES]  # fmt: skip
    for name in columns[0]:
        yield [name, *(column[name] for column in columns)]


def _kept(covered: Path, bare: Path) -> dict[str, str]:
    with av.open(str(covered)) as file, av.open(str(bare)) as plain:
        tags = {name.lower(): text for name, text in file.metadata.items()}
        own = {name.lower(): text for name, text in plain.metadata.items()}
        sounds, videos = file.streams.audio, file.streams.video
        covers = [each for each in videos if each.disposition & Disposition.attached_pic]
        words = [each.metadata.get("title") or each.metadata.get("name") for each in sounds]
        timecode = {name.lower() for name in videos[0].metadata} | set(tags)
        begins = [each["start"] * (each["time_base"] or Fraction(1)) for each in file.chapters()]
        return {
            "several tracks of sound": _said(len(sounds) == 2),
            "their languages and titles": _said(words == ["Original", "Kommentar"] and bool(sounds[0].language)),
            "the default mark": _said(bool(sounds[1].disposition & Disposition.default)),
            "subtitles in text": f"as {file.streams.subtitles[0].codec_context.name}",
            "further videos": _said(len(videos) - len(covers) == 2),
            "a cover": _said(bool(covers)),
            "chapters": _said(begins == [0, 1]),
            "title, artist, time, place": _said(tags.items() >= TAGS.items()),
            "other tags": _said(own.items() >= OWN_TAG.items()),
            "timecode": _said("timecode" in timecode),
        }


def _said(kept: bool) -> str:
    return YES if kept else "named as lost"


if __name__ == "__main__":
    ArgumentParser(prog="python -m scripts.print_formats", description=__doc__.splitlines()[0]).parse_args()
    main()
