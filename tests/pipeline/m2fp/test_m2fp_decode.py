"""What M2FP says, read: on made-up answers known to the cell, and beside what ModelScope made of the same."""

import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import LIP, Box, Size
from pipeline.labels import CIHP_HUMAN
from pipeline.m2fp.config import MULTI_PERSON, SINGLE_PERSON, M2fpConfig
from pipeline.m2fp.decode import MIN_BACKGROUND, decode
from pipeline.m2fp.instances import MIN_CLAIM, NOBODY
from pipeline.m2fp.masks import MAX_PAIRS, MIN_SCORE, ClassMask, masks, scaled
from pipeline.m2fp.queries import Queries
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox
from pipeline.people.instances import MAX_PEOPLE
from tests.support.paths import GOLDEN

SAME_SCORE = 1e-5
"""Sums of thousands of float32, in another order."""
CELL = 4
"""Input pixels to a side of a cell."""
SURE = 0.99
"""How likely a query is of its class, unless said."""
INPUT = Size(128, 192)
HUMAN, HAIR, COAT, PANTS, ARM = (CIHP_HUMAN.id_of(name) for name in ("Human", "Hair", "Coat", "Pants", "Left-arm"))


def logit(likely: float) -> float:
    return float(np.log(likely / (1 - likely)))


class Answer:
    """What the network might say of an input of some size: background, until something is drawn."""

    def __init__(self, input_size: Size = INPUT, config: M2fpConfig = MULTI_PERSON) -> None:
        self.config = config
        self.shape = input_size.height // CELL, input_size.width // CELL
        self.logits: list[NDArray[np.float32]] = []
        self.masks: list[NDArray[np.float32]] = []
        self.background = np.full(self.shape, 8.0, np.float32)

    def says(self, class_id: int, *cells: Box, likely: float = SURE, inside: float = 0.9997) -> NDArray[np.float32]:
        """One more query: a class, and a mask that may be changed afterwards."""
        logits = np.full(len(self.config.classes) + 1, -30.0, np.float32)
        logits[[class_id, -1]] = logit(likely), 0.0
        mask = np.full(self.shape, -8.0, np.float32)
        for each in cells:
            put(mask, each, logit(inside))
            if class_id < self.config.parts:
                put(self.background, each, -8.0)
        self.logits.append(logits)
        self.masks.append(mask)
        return mask

    def both(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        nothing = np.full(len(self.config.classes) + 1, -30.0, np.float32)
        nothing[0] = 30.0
        return np.stack([nothing, *self.logits]), np.stack([self.background, *self.masks])

    def read(self, fit: Letterbox | None = None) -> Decoded:
        decoded = decode(*self.both(), fit or whole(Size(*(CELL * side for side in self.shape))), self.config)
        check(decoded)
        return decoded


def check(decoded: Decoded) -> None:
    """What holds whatever the network says."""
    labels, instances, people, _ = decoded
    assert labels.dtype == instances.dtype == np.uint8
    assert labels.shape == instances.shape
    assert not instances[labels == 0].any()
    assert set(np.unique(instances)) - {0} == set(range(1, len(people) + 1))
    assert all(0 <= person.score <= 1 and person.track_id == 0 for person in people)
    assert all(one.score >= other.score for one, other in pairwise(people))


def whole(input_size: Size) -> Letterbox:
    """A frame that fills the input, at half of its own size."""
    return Letterbox.into(Size(2 * input_size.height, 2 * input_size.width), input_size)


def put(plane: NDArray[np.generic], cells: Box, value: float) -> None:
    plane[cells.top : cells.bottom, cells.left : cells.right] = value


def painted(*pieces: tuple[Box, int], input_size: Size = INPUT) -> NDArray[np.uint8]:
    """A map of cells with rectangles on it."""
    ids = np.zeros((input_size.height // CELL, input_size.width // CELL), np.uint8)
    for cells, value in pieces:
        put(ids, cells, value)
    return ids


def in_cells(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map as seen in the middle of each cell: enlarging rounds the corners of rectangles off."""
    return ids[CELL // 2 :: CELL, CELL // 2 :: CELL]


def noise(seed: int, classes: int, cells: tuple[int, int], queries: int = 100) -> list[NDArray[np.float32]]:
    """An answer of blots, most of which are sure of what they are."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(queries, classes + 1)).astype(np.float32)
    logits[np.arange(queries), random.integers(0, classes + 1, queries)] += 4
    blots = [cv2.GaussianBlur(random.normal(size=cells), None, 1.5) for _ in range(queries)]
    return [logits, np.array([30 * blot - random.uniform(0, 3) for blot in blots], np.float32)]


LEFT, RIGHT = Box(4, 4, 14, 28), Box(14, 4, 24, 28)
"""Cells of two who stand side by side, with nothing between them."""
BORDER = Box(12, 4, 16, 28)
"""The cells next to the line between them."""


def halves(cells: Box) -> tuple[Box, Box]:
    """Upper and lower."""
    middle = (cells.top + cells.bottom) // 2
    return cells._replace(bottom=middle), cells._replace(top=middle)


def test_a_label_is_the_class_with_the_highest_sum_over_queries() -> None:
    answer = Answer()
    answer.says(COAT, LEFT, likely=0.5)
    answer.says(PANTS, LEFT, likely=0.3)
    answer.says(PANTS, LEFT, likely=0.3)
    np.testing.assert_array_equal(in_cells(answer.read().labels), painted((LEFT, PANTS)))


@pytest.mark.parametrize("config", [MULTI_PERSON, SINGLE_PERSON], ids=["multi", "single"])
@given(seed=st.integers(0, 2**32 - 1))
def test_labels_are_the_plain_fold(config: M2fpConfig, seed: int) -> None:
    logits, blots = noise(seed, len(config.classes), (16, 24))
    likely = np.exp(logits.astype(np.float64))
    likely /= likely.sum(axis=1, keepdims=True)
    scores = np.einsum("qc,qhw->chw", likely[:, : config.parts], 1 / (1 + np.exp(-blots.astype(np.float64))))
    planes = np.stack([cv2.resize(plane, (96, 64), interpolation=cv2.INTER_LINEAR) for plane in scores])
    decoded = decode(logits, blots, whole(Size(64, 96)), config)
    check(decoded)
    chosen = np.take_along_axis(planes, decoded.labels[None].astype(np.intp), axis=0)[0]
    # Which of two that are equal but for rounding is left open.
    np.testing.assert_allclose(chosen, planes.max(axis=0), rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (64, 112), (7, 3)])
def test_classes_are_summed_over_queries_in_pieces(shape: tuple[int, int]) -> None:
    logits, blots = noise(3, 20, shape)
    queries = Queries.of(logits, blots)
    plain = np.einsum("qc,qhw->chw", queries.likely.astype(np.float64), queries.inside)
    np.testing.assert_allclose(queries.scores(20), plain[:20], rtol=1e-5)


QUIETLY = """
import numpy as np
from pathlib import Path
from pipeline.m2fp.queries import Queries

def others(name):
    me = Path("/proc/thread-self").resolve().name
    return {each.name: (each / name).read_text() for each in Path("/proc/self/task").iterdir() if each.name != me}

random = np.random.default_rng(0)
queries = Queries.of(random.random((100, 22), np.float32), random.random((100, 64, 112), np.float32))
while any(") S " not in state for state in others("stat").values()):
    pass  # those of OpenBLAS look around for work when they are new
before = others("schedstat")
queries.scores(20)
print(len(before), before == others("schedstat"))
"""


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux says which threads have run")
def test_no_other_thread_is_woken_for_it() -> None:
    """OpenBLAS's threads, once woken, take processors from the network for a while."""
    done = subprocess.run(
        [sys.executable, "-c", QUIETLY],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split()[1] == "True"


def test_a_whole_person_does_not_outvote_its_parts() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(COAT, LEFT, likely=0.5)
    np.testing.assert_array_equal(in_cells(answer.read().labels), painted((LEFT, COAT)))


@pytest.mark.parametrize("config", [MULTI_PERSON, SINGLE_PERSON], ids=["multi", "single"])
def test_nobody_is_there_where_every_query_says_nothing(config: M2fpConfig) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(100, len(config.classes) + 1)).astype(np.float32)
    logits[:, -1] = 12.0
    decoded = decode(logits, random.normal(size=(100, 16, 24)).astype(np.float32), whole(Size(64, 96)), config)
    check(decoded)
    assert not decoded.labels.any()
    assert decoded.people == ()


@pytest.mark.parametrize("likely", [MIN_BACKGROUND - 0.01, MIN_BACKGROUND + 0.01])
def test_what_no_query_claims_is_background(likely: float) -> None:
    answer = Answer()
    answer.says(COAT, LEFT, likely=likely)
    assert answer.read().labels.any() == (likely > MIN_BACKGROUND)


def test_what_is_surer_than_float_can_say_is_read_quietly() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(COAT, LEFT)
    logits, planes = answer.both()
    assert len(decode(100 * logits, 1000 * planes, whole(INPUT), MULTI_PERSON).people) == 1


def test_persons_are_found_the_surest_first() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT, likely=0.8, inside=0.9)
    answer.says(HUMAN, RIGHT, likely=0.9)
    answer.says(COAT, LEFT)
    answer.says(PANTS, RIGHT)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.labels), painted((LEFT, COAT), (RIGHT, PANTS)))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 2), (RIGHT, 1)))
    # The class's probability times the mask's.
    assert [person.score for person in decoded.people] == pytest.approx([0.9, 0.72], abs=1e-3)
    # Frame pixels: a cell is four of the map, and a pixel of the map two of the frame.
    assert [person.box for person in decoded.people] == [Box(112, 32, 192, 224), Box(32, 32, 112, 224)]


@pytest.mark.parametrize(
    ("likely", "inside", "persons"),
    [(0.29, 0.9999, 0), (0.31, 0.9999, 1), (0.5, 0.55, 0), (0.5, 0.65, 1), (0.99, 0.45, 0)],
)
def test_an_unsure_person_is_none(likely: float, inside: float, persons: int) -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT, likely=likely, inside=inside)
    answer.says(COAT, LEFT)
    assert len(answer.read().people) == persons


def test_a_person_seen_by_two_queries_is_one() -> None:
    answer = Answer()
    mask = answer.says(HUMAN, LEFT, likely=0.9)
    # The second is surer of every other row, and less sure on the whole.
    mask[::2] -= 7.7
    answer.says(HUMAN, LEFT, likely=0.85, inside=0.8)
    assert np.count_nonzero(mask > 0) == LEFT.area
    answer.says(COAT, LEFT)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 1)))


def test_a_piece_of_a_person_is_no_person() -> None:
    answer = Answer()
    upper, head = Box(4, 4, 14, 14), Box(6, 4, 12, 6)
    # Of the head the piece is surer, so that it would be somebody.
    put(answer.says(HUMAN, LEFT), head, logit(0.6))
    answer.says(HUMAN, upper, likely=0.9)
    put(answer.says(COAT, LEFT), head, -8.0)
    answer.says(HAIR, head)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 1)))


def test_where_two_masks_overlap_the_surer_person_is_in_front() -> None:
    answer = Answer()
    left, both, right = Box(4, 4, 12, 28), Box(12, 4, 18, 28), Box(18, 4, 26, 28)
    put(answer.says(HUMAN, left), both, logit(0.95))
    answer.says(HUMAN, right, both, likely=0.9)
    answer.says(COAT, left)
    answer.says(PANTS, both)
    answer.says(COAT, right)
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((left, 1), (both, 1), (right, 2)))


def test_who_has_no_part_is_not_there() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(HUMAN, RIGHT, likely=0.9)
    answer.says(COAT, RIGHT)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((RIGHT, 1)))
    assert [person.score for person in decoded.people] == pytest.approx([0.9], abs=1e-3)


def two_who_touch(hesitation: float = 0.0) -> Answer:
    """At the line between them both Human masks are so likely to take the other's cells for their own."""
    answer = Answer()
    sides = BORDER._replace(right=14), BORDER._replace(left=14)
    for person, likely, (own, others) in ((LEFT, 0.99, sides), (RIGHT, 0.95, sides[::-1])):
        mask = answer.says(HUMAN, person, likely=likely)
        if hesitation:
            put(mask, own, logit(1 - hesitation))
            put(mask, others, logit(hesitation))
    return answer


def test_parts_stay_whole_where_two_touch_and_human_masks_hesitate() -> None:
    answer = two_who_touch(hesitation=0.6)
    for person in (LEFT, RIGHT):
        coat, pants = halves(person)
        answer.says(COAT, coat)
        answer.says(PANTS, pants)
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((LEFT, 1), (RIGHT, 2)))


def test_a_part_of_two_persons_in_one_query_is_divided() -> None:
    answer = two_who_touch()
    coats, pants = zip(halves(LEFT), halves(RIGHT))
    answer.says(COAT, *coats)
    answer.says(PANTS, *pants)
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((LEFT, 1), (RIGHT, 2)))


def test_a_hand_on_anothers_shoulder_follows_its_arm() -> None:
    answer = two_who_touch()
    arm, hand = Box(9, 6, 22, 8), Box(9, 6, 14, 8)
    answer.says(COAT, LEFT)
    answer.says(COAT, RIGHT)
    # Both wear coats; the arm is in front.
    answer.says(ARM, arm)
    for mask in answer.masks[2:4]:
        put(mask, arm, -8.0)
    # What hardly is an arm at all has no say.
    answer.says(ARM, LEFT, likely=0.12, inside=0.9999)
    left, right = answer.masks[:2]
    put(left, hand, logit(0.6))
    put(right, hand, logit(0.4))
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((LEFT, 1), (RIGHT, 2), (hand, 2)))
    # A hand that Human masks are sure of is where they say.
    put(left, hand, logit(0.99))
    put(right, hand, logit(0.01))
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((LEFT, 1), (RIGHT, 2)))


@pytest.mark.parametrize("shared", [False, True], ids=["each its query", "one query for both"])
def test_a_child_in_front_of_an_adult_is_its_own(shared: bool) -> None:
    adult, child = Box(10, 2, 30, 30), Box(16, 18, 22, 30)
    answer = Answer()
    # The adult's mask may take the child for its own, but is less sure of it.
    put(answer.says(HUMAN, adult), child, logit(0.05 if shared else 0.75))
    answer.says(HUMAN, child, likely=0.95)
    if shared:
        answer.says(COAT, adult)
    else:
        put(answer.says(COAT, adult), child, -8.0)
        answer.says(COAT, child)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((adult, 1), (child, 2)))


def test_an_arm_that_the_human_mask_misses_in_part_is_of_the_person() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(COAT, LEFT._replace(right=8))
    arm = Box(8, 6, 16, 8)
    answer.says(ARM, arm)
    assert arm.right > LEFT.right
    np.testing.assert_array_equal(in_cells(answer.read().instances), painted((LEFT._replace(right=8), 1), (arm, 1)))


def test_what_is_nobodys_keeps_its_label() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(COAT, LEFT)
    far = Box(30, 10, 40, 20)
    answer.says(PANTS, far)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.labels), painted((LEFT, COAT), (far, PANTS)))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 1)))
    assert [person.box for person in decoded.people] == [Box(32, 32, 112, 224)]


def test_a_person_ends_where_the_human_mask_fades() -> None:
    answer = Answer()
    rim, beyond = Box(14, 4, 18, 20), Box(14, 20, 18, 28)
    mask = answer.says(HUMAN, LEFT)
    put(mask, rim, logit(NOBODY + 0.05))
    put(mask, beyond, logit(NOBODY - 0.05))
    answer.says(COAT, LEFT)
    # Many who are hardly sure are sure together; but whether one of them has most of its cells in the person does
    # not count.
    for _ in range(9):
        answer.says(PANTS, rim, beyond, likely=MIN_CLAIM - 0.01)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.labels), painted((LEFT, COAT), (rim, PANTS), (beyond, PANTS)))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 1), (rim, 1)))


def test_labels_that_reach_past_their_cells_are_of_the_same_person() -> None:
    answer = Answer()
    answer.says(HUMAN, LEFT)
    answer.says(COAT, LEFT)
    # So unsure of the background that half way to the next cell's middle it is a coat still.
    answer.background -= 8.0
    decoded = answer.read()
    assert np.count_nonzero(decoded.labels) > LEFT.area * CELL**2
    np.testing.assert_array_equal(decoded.instances, decoded.labels > 0)


def test_labels_between_two_are_of_the_likelier() -> None:
    answer = Answer()
    gap, right = LEFT._replace(left=14, right=15), Box(15, 4, 25, 28)
    left_mask = answer.says(HUMAN, LEFT)
    answer.says(HUMAN, right, likely=0.95)
    put(left_mask, gap, logit(0.3))
    answer.says(COAT, LEFT)
    answer.says(COAT, right)
    # Background wins the middle of the gap, and not all of it.
    put(answer.background, gap, logit(0.4))
    decoded = answer.read()
    columns = decoded.instances[16 * CELL, 13 * CELL : 16 * CELL]
    np.testing.assert_array_equal(columns, [1, 1, 1, 1, 1, 0, 0, 1, 2, 2, 2, 2])


def test_a_crowd_larger_than_an_instance_map_can_hold() -> None:
    size = Size(256, 448)
    answer = Answer(size)
    spots = list(product(range(0, 64, 4), range(0, 112, 4)))[:300]
    for index, (top, left) in enumerate(spots):
        answer.says(HUMAN, Box(left, top, left + 4, top + 4), likely=0.5 + index / 1000)
    answer.says(COAT, Box(0, 0, 112, 64))
    decoded = answer.read()
    scores = [person.score for person in decoded.people]
    assert len(scores) == MAX_PEOPLE
    assert {person.box.area for person in decoded.people} == {(2 * CELL * 4) ** 2}
    # Those drawn last are the surest; the last of them is the 300th but 45.
    assert scores[-1] == pytest.approx(0.5 + (300 - MAX_PEOPLE) / 1000, abs=1e-3)


def test_who_is_only_in_the_grey_is_not_there() -> None:
    fit = Letterbox.into(Size(60, 180), INPUT)
    assert fit.content_size == Size(64, 192)
    answer = Answer()
    inside, grey = Box(4, 2, 20, 12), Box(20, 18, 40, 30)
    for person, likely in ((inside, 0.8), (grey, 0.9)):
        answer.says(HUMAN, person, likely=likely)
        answer.says(COAT, person)
    decoded = answer.read(fit)
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((inside, 1))[:16])
    assert len(decoded.people) == 1


def test_in_a_mirror_everything_is_mirrored() -> None:
    answer = two_who_touch(hesitation=0.6)
    for person in (LEFT, RIGHT):
        coat, pants = halves(person)
        answer.says(COAT, coat)
        answer.says(PANTS, pants, likely=0.8)
    logits, planes = answer.both()
    there = decode(logits, planes, whole(INPUT), MULTI_PERSON)
    mirrored = decode(logits, planes[..., ::-1], whole(INPUT), MULTI_PERSON)
    np.testing.assert_array_equal(mirrored.labels[:, ::-1], there.labels)
    np.testing.assert_array_equal(mirrored.instances[:, ::-1], there.instances)


@given(
    st.builds(Size, st.integers(1, 300), st.integers(1, 300)),
    st.integers(2, 5),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
)
def test_boxes_hold_their_persons_and_no_more(frame: Size, rows: int, columns: int, seed: int) -> None:
    fit = Letterbox.into(frame, Size(32 * rows, 32 * columns))
    logits, blots = noise(seed, 21, (8 * rows, 8 * columns), queries=30)
    decoded = decode(logits, blots, fit, MULTI_PERSON)
    check(decoded)
    assert decoded.labels.shape == fit.content_size
    down, across = (whole / part for whole, part in zip(fit.frame_size, fit.content_size))
    for index, person in enumerate(decoded.people, start=1):
        ys, xs = np.nonzero(decoded.instances == index)
        assert person.box.left <= xs.min() * across < person.box.left + 1
        assert person.box.top <= ys.min() * down < person.box.top + 1
        assert person.box.right - 1 < (xs.max() + 1) * across <= person.box.right + 1e-9
        assert person.box.bottom - 1 < (ys.max() + 1) * down <= person.box.bottom + 1e-9


def test_without_a_class_for_persons_all_that_has_a_label_is_one() -> None:
    answer = Answer(config=SINGLE_PERSON)
    answer.says(LIP.id_of("Coat"), LEFT, likely=0.9)
    # Two queries that say the same make no one surer than sure.
    answer.says(LIP.id_of("Hair"), RIGHT, likely=0.8)
    answer.says(LIP.id_of("Hair"), RIGHT, likely=0.8)
    decoded = answer.read()
    np.testing.assert_array_equal(in_cells(decoded.instances), painted((LEFT, 1), (RIGHT, 1)))
    assert [person.score for person in decoded.people] == pytest.approx([0.95], abs=1e-3)
    assert [person.box for person in decoded.people] == [Box(32, 32, 192, 224)]


def peak_bytes(frame_size: Size) -> int:
    logits, blots = noise(3, 21, (72, 128))
    fit = Letterbox.into(frame_size, Size(288, 512))
    tracemalloc.start()
    decode(logits, blots, fit, MULTI_PERSON)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_frame() -> None:
    peak_bytes(Size(720, 1280))
    assert peak_bytes(Size(2160, 3840)) == pytest.approx(peak_bytes(Size(720, 1280)), rel=0.01)


def as_given(size: Size) -> Letterbox:
    """A frame, an input and masks of one size."""
    return Letterbox(size, size, size)


def test_parts_and_persons_are_those_of_modelscope() -> None:
    with np.load(GOLDEN / "golden_post.npz") as file:
        golden = dict(file)
    fit = as_given(Size(*golden["mask_pred"].shape[1:]))
    found = list(masks(golden["mask_cls"], golden["mask_pred"], fit, MULTI_PERSON))
    ours = [(CIHP_HUMAN.id_of(each.label), int(each.mask.sum()), each.score) for each in found]
    parts = zip(golden["part_label"], golden["part_area"], golden["part_score"])
    humans = ((HUMAN, area, score) for area, score in zip(golden["human_area"], golden["human_score"]))
    theirs = [(int(label), int(area), float(score)) for label, area, score in (*parts, *humans)]
    assert len(theirs) == 45
    # Parts first, then persons.
    assert [label == HUMAN for label, _, _ in ours] == [False] * 39 + [True] * 6
    for one, other in zip(sorted(ours), sorted(theirs), strict=True):
        assert one == pytest.approx(other, abs=SAME_SCORE)


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(GOLDEN / "golden_masks.npz") as file:
        return dict(file)


def of_golden(golden: dict[str, NDArray[np.generic]], name: str, config: M2fpConfig) -> list[ClassMask]:
    content = Box(*golden[f"{name}_content"].tolist())
    size = Size(content.bottom - content.top, content.right - content.left)
    frame, into = Size(*golden[f"{name}_frame"].tolist()), Size(*golden["input"].tolist())
    fit = Letterbox(frame, into, size, content.top, content.left)
    return list(masks(golden[f"{name}_logits"], golden["masks"].astype(np.float32), fit, config))


def test_masks_in_the_frame_are_those_of_modelscope(golden: dict[str, NDArray[np.generic]]) -> None:
    width = int(golden["multi_frame"][1])
    theirs = np.unpackbits(golden["multi_masks"], axis=-1, count=width).astype(bool)
    left = list(zip(golden["multi_labels"].tolist(), golden["multi_scores"].tolist(), theirs))
    found = of_golden(golden, "multi", MULTI_PERSON)
    assert len(found) == len(left)
    for label, score, mask in found:
        assert mask.dtype == bool
        twin = next(
            index
            for index, (class_id, its_score, its_mask) in enumerate(left)
            if MULTI_PERSON.classes[class_id] == label
            and abs(its_score - score) < SAME_SCORE
            and np.array_equal(its_mask, mask)
        )
        left.pop(twin)


def test_masks_of_classes_are_those_of_modelscope(golden: dict[str, NDArray[np.generic]]) -> None:
    found = of_golden(golden, "single", SINGLE_PERSON)
    # In the same order, background included.
    assert [each.label for each in found] == [SINGLE_PERSON.classes[label] for label in golden["single_labels"]]
    assert [each.score for each in found] == pytest.approx(golden["single_scores"].tolist(), abs=SAME_SCORE)
    for each, label in zip(found, golden["single_labels"]):
        np.testing.assert_array_equal(each.mask, golden["single_map"] == label)


@pytest.mark.parametrize("class_id", [COAT, HUMAN])
@pytest.mark.parametrize(
    ("likely", "inside", "count"),
    [(MIN_SCORE - 0.01, 0.999, 0), (MIN_SCORE + 0.01, 0.999, 1), (0.15, 0.55, 0), (0.99, 0.45, 0)],
)
def test_unsure_masks_are_not_returned(class_id: int, likely: float, inside: float, count: int) -> None:
    answer = Answer()
    answer.says(class_id, LEFT, likely=likely, inside=inside)
    assert len(list(masks(*answer.both(), whole(INPUT), MULTI_PERSON))) == count


def test_only_the_likeliest_pairs_are_looked_at() -> None:
    # 60 queries that hesitate between two classes, and of the second are surer one after the other. Of the 120 pairs
    # the twenty least likely are left out.
    likely = np.full((60, 22), 1e-6)
    likely[:, COAT] = 0.5
    likely[:, PANTS] = 0.3 + np.arange(60) / 1000
    sums = likely.sum(axis=1)
    planes = np.full((60, 8, 8), 9.0, np.float32)
    found = list(masks(np.log(likely).astype(np.float32), planes, as_given(Size(8, 8)), MULTI_PERSON))
    assert len(found) == MAX_PAIRS
    pants = [each.score for each in found if each.label == "Pants"]
    assert pants == pytest.approx(np.sort(likely[20:, PANTS] / sums[20:])[::-1], abs=1e-3)


def test_masks_lie_where_the_frame_does() -> None:
    fit = Letterbox.into(Size(60, 180), INPUT)
    answer = Answer()
    answer.says(COAT, Box(4, 2, 20, 12))
    (coat,) = masks(*answer.both(), fit, MULTI_PERSON)
    assert coat.mask.shape == (60, 180)
    # 192 / 180 pixels of the input to one of the frame.
    rows, columns = np.nonzero(coat.mask)
    ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert ends == pytest.approx(np.array([4, 2, 20, 12]) * CELL * 180 / 192, abs=1)


@pytest.mark.parametrize("config", [MULTI_PERSON, SINGLE_PERSON], ids=["multi", "single"])
def test_masks_are_enlarged_one_at_a_time(config: M2fpConfig) -> None:
    frame = Size(720, 1280)
    fit = Letterbox.into(frame, Size(64, 96))
    logits, blots = noise(5, len(config.classes), (16, 24))
    tracemalloc.start()
    count = sum(1 for _ in masks(logits, blots, fit, config))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 10
    # A plane of float32 takes 4 bytes a pixel; three of them, and masks and places of one, are in use at once.
    assert peak < 20 * frame.height * frame.width


def test_few_masks_at_a_time_are_enlarged_to_the_input() -> None:
    into = Size(256, 384)
    logits, blots = noise(5, 20, (64, 96))
    tracemalloc.start()
    next(iter(masks(logits, blots, Letterbox.into(Size(32, 48), into), SINGLE_PERSON)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Twenty classes, what is added to them, and a few masks; not the hundred.
    assert peak < 70 * 4 * into.height * into.width


def test_a_plane_is_blended_between_the_centres_of_its_pixels() -> None:
    np.testing.assert_array_equal(scaled(np.array([[0, 4]], np.float32), Size(1, 4)), [[0, 1, 3, 4]])
    np.testing.assert_array_equal(scaled(np.array([[0], [4]], np.float32), Size(4, 1)), [[0], [1], [3], [4]])
    # A third of the size takes the middle of three: nothing is averaged.
    np.testing.assert_array_equal(scaled(np.array([[9, 1, 9, 9, 2, 9]], np.float32), Size(1, 2)), [[1, 2]])


@given(*[st.integers(1, 40)] * 2, *[st.integers(1, 120)] * 2)
def test_planes_are_scaled_as_opencv_does(rows: int, columns: int, height: int, width: int) -> None:
    plane = np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)
    theirs = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    # Places between pixels are rounded in another way: 1e-5 of a pixel.
    np.testing.assert_allclose(scaled(plane, Size(height, width)), theirs.reshape(height, width), atol=1e-4)
    np.testing.assert_array_equal(scaled(plane, Size(rows, columns)), plane)
