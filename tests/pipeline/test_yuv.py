"""Pictures as video has them: parts of them in BGR, and BGR in their terms."""

import threading
from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Box
from pipeline.yuv import Yuv420
from tests.support.waiting import PATIENCE_S


def coloured() -> NDArray[np.uint8]:
    small = np.random.default_rng(2).integers(40, 216, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC), np.uint8)


def picture(bgr: NDArray[np.uint8], pixels: str, matrix: int, limits: int) -> Yuv420:
    video = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(
        format=pixels, dst_colorspace=matrix, dst_color_range=limits
    )
    video.colorspace, video.color_range = matrix, limits
    return Yuv420(video)


@pytest.mark.parametrize(("pixels", "matrix", "limits"), [("yuv420p", 1, 1), ("yuv420p", 5, 1), ("yuvj420p", 5, 2)])
def test_bgr_in_a_pictures_terms_and_back(pixels: str, matrix: int, limits: int) -> None:
    like = picture(coloured(), pixels, matrix, limits)
    made = like.of_bgr(coloured())
    assert made.tags == like.tags
    assert made.shape == like.shape
    apart = np.abs(made.bgr.astype(int) - coloured())
    assert apart.mean() < 1.5
    assert np.abs(made.bgr.astype(int) - like.bgr).mean() < 1.5


@pytest.mark.parametrize(("pixels", "matrix", "limits"), [("yuv420p", 1, 1), ("yuv420p", 5, 1), ("yuvj420p", 5, 2)])
@pytest.mark.parametrize("width", [160, 150, 130])
def test_for_a_display_it_is_nearly_the_same(pixels: str, matrix: int, limits: int, width: int) -> None:
    whole = picture(np.ascontiguousarray(coloured()[:, :width]), pixels, matrix, limits)
    shown = whole.displayed()
    assert shown.shape == (120, width, 3)
    assert np.abs(shown.astype(int) - whole.bgr).mean() < 3


def test_what_is_cut_out_is_displayed_as_it_is() -> None:
    cut = picture(coloured(), "yuv420p", 1, 1).cleared()
    np.testing.assert_array_equal(cut.displayed(), cut.pixels)
    assert not np.shares_memory(cut.displayed(), cut.pixels)


@pytest.mark.parametrize("box", [Box(0, 0, 160, 120), Box(20, 10, 60, 50), Box(0, 100, 40, 120), Box(120, 0, 160, 20)])
def test_a_part_is_what_the_whole_has_there(box: Box) -> None:
    whole = picture(coloured(), "yuv420p", 1, 1)
    wanted = whole.bgr[box.top : box.bottom, box.left : box.right].astype(int)
    assert np.abs(whole.part(box) - wanted).max() <= 1


def test_pictures_of_several_streams_are_converted_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)
    scaled = Yuv420.scaled

    def meeting(picture: Yuv420, height: int, width: int) -> NDArray[np.uint8]:
        both.wait()
        return scaled(picture, height, width)

    monkeypatch.setattr(Yuv420, "scaled", meeting)
    pictures = [Yuv420(av.VideoFrame(16, 8, "yuv420p")) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda picture: picture.bgr, pictures)
    assert one is pictures[0].bgr
    assert other is pictures[1].bgr
