"""A frame into the network's input and its scores back: what is drawn in the frame comes back where it was."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import BadPicture, Box, Size
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.network.options import MULTIPLE
from pipeline.network.upsampling import best_enlarged, lead_of
from pipeline.people.instances import persons_of

GREY = 127
CELL = 4
"""Input pixels to a side of a cell of the scores."""
EDGE_PX = 1.0
"""An edge comes back within a pixel of the map: half of one for rounding to pixels, a third for interpolating over
an edge that lies inside a cell, the rest for sides of the content rounded to pixels."""
ROUNDED = 1e-5
"""Of a score: sums taken in another order, so that two that are as high may change places."""
DRIFT_PX = 0.15
"""Over many rectangles those errors cancel out; a shift of half a pixel does not."""
BUDGET = (0.8, 1.3)
"""Sides go in steps of 32: of the shorter side of a 4:1 frame, at the smallest budget used here, a third."""
MIN_USED = 0.8
"""Rounding both sides down or up by half a step leaves no more of the input grey."""

sides = st.one_of(st.integers(1, 64), st.integers(65, 7680))
frame_sizes = st.builds(Size, sides, sides)
multiples = st.integers(2, 24).map(lambda count: count * MULTIPLE)
input_sizes = st.builds(Size, multiples, multiples)
budgets = st.sampled_from([144 * 256, 256 * 448, 576 * 768])


@given(frame_sizes, input_sizes)
@example(Size(1, 1), Size(64, 64))
@example(Size(1, 7680), Size(64, 96))
@example(Size(7680, 1), Size(64, 96))
@example(Size(4320, 7680), Size(256, 448))
def test_the_fit_is_the_largest_that_keeps_the_shape(frame: Size, into: Size) -> None:
    fit = Letterbox.into(frame, into)
    assert (fit.frame_size, fit.input_size) == (frame, into)
    assert 1 <= fit.content_size.height <= into.height
    assert 1 <= fit.content_size.width <= into.width
    assert fit.content_size.height == into.height or fit.content_size.width == into.width
    scale = min(into.height / frame.height, into.width / frame.width)
    for content, whole in zip(fit.content_size, frame):
        assert content == pytest.approx(max(1.0, whole * scale), abs=0.5 + 1e-9)


@given(frame_sizes, input_sizes)
@example(Size(1, 1), Size(64, 64))
@example(Size(1, 7680), Size(64, 96))
@example(Size(64, 96), Size(64, 96))
def test_a_centred_frame_is_never_enlarged(frame: Size, into: Size) -> None:
    fit = Letterbox.centred(frame, into)
    assert (fit.frame_size, fit.input_size) == (frame, into)
    scale = min(1.0, into.height / frame.height, into.width / frame.width)
    for content, whole in zip(fit.content_size, frame):
        assert content <= whole
        assert content == pytest.approx(max(1.0, whole * scale), abs=0.5 + 1e-9)
    # In the middle, an odd row or column of grey below or to the right.
    below = into.height - fit.top - fit.content_size.height
    right = into.width - fit.left - fit.content_size.width
    assert below - fit.top in (0, 1)
    assert right - fit.left in (0, 1)


def test_a_centred_frame_that_is_too_large_is_as_large_as_can_be() -> None:
    fit = Letterbox.centred(Size(720, 1280), Size(256, 448))
    assert (fit.content_size, fit.top, fit.left) == (Size(252, 448), 2, 0)


def test_the_worked_example() -> None:
    assert Letterbox.into(Size(720, 1280), Size(256, 448)).content_size == Size(252, 448)


@given(frame_sizes, budgets)
@example(Size(1, 1), 256 * 448)
@example(Size(1, 7680), 256 * 448)
def test_network_sizes_are_multiples_and_lie_as_the_frame_does(frame: Size, pixels: int) -> None:
    size = network_size(frame, pixels)
    assert all(side % MULTIPLE == 0 and side >= 64 for side in size)
    if frame.height > frame.width:
        assert size.height >= size.width
    if frame.height < frame.width:
        assert size.height <= size.width


@given(st.integers(16, 4320), st.floats(1 / 4, 4), budgets)
def test_network_sizes_keep_to_the_budget_and_waste_little(height: int, ratio: float, pixels: int) -> None:
    frame = Size(height, max(2, round(height * ratio)))
    size = network_size(frame, pixels)
    spent = size.height * size.width
    assert BUDGET[0] * pixels <= spent <= BUDGET[1] * pixels
    content = Letterbox.into(frame, size).content_size
    assert content.height * content.width >= MIN_USED * spent


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (Size(720, 1280), Size(256, 448)),
        (Size(1280, 720), Size(448, 256)),
        (Size(480, 640), Size(288, 384)),
        (Size(500, 500), Size(352, 352)),
        (Size(2160, 3840), Size(256, 448)),
    ],
    ids=str,
)
def test_network_sizes_of_common_frames(frame: Size, size: Size) -> None:
    assert network_size(frame, 256 * 448) == size


def test_what_the_frame_does_not_cover_is_grey() -> None:
    fit = Letterbox.into(Size(30, 90), Size(64, 96))
    assert fit.content_size == Size(32, 96)
    picture = fit.shrink(np.full((30, 90, 3), (10, 20, 30), np.uint8))
    assert picture.shape == (64, 96, 3)
    assert picture.dtype == np.uint8
    assert (picture[:32] == (10, 20, 30)).all()
    assert (picture[32:] == GREY).all()


def test_a_small_centred_frame_has_grey_all_around() -> None:
    frame = np.random.default_rng(6).integers(0, 100, (31, 60, 3)).astype(np.uint8)
    picture = Letterbox.centred(Size(31, 60), Size(64, 96)).shrink(frame)
    np.testing.assert_array_equal(picture[16:47, 18:78], frame)
    picture[16:47, 18:78] = GREY
    assert (picture == GREY).all()


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
def test_the_input_is_never_the_frames_own_memory(way: Callable[[Size, Size], Letterbox]) -> None:
    frame = np.zeros((64, 96, 3), np.uint8)
    picture = way(Size(64, 96), Size(64, 96)).shrink(frame)
    assert not np.shares_memory(picture, frame)
    np.testing.assert_array_equal(picture, frame)


def test_shrinking_averages_all_that_falls_into_a_pixel() -> None:
    stripes = np.zeros((256, 384, 3), np.uint8)
    stripes[::4] = 200
    picture = Letterbox.into(Size(256, 384), Size(64, 96)).shrink(stripes)
    assert (picture == 50).all()


@pytest.mark.parametrize("height", [255, 257, 190, 170])
def test_no_row_is_skipped_at_any_size(height: int) -> None:
    """One white row in black, wherever it is, is seen: a limb far away is one."""
    fit = Letterbox.into(Size(height, 3 * height // 2), Size(96, 160))
    for row in range(100, 110):
        picture = np.zeros((*fit.frame_size, 3), np.uint8)
        picture[row] = 255
        scale = fit.content_size.height / height
        assert fit.shrink(picture)[fit.content][..., 0].sum(axis=0, dtype=np.int64).min() > 0.3 * 255 * scale


def test_a_frame_of_another_size_is_refused() -> None:
    fit = Letterbox.into(Size(30, 90), Size(64, 96))
    with pytest.raises(BadPicture, match="the picture must be 30x90, not 90x30"):
        fit.shrink(np.zeros((90, 30, 3), np.uint8))


def brightness_as_scores(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network that calls what is white class 1 and what is grey background, and is undecided half way."""
    cells = cv2.resize(picture[..., 0], None, fx=1 / CELL, fy=1 / CELL, interpolation=cv2.INTER_AREA)
    white = (cells.astype(np.float32) - GREY) / (255 - GREY)
    return np.stack([1 - white, white])


def there_and_back(fit: Letterbox, drawn: Box) -> Box:
    """Where a white rectangle of a frame is found in the labels, in pixels of their map."""
    frame = np.full((*fit.frame_size, 3), GREY, np.uint8)
    frame[drawn.top : drawn.bottom, drawn.left : drawn.right] = 255
    labels = fit.labels(brightness_as_scores(fit.shrink(frame)))
    assert labels.shape == fit.content_size
    left, top, width, height = cv2.boundingRect(labels)
    return Box(left, top, left + width, top + height)


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
@pytest.mark.parametrize(
    ("frame", "into"),
    [
        (Size(720, 1280), Size(256, 448)),
        (Size(1280, 720), Size(256, 448)),
        (Size(1280, 720), Size(448, 256)),
        (Size(481, 643), Size(288, 384)),
        (Size(500, 500), Size(352, 352)),
        (Size(100, 1000), Size(256, 448)),
        (Size(100, 150), Size(256, 384)),
        (Size(256, 448), Size(256, 448)),
    ],
    ids=str,
)
def test_a_rectangle_comes_back_where_it_was(frame: Size, into: Size, way: Callable[[Size, Size], Letterbox]) -> None:
    fit = way(frame, into)
    scale = np.array([fit.content_size.width / frame.width, fit.content_size.height / frame.height] * 2)
    cell = int(CELL / scale.min()) + 1
    random = np.random.default_rng(5)
    errors: list[NDArray[np.float64]] = []
    for _ in range(40):
        # One narrower than a cell may drown between cells; one that ends less than a cell from the rim goes on to it.
        height, width = (random.integers(3 * cell, side // 2) for side in frame)
        top, left = (random.integers(cell, side - cell - length) for side, length in zip(frame, (height, width)))
        drawn = Box(int(left), int(top), int(left + width), int(top + height))
        errors.append(np.array(there_and_back(fit, drawn)) - np.array(drawn) * scale)
    assert np.abs(errors).max() <= EDGE_PX
    across, down = np.mean(errors, axis=0).reshape(2, 2).mean(axis=0)
    assert abs(across) <= DRIFT_PX
    assert abs(down) <= DRIFT_PX


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
@pytest.mark.parametrize(
    ("frame", "into"),
    [(Size(720, 1280), Size(256, 448)), (Size(481, 643), Size(288, 384)), (Size(100, 150), Size(256, 384))],
    ids=str,
)
def test_a_person_has_the_box_that_was_drawn_in_the_frame(
    frame: Size, into: Size, way: Callable[[Size, Size], Letterbox]
) -> None:
    fit = way(frame, into)
    drawn = Box(frame.width // 4, frame.height // 3, frame.width // 2, frame.height - 9)
    picture = np.full((*frame, 3), GREY, np.uint8)
    picture[drawn.top : drawn.bottom, drawn.left : drawn.right] = 255
    instances = fit.labels(brightness_as_scores(fit.shrink(picture)))
    renumbered, (person,) = persons_of(instances, np.array([0.5]), fit)
    np.testing.assert_array_equal(renumbered, instances)
    # In pixels of the frame, and outward to whole ones.
    most = EDGE_PX * frame.height / fit.content_size.height + 1
    np.testing.assert_allclose(person.box, drawn, rtol=0, atol=most)


@pytest.mark.parametrize(("frame", "into"), [(Size(1, 1), Size(64, 64)), (Size(1, 6), Size(64, 96))], ids=str)
def test_the_smallest_frames_are_covered_whole(frame: Size, into: Size) -> None:
    fit = Letterbox.into(frame, into)
    assert there_and_back(fit, Box(0, 0, frame.width, frame.height)) == Box(0, 0, *fit.content_size[::-1])


def enlarged(fit: Letterbox, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    planes = [cv2.resize(plane, fit.input_size[::-1], interpolation=cv2.INTER_LINEAR) for plane in scores]
    return np.stack(planes)[:, *fit.content]


def enlarge_then_decide(fit: Letterbox, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What `Letterbox.labels` must equal, without any shortcut."""
    return enlarged(fit, scores).argmax(axis=0).astype(np.uint8)


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
@pytest.mark.parametrize("lead", [0.0, 2.0, 3.5, 20.0], ids=["all over", "much", "little", "background only"])
@given(st.builds(Size, st.integers(1, 300), st.integers(1, 300)), st.integers(2, 6), st.integers(2, 6), st.integers())
def test_looking_at_the_foreground_only_changes_nothing(
    lead: float, way: Callable[[Size, Size], Letterbox], frame: Size, rows: int, columns: int, seed: int
) -> None:
    fit = way(frame, Size(rows * MULTIPLE, columns * MULTIPLE))
    scores = np.random.default_rng(abs(seed)).normal(size=(20, rows * 8, columns * 8)).astype(np.float32)
    scores[0] += lead
    labels = fit.labels(scores)
    assert labels.flags.c_contiguous
    planes = enlarged(fit, scores)
    (chosen,) = np.take_along_axis(planes, labels[None].astype(np.intp), axis=0)
    np.testing.assert_allclose(chosen, planes.max(axis=0), rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("cell", [(0, 0), (0, 23), (15, 0), (15, 23), (7, 11)], ids=str)
def test_one_cell_in_a_corner_is_not_cut(cell: tuple[int, int]) -> None:
    fit = Letterbox.into(Size(64, 96), Size(64, 96))
    scores = np.zeros((3, 16, 24), np.float32)
    scores[(2, *cell)] = 1.0
    scores[0] = 0.01
    labels = fit.labels(scores)
    np.testing.assert_array_equal(labels, enlarge_then_decide(fit, scores))
    # At this lead the label reaches nearly a cell beyond its own.
    assert np.count_nonzero(labels) > CELL**2


def test_equal_scores_go_to_the_lower_id() -> None:
    fit = Letterbox.into(Size(64, 96), Size(64, 96))
    scores = np.zeros((4, 16, 24), np.float32)
    assert not fit.labels(scores).any()
    scores[2:] = 1.0
    assert (fit.labels(scores) == 2).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_what_is_wanted_is_as_if_all_were(height: int, width: int, planes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(planes, height, width)).astype(np.float32)
    ids = rng.permutation(256)[:planes].astype(np.uint8)
    wanted = rng.random((height * CELL, width * CELL)) < 0.02
    some = best_enlarged(scores, ids, CELL, wanted * np.uint8(255))
    np.testing.assert_array_equal(some[wanted], best_enlarged(scores, ids, CELL)[wanted])


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
@given(frame_sizes, input_sizes, st.sampled_from([1, 2, 4, 8]), st.integers(0, 2**32 - 1))
def test_a_grid_sees_the_middle_of_each_cell(
    way: Callable[[Size, Size], Letterbox], frame: Size, into: Size, scale: int, seed: int
) -> None:
    fit = way(frame, into)
    ids = np.random.default_rng(seed).integers(1, 256, fit.content_size, np.uint8)
    whole = np.zeros(into, np.uint8)
    whole[fit.content] = ids
    np.testing.assert_array_equal(fit.on_grid(ids, scale), whole[scale // 2 :: scale, scale // 2 :: scale])


def test_the_lead_is_that_of_the_best_class_over_background() -> None:
    scores = np.zeros((3, 1, 4), np.float32)
    scores[:, 0] = [[0, 1, 1, 1], [0, 2, 0, 1], [0, 0, 3, 1]]
    np.testing.assert_array_equal(lead_of(scores), [[0, 1, 2, 0]])


@pytest.mark.parametrize("way", [Letterbox.into, Letterbox.centred], ids=["top left", "centred"])
@given(st.sampled_from([1, 2, 4, 8]), input_sizes, st.integers(0, 2**32 - 1))
def test_ids_are_enlarged_without_a_shift(
    way: Callable[[Size, Size], Letterbox], scale: int, into: Size, seed: int
) -> None:
    ids = np.random.default_rng(seed).integers(0, 256, [side // scale for side in into], np.uint8)
    fit = way(Size(into.height, into.width - MULTIPLE // 2), into)
    down, across = (np.arange(side) // scale for side in into)
    enlarged = fit.enlarge_ids(ids)
    assert enlarged.flags.c_contiguous
    np.testing.assert_array_equal(enlarged, ids[np.ix_(down, across)][fit.content])
