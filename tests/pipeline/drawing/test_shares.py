"""How far pixels are covered or kept: as the whole map would have it, looked at only where something is selected."""

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import Box, Size
from pipeline.drawing.enlarging import aligned
from pipeline.drawing.layers import layers
from pipeline.drawing.selection import Region, connected, joined
from pipeline.drawing.shares import AROUND_CELLS, covering, keeping
from pipeline.yuv import Yuv420

SIZES = [
    (Size(252, 448), Size(720, 1280)),
    (Size(288, 512), Size(1080, 1920)),
    (Size(320, 416), Size(480, 640)),
    (Size(288, 384), Size(241, 321)),
    (Size(60, 80), Size(46, 62)),
]


def region(map_size: Size) -> Region:
    top, left = map_size.height // 3, map_size.width // 3
    mask = np.zeros((map_size.height // 8, map_size.width // 10), np.uint8)
    cv2.ellipse(
        mask, (mask.shape[1] // 2, mask.shape[0] // 2), (mask.shape[1] // 2, mask.shape[0] // 2), 0, 0, 360, 255, -1
    )
    return Region(Box(left, top, left + mask.shape[1], top + mask.shape[0]), mask)


@pytest.mark.parametrize(("map_size", "size"), SIZES)
def test_a_part_of_a_map_gives_what_the_whole_one_does(map_size: Size, size: Size) -> None:
    one = region(map_size)
    whole = np.zeros(map_size, np.uint8)
    whole[one.box.top : one.box.bottom, one.box.left : one.box.right] = one.mask
    whole = cv2.dilate(whole, np.ones((2 * AROUND_CELLS + 1,) * 2, np.uint8))
    whole = cv2.blur(whole, (AROUND_CELLS + 1,) * 2, borderType=cv2.BORDER_REPLICATE)
    wanted = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    share = covering(one, map_size, size)
    left, top, right, bottom = share.area
    made = np.zeros(size, int)
    made[top:bottom, left:right] = share.full
    assert np.abs(made - wanted).max() <= 1


@settings(deadline=None, max_examples=200)
@given(*(st.tuples(st.integers(16, 200), st.integers(16, 200)) for _ in range(2)), st.data())
def test_each_layer_has_its_share(map_: tuple[int, int], to: tuple[int, int], data: st.DataObject) -> None:
    """Whatever the sizes and the place."""
    map_size, size = Size(*map_), Size(*to)
    top, left = (data.draw(st.integers(0, side - 1)) for side in map_size)
    height, width = (data.draw(st.integers(1, side - at)) for side, at in zip(map_size, (top, left)))
    one = Region(Box(left, top, left + width, top + height), np.full((height, width), 255, np.uint8))
    mask = np.zeros(map_size, np.uint8)
    mask[top : top + height, left : left + width] = 255
    whole = cv2.blur(
        cv2.dilate(mask, np.ones((2 * AROUND_CELLS + 1,) * 2, np.uint8)),
        (AROUND_CELLS + 1,) * 2,
        borderType=cv2.BORDER_REPLICATE,
    )
    wanted = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    bgr = np.zeros((*size, 3), np.uint8)
    even = size.height % 2 == 0 and size.width % 2 == 0
    both = layers(bgr) + (layers(Yuv420(av.VideoFrame(size.width, size.height, "yuv420p"))) if even else ())
    for share in (covering(one, map_size, size), keeping(np.full(size, 90, np.uint8), mask)):
        assert share is not None
        for layer in both:
            assert layer.part(share.area).shape[:2] == share.of(layer).shape
    made = np.zeros(size, int)
    left, top, right, bottom = covering(one, map_size, size).area
    made[top:bottom, left:right] = covering(one, map_size, size).full
    assert np.abs(made - wanted).max() <= 1


@pytest.mark.parametrize(("map_size", "size"), SIZES)
def test_only_what_is_around_the_region_is_looked_at(map_size: Size, size: Size) -> None:
    one = region(map_size)
    area = covering(one, map_size, size).area
    more = AROUND_CELLS + 3
    left, top, right, bottom = one.box
    limit = Box(left - more, top - more, right + more, bottom + more).scaled(map_size, size)
    assert limit.left - 1 <= area.left
    assert limit.top - 1 <= area.top
    assert area.right <= limit.right + 1
    assert area.bottom <= limit.bottom + 1


@pytest.mark.parametrize(("map_size", "size"), SIZES)
def test_the_region_is_covered_wholly_and_each_colour_that_it_has_a_part_of(map_size: Size, size: Size) -> None:
    one = region(map_size)
    share = covering(one, map_size, size)
    rows, columns = (
        np.minimum((np.arange(side) * cells / side).astype(int), cells - 1) for side, cells in zip(size, map_size)
    )
    whole = np.zeros(map_size, np.uint8)
    whole[one.box.top : one.box.bottom, one.box.left : one.box.right] = one.mask
    there = whole[rows][:, columns][share.area.top : share.area.bottom, share.area.left : share.area.right] > 0
    assert there.any()
    assert (share.full[there] == 255).all()
    down, across = np.nonzero(there)
    assert (share.half[down // 2, across // 2] == 255).all()


def test_an_aligned_box_has_edges_between_pixels_of_colours_too() -> None:
    for map_size, size in SIZES[:3]:
        box = aligned(region(map_size).box, map_size, size)
        for edge, cells, pixels in zip(box, map_size[::-1] * 2, size[::-1] * 2):
            assert edge * pixels % (2 * cells) == 0
    assert aligned(Box(1, 1, 2, 2), Size(97, 101), Size(360, 640)) == Box(0, 0, 101, 97)


def test_of_what_is_kept_only_its_surroundings_are_looked_at() -> None:
    mask = np.zeros((252, 448), np.uint8)
    mask[100:150, 200:240] = 255
    share = keeping(np.full((720, 1280), 90, np.uint8), mask)
    assert share is not None
    assert share.area.area < 0.06 * 720 * 1280
    assert share.full.max() == 255
    assert keeping(np.full((720, 1280), 90, np.uint8), np.zeros_like(mask)) is None


def test_what_lingers_beside_somebody_is_treated_with_them() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:30, 10:20] = mask[10:14, 21:24] = mask[50:55, 60:70] = 255
    person = Region(Box(10, 10, 20, 30), mask[10:30, 10:20])
    lingering = mask.copy()
    lingering[10:30, 10:20] = 0
    made = joined([person], connected(lingering), 2)
    assert [each.box for each in made] == [Box(10, 10, 24, 30), Box(60, 50, 70, 55)]
    together = np.zeros_like(mask)
    for each in made:
        together[each.box.top : each.box.bottom, each.box.left : each.box.right] |= each.mask
    np.testing.assert_array_equal(together, mask)


def test_a_bgr_layer_has_one_share_for_its_channels() -> None:
    share = covering(region(Size(60, 80)), Size(60, 80), Size(120, 160))
    (layer,) = layers(np.zeros((120, 160, 3), np.uint8))
    assert share.of(layer).shape == share.full.shape
