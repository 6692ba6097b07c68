"""Ten bits, HDR and fields go through, and are never said to be what they are not."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline import Size, load_parser
from pipeline.hdr import HLG, PQ
from pipeline.yuv import DEEP_FORMAT, Yuv420
from streamer import Encoding, Recorder, Rendering, open_source, render_file
from streamer.media.light import Light, light_of
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import VideoTags
from tests.streamer.recording.test_file import copied, info
from tests.support.media import Clip, pictures_of, quarters, turn_of
from tests.support.probe import video_of

LIGHT = Light((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000.0), (1000, 400))


def fine(value: int = 601, colour: int | None = None) -> av.VideoFrame:
    """A picture of 10 bits, whose last two are not 0."""
    frame = av.VideoFrame(96, 64, DEEP_FORMAT)
    for number, plane in enumerate(frame.planes):
        np.frombuffer(memoryview(plane), np.uint16)[:] = value if colour is None or not number else colour
    return frame


def ten_bits(path: Path, transfer: int = 16, first: int = 401, rotation: int = 0) -> Path:
    """A clip of HDR, by default PQ, of values that 8 bits do not have."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("ffv1", 25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, DEEP_FORMAT
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, transfer
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(5):
            frame = fine(first + 4 * index, 512)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def first_of(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


def colours_of(frame: av.VideoFrame) -> list[int]:
    return [int(each) for each in (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)]


@pytest.mark.parametrize("codec", ["h265", "av1"])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_stays_where_the_codec_has_ten_bits(tmp_path: Path, codec: str, transfer: int) -> None:
    out = copied(ten_bits(tmp_path / "in.mkv", transfer), tmp_path / "out.mkv", Encoding(codec, crf=1), hdr=True)
    frame = first_of(out)
    assert frame.format.name == DEEP_FORMAT
    assert colours_of(frame) == [9, 1, 9, transfer]
    assert abs(float(np.frombuffer(memoryview(frame.planes[0]), np.uint16)[:96].mean()) - 401) < 1


def planes_of(frame: av.VideoFrame) -> list[bytes]:
    size = 2 if frame.format.name == DEEP_FORMAT else 1
    return [
        np.frombuffer(memoryview(each), np.uint8).reshape(each.height, -1)[:, : size * each.width].tobytes()
        for each in frame.planes
    ]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("pixels", ["yuv420p", DEEP_FORMAT])
def test_planes_turned_and_turned_back_are_the_same(pixels: str, rotation: int, mirrored: bool) -> None:
    frame = av.VideoFrame.from_ndarray(quarters(64, 96), format="bgr24").reformat(format=pixels, dst_colorspace=9)
    frame.colorspace, frame.color_range, frame.color_trc = 9, 1, HLG  # type: ignore[assignment]
    tags = VideoTags(rotation=rotation, mirrored=mirrored)
    upright = tags.upright_planes(frame)
    assert turn_of(upright.to_ndarray(format="bgr24")) == turn_of(tags.upright(quarters(64, 96)))
    assert Size(upright.height, upright.width) == tags.stored_size(Size(64, 96))
    back = tags.stored_planes(upright)
    assert (planes_of(back), colours_of(back)) == (planes_of(frame), colours_of(frame))


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_hdr_that_is_turned_keeps_its_bits_and_its_turn(tmp_path: Path, rotation: int) -> None:
    """As telephones film it that are held upright."""
    source = ten_bits(tmp_path / "in.mkv", HLG, rotation=rotation)
    out = copied(source, tmp_path / "out.mp4", Encoding("h265", crf=1), hdr=True)
    frame = first_of(out)
    assert (frame.height, frame.width, frame.format.name) == (64, 96, DEEP_FORMAT)
    assert colours_of(frame) == [9, 1, 9, HLG]
    assert abs(float(np.frombuffer(memoryview(frame.planes[0]), np.uint16)[:96].mean()) - 401) < 1
    with open_source(source, hdr=True) as before, open_source(out, hdr=True) as after:
        assert after.info.tags.rotation == before.info.tags.rotation == rotation % 360
        assert after.info.frame_size == before.info.frame_size


WHITE_WALL = {PQ: 573, HLG: 721}
"""203 nits as BT.2408 has them: 58 and 75 %, of 64 to 940."""


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_given_as_an_ordinary_display_shows_it(
    tmp_path: Path, transfer: int, caplog: pytest.LogCaptureFixture
) -> None:
    source = ten_bits(tmp_path / "in.mkv", transfer, WHITE_WALL[transfer])
    with caplog.at_level(logging.WARNING):
        out = copied(source, tmp_path / "out.mp4")
    assert "in.mkv is HDR: it is shown and written as ordinary video" in caplog.text
    frame = first_of(out)
    assert frame.format.name == "yuv420p"
    assert colours_of(frame) == [1, 1, 1, 1]
    # A white wall is nearly white: a tenth is left to lamps.
    assert 215 < pictures_of(out)[0].mean() < 245


def test_hdr_that_is_kept_is_parsed_as_it_is_seen(tmp_path: Path) -> None:
    source = ten_bits(tmp_path / "in.mkv", PQ, WHITE_WALL[PQ])
    with open_source(source) as seen, open_source(source, hdr=True) as kept:
        for plain, fine_one in zip(seen, kept, strict=True):
            assert isinstance(fine_one.picture, Yuv420)
            assert fine_one.picture.deep is not None
            np.testing.assert_allclose(fine_one.bgr, plain.bgr, atol=3)
            np.testing.assert_allclose(fine_one.picture.copy().bgr, plain.bgr, atol=3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_white_lines_on_hdr_are_no_lamps(tmp_path: Path, transfer: int) -> None:
    with open_source(ten_bits(tmp_path / "in.mkv", transfer), hdr=True) as source:
        (frame, *_) = source
    assert isinstance(frame.picture, Yuv420)
    luma, *chroma = frame.picture.colours(np.full((1, 3), 255, np.uint8))[0]
    assert abs(int(luma) - WHITE_WALL[transfer] / 4) <= 1
    assert chroma == [128, 128]


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_an_ordinary_picture_in_a_recording_of_hdr_looks_the_same(tmp_path: Path, transfer: int) -> None:
    out = tmp_path / "out.mkv"
    about = info(bits=10, matrix=9, colour_range=1, primaries=9, transfer=transfer)
    with Recorder(out, about, PacketQueue(), Encoding("h265", crf=4), force=False) as recorder:
        for index in range(3):
            recorder.write(quarters(64, 96), index / 25)
    assert colours_of(first_of(out)) == [9, 1, 9, transfer]
    with open_source(out) as source:
        (first, *_) = source
    for spot in ((10, 10), (10, 80), (50, 10), (50, 80)):  # what is bright makes room for what is brighter still
        np.testing.assert_allclose(first.bgr[spot].astype(int), quarters(64, 96)[spot], atol=25)


def test_ten_bits_that_are_no_hdr_stay_or_become_eight(tmp_path: Path) -> None:
    source = ten_bits(tmp_path / "in.mkv", transfer=1)
    assert first_of(copied(source, tmp_path / "a.mkv", Encoding("h265"))).format.name == DEEP_FORMAT
    assert first_of(copied(source, tmp_path / "b.mkv")).format.name == "yuv420p"


def test_what_is_not_drawn_on_keeps_its_last_bits() -> None:
    plain = fine().reformat(format="yuv420p")
    picture = Yuv420(plain, fine())
    assert picture.deepened() is picture.deep
    drawn = picture.copy()
    drawn.planes[0][:10] = 7
    luma = np.frombuffer(memoryview(drawn.deepened().planes[0]), np.uint16).reshape(64, -1)[:, :96]
    assert (luma[:10] == 7 << 2).all()
    assert (luma[10:] == 601).all()


def test_a_band_below_has_eight_bits() -> None:
    drawn = Yuv420(fine().reformat(format="yuv420p"), fine()).copy(rows_below=2)
    assert drawn.deepened().height == 66


@pytest.mark.parametrize("codec", ["h265", "av1"])
def test_the_display_it_was_made_for_is_kept(tmp_path: Path, codec: str) -> None:
    out = tmp_path / "out.mp4"
    about = info(bits=10, light=LIGHT, matrix=9, colour_range=1, primaries=9, transfer=16)
    with Recorder(out, about, PacketQueue(), Encoding(codec), force=False) as recorder:
        for index in range(5):
            recorder.write(quarters(64, 96), index / 25)
    found = light_of(first_of(out))
    assert found is not None
    assert found.content == LIGHT.content
    np.testing.assert_allclose(found.display or (), LIGHT.display or (), rtol=1e-3, atol=1e-4)


def interlaced(path: Path, order: str = "tff", codec: str = "h264") -> Path:
    with Recorder(path, info(fields=order), PacketQueue(), Encoding(codec), force=False) as recorder:
        for index in range(8):
            recorder.write(np.roll(quarters(64, 96), 3 * index, axis=1), index / 25)
    return path


def test_deinterlaced_video_has_as_many_pictures_each_of_them_whole(tmp_path: Path) -> None:
    source = interlaced(tmp_path / "in.mp4")
    assert first_of(source).interlaced_frame
    with open_source(source, deinterlace=True) as opened:
        assert opened.info.tags.fields is None
        frames = list(opened)
    assert [frame.pts_s for frame in frames] == pytest.approx([index / 25 for index in range(8)])
    assert [frame.duration_s for frame in frames] == pytest.approx([1 / 25] * 8)


@pytest.mark.media
@pytest.mark.parametrize(("order", "says"), [("tff", "tt"), ("bff", "bb")])
def test_interlaced_video_keeps_its_flag(tmp_path: Path, order: str, says: str) -> None:
    out = copied(interlaced(tmp_path / "in.mp4", order), tmp_path / "out.mp4")
    assert video_of(out)["field_order"] == says
    with open_source(out) as opened:
        assert opened.info.tags.fields == order


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_interlaced_video_stays_so_or_is_made_whole(
    tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = interlaced(tmp_path / "in.mp4"), tmp_path / "out.mkv"
    with caplog.at_level(logging.WARNING):
        render_file(source, out, Rendering(encoding=Encoding(codec)), parser=load_parser("lite", size=(64, 96)))
    assert first_of(out).interlaced_frame == (codec == "h264")
    assert ("is interlaced: whole pictures are made" in caplog.text) == (codec != "h264")
    assert len(pictures_of(out)) == 8


def test_rgb_goes_by_a_deinterlacer_untouched(tmp_path: Path) -> None:
    """FFmpeg's has no RGB, and would make YUV of it, of no matrix in particular."""
    source = Clip(codec="png", pixels="rgb24").make(tmp_path / "in.mov")
    with open_source(source) as plain, open_source(source, deinterlace=True) as whole:
        for one, other in zip(plain, whole, strict=True):
            np.testing.assert_array_equal(one.bgr, other.bgr)
