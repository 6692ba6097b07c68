from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline import CIHP, Box, Parsing, Person, PipelineError, Size
from pipeline.exports.coco import coco
from pipeline.exports.parts import cells_of, full_size, parts, person_mask, shares
from pipeline.exports.polygons import polygons
from pipeline.exports.rle import counts_of, decoded, encoded, mask_of
from pipeline.geometry import Point
from pipeline.types import Face

MAP, PICTURE = Size(24, 32), Size(90, 130)


@pytest.fixture
def parsing() -> Parsing:
    """Two people who overlap, whose labels are made up, and a coat that is nobody's."""
    random = np.random.default_rng(3)
    labels = np.zeros(MAP, np.uint8)
    instances = np.zeros(MAP, np.uint8)
    labels[2:20, 3:15] = random.integers(0, 5, (18, 12))
    instances[2:20, 3:15] = 1
    labels[8:24, 12:32] = random.integers(3, 9, (16, 20))
    instances[8:24, 12:32] = 2
    labels[0, 30:32] = CIHP.id_of("Coat")
    people = (Person(7, 0.9, Box(10, 5, 60, 80)), Person(3, 0.5, Box(48, 30, 130, 90)))
    return Parsing(labels, instances, people, CIHP, 0, 0.0, 0.0, PICTURE, 0.01, 0)


def _whole(part_box: Box, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    whole = np.zeros(PICTURE, bool)
    left, top, right, bottom = part_box
    whole[top:bottom, left:right] = mask
    return whole


def test_parts_are_the_picture_cut_up(parsing: Parsing) -> None:
    """Every pixel with a class is in one part, whose box and area are those of its mask."""
    count = np.zeros(PICTURE, int)
    labels = cv2.resize(parsing.labels, PICTURE[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    for part in parts(parsing):
        whole = _whole(part.box, part.mask)
        count += whole
        assert (labels[whole] == part.label).all()
        assert whole.sum() == part.area_px
        left, top, right, bottom = part.box
        assert part.mask[0].any()
        assert part.mask[-1].any()
        assert part.mask[:, 0].any()
        assert part.mask[:, -1].any()
        assert part.mask.shape == (bottom - top, right - left)
    assert np.array_equal(count, labels > 0)


def test_parts_are_of_whom_they_are(parsing: Parsing) -> None:
    owners = [None if part.person is None else part.person.track_id for part in parts(parsing)]
    assert owners == sorted(owners, key=(7, 3, None).index)
    assert set(owners) == {7, 3, None}
    (nobodys,) = (part for part in parts(parsing) if part.person is None)
    assert (nobodys.label, nobodys.box[1]) == (CIHP.id_of("Coat"), 0)
    only = frozenset({CIHP.id_of("Coat")})
    assert {part.label for part in parts(parsing, only)} == only


def test_a_person_is_all_of_their_pixels(parsing: Parsing) -> None:
    person = person_mask(parsing, 2)
    assert person is not None
    instances = cv2.resize(parsing.instances, PICTURE[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(_whole(person.box, person.mask), instances == 2)


def test_a_picture_smaller_than_its_map_has_no_empty_parts(parsing: Parsing) -> None:
    small = full_size(parsing, Size(3, 5))
    face = Face(Box(2, 2, 6, 4), (Point(3.0, 2.0),) * 5, 0.9, 1)
    half = full_size(replace(parsing, faces=(face,)), Size(*(side // 2 for side in parsing.frame_size)))
    assert half.faces == (Face(Box(1, 1, 3, 2), (Point(1.5, 1.0),) * 5, 0.9, 1),)
    assert all(part.area_px == part.mask.sum() > 0 for part in parts(small))
    assert [each.box for each in small.people] == [each.box.scaled(PICTURE, Size(3, 5)) for each in parsing.people]


def test_shares_leave_the_background_out(parsing: Parsing) -> None:
    found = shares(parsing)
    assert 0 not in found
    assert sum(found.values()) == pytest.approx(np.count_nonzero(parsing.labels) / MAP.area)


@given(st.integers(1, 50), st.integers(1, 300))
def test_each_pixel_belongs_to_the_cell_of_its_centre(cells: int, pixels: int) -> None:
    centres = (np.arange(pixels) + 0.5) * cells / pixels
    assert np.abs(centres - (cells_of(cells, pixels) + 0.5)).max() <= 0.5 + 0.01  # OpenCV's steps are of 1/65536


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_run_lengths_are_those_of_the_whole_picture(
    mask: NDArray[np.uint8], left: int, top: int, right: int, below: int
) -> None:
    size = Size(top + mask.shape[0] + below, left + mask.shape[1] + right)
    whole = np.zeros(size, np.uint8)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    counts = counts_of(mask, Box(left, top, left + mask.shape[1], top + mask.shape[0]), size)
    assert np.array_equal(mask_of(counts, size), whole)
    assert all(counts[1:])  # only what is outside before the first pixel may be nothing
    assert decoded(encoded(counts)) == counts


def test_compressed_run_lengths_are_cocos() -> None:
    """Strings that pycocotools 2.0.11 made of these masks."""
    mask = np.zeros((5, 7), np.uint8)
    mask[1:4, 2:5] = 1
    assert encoded(counts_of(mask, Box(0, 0, 7, 5), Size(5, 7))) == GOLDEN[0]
    assert encoded(counts_of(np.ones((40, 50), np.uint8), Box(10, 0, 60, 40), Size(40, 70))) == GOLDEN[1]


GOLDEN = (";320009", "`<`n1`<")


@pytest.mark.parametrize("text", ["\x00", "~~~", "o"])
def test_what_is_no_compressed_mask_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match="compressed mask"):
        decoded(text)


def test_counts_of_another_size_are_refused() -> None:
    with pytest.raises(PipelineError, match="of 3 pixels"):
        mask_of([1, 2], Size(2, 2))


def test_polygons_are_the_outline(parsing: Parsing) -> None:
    """Filled again, at four times the size, they are the mask but for a pixel at its edge."""
    solid = np.zeros(MAP, np.uint8)
    solid[4:20, 6:20] = 3
    round_one = Parsing(solid, (solid > 0).astype(np.uint8), parsing.people[:1], CIHP, 0, 0, 0, PICTURE, 0.01, 0)
    (part,) = parts(round_one)
    (ring,) = polygons(part)
    corners = np.array(ring).reshape(-1, 2)
    filled = np.zeros(PICTURE, np.uint8)
    cv2.fillPoly(filled, [np.round((corners - 0.5) * 16).astype(np.int32)], 1, shift=4)
    whole = _whole(part.box, part.mask)
    assert np.count_nonzero(filled.astype(bool) ^ whole) <= 0.02 * part.area_px
    assert corners.min(0) == pytest.approx(part.box[:2], abs=0.5)
    assert corners.max(0) == pytest.approx(part.box[2:], abs=0.5)


def test_coco_has_each_part(parsing: Parsing) -> None:
    made = coco(parsing, image_id=4, file_name="a.jpg")
    assert made["images"] == [{"id": 4, "width": PICTURE.width, "height": PICTURE.height, "file_name": "a.jpg"}]
    assert [each["name"] for each in made["categories"]] == list(CIHP.names[1:])
    for annotation, part in zip(made["annotations"], parts(parsing), strict=True):
        left, top, right, bottom = part.box
        assert annotation["bbox"] == [left, top, right - left, bottom - top]
        assert annotation["category_id"] == part.label
        assert annotation["person_id"] == (0 if part.person is None else {7: 1, 3: 2}[part.person.track_id])
        mask = mask_of(decoded(annotation["segmentation"]["counts"]), PICTURE)
        assert np.array_equal(mask.astype(bool), _whole(part.box, part.mask))
        assert annotation["area"] == mask.sum()


def test_coco_has_the_faces_that_somebody_looked_for(parsing: Parsing) -> None:
    points = tuple(Point(20.5 + place, 30.25) for place in range(5))
    faces = (Face(Box(10, 20, 40, 60), points, 0.8, person=3), Face(Box(0, 0, 9, 9), points, 0.7))
    made, bare = coco(replace(parsing, faces=faces)), coco(parsing)
    assert len(made["annotations"]) == len(bare["annotations"]) + 2
    ids = {each["name"]: each["id"] for each in made["categories"]}
    assert len(set(ids.values())) == len(ids)
    (category,) = (each for each in made["categories"] if each["name"] == "detected face")
    assert category not in bare["categories"]
    theirs, nobodys = made["annotations"][-2:]
    assert theirs["category_id"] == nobodys["category_id"] == category["id"]
    assert (theirs["person_id"], nobodys["person_id"]) == (2, 0)
    assert (theirs["bbox"], theirs["area"], theirs["score"]) == ([10, 20, 30, 40], 1200, 0.8)
    assert theirs["keypoints"][3:6] == [21.5, 30.25, 2]
    assert len(theirs["keypoints"]) == 3 * len(category["keypoints"]) == 3 * theirs["num_keypoints"]
