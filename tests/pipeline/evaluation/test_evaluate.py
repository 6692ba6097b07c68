"""How good a parser is, in figures that were worked out by hand."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture, Box, Frame, Labelled, Parsing, Person, Size, evaluate
from pipeline.evaluation.confusion import IGNORED, Confusion
from pipeline.evaluation.person_ap import PersonFigures
from pipeline.types import LabelMap

HAT, HAIR, FACE = (CIHP.id_of(name) for name in ("Hat", "Hair", "Face"))

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
PREDICTED = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [2, 2, 1, 13]], np.uint8)
"""Against the truth: background 4 of 4 and one more; hat 3 of 4 and one more; hair 2 of 4; a face that is not there."""
IOUS = {"Background": 4 / 5, "Hat": 3 / 5, "Hair": 2 / 4}
ACCURACY = 9 / 12


def parsing_of(labels: LabelMap, frame_size: Size) -> Parsing:
    return Parsing(
        labels=labels,
        instances=np.zeros_like(labels),
        people=(),
        label_set=CIHP,
        frame_index=0,
        pts_s=0.0,
        captured_s=0.0,
        frame_size=frame_size,
        inferred_s=0.0,
        carried_from=0,
    )


def labelled(truth: LabelMap, name: str = "a.png") -> Labelled:
    """A picture whose blue is its truth, so that a parser can know it."""
    return Labelled(name, np.stack([truth] * 3, axis=-1), truth)


def knowing(frame: Frame) -> Parsing:
    """Reads the truth off the picture."""
    return parsing_of(np.ascontiguousarray(frame.bgr[..., 0]), frame.size)


def saying(labels: LabelMap) -> Callable[[Frame], Parsing]:
    return lambda frame: parsing_of(labels, frame.size)


def test_the_ground_for_the_figures() -> None:
    assert (HAT, HAIR, FACE) == (1, 2, 13)


def test_figures_worked_out_by_hand() -> None:
    confusion = Confusion(CIHP)
    confusion.add(TRUTH, PREDICTED)
    # Rows are the truth.
    assert confusion.counts[HAT, 0] == 1
    assert confusion.counts[HAIR, FACE] == 1
    assert confusion.counts[FACE].sum() == 0
    assert confusion.counts.sum() == TRUTH.size
    assert confusion.ious == pytest.approx(IOUS)
    assert confusion.pixel_accuracy == pytest.approx(ACCURACY)


def test_pictures_are_added_up_before_anything_is_divided() -> None:
    confusion = Confusion(CIHP)
    confusion.add(np.full((1, 4), HAT, np.uint8), np.full((1, 4), HAT, np.uint8))
    confusion.add(np.full((1, 2), HAT, np.uint8), np.full((1, 2), HAIR, np.uint8))
    assert confusion.ious == pytest.approx({"Hat": 4 / 6})
    assert confusion.pixel_accuracy == pytest.approx(4 / 6)


def test_nothing_counted_is_no_score() -> None:
    confusion = Confusion(CIHP)
    confusion.add(np.full((2, 2), IGNORED, np.uint8), np.zeros((2, 2), np.uint8))
    assert confusion.ious == {}
    assert confusion.pixel_accuracy == 0.0
    unknown = np.full((2, 2), IGNORED, np.uint8)
    score = evaluate(saying(np.zeros((2, 2), np.uint8)), CIHP, [labelled(unknown)])
    assert (score.per_class, score.miou, score.pictures) == ({}, 0.0, 1)


def test_what_nobody_knows_does_not_count() -> None:
    truth = TRUTH.copy()
    truth[2, 2:] = IGNORED
    truth[0, 2] = IGNORED
    score = evaluate(saying(PREDICTED), CIHP, [labelled(truth)])
    assert score.per_class == pytest.approx({"Background": 1.0, "Hat": 1.0, "Hair": 1.0})
    assert score.pixel_accuracy == 1.0


@pytest.mark.parametrize("label", [20, 246])
def test_a_label_that_there_is_not_is_refused_with_its_picture(label: int) -> None:
    truth = TRUTH.copy()
    truth[1, 1] = label
    # The knowing parser would fail first.
    with pytest.raises(BadPicture, match=f"b.png: label {label} is neither below 20, the classes of cihp, nor 255"):
        evaluate(saying(PREDICTED), CIHP, [labelled(TRUTH), labelled(truth, "b.png")])


def test_a_map_of_another_size_is_refused_with_its_picture() -> None:
    turned = Labelled("c.png", np.zeros((4, 3, 3), np.uint8), TRUTH)
    with pytest.raises(BadPicture, match=r"c\.png: the picture is \(4, 3\), its label map \(3, 4\)"):
        evaluate(knowing, CIHP, [turned])


def test_an_instance_map_of_another_size_is_refused_with_its_picture() -> None:
    turned = Labelled("d.png", np.zeros((3, 4, 3), np.uint8), TRUTH, np.zeros((4, 3), np.uint8))
    with pytest.raises(BadPicture, match=r"d\.png: the picture is \(3, 4\), its instance map \(4, 3\)"):
        evaluate(knowing, CIHP, [turned])


def test_persons_count_in_the_pictures_whose_instances_are_known() -> None:
    def one_person(frame: Frame) -> Parsing:
        parsing = knowing(frame)
        somebody = (parsing.labels > 0).astype(np.uint8)
        return replace(parsing, instances=somebody, people=(Person(1, 0.9, Box(0, 0, 4, 3)),))

    alone = np.array([[0, 0, 3, 3], [0, 0, 3, 3], [3, 3, 3, 3]], np.uint8)
    pictures = [labelled(TRUTH), replace(labelled(TRUTH), instances=alone), replace(labelled(TRUTH), instances=alone)]
    assert evaluate(one_person, CIHP, pictures).persons == PersonFigures(2, 2, 1.0, 1.0, 1.0)
    assert evaluate(one_person, CIHP, pictures[:1]).persons is None


def test_what_follows_from_the_counts_is_in_the_evaluation() -> None:
    sides = [CIHP.id_of(name) for name in ("Left-arm", "Right-arm", "Left-arm")]
    truth = np.array([[0, 0, HAT, sides[0], sides[0]]], np.uint8)
    score = evaluate(saying(np.array([[0, 0, 0, *sides[1:]]], np.uint8)), CIHP, [labelled(truth)])
    assert score.person_iou == pytest.approx(2 / 3)
    assert score.merged == pytest.approx({"background": 2 / 3, "hair": 0.0, "skin": 1.0})
    assert score.merged_miou == pytest.approx(5 / 9)
    assert score.swapped == {"arms": 0.5}
    nobody = labelled(np.zeros((1, 4), np.uint8))
    score = evaluate(saying(np.array([[0, 0, 0, HAT]], np.uint8)), CIHP, [nobody])
    assert (score.person_free_pictures, score.person_free_foreground) == (1, 0.25)


def test_one_picture_full_of_false_alarms_does_not_decide() -> None:
    def pictures() -> Iterator[Labelled]:
        for seen in (0, 1, 3, 100):  # of 200 pixels
            truth = np.zeros((10, 20), np.uint8)
            yield replace(
                labelled(truth), bgr=np.repeat((np.arange(200) < seen).reshape(10, 20, 1), 3, 2).view(np.uint8)
            )

    score = evaluate(knowing, CIHP, pictures())
    assert score.person_free_foreground == pytest.approx(104 / 800)
    assert score.person_free_capped == pytest.approx((0 + 0.005 + 0.015 + 0.02) / 4)
    assert score.person_free_wrong == 0.5


def test_a_picture_whose_people_are_not_seen_is_hardly_seen() -> None:
    truth = np.zeros((1, 30), np.uint8)
    truth[0, :20] = HAT

    def seeing(pixels: int) -> Callable[[Frame], Parsing]:
        labels = np.zeros_like(truth)
        labels[0, :pixels] = HAIR
        return saying(labels)

    assert evaluate(seeing(1), CIHP, [labelled(truth), labelled(truth)]).hardly_seen == 1.0
    score = evaluate(seeing(2), CIHP, [labelled(truth), labelled(np.zeros_like(truth))])
    assert (score.hardly_seen, score.person_pictures) == (0.0, 1)


def test_an_outline_says_that_somebody_is_there_and_no_more() -> None:
    instances = np.array([[0, 1, 2, 255, 0]], np.uint8)
    picture = Labelled.of("e.png", np.zeros((1, 5, 3), np.uint8), None, instances)
    assert picture.truth.tolist() == [[0, 254, 254, 255, 0]]
    score = evaluate(saying(np.array([[0, HAT, 0, HAT, HAT]], np.uint8)), CIHP, [picture])
    assert score.person_iou == pytest.approx(1 / 3)
    assert score.per_class == {"Background": 0.5}


def test_whose_class_is_not_known_is_somebody_still() -> None:
    truth, instances = np.array([[0, HAT, 255, 255]], np.uint8), np.array([[0, 1, 1, 0]], np.uint8)
    bgr = np.zeros((1, 4, 3), np.uint8)
    assert Labelled.of("f.png", bgr, truth, instances).truth.tolist() == [[0, HAT, 254, 255]]
    assert Labelled.of("g.png", bgr, None, None).truth.tolist() == [[0, 0, 0, 0]]


def test_without_pictures_there_is_no_score() -> None:
    with pytest.raises(BadPicture, match="no pictures to evaluate on"):
        evaluate(knowing, CIHP, [])


def test_who_knows_all_scores_one() -> None:
    random = np.random.default_rng(2)
    truths = [random.integers(0, 20, (5, 7)).astype(np.uint8) for _ in range(20)]
    score = evaluate(knowing, CIHP, [labelled(truth) for truth in truths])
    assert list(score.per_class) == list(CIHP.names)
    assert set(score.per_class.values()) == {1.0}
    assert (score.miou, score.pixel_accuracy, score.pictures) == (1.0, 1.0, 20)


def test_miou_is_the_mean_over_the_classes_in_the_truth() -> None:
    score = evaluate(saying(PREDICTED), CIHP, [labelled(TRUTH)])
    assert score.per_class == pytest.approx(IOUS)
    assert score.miou == pytest.approx((4 / 5 + 3 / 5 + 2 / 4) / 3)
    assert score.pixel_accuracy == pytest.approx(ACCURACY)


@pytest.mark.parametrize("times", [2, 3, 5])
def test_a_smaller_or_larger_map_is_scaled_to_the_truth(times: int) -> None:
    def enlarged(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.repeat(np.repeat(ids, times, axis=0), times, axis=1)

    smaller = evaluate(saying(PREDICTED), CIHP, [labelled(enlarged(TRUTH))])
    assert smaller.per_class == pytest.approx(IOUS)
    larger = evaluate(saying(enlarged(PREDICTED)), CIHP, [labelled(TRUTH)])
    assert larger.per_class == pytest.approx(IOUS)


def test_a_scaled_map_is_not_shifted() -> None:
    # Three columns to eight: the centres of columns 0-2, 3-4 and 5-7 lie in each third.
    truth = np.array([[0, 0, 0, 1, 1, 2, 2, 2]], np.uint8)
    assert evaluate(saying(np.array([[0, 1, 2]], np.uint8)), CIHP, [labelled(truth)]).miou == 1.0


def test_pictures_are_read_one_at_a_time() -> None:
    parsed: list[int] = []

    def parse(frame: Frame) -> Parsing:
        parsed.append(len(parsed))
        return knowing(frame)

    def pictures() -> Iterator[Labelled]:
        for count in range(3):
            assert len(parsed) == count
            yield labelled(TRUTH)

    assert evaluate(parse, CIHP, pictures()).pictures == 3


class Clock:
    """Stands still but for what parsing takes."""

    def __init__(self, takes_s: Iterable[float]) -> None:
        self.now = 50.0
        self._takes_s = iter(takes_s)

    def __call__(self) -> float:
        return self.now

    def parse(self, frame: Frame) -> Parsing:
        self.now += next(self._takes_s)
        return knowing(frame)


@pytest.mark.parametrize(
    ("takes_s", "sizes", "median_ms"),
    [
        ([9.0, 0.002, 0.004, 0.012], [(3, 4)] * 4, 4.0),
        ([9.0, 0.002, 8.0, 0.004], [(3, 4), (3, 4), (4, 3), (4, 3)], 3.0),
        ([0.005], [(3, 4)], 5.0),
    ],
    ids=["the first is left out", "the first of each size", "only one"],
)
def test_time_is_the_median_once_warm(
    takes_s: list[float], sizes: list[tuple[int, int]], median_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(takes_s)
    # By its entry, because the package has a function of the same name.
    monkeypatch.setattr(sys.modules["pipeline.evaluation.evaluate"], "perf_counter", clock)
    score = evaluate(clock.parse, CIHP, [labelled(np.zeros(size, np.uint8)) for size in sizes])
    assert score.ms_per_picture == pytest.approx(median_ms)
