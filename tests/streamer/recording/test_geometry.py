"""Pictures are seen and written as a viewer sees them: turned, mirrored, with the shape of their pixels and colours."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from pipeline import Frame, Size, load_parser
from pipeline.network.letterbox import Letterbox
from streamer import CODECS, Encoding, open_source
from streamer.recording.animation import Animation
from tests.streamer.recording.test_file import copied
from tests.support.media import Clip, pictures_of, quarters, turn_of
from tests.support.probe import video_of

TURNS = {
    (0, False): [0, 1, 2, 3],
    (90, False): [1, 3, 0, 2],
    (180, False): [3, 2, 1, 0],
    (270, False): [2, 0, 3, 1],
    (0, True): [1, 0, 3, 2],
    (90, True): [0, 2, 1, 3],
    (180, True): [2, 3, 0, 1],
    (270, True): [3, 1, 2, 0],
}
"""Degrees counterclockwise, and whether it is mirrored before: which quarter is then seen where."""


def turned(path: Path, degrees: int, mirrored: bool) -> Path:
    """A clip that says that it is to be turned and mirrored."""
    with av.open(str(Clip().make(path.with_name("plain.mp4")))) as plain, av.open(str(path), "w") as file:
        stream: Any = file.add_stream_from_template(plain.streams.video[0])
        # FFmpeg mirrors what it has turned.
        stream.set_display_rotation(-degrees if mirrored else degrees, hflip=mirrored)
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = stream
                file.mux(packet)
    return path


@pytest.mark.parametrize(("degrees", "mirrored"), TURNS)
def test_turned_and_mirrored_video_is_seen_as_players_show_it(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    with open_source(turned(tmp_path / "in.mp4", degrees, mirrored)) as opened:
        first = next(iter(opened))
    assert turn_of(first.bgr) == TURNS[degrees, mirrored]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(("degrees", "mirrored"), [(0, True), (90, True), (90, False)])
def test_a_copy_looks_like_its_source(tmp_path: Path, suffix: str, degrees: int, mirrored: bool) -> None:
    out = copied(turned(tmp_path / "in.mp4", degrees, mirrored), tmp_path / f"out{suffix}")
    assert turn_of(pictures_of(out)[0]) == TURNS[degrees, mirrored]


@pytest.mark.slow
@pytest.mark.parametrize("rotation", [0, 90])
def test_the_network_sees_people_in_their_own_shape(tmp_path: Path, rotation: int) -> None:
    with open_source(Clip(size=(64, 96), aspect=Fraction(2), rotation=rotation).make(tmp_path / "in.mp4")) as opened:
        frame = next(iter(opened))
    assert frame.pixel_aspect == (0.5 if rotation else 2.0)
    parser = load_parser("lite")
    parser(frame)
    fit = parser.fit_for(frame.size)
    shown = fit.shown_size
    assert shown == (Size(96, 32) if rotation else Size(64, 192))
    assert fit.content_size.width / fit.content_size.height == pytest.approx(shown.width / shown.height, rel=0.05)


@pytest.mark.media
@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(16, 11)])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mkv"), ("h265", ".mkv"), ("vp9", ".mp4"), ("vp9", ".mkv"), ("vp9", ".webm"), ("av1", ".webm")],
)
def test_pixels_keep_their_shape_or_become_square(
    tmp_path: Path, codec: str, suffix: str, aspect: Fraction, rotation: int
) -> None:
    """Others see pictures as wide for their height as those of the source, whatever says so."""
    source = Clip(size=(64, 96), aspect=aspect, rotation=rotation).make(tmp_path / "in.mp4")
    out = copied(source, tmp_path / f"out{suffix}", Encoding(codec))
    says = video_of(out)
    shape = says.get("sample_aspect_ratio", "1:1").replace(":", "/").replace("N/A", "1")
    shown = Fraction(shape) * says["width"] / says["height"]
    assert float(shown) == pytest.approx(float(aspect * 96 / 64), rel=0.02)
    # Where pixels were made square, none of them is black or lost.
    assert turn_of(pictures_of(out)[0]) == turn_of(pictures_of(source)[0])


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animated_pictures_have_square_pixels(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    with open_source(Clip(size=(64, 96), aspect=Fraction(2), rotation=90).make(tmp_path / "in.mp4")) as opened:
        with Animation(out, opened.info, force=False) as sink:
            for frame in opened:
                sink.write(frame.picture, frame.pts_s)
    with Image.open(out) as image:
        assert image.size == (64, 192)


def test_a_letterbox_takes_pixels_that_are_not_square_apart() -> None:
    square = Letterbox.into(Size(100, 200), Size(128, 256))
    tall = Letterbox.into(Size(100, 100), Size(128, 256), 2.0)
    assert tall.content_size == square.content_size
    grey = np.full((100, 100, 3), 90, np.uint8)
    assert tall.shrink(grey)[:128, :256].min() == 90
    assert Frame.still(grey).pixel_aspect == 1.0


@pytest.mark.parametrize("codec", CODECS)
def test_rgb_video_becomes_yuv_that_says_which(tmp_path: Path, codec: str) -> None:
    source = Clip(codec="libx264rgb", pixels="rgb24").make(tmp_path / "in.mp4")
    out = copied(source, tmp_path / "out.mp4", Encoding(codec, crf=5))
    with av.open(str(out)) as file:
        frame = next(file.decode(video=0))
    assert int(frame.colorspace) == 1
    np.testing.assert_allclose(pictures_of(out)[0][10, 10], quarters(64, 96)[10, 10], atol=6)


def test_a_jpeg_that_is_read_as_a_video_may_have_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Cam"
    Image.fromarray(np.ascontiguousarray(quarters(64, 96)[..., ::-1])).save(tmp_path / "a", "JPEG", exif=exif)
    with open_source(tmp_path / "a") as opened:
        assert turn_of(next(iter(opened)).bgr) == [0, 1, 2, 3]
