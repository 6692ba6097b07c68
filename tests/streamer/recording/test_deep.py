"""Ten bits, HDR and fields go through, and are never said to be what they are not."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.yuv import DEEP_FORMAT, Yuv420
from streamer import Encoding, Recorder, open_source
from streamer.media.light import Light, light_of
from streamer.media.packet_queue import PacketQueue
from tests.streamer.recording.test_file import copied, info
from tests.support.media import quarters
from tests.support.probe import video_of

LIGHT = Light((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000.0), (1000, 400))


def fine(value: int = 601) -> av.VideoFrame:
    """A picture of 10 bits, whose last two are not 0."""
    frame = av.VideoFrame(96, 64, DEEP_FORMAT)
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint16)[:] = value
    return frame


def ten_bits(path: Path, transfer: int = 16) -> Path:
    """A clip of PQ, of values that 8 bits do not have."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("ffv1", 25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, DEEP_FORMAT
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, transfer
        for index in range(5):
            frame = fine(401 + 4 * index)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def first_of(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


@pytest.mark.parametrize(("codec", "kind"), [("h265", DEEP_FORMAT), ("av1", DEEP_FORMAT), ("h264", "yuv420p")])
def test_ten_bits_stay_where_the_codec_has_them(tmp_path: Path, codec: str, kind: str) -> None:
    out = copied(ten_bits(tmp_path / "in.mkv"), tmp_path / "out.mkv", Encoding(codec, crf=1))
    frame = first_of(out)
    assert frame.format.name == kind
    assert [int(each) for each in (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)] == [
        9,
        1,
        9,
        16,
    ]
    if kind == DEEP_FORMAT:
        assert abs(float(np.frombuffer(memoryview(frame.planes[0]), np.uint16)[:96].mean()) - 401) < 1


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
        times = [frame.pts_s for frame in opened]
    assert times == pytest.approx([index / 25 for index in range(8)])


@pytest.mark.media
@pytest.mark.parametrize(("order", "says"), [("tff", "tt"), ("bff", "bb")])
def test_interlaced_video_keeps_its_flag(tmp_path: Path, order: str, says: str) -> None:
    out = copied(interlaced(tmp_path / "in.mp4", order), tmp_path / "out.mp4")
    assert video_of(out)["field_order"] == says
    with open_source(out) as opened:
        assert opened.info.tags.fields == order


def test_a_codec_without_fields_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        interlaced(tmp_path / "out.mp4", codec="h265")
    assert "is interlaced, which h265 cannot be here: --deinterlace" in caplog.text
