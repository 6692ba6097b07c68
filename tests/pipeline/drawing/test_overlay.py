"""Drawing: colours land on what they stand for, and nothing else in the picture changes."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Look, Parsing, Person, PipelineError, Size, UnknownName, blend
from pipeline.drawing.canvas import enlarge

ONE_LEVEL = 1
"""Of 256: two orders of the same sum of products are rounded to whole levels."""
EDGE_PX = 0.55
"""The edge between two cells is drawn at the nearest pixel: half of one, and a little for arithmetic. Maps enlarged
by their corners instead of their pixel centres are off by half of (scale - 1)."""

COLOURS_ONLY = Look(outline=False, tags=False)
OUTLINE_ONLY = Look(opacity=0.0, tags=False)
TAGS_ONLY = Look(opacity=0.0, outline=False)
LEGEND_ONLY = Look(opacity=0.0, outline=False, tags=False, legend=True)
EVERYTHING = Look(legend=True)

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
    soft = cv2.resize(inside, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
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


@pytest.mark.parametrize("legend", [False, True])
def test_a_hidden_name_that_there_is_not_is_refused(legend: bool) -> None:
    frame = noise(Size(6, 8))
    with pytest.raises(UnknownName, match="no class in label set cihp 'Tail'; there are: Background, Hat"):
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


def test_enlarging_the_whole_is_what_opencv_does_quickest() -> None:
    small = np.random.default_rng(0).integers(0, 256, (63, 112), np.uint8)
    whole = cv2.resize(small, (640, 360), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(enlarge(small, Size(360, 640), Box(0, 0, 640, 360)), whole)


def rim(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The pixels of a mask that touch what is outside it."""
    within = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return mask.view(np.uint8) - within


@pytest.mark.parametrize(("map_size", "size"), SIZES[:3], ids=str)
def test_each_person_is_outlined(map_size: Size, size: Size) -> None:
    frame = noise(size)
    instances = np.zeros(map_size, np.uint8)
    third = map_size.width // 3
    instances[4:-4, 2 : third + 2] = 1
    # Side by side with the first, so that only an outline around each of them separates the two.
    instances[7:-2, third + 2 : 2 * third + 4] = 2
    labels = (instances > 0).view(np.uint8) * np.uint8(5)
    big = [cv2.resize((instances == index) * np.uint8(255), size[::-1]) > 127 for index in (1, 2)]
    people = [Person(index, 0.9, bounds(mask)) for index, mask in enumerate(big, start=1)]
    picture = blend(frame, parsing_of(labels, size, instances, people), OUTLINE_ONLY)
    rims = rim(big[0]) | rim(big[1])
    # A line with smooth sides is nearly white along its middle, and gone two pixels away.
    white = (picture > 200).all(axis=-1).view(np.uint8)
    drawn = changed(picture, frame.bgr).view(np.uint8)
    missing = np.count_nonzero(rims & ~cv2.dilate(white, np.ones((3, 3), np.uint8)))
    astray = np.count_nonzero(drawn & ~cv2.dilate(rims, np.ones((5, 5), np.uint8)))
    assert (missing, astray) == (0, 0)


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


def tag(box: Box, track_id: int, height: int = 120) -> tuple[Box, NDArray[np.uint8]]:
    """Where the tag of a person is drawn in a picture 160 wide, and what it looks like."""
    frame = Frame.still(np.full((height, 160, 3), 100, np.uint8))
    people = [Person(track_id, 0.9, box)]
    picture = blend(frame, parsing_of(np.zeros((8, 8), np.uint8), frame.size, people=people), TAGS_ONLY)
    where = bounds(changed(picture, frame.bgr))
    return where, picture[where.top : where.bottom, where.left : where.right]


def test_a_tag_stands_on_its_box_where_there_is_room() -> None:
    where, _ = tag(Box(70, 60, 90, 100), 1)
    assert (where.left, where.bottom) == (70, 60)


@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 30, 60),
        Box(60, 0, 90, 60),
        Box(140, 0, 160, 60),
        Box(159, 60, 160, 61),
        Box(130, 80, 160, 120),
        Box(60, 119, 61, 120),
        Box(0, 90, 30, 120),
        Box(0, 50, 1, 51),
        Box(0, 0, 160, 120),
        Box(60, 5, 90, 60),
    ],
    ids=str,
)
@pytest.mark.parametrize("track_id", [1, 888], ids=str)
def test_a_tag_is_whole_wherever_the_person_is(box: Box, track_id: int) -> None:
    _, whole = tag(Box(70, 60, 90, 100), track_id)
    np.testing.assert_array_equal(tag(box, track_id)[1], whole)
    assert (whole > 200).any()


@pytest.mark.parametrize("top", [0, 5, 11, 14, 24])
def test_a_tag_is_whole_in_a_picture_hardly_taller(top: int) -> None:
    _, whole = tag(Box(70, 60, 90, 100), 1)
    assert whole.shape[0] <= 25
    np.testing.assert_array_equal(tag(Box(70, top, 90, 25), 1, height=25)[1], whole)


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
    for look in (COLOURS_ONLY, OUTLINE_ONLY, TAGS_ONLY, LEGEND_ONLY):
        assert changed(blend(frame, parsing, look), frame.bgr).any(), look


def swatches(picture: NDArray[np.uint8], names: Sequence[str]) -> list[int]:
    """The first row of a picture in which each class's colour is seen as the legend shows it, over black."""
    rows: list[int] = []
    for name in names:
        shown = CIHP.palette[CIHP.id_of(name)] * 0.75
        found = (np.abs(picture - shown).max(axis=-1) <= ONE_LEVEL).sum(axis=1)
        # A swatch is wider than the letters beside it, which are grey or white anyway.
        rows.append(int(np.flatnonzero(found >= 4)[0]) if (found >= 4).any() else -1)
    return rows


@pytest.mark.parametrize("size", [Size(480, 640), Size(720, 1280), Size(640, 360)], ids=str)
def test_the_legend_names_each_class_in_order(size: Size) -> None:
    black = Frame.still(np.zeros((*size, 3), np.uint8))
    picture = blend(black, parsing_of(np.zeros((8, 8), np.uint8), size), LEGEND_ONLY)
    rows = swatches(picture, CIHP.names[1:])
    assert -1 not in rows
    assert rows == sorted(set(rows))
    panel = bounds(changed(picture, black.bgr))
    # On an even column, for the sake of pictures whose colours are half as large: at most one is left over.
    assert size.width - panel.right <= 1
    assert panel.top == 0
    assert panel.left > 0


def test_the_legend_leaves_out_hidden_classes() -> None:
    size = Size(480, 640)
    black = Frame.still(np.zeros((*size, 3), np.uint8))
    look = Look(legend=True, hidden=frozenset({"Hat", "Right-shoe"}))
    picture = blend(black, parsing_of(np.zeros((8, 8), np.uint8), size), look)
    assert swatches(picture, ["Hat", "Right-shoe"]) == [-1, -1]
    assert -1 not in swatches(picture, CIHP.names[2:-1])


def test_the_legend_shows_which_classes_are_there() -> None:
    size = Size(480, 640)
    black = Frame.still(np.zeros((*size, 3), np.uint8))

    def drawn(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return blend(black, parsing_of(labels, size), LEGEND_ONLY)

    nobody = drawn(np.zeros((8, 8), np.uint8))
    hats = np.zeros((8, 8), np.uint8)
    hats[3, 3] = CIHP.id_of("Hat")
    somebody = drawn(hats)
    first, second = swatches(nobody, ["Hat", "Hair"])
    brighter = bounds(changed(somebody, nobody))
    # Only the name of that row, and it is brighter; nothing moves.
    assert first - 5 <= brighter.top < brighter.bottom <= second
    assert somebody.sum() > nobody.sum()
    assert swatches(somebody, CIHP.names[1:]) == swatches(nobody, CIHP.names[1:])


def test_the_legend_writes_each_name_beside_its_colour() -> None:
    size = Size(1080, 1920)
    black = Frame.still(np.zeros((*size, 3), np.uint8))
    picture = blend(black, parsing_of(np.zeros((30, 40), np.uint8), size), LEGEND_ONLY)
    panel = picture[:, picture.any(axis=(0, 2))]
    line = 29  # rows to a name at this size
    hat = panel[:line]
    colour, name = hat[:, 4:line].max(axis=2), hat[:, line + 6 :].max(axis=2)
    places = [np.flatnonzero((part > 60).any(axis=1)) for part in (colour, name)]
    middles = [(rows[0] + rows[-1]) / 2 for rows in places]
    assert middles[0] == pytest.approx(middles[1], abs=2)
