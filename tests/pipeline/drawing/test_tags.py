"""Tags: by the head of the person, whole, apart from each other."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Look, Parsing, Person, Size, blend
from pipeline.drawing.silhouettes import silhouettes
from pipeline.drawing.tags import Tag, tags

FRAME = Size(240, 320)
MAP = Size(60, 80)
TAGS_ONLY = Look(opacity=0.0, outline=False)
HAIR, FACE, COAT, ARM = (CIHP.id_of(name) for name in ("Hair", "Face", "Coat", "Left-arm"))


def parsing_of(
    labels: NDArray[np.uint8], instances: NDArray[np.uint8], size: Size = FRAME, boxes: Sequence[Box] = ()
) -> Parsing:
    boxes = boxes or [Box(0, 0, 1, 1)] * int(instances.max())
    people = tuple(Person(index, 0.9, box) for index, box in enumerate(boxes, start=1))
    return Parsing(labels, instances, people, CIHP, 0, 0.0, 0.0, size, 0.0, 0)


def somebody(left: int, top: int, labels: NDArray[np.uint8], instances: NDArray[np.uint8], index: int = 1) -> None:
    """A person 12 cells wide: hair, a face, a coat, and an arm held up beside the head."""
    for rows, columns, label in ((2, 6, HAIR), (4, 6, FACE), (20, 12, COAT)):
        part = np.s_[top : top + rows, left + (12 - columns) // 2 : left + (12 + columns) // 2]
        labels[part], instances[part] = label, index
        top += rows
    labels[top - 30 : top - 20, left + 10 : left + 12] = ARM
    instances[top - 30 : top - 20, left + 10 : left + 12] = index


def placed(parsing: Parsing, size: Size = FRAME, taken: Sequence[Box] = ()) -> list[Tag]:
    return tags(parsing, silhouettes(parsing.instances, len(parsing.people)), size, taken)


def maps() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.zeros(MAP, np.uint8), np.zeros(MAP, np.uint8)


def test_a_tag_stands_above_the_middle_of_the_head() -> None:
    labels, instances = maps()
    somebody(30, 20, labels, instances)
    (tag,) = placed(parsing_of(labels, instances))
    # The head is 33 to 39 cells from the left, of 4 pixels, and begins at 20; the arm beside it begins at 16.
    assert (tag.box.left + tag.box.right) / 2 == pytest.approx(36 * 4, abs=2)
    assert 78 - tag.box.bottom <= 6
    assert tag.box.bottom <= 80


def test_a_few_stray_pixels_are_no_head() -> None:
    labels, instances = maps()
    somebody(30, 20, labels, instances)
    there = placed(parsing_of(labels, instances))
    labels[45, 30] = FACE
    assert placed(parsing_of(labels, instances)) == there
    labels[instances > 0] = COAT
    labels[45, 30] = FACE
    (tag,) = placed(parsing_of(labels, instances))
    assert tag.box.bottom <= 16 * 4


def test_without_a_head_it_stands_on_the_top() -> None:
    labels, instances = maps()
    instances[20:50, 30:36] = 1
    instances[40:50, 10:60] = 1
    labels[instances > 0] = COAT
    (tag,) = placed(parsing_of(labels, instances))
    assert (tag.box.left + tag.box.right) / 2 == pytest.approx(33 * 4, abs=2)
    assert 76 <= tag.box.bottom <= 80


def test_without_a_pixel_it_stands_on_the_box() -> None:
    (tag,) = placed(parsing_of(*maps(), boxes=[Box(100, 100, 140, 200)]))
    assert (tag.box.left + tag.box.right) / 2 == pytest.approx(120, abs=2)
    assert 96 <= tag.box.bottom <= 100


def test_a_larger_head_has_a_larger_tag_and_a_larger_frame_too() -> None:
    def scale(head: int, frame: Size) -> float:
        labels = np.zeros((240, 320), np.uint8)
        labels[40 : 40 + head, 100:120] = FACE
        (tag,) = placed(parsing_of(labels, (labels > 0).astype(np.uint8), frame), frame)
        return tag.scale

    large = Size(1080, 1440)
    assert scale(10, large) < scale(15, large) < scale(60, large) == scale(150, large)
    assert scale(60, Size(2160, 2880)) == pytest.approx(2 * scale(60, large), rel=0.01)
    assert scale(10, FRAME) == scale(3, FRAME) == 0.35


def test_a_tag_is_not_on_anybodys_face_where_there_is_room() -> None:
    labels, instances = maps()
    somebody(30, 25, labels, instances, 1)
    somebody(30, 1, labels, instances, 2)
    somebody(30, 25, labels, instances, 1)  # the second one's head is right above the first one's
    one, other = placed(parsing_of(labels, instances))
    for tag in (one, other):
        box = tag.box.scaled(FRAME, MAP)
        assert not np.isin(labels[box.top : box.bottom, box.left : box.right], (HAIR, FACE)).any()
    assert not one.box.overlaps(other.box)


boxes = st.builds(
    lambda left, top, wide, tall: Box(left, top, min(320, left + wide), min(240, top + tall)),
    st.integers(0, 319),
    st.integers(0, 239),
    st.integers(1, 200),
    st.integers(1, 200),
)


@settings(deadline=None)
@given(st.lists(boxes, min_size=1, max_size=12), st.lists(boxes, max_size=1))
def test_tags_stay_apart_and_in_the_picture(people: list[Box], taken: list[Box]) -> None:
    done = placed(parsing_of(*maps(), boxes=people), taken=taken)
    for index, tag in enumerate(done):
        assert tag.box.left >= 0
        assert tag.box.top >= 0
        assert tag.box.right <= FRAME.width
        assert tag.box.bottom <= FRAME.height
        assert not any(tag.box.overlaps(other.box) for other in done[:index])
        assert not any(tag.box.overlaps(box) for box in taken)
    assert done or taken


def test_few_people_all_have_a_tag() -> None:
    """Even when all of them are at one place."""
    assert len(placed(parsing_of(*maps(), boxes=[Box(100, 100, 140, 200)] * 6))) == 6


@pytest.mark.parametrize("box", [Box(0, 0, 30, 60), Box(290, 0, 320, 60), Box(319, 239, 320, 240), Box(0, 0, 320, 240)])
@pytest.mark.parametrize("track_id", [1, 888], ids=str)
def test_a_tag_is_drawn_whole_wherever_the_person_is(box: Box, track_id: int) -> None:
    def drawn(where: Box) -> NDArray[np.uint8]:
        frame = Frame.still(np.full((*FRAME, 3), 100, np.uint8))
        people = (Person(track_id, 0.9, where),)
        picture = blend(frame, Parsing(*maps(), people, CIHP, 0, 0.0, 0.0, FRAME, 0.0, 0), TAGS_ONLY)
        left, top, width, height = cv2.boundingRect((picture != 100).any(axis=-1).astype(np.uint8))
        return picture[top : top + height, left : left + width]

    whole = drawn(Box(100, 100, 130, 160))
    np.testing.assert_array_equal(drawn(box), whole)
    assert (whole > 200).any()
