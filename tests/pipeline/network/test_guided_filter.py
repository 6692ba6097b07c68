"""Coarse values along a picture's borders."""

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Frame, Size, load_parser
from pipeline.lite.decode import decode
from pipeline.network.guided_filter import CONTRAST, follow
from pipeline.network.letterbox import Letterbox
from tests.support.paths import STREET

CELL = 4
CLIP = STREET


def halves(height: int, width: int, border: int, dark: int = 60, bright: int = 180) -> NDArray[np.uint8]:
    """A picture that is dark up to a column, and bright from there on."""
    picture = np.full((height, width, 3), dark, np.uint8)
    picture[:, border:] = bright
    return picture


def share_right_of(border: int, rows: int, columns: int) -> NDArray[np.float32]:
    """What a coarse grid knows of where that column is: how much of each cell is to the right of it."""
    begins = np.arange(columns) * CELL
    share = np.clip((begins + CELL - border) / CELL, 0, 1)
    return np.tile(share.astype(np.float32), (rows, 1))


@pytest.mark.parametrize("border", range(20, 28))
def test_a_border_within_a_cell_is_found_to_the_pixel(border: int) -> None:
    picture = halves(32, 48, border)
    inside = follow(share_right_of(border, 8, 12), picture) > 0.5
    np.testing.assert_array_equal(inside, picture[..., 0] == 180)


@pytest.mark.parametrize("border", [22, 23, 25, 26])
def test_a_border_is_drawn_where_it_is_seen_and_not_where_the_grid_has_it(border: int) -> None:
    picture = halves(32, 48, border)
    coarse = share_right_of(24, 8, 12)
    plain = cv2.resize(coarse, (48, 32), interpolation=cv2.INTER_LINEAR) > 0.5
    followed = follow(coarse, picture) > 0.5
    off = [np.count_nonzero(each != (picture[..., 0] == 180)) / 32 for each in (plain, followed)]
    assert off[0] == abs(border - 24)
    assert off[1] < off[0]


def test_who_is_a_cell_wide_does_not_fade() -> None:
    coarse = np.zeros((8, 12), np.float32)
    coarse[:, 5] = 1
    inside = follow(coarse, halves(32, 48, 20, dark=100, bright=100)) > 0.5
    assert inside[:, 21:23].all()
    assert not inside[:, :18].any()
    assert not inside[:, 26:].any()


def test_noise_moves_no_border() -> None:
    noise = np.random.default_rng(1).normal(128, CONTRAST / 7, (32, 48, 1)).clip(0, 255)
    coarse = share_right_of(24, 8, 12)
    inside = follow(coarse, np.repeat(noise, 3, axis=2).astype(np.uint8)) > 0.5
    assert not inside[:, :22].any()
    assert inside[:, 26:].all()


def test_what_is_the_same_everywhere_stays_so() -> None:
    picture = halves(32, 48, 21)
    for value in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(follow(np.full((8, 12), value, np.float32), picture), value, atol=1e-4)


def test_labels_end_where_the_picture_does() -> None:
    fit = Letterbox.into(Size(32, 48), Size(32, 48))
    scores = np.zeros((3, 8, 12), np.float32)
    likely = share_right_of(24, 8, 12).clip(0.02, 0.98)
    scores[2] = np.log(likely / (1 - likely))
    scores[1] = scores[2] - 1
    picture = halves(32, 48, 22)
    # The second class wherever the picture is bright, though the grid's own border is two pixels on.
    np.testing.assert_array_equal(fit.labels(scores, picture), np.where(picture[..., 0] == 180, 2, 0))
    np.testing.assert_array_equal(fit.labels(scores)[:, 21:26], [[0, 0, 0, 2, 2]] * 32)


def test_a_parser_lets_its_labels_follow() -> None:
    parser = load_parser(size=(576, 768), precision="f32")
    with av.open(str(CLIP)) as container:
        frame = Frame.still(next(container.decode(video=0)).to_ndarray(format="bgr24"))
    fit = parser.fit_for(frame.size)
    small = fit.shrink(frame.bgr)
    answer = parser.network(fit.input_size).start(small).result()
    followed, plain = parser.infer(small, fit, 0.0).labels, decode(answer.outputs[0], answer.outputs[1], fit).labels
    changed = (followed > 0) != (plain > 0)
    # At edges, and where it is doubtful whether anybody is there; not within people.
    assert 0.01 < np.count_nonzero(changed) / np.count_nonzero(plain) < 0.3
    within = cv2.erode((plain > 0).view(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert np.count_nonzero(changed & within) < 0.02 * np.count_nonzero(within)
