"""The kinds of files that people have: one of each is rendered and recorded, and what comes of it read by others."""

import ast
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from pipeline import Parser, ParserSettings, load_parser
from streamer import Encoding, Rendering, Stream, StreamConfig, render_file
from streamer.media.images import read_picture
from tests.streamer.media.test_broken_end import cut_in, whole
from tests.streamer.recording.test_containers import singing
from tests.streamer.recording.test_deep import interlaced, ten_bits
from tests.streamer.recording.test_geometry import turned
from tests.streamer.sources.test_clocks import joined, part_of
from tests.support.films import film
from tests.support.heic import write_heic
from tests.support.media import Clip, pts_of, quarters, sound_of
from tests.support.paths import ROOT
from tests.support.probe import probe

Make = Callable[[Path], Path]
"""Writes a file into a folder."""


@dataclass(frozen=True)
class Kind:
    """A kind of file, and what a rendering of it is to be."""

    make: Make
    frames: int
    lasts_s: float
    """Between the beginning of the first picture and the end of the last."""
    sound: tuple[str, ...] = ()
    """The codec of each track of sound, in an mp4."""
    heard_s: float | None = None
    """The length of the first of them; None is not looked at."""
    size: tuple[int, int] = (64, 96)
    """Height and width, as stored."""
    says: dict[str, Any] = field(default_factory=dict)
    """More of what ffprobe says of the pictures."""
    others: tuple[str, ...] = ()
    """The kinds of tracks beside the pictures and sound."""
    suffix: str = ".mp4"
    """Of the rendering."""
    codec: str = "h264"
    """That it is rendered in."""

    def rendering(self, parser: ParserSettings) -> Rendering:
        return Rendering(parser, parse_every=self.frames, encoding=Encoding(self.codec))


def clip(name: str, **about: Any) -> Make:
    return lambda folder: Clip(**about).make(folder / name)


def sung(name: str, video: str, sound: str, layout: str = "stereo") -> Make:
    return lambda folder: singing(folder / name, video, sound, layout)


def recordings_joined(*begin_s: int) -> Make:
    """Recordings of a second, with half a second more of sound, one behind the other in a file."""

    def make(folder: Path) -> Path:
        return joined(folder / "in.ts", *(part_of(folder, f"part{index}", each) for index, each in enumerate(begin_s)))

    return make


def pictures_one_after_the_other(name: str, *shown_ms: int) -> Make:
    def make(folder: Path) -> Path:
        rgb = quarters(64, 96)[..., ::-1]
        made = [Image.fromarray(np.roll(rgb, 30 * index, axis=1)) for index in range(len(shown_ms))]
        made[0].save(folder / name, save_all=True, append_images=made[1:], duration=list(shown_ms), loop=0)
        return folder / name

    return make


def moved(seconds: int) -> Make:
    """A clip whose clock starts late."""

    def make(folder: Path) -> Path:
        plain = Clip(sound="aac", b_frames=0).make(folder / "plain.mp4")
        with av.open(str(plain)) as source, av.open(str(folder / "late.mkv"), "w") as out:
            streams = {each: out.add_stream_from_template(each, opaque=True) for each in source.streams}
            packet: Any
            for packet in source.demux():
                if packet.size:
                    shift = round(seconds / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream]
                    out.mux(packet)
        return folder / "late.mkv"

    return make


def held(folder: Path) -> Path:
    """The track ends three seconds after its last picture begins, though no picture is said to last so long."""
    plain = Clip(b_frames=0).make(folder / "plain.mp4")
    with av.open(str(plain)) as source, av.open(str(folder / "in.mp4"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
        packets: list[Any] = [packet for packet in source.demux(video=0) if packet.size]
        packets[-1].duration = round(3 / packets[-1].time_base)
        for packet in packets:
            packet.stream = stream
            out.mux(packet)
    return folder / "in.mp4"


def damaged_sound(folder: Path) -> Path:
    """The head of a frame of AAC says a rate that there is not."""
    path = Clip(sound="aac").make(folder / "in.ts")
    data = bytearray(path.read_bytes())
    at = data.index(sound_of(path)[0][7][1][:7])
    data[at : at + 4] = b"\xff\xf1\xff\xff"
    path.write_bytes(data)
    return path


def still(name: str) -> Make:
    def make(folder: Path) -> Path:
        if name.endswith(".heic"):
            pytest.importorskip("pi_heif")
            return write_heic(folder / name, quarters(128, 192), 1)
        exif = Image.Exif()
        exif[0x0112] = 6
        turned_back = np.rot90(quarters(192, 128)[..., ::-1]).copy()
        Image.fromarray(turned_back).save(folder / name, exif=exif)
        return folder / name

    return make


TRY = "what a file takes is tried before any work"
CLOCK = "one clock for a file"
KEPT = "nothing is lost without a word"
DAMAGE = "damage of the source is none of the result"
SEEN = "geometry and colour"
PICTURES = "pictures"
NAMES = "names and signals"

KINDS: dict[tuple[str, str], Kind] = {
    (TRY, "plain stereo sound of an AVI"): Kind(
        sung("in.avi", "mjpeg", "pcm_s16le"), 25, 1.0, ("pcm_s16le",), 1.0, says={"pix_fmt": "yuvj420p"}
    ),
    (TRY, "sound of 24 bits on six channels"): Kind(
        sung("in.mkv", "mpeg4", "pcm_s24le", "5.1"), 25, 1.0, ("aac",), 1.0
    ),
    (TRY, "MXF"): Kind(
        sung("in.mxf", "mpeg2video", "pcm_s16le"), 25, 1.0, ("pcm_s16le",), 1.0, (576, 720), others=("data",)
    ),
    (TRY, "WMV"): Kind(sung("in.wmv", "wmv2", "wmav2"), 25, 1.0, ("aac",), 1.0),
    (TRY, "ADPCM"): Kind(sung("in.avi", "mpeg4", "adpcm_ima_wav"), 25, 1.0, ("aac",), 1.0),
    (CLOCK, "two recordings joined"): Kind(recordings_joined(0, 500), 50, 2.55, ("aac",), 3.0),
    (CLOCK, "two recordings joined, the later one first"): Kind(recordings_joined(500, 0), 50, 2.55, ("aac",), 3.0),
    (CLOCK, "a GIF with times of its own"): Kind(
        pictures_one_after_the_other("in.gif", 40, 200, 40, 40, 500, 40), 6, 0.86
    ),
    (CLOCK, "AVI with B-frames"): Kind(clip("in.avi", codec="mpeg4", b_frames=2, ticks=range(0, 15_360, 512)), 30, 1.2),
    (CLOCK, "bare H.264"): Kind(clip("in.h264", ticks=range(12), time_base=Fraction(1, 10)), 12, 1.2),
    (CLOCK, "bare H.265"): Kind(clip("in.h265", codec="libx265", ticks=range(12), time_base=Fraction(1, 10)), 12, 1.2),
    (CLOCK, "bare MPEG-2"): Kind(
        clip("in.m2v", codec="mpeg2video", b_frames=2, ticks=range(12), time_base=Fraction(1, 25)), 12, 0.48
    ),
    (CLOCK, "bare VP9"): Kind(clip("in.ivf", codec="libvpx-vp9"), 12, 0.48),
    (CLOCK, "a start at ten hours"): Kind(moved(36_000), 12, 0.48, ("aac",), 0.96),
    (CLOCK, "29.97 pictures a second"): Kind(
        clip("in.mp4", ticks=range(0, 30_030, 1001), time_base=Fraction(1, 30_000)),
        30,
        1.001,
        says={"avg_frame_rate": "30000/1001"},
    ),
    (CLOCK, "a rate that varies"): Kind(clip("in.mp4", ticks=(0, 512, 5120, 5632, 12_800), b_frames=0), 5, 1.25),
    (CLOCK, "a last picture that is shown for long"): Kind(held, 12, 3.44),
    (KEPT, "a film with languages, subtitles, chapters, a second video and a cover"): Kind(
        lambda folder: film(folder / "in.mkv"),
        20,
        2.0,
        ("aac", "aac"),
        2.0,
        others=("data", "data", "subtitle", "video", "video"),
    ),
    (KEPT, "a file that breaks off"): Kind(lambda folder: cut_in(whole(folder / "in.mp4", "libx264"), 25), 25, 1.0),
    (DAMAGE, "a damaged packet of sound"): Kind(damaged_sound, 12, 0.48, ("aac",)),
    (SEEN, "pixels twice as wide as high"): Kind(
        clip("in.mp4", aspect=Fraction(2)), 12, 0.48, says={"sample_aspect_ratio": "2:1"}
    ),
    (SEEN, "turned"): Kind(clip("in.mp4", rotation=90), 12, 0.48),
    (SEEN, "mirrored"): Kind(lambda folder: turned(folder / "in.mp4", 0, True), 12, 0.48),
    (SEEN, "RGB"): Kind(
        clip("in.mp4", codec="libx264rgb", pixels="rgb24"),
        12,
        0.48,
        says={"pix_fmt": "yuv420p", "color_space": "bt709"},
    ),
    (SEEN, "HDR"): Kind(
        lambda folder: ten_bits(folder / "in.mkv"),
        5,
        0.2,
        says={"pix_fmt": "yuv420p", "color_transfer": "bt709", "color_primaries": "bt709"},
    ),
    (SEEN, "HDR of a telephone that was held upright"): Kind(
        lambda folder: ten_bits(folder / "in.mkv", rotation=90),
        5,
        0.2,
        says={"pix_fmt": "yuv420p10le", "color_transfer": "smpte2084", "color_primaries": "bt2020"},
        codec="h265",
    ),
    (SEEN, "interlaced"): Kind(lambda folder: interlaced(folder / "in.mp4"), 8, 0.32, says={"field_order": "tt"}),
    (PICTURES, "animated WebP"): Kind(pictures_one_after_the_other("in.webp", 40, 200, 500), 3, 0.74),
    (PICTURES, "animated PNG"): Kind(pictures_one_after_the_other("in.png", 40, 200, 500), 3, 0.74),
    (PICTURES, "animated AVIF"): Kind(pictures_one_after_the_other("in.avif", 40, 200, 500), 3, 0.74),
    (PICTURES, "TIFF with pages"): Kind(pictures_one_after_the_other("in.tif", 40, 40, 40), 3, 0.12),
    (PICTURES, "HEIC of tiles"): Kind(still("in.heic"), 1, 0.04, size=(192, 128), suffix=".png"),
    (PICTURES, "JPEG of a telephone that was held upright"): Kind(
        still("in.jpg"), 1, 0.04, size=(192, 128), suffix=".png"
    ),
    (NAMES, "a name of 255 bytes"): Kind(clip("é" * 125 + "x.mp4"), 12, 0.48),
    (NAMES, "a name like an address"): Kind(clip("10:30.mp4"), 12, 0.48),
}
"""One of each, by what they have in common."""

DETAILS = {
    TRY: (
        "recording/test_containers.py::test_sound_of_every_kind_of_file_is_kept_or_converted",
        "recording/test_containers.py::test_a_codec_that_a_file_refuses_is_refused_before_the_first_picture",
        "recording/test_containers.py::test_plain_sound_goes_into_mp4_where_older_readers_understand_it",
        "recording/test_containers.py::test_sound_in_pieces_shorter_than_a_tick_is_kept",
        "sources/test_telephone.py::test_what_a_file_takes_is_copied",
    ),
    CLOCK: (
        "sources/test_clocks.py::test_parts_joined_go_on_as_one",
        "sources/test_clocks.py::test_recordings_joined_into_one_file_go_on_as_one",
        "sources/test_clocks.py::test_a_recording_that_was_cut_begins_with_its_first_picture",
        "sources/test_clocks.py::test_others_see_the_rate_and_the_length_of_the_source",
        "sources/test_clocks.py::test_a_bare_stream_has_the_rate_that_it_says",
        "sources/test_clocks.py::test_an_avi_without_its_index_is_read_to_its_end",
        "sources/test_clocks.py::test_milliseconds_leave_the_rate_of_a_film_as_it_is",
        "sources/test_clocks.py::test_each_picture_of_a_gif_is_shown_as_long_as_it_says",
        "test_offline.py::test_a_last_picture_that_stands_for_long_is_no_file_cut_short",
    ),
    KEPT: (
        "recording/test_tracks.py::test_every_track_is_kept_with_its_names_or_named",
        "recording/test_tracks.py::test_a_language_is_kept_by_either_of_its_codes",
        "recording/test_tracks.py::test_timecode_is_kept",
        "recording/test_tracks.py::test_sound_of_any_length_between_two_pictures_is_kept",
        "recording/test_tracks.py::test_a_cover_that_is_an_ordinary_track_does_not_take_over",
        "media/test_kinds.py::test_profile_and_exif_are_kept_and_the_orientation_is_not",
        "media/test_broken_end.py::test_all_pictures_before_the_broken_one_are_there",
        "cli/test_cli.py::test_render_a_folder",
        "test_offline.py::test_an_avi_cut_short_is_told",
    ),
    DAMAGE: (
        "sources/test_losses.py::test_a_hole_is_counted",
        "sources/test_losses.py::test_two_holes_of_an_avi_are_counted_by_its_index",
        "sources/test_losses.py::test_it_is_told",
        "recording/test_containers.py::test_a_damaged_packet_of_sound_is_left_out_and_counted",
        "recording/test_containers.py::test_damaged_sound_of_a_live_recording_is_counted_in_its_stats",
    ),
    SEEN: (
        "recording/test_geometry.py::test_turned_and_mirrored_video_is_seen_as_players_show_it",
        "recording/test_geometry.py::test_the_network_sees_people_in_their_own_shape",
        "recording/test_geometry.py::test_pixels_keep_their_shape_or_become_square",
        "recording/test_geometry.py::test_rgb_video_becomes_yuv_that_says_which",
        "recording/test_deep.py::test_hdr_stays_where_the_codec_has_ten_bits",
        "recording/test_deep.py::test_hdr_that_is_turned_keeps_its_bits_and_its_turn",
        "recording/test_deep.py::test_hdr_is_given_as_an_ordinary_display_shows_it",
        "recording/test_deep.py::test_interlaced_video_keeps_its_flag",
    ),
    PICTURES: (
        "media/test_kinds.py::test_heic_is_read_whole_and_upright",
        "media/test_kinds.py::test_animated_pictures_are_videos_with_their_own_times",
        "media/test_kinds.py::test_orientation_and_alpha_together_and_alpha_once",
        "media/test_kinds.py::test_how_a_tiff_stores_its_pixels_is_said_of_no_other_file",
        "media/test_kinds.py::test_a_label_map_with_a_palette_is_its_indices",
        "media/test_kinds.py::test_a_huge_jpeg_is_decoded_reduced_and_it_is_said",
        "stills/test_upright.py::test_other_colours_become_bgr",
    ),
    NAMES: (
        "recording/test_file.py::test_a_name_may_be_as_long_as_a_name_may_be",
        "recording/test_file.py::test_encoders_say_nothing",
        "media/test_kinds.py::test_a_damaged_png_is_refused_and_libpng_says_nothing",
        "cli/test_cli.py::test_ctrl_c_leaves_a_playable_file",
    ),
}
"""Where more is asked of each."""

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=[f"{root}: {name}" for root, name in KINDS])


def test_the_table_is_whole() -> None:
    """Each root has kinds, and the tests that are named for it exist."""
    assert {root for root, _ in KINDS} == set(DETAILS)
    for test in (each for tests in DETAILS.values() for each in tests):
        file, name = test.split("::")
        tree = ast.parse((ROOT / "tests" / "streamer" / file).read_text())
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, test


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("lite", size=(96, 128))


def decoded_by_ffmpeg(path: Path) -> tuple[int, str]:
    """How many pictures Debian's ffmpeg decodes, and its complaints."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-map", "0:V:0", "-map", "0:a?"]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sum(line.startswith("0,") for line in done.stdout.splitlines()), done.stderr


@pytest.mark.process
@pytest.mark.media
@every_kind
def test_it_is_rendered_and_others_read_it(tmp_path: Path, parser: Parser, kind: Kind) -> None:
    source, out = kind.make(tmp_path), tmp_path / f"out{kind.suffix}"
    done = render_file(source, out, kind.rendering(parser.settings), parser=parser)
    assert done.frames == kind.frames
    if kind.suffix == ".png":
        assert read_picture(out).shape[:2] == kind.size
        return
    pictures, complaints = decoded_by_ffmpeg(out)
    assert pictures == kind.frames
    assert not complaints
    first, *more = probe(out)["streams"]
    assert (first["height"], first["width"]) == kind.size
    assert {name: first[name] for name in kind.says} == kind.says
    assert float(first["duration"]) == pytest.approx(kind.lasts_s, abs=0.05)
    sounds = [each for each in more if each["codec_type"] == "audio"]
    assert tuple(each["codec_name"] for each in sounds) == kind.sound
    assert sorted(each["codec_type"] for each in more if each not in sounds) == sorted(kind.others)
    if kind.heard_s is not None:
        assert float(sounds[0]["duration"]) == pytest.approx(kind.heard_s, abs=0.1)


@pytest.mark.slow
@pytest.mark.process
@every_kind
def test_it_is_played_and_recorded(tmp_path: Path, kind: Kind) -> None:
    source, out = kind.make(tmp_path), tmp_path / "run.mp4"
    with Stream(StreamConfig(str(source), size=(96, 128), record=str(out))) as stream:
        assert stream.join(120)
    stats = stream.stats
    assert stats.captured == kind.frames
    assert (stats.drops.no_sink, stats.sinks_ended) == (0, ())
    times = pts_of(out)
    assert len(times) == stats.shown >= 1
    assert times == sorted(set(times))
    assert len(sound_of(out)) == len(kind.sound)
