"""Drawing: colours land on what they stand for, and nothing else in the picture changes."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Look, Parsing, Person, PipelineError, Size, UnknownName, blend
from pipeline.drawing.enlarging import blurred, enlarge, window
from pipeline.drawing.look import LegendPlace

ONE_LEVEL = 1
"""Of 256: two orders of the same sum of products are rounded to whole levels."""
EDGE_PX = 0.55
"""The edge between two cells is drawn at the nearest pixel: half of one, and a little for arithmetic. Maps enlarged
by their corners instead of their pixel centres are off by half of (scale - 1)."""

COLOURS_ONLY = Look(outline=False, tags=False)
OUTLINE_ONLY = Look(opacity=0.0, tags=False)
TAGS_ONLY = Look(opacity=0.0, outline=False)
LEGEND_ONLY = Look(opacity=0.0, outline=False, tags=False, legend="auto")
EVERYTHING = Look(legend="auto")

SIZES = [
    (Size(27, 40), Size(100, 150)),
    (Size(24, 42), Size(180, 320)),
    (Size(31, 17), Size(211, 97)),
    (Size(40, 30), Size(40, 30)),
    (Size(64, 96), Size(50, 77)),
]
"""Of the map and of the frame."""


def noise(size: Size) -> Frame:
    """A picture without any colour of the palette: all its levels are between 90 and 110."""
    levels = np.random.default_rng(3).integers(90, 110, (*size, 3)).astype(np.uint8)
    return Frame.still(levels)


def parsing_of(
    labels: NDArray[np.uint8],
    size: Size,
    instances: NDArray[np.uint8] | None = None,
    people: Sequence[Person] = (),
) -> Parsing:
    return Parsing(
        labels=labels,
        instances=np.zeros_like(labels) if instances is None else instances,
        people=tuple(people),
        label_set=CIHP,
        frame_index=0,
        pts_s=0.0,
        captured_s=0.0,
        frame_size=size,
        inferred_s=0.0,
        carried_from=0,
    )


def blobs(size: Size) -> NDArray[np.uint8]:
    """A label map of a few classes with straight and crooked edges, background around and between them."""
    smooth = cv2.GaussianBlur(np.random.default_rng(8).normal(size=size), (0, 0), 3)
    ids = np.digitize(smooth, np.quantile(smooth, [0.5, 0.7, 0.85]))
    return np.array([0, 5, 9, 19], np.uint8)[ids]


def changed(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((one != other).any(axis=-1))


def bounds(where: NDArray[np.bool_]) -> Box:
    left, top, width, height = cv2.boundingRect(where.view(np.uint8))
    return Box(left, top, left + width, top + height)


def test_the_frame_is_not_written_to() -> None:
    size = Size(120, 160)
    labels = blobs(Size(30, 40))
    frame = noise(size)
    before = frame.bgr.copy()
    people = [Person(1, 0.9, Box(0, 0, 160, 120))]
    picture = blend(frame, parsing_of(labels, size, (labels > 0).view(np.uint8), people), EVERYTHING)
    np.testing.assert_array_equal(frame.bgr, before)
    assert not np.shares_memory(picture, frame.bgr)
    assert (picture.shape, picture.dtype) == (before.shape, np.uint8)


def test_no_opacity_shows_the_frame_alone() -> None:
    frame = noise(Size(120, 160))
    parsing = parsing_of(blobs(Size(30, 40)), frame.size)
    np.testing.assert_array_equal(blend(frame, parsing, COLOURS_ONLY, opacity=0.0), frame.bgr)


@pytest.mark.parametrize("opacity", [0.25, 0.5, 0.8, 1.0])
def test_opacity_is_the_share_of_the_colour(opacity: float) -> None:
    frame = noise(Size(120, 160))
    labels = np.full((30, 40), CIHP.id_of("Coat"), np.uint8)
    picture = blend(frame, parsing_of(labels, frame.size), COLOURS_ONLY, opacity=opacity)
    expected = frame.bgr * (1 - opacity) + CIHP.palette[CIHP.id_of("Coat")] * opacity
    assert np.abs(picture - expected).max() <= ONE_LEVEL


def test_the_looks_own_opacity_counts_unless_another_is_given() -> None:
    frame = noise(Size(60, 80))
    parsing = parsing_of(np.full((30, 40), 5, np.uint8), frame.size)
    opaque = Look(opacity=1.0, outline=False, tags=False)
    assert (blend(frame, parsing, opaque) == CIHP.palette[5]).all()
    np.testing.assert_array_equal(blend(frame, parsing, opaque, opacity=0.5), blend(frame, parsing, COLOURS_ONLY))
    np.testing.assert_array_equal(blend(frame, parsing), blend(frame, parsing, Look(opacity=0.5)))


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_that_cannot_be_is_refused(opacity: float) -> None:
    frame = noise(Size(6, 8))
    with pytest.raises(PipelineError, match=f"opacity is between 0 and 1, not {opacity}"):
        Look(opacity=opacity)
    with pytest.raises(PipelineError, match=f"not {opacity}"):
        blend(frame, parsing_of(np.zeros((3, 4), np.uint8), frame.size), opacity=opacity)


@pytest.mark.parametrize(("map_size", "size"), SIZES, ids=str)
def test_colours_lie_on_the_labels_and_nothing_else_changes(map_size: Size, size: Size) -> None:
    frame = noise(size)
    labels = blobs(map_size)
    picture = blend(frame, parsing_of(labels, size), COLOURS_ONLY, opacity=1.0)
    inside = (labels > 0).view(np.uint8) * np.uint8(255)
    soft = cv2.resize(blurred(inside, Size(*inside.shape), size), size[::-1], interpolation=cv2.INTER_LINEAR).astype(
        int
    )
    # Exactly half way between a label and background it may go either way.
    sure = np.abs(soft - 127.5) > 1 + ONE_LEVEL
    differs = changed(picture, frame.bgr)
    np.testing.assert_array_equal(differs[sure], (soft > 127)[sure])
    np.testing.assert_array_equal(picture[~differs], frame.bgr[~differs])


@pytest.mark.parametrize(("map_size", "size"), SIZES, ids=str)
def test_edges_are_drawn_where_the_cells_meet(map_size: Size, size: Size) -> None:
    frame = noise(size)
    random = np.random.default_rng(1)
    scale = np.array([size.width / map_size.width, size.height / map_size.height] * 2)
    for _ in range(20):
        top, left = (int(random.integers(1, side // 2)) for side in map_size)
        bottom, right = (int(random.integers(start + 4, side)) for start, side in zip((top, left), map_size))
        labels = np.zeros(map_size, np.uint8)
        labels[top:bottom, left:right] = 5
        picture = blend(frame, parsing_of(labels, size), COLOURS_ONLY, opacity=1.0)
        painted = changed(picture, frame.bgr)
        np.testing.assert_allclose(bounds(painted), np.array([left, top, right, bottom]) * scale, rtol=0, atol=EDGE_PX)
        # To its very rim in its own colour: not mixed with the black that background would have.
        assert np.abs(picture[painted].astype(int) - CIHP.palette[5]).max() <= ONE_LEVEL


def test_the_picture_is_the_right_way_up() -> None:
    frame = noise(Size(90, 160))
    labels = np.repeat(np.repeat(np.array([[1, 5], [9, 18]], np.uint8), 9, axis=0), 16, axis=1)
    picture = blend(frame, parsing_of(labels, frame.size), COLOURS_ONLY, opacity=1.0)
    spots = [(22, 40), (22, 120), (67, 40), (67, 120)]
    np.testing.assert_array_equal([picture[spot] for spot in spots], CIHP.palette[[1, 5, 9, 18]])


def test_hidden_classes_are_as_if_they_were_not_there() -> None:
    frame = noise(Size(120, 160))
    labels = blobs(Size(30, 40))
    instances = np.where(labels == 9, 1, 0).astype(np.uint8)
    people = [Person(1, 0.9, Box(0, 0, 160, 120))]
    hidden = Look(tags=False, hidden=frozenset({"pants"}))
    picture = blend(frame, parsing_of(labels, frame.size, instances, people), hidden)
    without = parsing_of(np.where(labels == 9, 0, labels).astype(np.uint8), frame.size)
    np.testing.assert_array_equal(picture, blend(frame, without, Look(tags=False)))
    assert changed(picture, blend(frame, parsing_of(labels, frame.size), COLOURS_ONLY)).any()


@pytest.mark.parametrize("legend", ["off", "auto"])
def test_a_hidden_name_that_there_is_not_is_refused(legend: LegendPlace) -> None:
    frame = noise(Size(6, 8))
    with pytest.raises(UnknownName, match="no class or group in label set cihp 'Tail'; there are: Background, Hat"):
        blend(
            frame,
            parsing_of(np.zeros((3, 4), np.uint8), frame.size),
            Look(legend=legend, hidden=frozenset({"Tail"})),
        )


@given(
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.builds(Size, st.integers(1, 120), st.integers(1, 120)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from([(), (3,)]),
    st.integers(0, 2**32 - 1),
)
def test_enlarging_a_part_gives_that_part_of_the_whole(
    small_size: tuple[int, int],
    size: Size,
    cuts: tuple[float, float, float, float],
    channels: tuple[int, ...],
    seed: int,
) -> None:
    small = np.random.default_rng(seed).integers(0, 256, small_size + channels).astype(np.uint8)
    left, right = sorted(int(cut * (size.width - 1)) for cut in cuts[:2])
    top, bottom = sorted(int(cut * (size.height - 1)) for cut in cuts[2:])
    part = enlarge(small, size, Box(left, top, right + 1, bottom + 1)).astype(int)
    whole = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(part - whole[top : bottom + 1, left : right + 1]).max() <= ONE_LEVEL


@pytest.mark.parametrize("size", [Size(720, 1280), Size(360, 640)], ids=str)
@pytest.mark.parametrize("map_size", [(252, 448), (378, 672), (288, 512)])
def test_a_part_of_usual_sizes_is_that_of_the_whole_to_the_last_bit(map_size: tuple[int, int], size: Size) -> None:
    """So that it does not matter how many people are in the picture, and where."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, map_size, np.uint8)
    whole = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
    for _ in range(20):
        top, bottom = sorted(random.choice(size.height, 2, replace=False).tolist())
        left, right = sorted(random.choice(size.width, 2, replace=False).tolist())
        part = enlarge(small, size, Box(left, top, right, bottom))
        if bottom - top > 100 < right - left:  # of a narrower part more is enlarged than warping takes time
            np.testing.assert_array_equal(part, whole[top:bottom, left:right])


def test_a_part_that_is_at_hand_goes_on_as_at_its_edges() -> None:
    small = np.random.default_rng(0).integers(0, 256, (252, 448), np.uint8)
    there, area = Box(100, 60, 200, 160), Box(250, 150, 600, 480)
    bounded = cv2.copyMakeBorder(small[60:160, 100:200], 60, 92, 100, 248, cv2.BORDER_REPLICATE)
    part = window(small[60:160, 100:200], there, Size(252, 448), Size(720, 1280), area)
    np.testing.assert_array_equal(part, enlarge(np.asarray(bounded), Size(720, 1280), area))


def test_enlarging_the_whole_is_what_opencv_does_quickest() -> None:
    small = np.random.default_rng(0).integers(0, 256, (63, 112), np.uint8)
    whole = cv2.resize(small, (640, 360), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(enlarge(small, Size(360, 640), Box(0, 0, 640, 360)), whole)


def test_without_outline_and_tags_persons_leave_no_mark() -> None:
    size = Size(100, 150)
    instances = np.zeros((20, 30), np.uint8)
    instances[5:15, 5:15] = 1
    labels = instances * np.uint8(5)
    alone = parsing_of(labels, size)
    with_people = parsing_of(labels, size, instances, [Person(1, 0.9, Box(25, 25, 75, 75))])
    np.testing.assert_array_equal(
        blend(noise(size), with_people, COLOURS_ONLY), blend(noise(size), alone, COLOURS_ONLY)
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2), (1, 40), (40, 1), (9, 9)], ids=str)
def test_tiny_pictures_are_drawn_on_too(size: tuple[int, int]) -> None:
    height, width = size
    frame = noise(Size(height, width))
    boxes = [Box(0, 0, width, height), Box(width - 1, height - 1, width, height), Box(0, 0, 1, 1)]
    labels = np.full((64, 96), 5, np.uint8)
    instances = np.ones((64, 96), np.uint8)
    people = [Person(index, 0.9, box) for index, box in enumerate(boxes, start=1)]
    parsing = parsing_of(labels, frame.size, instances, people)
    picture = blend(frame, parsing, EVERYTHING)
    assert picture.shape == (*size, 3)
    blend(frame, parsing, OUTLINE_ONLY)  # around all of the picture, and so nowhere in it
    for look in (COLOURS_ONLY, TAGS_ONLY, LEGEND_ONLY):
        assert changed(blend(frame, parsing, look), frame.bgr).any(), look


def test_faces_are_drawn_fainter_and_opaque_at_full_opacity() -> None:
    frame = noise(Size(120, 160))
    labels = np.full((30, 40), CIHP.id_of("Face"), np.uint8)
    labels[:, 20:] = CIHP.id_of("Hair")
    parsing = parsing_of(labels, frame.size)
    for opacity in (0.3, 0.5, 1.0):
        picture = blend(frame, parsing, COLOURS_ONLY, opacity=opacity).astype(float)
        for name, part, share in (("Face", np.s_[:, :70], opacity**2), ("Hair", np.s_[:, 90:], opacity)):
            expected = frame.bgr * (1 - share) + CIHP.palette[CIHP.id_of(name)] * share
            assert np.abs(picture - expected)[part].max() <= ONE_LEVEL, (name, opacity)


def test_a_face_among_others_leaves_no_gap() -> None:
    """Two opacities meet along a smoothed line, and no pixel of a person is left without either."""
    frame = noise(Size(240, 320))
    labels = np.full((60, 80), CIHP.id_of("Hair"), np.uint8)
    for row, column in np.random.default_rng(5).integers(4, 50, (12, 2)):
        labels[row : row + 6, column : column + 5] = CIHP.id_of("Face")
    picture = blend(frame, parsing_of(labels, frame.size), COLOURS_ONLY).astype(float)
    colours = CIHP.palette[[CIHP.id_of("Hair"), CIHP.id_of("Face")]].astype(float)
    # Nowhere nearer to the picture than the fainter of the two leaves it.
    untouched = np.abs(picture - frame.bgr).sum(axis=-1) < 0.2 * np.abs(colours - 100).sum(axis=-1).min()
    assert not untouched.any()


@pytest.mark.parametrize(
    ("look", "ids"),
    [
        (Look(only=frozenset({"hair", "Face"})), {2, 13}),
        (Look(only=frozenset({"Hair", "Face"}), hidden=frozenset({"Face"})), {2}),
        (Look(hidden=frozenset({"Hat"})), set(range(2, 20))),
        (Look(), set(range(1, 20))),
        (Look(only=frozenset({"Background"})), set()),
    ],
)
def test_classes_that_are_shown(look: Look, ids: set[int]) -> None:
    assert set(np.flatnonzero(look.shown(CIHP)).tolist()) == ids


def test_only_some_classes_are_drawn() -> None:
    frame = noise(Size(120, 160))
    labels = blobs(Size(30, 40))
    picture = blend(frame, parsing_of(labels, frame.size), replace(COLOURS_ONLY, only=frozenset({"pants"})))
    without = parsing_of(np.where(labels == 9, 9, 0).astype(np.uint8), frame.size)
    np.testing.assert_array_equal(picture, blend(frame, without, COLOURS_ONLY))
    assert changed(picture, frame.bgr).any()


def test_an_only_name_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownName, match="no class or group in label set cihp 'Tail'; there are: Background, Hat"):
        Look(only=frozenset({"Tail"})).shown(CIHP)


def test_a_place_of_the_legend_that_there_is_not_is_refused() -> None:
    with pytest.raises(PipelineError, match="legend is one of off, auto, left, right, below, not 'top'"):
        Look(legend="top")  # type: ignore[arg-type]
