"""Parsings as supervision, COCO's tools and pandas have them: the same masks, to the pixel."""

import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pipeline import CIHP, Box, Parsing, Person, PipelineError, Size, UnknownName

SIZE = Size(60, 80)
FACE, COAT = CIHP.id_of("Face"), CIHP.id_of("Coat")


def two_people() -> Parsing:
    """Person 3 with a face and a coat, person 5 with a coat, and a face of nobody."""
    labels, instances = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    labels[2:6, 4:8], labels[6:20, 4:12], labels[6:20, 20:30], labels[25:28, 35:38] = FACE, COAT, COAT, FACE
    instances[2:20, 4:12], instances[6:20, 20:30] = 1, 2
    people = (Person(3, 0.9, Box(8, 4, 24, 40)), Person(5, 0.6, Box(40, 12, 60, 40)))
    return Parsing(labels, instances, people, CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)


EXPECTED = [(3, "Coat"), (3, "Face"), (5, "Coat"), (0, "Face")]


def mask_of(parsing: Parsing, number: int, part: str) -> np.ndarray:
    if number:
        return parsing.mask(part, person=number, full_size=True)
    return parsing.mask(part, full_size=True) & ~np.logical_or.reduce(
        [parsing.mask(person=each, full_size=True) for each in parsing.people]
    )


def test_detections_of_supervision() -> None:
    parsing = two_people()
    found = parsing.to_supervision()
    assert list(zip(found.tracker_id.tolist(), found.data["class_name"])) == EXPECTED
    for mask, (number, part), box in zip(found.mask, EXPECTED, found.xyxy):
        np.testing.assert_array_equal(mask, mask_of(parsing, number, part))
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    nobody = Parsing(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), (), CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)
    assert len(nobody.to_supervision()) == 0


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools'
def test_run_lengths_and_coco() -> None:
    parsing = two_people()
    runs = parsing.to_rle()
    assert [(each["person"], each["part"]) for each in runs] == EXPECTED
    for each in runs:
        decoded = coco_mask.decode(each["segmentation"])
        np.testing.assert_array_equal(decoded > 0, mask_of(parsing, each["person"], each["part"]))
    picture = parsing.to_coco(image_id=7, file_name="a.jpg")
    assert picture["images"][0]["id"] == 7
    assert len(picture["annotations"]) == len(runs)


def test_a_frame_of_pandas() -> None:
    table = two_people().parts()
    assert list(zip(table["person"], table["part"])) == EXPECTED
    assert table.groupby("person")["area_px"].sum().to_dict() == {0: 36, 3: 64 + 448, 5: 560}
    assert table["share"].sum() == pytest.approx((36 + 64 + 448 + 560) / SIZE.area)


def test_a_person_is_cut_out_of_a_picture_of_any_size() -> None:
    parsing, picture = two_people(), np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    np.testing.assert_array_equal(parsing.crop(3, picture), picture[4:40, 8:24])
    assert parsing.crop(parsing.people[1], np.zeros((120, 160, 3), np.uint8)).shape == (56, 40, 3)
    with pytest.raises(UnknownName, match="3, 5"):
        parsing.crop(4, picture)


@pytest.mark.parametrize(("name", "method"), [("supervision", "to_supervision"), ("pandas", "parts")])
def test_without_the_library_the_cure_is_said(monkeypatch: pytest.MonkeyPatch, name: str, method: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PipelineError, match=f"needs {name}; install it by: pip install {name}"):
        getattr(two_people(), method)()
