"""Frames, persons and parsings: what is wrong is told where it is made."""

from dataclasses import FrozenInstanceError, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture, Box, Frame, Parsing, Person, PipelineError, Size, UnknownName

SOMEBODY = Person(track_id=1, score=0.9, box=Box(0, 0, 3, 2))

boxes = st.builds(Box, *[st.integers(-20, 20)] * 4)


def parsing_of(
    labels: NDArray[np.uint8], instances: NDArray[np.uint8] | None = None, people: tuple[Person, ...] = (SOMEBODY,)
) -> Parsing:
    return Parsing(
        labels=labels,
        instances=np.zeros_like(labels) if instances is None else instances,
        people=people,
        label_set=CIHP,
        frame_index=7,
        pts_s=0.25,
        captured_s=11.0,
        frame_size=Size(20, 30),
        inferred_s=0.01,
        carried_from=7,
    )


def test_a_size_is_written_height_first() -> None:
    assert str(Size(480, 640)) == "480x640"
    assert Size(480, 640)[::-1] == (640, 480)


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        (Box(0, 0, 4, 4), Box(0, 0, 4, 4), 1.0),
        (Box(0, 0, 4, 4), Box(2, 0, 6, 4), 8 / 24),
        (Box(0, 0, 4, 4), Box(2, 3, 6, 7), 2 / 30),
        (Box(0, 0, 4, 4), Box(4, 0, 8, 4), 0.0),
        (Box(0, 0, 4, 4), Box(9, 9, 12, 12), 0.0),
        (Box(0, 0, 4, 4), Box(1, 1, 1, 1), 0.0),
        (Box(2, 2, 2, 2), Box(2, 2, 2, 2), 0.0),
        (Box(4, 4, 0, 0), Box(0, 0, 4, 4), 0.0),
    ],
    ids=["same", "half", "corner", "touching", "apart", "empty in full", "both empty", "inside out"],
)
def test_overlap_of_boxes(one: Box, other: Box, iou: float) -> None:
    assert one.iou(other) == pytest.approx(iou)


@given(boxes, boxes)
def test_overlap_is_a_share_and_the_same_both_ways(one: Box, other: Box) -> None:
    assert 0.0 <= one.iou(other) <= 1.0
    assert one.iou(other) == other.iou(one)
    assert one.iou(one) == (1.0 if one.area else 0.0)


@pytest.mark.parametrize(
    ("box", "area"), [(Box(1, 2, 4, 4), 6), (Box(3, 0, 1, 5), 0), (Box(4, 4, 2, 2), 0)], ids=["full", "left", "both"]
)
def test_a_box_turned_inside_out_has_no_area(box: Box, area: int) -> None:
    assert box.area == area


@pytest.mark.parametrize(
    ("bgr", "complaint"),
    [
        (np.zeros((4, 6, 3), np.float32), r"float32 \(4, 6, 3\)"),
        (np.zeros((4, 6), np.uint8), r"uint8 \(4, 6\)"),
        (np.zeros((4, 6, 4), np.uint8), r"\(4, 6, 4\)"),
        (np.zeros((0, 6, 3), np.uint8), r"\(0, 6, 3\)"),
        (np.zeros((4, 12, 3), np.uint8)[:, ::2], "C-contiguous"),
    ],
    ids=["dtype", "grey", "alpha", "empty", "every other column"],
)
def test_a_frame_is_checked_when_made(bgr: NDArray[np.uint8], complaint: str) -> None:
    with pytest.raises(BadPicture, match=complaint):
        Frame(bgr, index=0, pts_s=0.0, captured_s=0.0)


def test_a_frame_cannot_be_changed() -> None:
    frame = Frame.still(np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(FrozenInstanceError):
        frame.index = 3  # type: ignore[misc]


def test_a_still_copies_only_what_is_not_contiguous() -> None:
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert Frame.still(picture).bgr is picture
    mirrored = Frame.still(picture[:, ::-1])
    assert mirrored.size == Size(4, 6)
    np.testing.assert_array_equal(mirrored.bgr, picture[:, ::-1])


@pytest.mark.parametrize(
    ("labels", "instances", "complaint"),
    [
        (np.zeros((2, 3), np.int64), np.zeros((2, 3), np.uint8), r"labels must be uint8 \(h, w\), not int64 \(2, 3\)"),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), bool), r"instances must be uint8 \(h, w\), not bool"),
        (np.zeros((2, 3, 1), np.uint8), np.zeros((2, 3), np.uint8), r"labels must be .* \(2, 3, 1\)"),
        (np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8), r"labels must be .* \(0, 3\)"),
        (np.full((2, 3), 20, np.uint8), np.zeros((2, 3), np.uint8), "labels go up to 20, but must stay below 20"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), 2, np.uint8), "instances go up to 2, but must stay below 2"),
        (
            np.zeros((2, 3), np.uint8),
            np.zeros((3, 2), np.uint8),
            r"labels \(2, 3\) and instances \(3, 2\) must have one shape",
        ),
    ],
    ids=["label dtype", "instance dtype", "axes", "empty", "label too high", "instance too high", "shapes"],
)
def test_a_parsing_is_checked_when_made(
    labels: NDArray[np.uint8], instances: NDArray[np.uint8], complaint: str
) -> None:
    with pytest.raises(BadPicture, match=complaint):
        parsing_of(labels, instances)


def test_the_highest_ids_allowed_are_taken() -> None:
    labels = np.full((2, 3), len(CIHP) - 1, np.uint8)
    parsing = parsing_of(labels, np.ones((2, 3), np.uint8))
    assert parsing.map_size == Size(2, 3)
    with pytest.raises(BadPicture, match="must stay below 1"):
        replace(parsing, people=())


def test_a_class_is_found_by_name() -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[1, 2:5] = CIHP.id_of("Hair")
    parsing = parsing_of(labels)
    np.testing.assert_array_equal(parsing.mask("hair"), labels > 0)
    assert parsing.share("Hair") == pytest.approx(3 / 20)
    assert parsing.share("Background") == pytest.approx(17 / 20)
    assert parsing.share("Hat") == 0.0


@pytest.mark.parametrize("ask", [Parsing.mask, Parsing.share])
def test_a_class_that_there_is_not_is_refused_with_those_that_there_are(ask: object) -> None:
    parsing = parsing_of(np.zeros((2, 3), np.uint8))
    assert callable(ask)
    with pytest.raises(
        UnknownName, match=r"no class or group in label set cihp 'Tail'; there are: Background, Hat, .*Right-shoe, head"
    ):
        ask(parsing, "Tail")


def test_every_error_has_one_base() -> None:
    assert issubclass(BadPicture, PipelineError)
    assert issubclass(UnknownName, PipelineError)


def two_people() -> Parsing:
    """Number 4 with hair over a coat at the left, number 9 in a coat at the right; a hat that is nobody's below."""
    labels = np.zeros((4, 6), np.uint8)
    labels[0, 0:2], labels[1, 0:2], labels[1, 4:6] = CIHP.id_of("Hair"), CIHP.id_of("Coat"), CIHP.id_of("Coat")
    labels[3, 3] = CIHP.id_of("Hat")
    instances = np.zeros((4, 6), np.uint8)
    instances[0:2, 0:2], instances[1, 4:6] = 1, 2
    people = (Person(4, 0.91, Box(0, 0, 10, 10)), Person(9, 0.5, Box(20, 5, 30, 10)))
    return parsing_of(labels, instances, people)


def test_a_person_is_found_by_number() -> None:
    parsing = two_people()
    assert parsing.person(9) is parsing.people[1]
    with pytest.raises(UnknownName, match=r"no person 2; there are: 4, 9$"):
        parsing.person(2)
    with pytest.raises(UnknownName, match=r"no person 1; there are: none$"):
        parsing_of(np.zeros((2, 3), np.uint8), people=()).person(1)


def test_masks_are_of_a_part_a_person_or_both() -> None:
    parsing = two_people()
    coat, left = parsing.labels == CIHP.id_of("Coat"), parsing.instances == 1
    np.testing.assert_array_equal(parsing.mask(), parsing.labels > 0)
    np.testing.assert_array_equal(parsing.mask("coat"), coat)
    np.testing.assert_array_equal(parsing.mask(person=4), left)
    np.testing.assert_array_equal(parsing.mask(person=parsing.people[0]), left)
    np.testing.assert_array_equal(parsing.mask("Coat", person=4), coat & left)
    assert not parsing.mask("Hair", person=9).any()
    np.testing.assert_array_equal(parsing.mask("upper"), coat)
    np.testing.assert_array_equal(parsing.mask("head"), parsing.mask("Hair") | parsing.mask("Hat"))
    with pytest.raises(UnknownName, match="no person 5; there are: 4, 9"):
        parsing.mask("Coat", person=5)


def test_a_mask_of_the_frames_size_is_the_map_enlarged() -> None:
    parsing = two_people()
    for what in ({}, {"part": "Coat"}, {"person": 4}, {"part": "Hair", "person": 4}):
        small, full = parsing.mask(**what), parsing.mask(**what, full_size=True)  # type: ignore[arg-type]
        assert (full.dtype, full.shape) == (np.bool_, parsing.frame_size)
        np.testing.assert_array_equal(full, small.repeat(5, axis=0).repeat(5, axis=1))


def test_a_mask_may_be_written_to() -> None:
    parsing = two_people()
    before = parsing.labels.copy(), parsing.instances.copy()
    for mask in (parsing.mask(), parsing.mask("Coat"), parsing.mask(person=4), parsing.mask(full_size=True)):
        mask[:] = True
    np.testing.assert_array_equal((parsing.labels, parsing.instances), before)


def test_a_share_may_be_of_a_group() -> None:
    assert two_people().share("upper") == pytest.approx(4 / 24)


def test_what_they_are_is_shown_on_one_line() -> None:
    parsing = two_people()
    assert repr(parsing) == "<Parsing of frame 7 at 0.250 s: 2 people, maps 4x6 of 20x30, cihp>"
    assert repr(parsing_of(np.zeros((2, 3), np.uint8))).split(": ")[1].startswith("1 person,")
    assert repr(parsing.people[0]) == "<Person 4: score 0.91, box (0, 0, 10, 10)>"


def test_a_notebook_shows_the_colours_of_the_classes() -> None:
    parsing = two_people()
    shown = cv2.imdecode(np.frombuffer(parsing._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown, CIHP.palette[parsing.labels])
