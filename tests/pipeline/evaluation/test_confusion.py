"""What follows from counts of pixels, worked out by hand. Rows below are one picture each, unless they say more."""

import numpy as np
import pytest

from pipeline import CIHP, LIP, BadPicture, LabelSet
from pipeline.evaluation.confusion import BAG, IGNORED, MERGED, PARTLY_KNOWN, SOMEBODY, Confusion
from pipeline.labels import CIHP_HUMAN, LABEL_SETS
from training.pack import UNKNOWN_GARMENTS, UNKNOWN_SIDES

ID = {name: CIHP.id_of(name) for name in CIHP.names}


def counted(*pictures: tuple[str, str], label_set: LabelSet = CIHP) -> Confusion:
    """Pictures of one row: truth and prediction, as names of classes or numbers of codes."""
    confusion = Confusion(label_set)
    for truth, said in pictures:
        rows = (
            [int(each) if each.isdecimal() else label_set.id_of(each) for each in row.split()] for row in (truth, said)
        )
        confusion.add(*(np.array([row], np.uint8) for row in rows))
    return confusion


def test_a_person_is_whatever_is_not_background() -> None:
    confusion = counted(
        ("Background Hair Face Pants", "Background Hat Face Background"),  # 2 of 3, whatever the class
        ("Background Background Hair", "Hair Background Hair"),  # 1 of 2
    )
    assert confusion.person_iou == pytest.approx(3 / 5)


def test_without_anybody_the_overlap_is_none() -> None:
    assert counted(("Background", "Background")).person_iou == 0.0


def test_what_is_known_in_part_counts_as_somebody_and_nothing_else() -> None:
    # Each code met by a class that it may be, and one missed.
    confusion = counted(
        ("247 248 249 250 251 252 250", "Left-arm Left-leg Left-shoe Coat Pants Hat Background"),
        ("Background Hair", "Background Hair"),
    )
    assert confusion.person_iou == pytest.approx(7 / 8)
    assert confusion.ious == {"Background": 1.0, "Hair": 1.0}
    assert confusion.merged_ious == {"background": 1.0, "hair": 1.0}
    assert (*UNKNOWN_SIDES, *UNKNOWN_GARMENTS, SOMEBODY) == PARTLY_KNOWN


def test_bags_are_background() -> None:
    confusion = counted((f"{BAG} {BAG} Background", "Background Coat Background"))
    assert confusion.ious == pytest.approx({"Background": 2 / 3})


def test_another_code_is_refused() -> None:
    with pytest.raises(BadPicture, match="label 246 is neither below 20, the classes of cihp, nor 255"):
        counted(("246 253 250", "Hat Hat Hat"))


def test_merged_classes() -> None:
    confusion = counted(
        # Skin 2 of 4 and 1 more; upper 2 of 2, its types exchanged, and 2 more; lower 0 of 1.
        ("Face Left-arm Right-leg Torso-skin", "Torso-skin Sunglasses Coat Scarf"),
        ("Coat Dress Pants Background", "UpperClothes Gloves Face Background"),
        (f"{IGNORED} {IGNORED}", "Face Hair"),
    )
    expected = {"background": 1.0, "skin": 2 / 5, "upper": 2 / 4, "lower": 0.0}
    assert confusion.merged_ious == pytest.approx(expected)


def test_merged_classes_have_the_order_of_the_list_and_leave_out_what_is_not_in_the_truth() -> None:
    confusion = counted(("Left-shoe Socks Hat", "Right-shoe Skirt Hair"))
    assert list(confusion.merged_ious.items()) == [("hair", 1.0), ("lower", 1.0), ("shoes", 1.0)]
    assert list(MERGED) == ["background", "hair", "skin", "upper", "lower", "shoes"]


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=lambda each: each.name)
def test_each_class_has_one_place_among_the_merged(label_set: LabelSet) -> None:
    places = {name: [merged for merged, parts in MERGED.items() if name in parts] for name in label_set.names}
    assert {name for name, found in places.items() if len(found) != 1} == ({"Human"} & set(label_set.names))


def test_lips_own_names_have_places() -> None:
    assert counted(("Jumpsuits Glove", "Glove Jumpsuits"), label_set=LIP).merged_ious == {"upper": 1.0}


def test_a_class_without_a_place_counts_where_it_is_said_and_not_where_it_is_true() -> None:
    confusion = counted(("Human Hair Hair", "Hair Human Hair"), label_set=CIHP_HUMAN)
    assert confusion.merged_ious == pytest.approx({"hair": 1 / 2})


def test_left_and_right_exchanged() -> None:
    confusion = counted(
        # Arms: 1 of 3 in each direction's sum; what is called a glove or is one does not count.
        ("Left-arm Left-arm Right-arm Right-arm Gloves", "Left-arm Right-arm Right-arm Gloves Left-arm"),
        ("Right-leg Right-leg Left-leg Left-leg", "Left-leg Left-leg Left-leg Right-leg"),
        ("Left-shoe Right-shoe", "Background Left-leg"),
    )
    assert confusion.swapped == pytest.approx({"arms": 1 / 3, "legs": 3 / 4})
    assert counted(("Left-shoe", "Right-shoe")).swapped == {"shoes": 1.0}


def test_pictures_without_anybody() -> None:
    confusion = counted(
        (f"Background Background Background {BAG} {IGNORED}", "Hair Background Background Background Hair"),
        ("Background Background", "Pants Pants"),
        ("Background Face", "Hair Hair"),  # somebody is there
        ("Background 252", "Hair Hair"),  # here too
        (f"{IGNORED}", "Hair"),  # nobody knows
    )
    assert confusion.person_free_pictures == 2
    assert confusion.person_free_foreground == pytest.approx(3 / 6)


def test_with_somebody_everywhere_there_is_no_such_share() -> None:
    confusion = counted(("Face", "Face"))
    assert (confusion.person_free_pictures, confusion.person_free_foreground) == (0, 0.0)
