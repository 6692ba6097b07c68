"""The legend: what is there, where few people are, and still in a video; below, its size is known beforehand."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, LIP, Box, Frame, LabelSet, Look, Parsing, Size, blend
from pipeline.drawing.legend import KEPT_S, MOVES_AFTER_S, OPACITY, Corner, LegendMemory, present
from pipeline.drawing.look import LegendPlace
from pipeline.drawing.overlay import Memory, draw, drawn_size, undrawn
from pipeline.labels import CIHP_HUMAN
from pipeline.yuv import Yuv420
from tests.pipeline.drawing.test_canvas import yuv

LEGEND_ONLY = Look(opacity=0.0, outline=False, tags=False, legend="auto")
SIZE = Size(480, 640)
ALL = np.resize(np.arange(20, dtype=np.uint8), (8, 10))
"""A label map with every class."""


def parsing_of(labels: NDArray[np.uint8], size: Size = SIZE, label_set: LabelSet = CIHP) -> Parsing:
    return Parsing(labels, np.zeros_like(labels), (), label_set, 0, 0.0, 0.0, size, 0.0, 0)


def black(size: Size = SIZE) -> Frame:
    return Frame.still(np.zeros((*size, 3), np.uint8))


def bounds(picture: NDArray[np.uint8]) -> Box:
    left, top, width, height = cv2.boundingRect(picture.any(axis=-1).astype(np.uint8))
    return Box(left, top, left + width, top + height)


def rows(picture: NDArray[np.uint8], names: Sequence[str], opacity: float = OPACITY) -> list[int]:
    """The first row in which each class's colour is seen as the legend shows it over black; -1 where it is not."""
    found = []
    for name in names:
        shown = CIHP.palette[CIHP.id_of(name)] * opacity
        # A swatch is wider than the letters beside it, which are grey or white anyway.
        wide = (np.abs(picture - shown).max(axis=-1) <= 1).sum(axis=1) >= 4
        found.append(int(np.flatnonzero(wide)[0]) if wide.any() else -1)
    return found


@pytest.mark.parametrize("size", [Size(480, 640), Size(720, 1280), Size(640, 360)], ids=str)
def test_it_names_what_is_there_in_order(size: Size) -> None:
    picture = blend(black(size), parsing_of(ALL, size), LEGEND_ONLY)
    listed = rows(picture, CIHP.names[1:])
    assert -1 not in listed
    assert listed == sorted(set(listed))
    few = np.zeros((8, 10), np.uint8)
    few[:2, :2], few[4:6, 2:4] = CIHP.id_of("Coat"), CIHP.id_of("Hair")
    picture = blend(black(size), parsing_of(few, size), LEGEND_ONLY)
    hair, coat = rows(picture, ["Hair", "Coat"])
    assert 0 <= hair < coat
    assert {name for name in CIHP.names[1:] if rows(picture, [name]) != [-1]} == {"Hair", "Coat"}


def test_it_scales_with_the_frame() -> None:
    small, large = (bounds(blend(black(size), parsing_of(ALL, size), LEGEND_ONLY)) for size in (SIZE, Size(1920, 2560)))
    for side in ("right", "bottom"):
        wide = getattr(small, side) - (small.left if side == "right" else small.top)
        assert getattr(large, side) - (large.left if side == "right" else large.top) == pytest.approx(4 * wide, rel=0.1)


def test_nothing_is_listed_of_nobody() -> None:
    picture = blend(black(), parsing_of(np.zeros((8, 8), np.uint8)), LEGEND_ONLY)
    assert not picture.any()


def test_stray_pixels_are_not_listed() -> None:
    labels = np.zeros((288, 512), np.uint8)
    labels[100, 100:120] = 5
    assert present(labels) == ()
    labels[101, 100:120] = 5
    assert present(labels) == (5,)


def test_it_leaves_out_hidden_classes() -> None:
    look = replace(LEGEND_ONLY, hidden=frozenset({"Hat", "Right-shoe"}))
    picture = blend(black(), parsing_of(ALL), look)
    assert rows(picture, ["Hat", "Right-shoe"]) == [-1, -1]
    assert -1 not in rows(picture, CIHP.names[2:-1])
    picture = blend(black(), parsing_of(ALL), replace(LEGEND_ONLY, only=frozenset({"Hat"})))
    assert {name for name in CIHP.names[1:] if rows(picture, [name]) != [-1]} == {"Hat"}


@pytest.mark.parametrize(
    ("place", "people", "corner"),
    [
        ("auto", (), Corner(True, False)),
        ("auto", ("right",), Corner(False, False)),
        ("auto", ("top",), Corner(True, True)),
        ("auto", ("top", "right"), Corner(False, True)),
        ("left", (), Corner(False, False)),
        ("left", ("top",), Corner(False, True)),
        ("right", (), Corner(True, False)),
        ("right", ("top", "left"), Corner(True, True)),
        ("left", ("left",), Corner(False, False)),
    ],
)
def test_it_is_in_the_corner_with_the_fewest_people(place: LegendPlace, people: Sequence[str], corner: Corner) -> None:
    labels = np.zeros((48, 64), np.uint8)
    parts = {"right": np.s_[:, 40:], "left": np.s_[:, :24], "top": np.s_[:24]}
    for part in people:
        labels[parts[part]] = 5
    labels[22:26, 30:34] = 2
    where = bounds(blend(black(), parsing_of(labels), replace(LEGEND_ONLY, legend=place)))
    # On an even column and row: at most one is left over.
    assert (where.right >= SIZE.width - 1, where.bottom >= SIZE.height - 1) == (corner.right, corner.bottom)
    assert (where.left == 0, where.top == 0) == (not corner.right, not corner.bottom)


def test_its_names_stand_beside_their_colours() -> None:
    size = Size(1080, 1920)
    picture = blend(black(size), parsing_of(ALL, size), LEGEND_ONLY)
    panel = picture[:, picture.any(axis=(0, 2))]
    line = 29  # rows to a name at this size
    hat = panel[:line]
    colour, name = hat[:, 4:line].max(axis=2), hat[:, line + 6 :].max(axis=2)
    places = [np.flatnonzero((part > 60).any(axis=1)) for part in (colour, name)]
    middles = [(each[0] + each[-1]) / 2 for each in places]
    assert middles[0] == pytest.approx(middles[1], abs=2)


def test_a_class_stays_listed_for_some_seconds() -> None:
    memory = LegendMemory()
    assert memory.listed((5, 2), 1.0) == (2, 5)
    assert memory.listed((9,), 2.0) == (2, 5, 9)
    assert memory.listed((), 1.0 + KEPT_S) == (2, 5, 9)
    assert memory.listed((), 1.1 + KEPT_S) == (9,)
    assert memory.listed((), 2.1 + KEPT_S) == ()


def test_a_video_that_begins_again_is_forgotten() -> None:
    memory = LegendMemory()
    memory.listed((5,), 10.0)
    assert memory.listed((2,), 0.0) == (2,)


def test_it_moves_only_when_another_corner_stays_emptier() -> None:
    right, left = Corner(True, False), Corner(False, False)
    memory = LegendMemory()

    def corner(now_s: float, **covered: float) -> Corner:
        memory.listed((5,), now_s)
        return memory.corner({right: covered["right"], left: covered["left"]})

    assert corner(0.0, right=0.0, left=0.5) == right
    assert corner(1.0, right=0.5, left=0.0) == right
    assert corner(2.0, right=0.0, left=0.0) == right  # somebody only passed
    assert corner(3.0, right=0.5, left=0.0) == right
    assert corner(2.0 + MOVES_AFTER_S, right=0.5, left=0.0) == left
    assert corner(20.0, right=0.0, left=0.05) == left
    memory.listed((5,), 21.0)
    assert memory.corner({right: 1.0}) == right  # the only one that is allowed now


def test_a_stream_remembers_through_what_it_draws() -> None:
    memory = Memory()
    coat, hair = (np.full((8, 10), index, np.uint8) for index in (7, 2))
    first = draw(replace(black(), pts_s=0.0), parsing_of(coat), LEGEND_ONLY, memory)
    second = draw(replace(black(), pts_s=1.0), parsing_of(hair), LEGEND_ONLY, memory)
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert rows(first, ["Hair"]) == [-1]
    assert -1 not in rows(second, ["Hair", "Coat"])


@pytest.mark.parametrize(
    "size", [Size(480, 640), Size(720, 1280), Size(640, 360), Size(90, 120), Size(241, 321)], ids=str
)
@pytest.mark.parametrize("label_set", [CIHP, CIHP_HUMAN, LIP], ids=lambda each: str(each.name))
def test_below_the_size_is_known_beforehand(size: Size, label_set: LabelSet) -> None:
    look = replace(LEGEND_ONLY, legend="below")
    known = drawn_size(size, look, label_set)
    assert known.width == size.width
    assert known.height > size.height
    assert (known.height - size.height) % 2 == 0
    for labels in (ALL, np.zeros_like(ALL)):
        parsing = parsing_of(labels, size, label_set)
        assert Size(*blend(black(size), parsing, look).shape[:2]) == known
    assert Size(*undrawn(black(size), look, label_set).shape[:2]) == known
    if size.height % 2 == 0 and size.width % 2 == 0:
        frame = Frame(yuv(black(size).bgr), 0, 0.0, 0.0)
        assert Size(*draw(frame, parsing_of(ALL, size, label_set), look).shape) == known
        assert Size(*undrawn(frame, look, label_set).shape) == known


@pytest.mark.parametrize("place", ["off", "auto", "left", "right"])
def test_elsewhere_the_size_stays(place: LegendPlace) -> None:
    look = replace(LEGEND_ONLY, legend=place)
    assert drawn_size(SIZE, look, CIHP) == SIZE
    frame = black()
    assert undrawn(frame, look, CIHP) is frame.picture


def test_below_it_lies_under_the_picture_and_shows_what_is_there() -> None:
    look = replace(LEGEND_ONLY, legend="below")
    frame = Frame.still(np.full((*SIZE, 3), 90, np.uint8))

    def drawn(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return blend(frame, parsing_of(labels), look)

    nobody, hats = drawn(np.zeros((8, 8), np.uint8)), drawn(np.full((8, 8), CIHP.id_of("Hat"), np.uint8))
    assert (nobody[: SIZE.height] == 90).all()
    assert -1 not in rows(nobody, CIHP.names[1:], 1.0)
    assert rows(nobody, CIHP.names[1:], 1.0) == rows(hats, CIHP.names[1:], 1.0)
    assert hats.sum() > nobody.sum()
    np.testing.assert_array_equal(undrawn(frame, look, CIHP), nobody)
    brighter = bounds(hats - np.minimum(hats, nobody))
    assert brighter.top >= SIZE.height
    assert brighter.right < SIZE.width / 3


def test_below_hidden_classes_need_no_room() -> None:
    few = replace(LEGEND_ONLY, legend="below", only=frozenset({"Hat", "Hair"}))
    look = replace(LEGEND_ONLY, legend="below")
    assert drawn_size(SIZE, few, CIHP).height < drawn_size(SIZE, look, CIHP).height


@pytest.mark.parametrize("place", ["left", "below"])
def test_both_kinds_of_picture_have_it_alike(place: LegendPlace) -> None:
    look = replace(LEGEND_ONLY, legend=place)
    picture = draw(Frame(yuv(black().bgr), 0, 0.0, 0.0), parsing_of(ALL), look)
    assert isinstance(picture, Yuv420)
    assert np.abs(picture.bgr.astype(int) - blend(black(), parsing_of(ALL), look)).mean() < 2.0
    assert picture.planes[0][-4:].max() > 30 or place == "left"


def test_the_frame_is_not_written_to() -> None:
    frame = Frame(yuv(np.full((*SIZE, 3), 90, np.uint8)), 0, 0.0, 0.0)
    assert isinstance(frame.picture, Yuv420)
    before = [plane.copy() for plane in frame.picture.planes]
    for place in ("auto", "below"):
        draw(frame, parsing_of(ALL), replace(LEGEND_ONLY, legend=place))
    assert all((plane == old).all() for plane, old in zip(frame.picture.planes, before))
