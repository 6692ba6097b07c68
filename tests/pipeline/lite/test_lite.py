"""What the bundled network says, read: on made-up answers known to the cell, and once on a real picture."""

import math
from collections.abc import Iterator
from itertools import product

import av
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Parsing, Size, load_parser
from pipeline.lite.decode import (
    FAINT,
    MIN_CELLS,
    MIN_PEAK,
    OFFSET_CELLS,
    PEAK_WINDOW,
    REACH,
    SPREAD,
    SURE_CELLS,
    SURE_LEAD,
    SURE_SHARE,
    SURER,
    Decoded,
    decode,
)
from pipeline.lite.model import FILE
from pipeline.network.letterbox import Letterbox
from pipeline.people.instances import MAX_PEOPLE
from tests.support.paths import STREET

CELL = 4
"""Input pixels to a side of a cell."""
CLIP = STREET
SURE = 3.0
"""Logit of a centre, unless said."""
CLEAR = 6.0
"""What a class of somebody plain to see leads background by, and background elsewhere."""
SKIRT, COAT = CIHP.id_of("Skirt"), CIHP.id_of("Coat")


class Answer:
    """What a network might say of an input of some size: nobody, until persons are drawn."""

    def __init__(self, input_size: Size) -> None:
        rows, columns = input_size.height // CELL, input_size.width // CELL
        # Background is 0 everywhere and a class goes from -6 to 6, so that labels end exactly where cells do.
        self.scores = np.full((len(CIHP), rows, columns), -CLEAR, np.float32)
        self.scores[0] = 0.0
        self.people = np.zeros((3, rows, columns), np.float32)
        self.people[0] = -9.0

    def foreground(self, cells: Box, label: int = COAT, towards: tuple[int, int] | None = None) -> None:
        """Cells of a class that point to a centre, (row, column), or nowhere but to themselves."""
        where = np.s_[cells.top : cells.bottom, cells.left : cells.right]
        self.scores[label][where] = CLEAR
        if towards is not None:
            rows, columns = np.mgrid[where]
            self.people[1][where] = (towards[0] - rows) / OFFSET_CELLS
            self.people[2][where] = (towards[1] - columns) / OFFSET_CELLS

    def person(self, cells: Box, label: int = COAT, logit: float = SURE) -> None:
        """Somebody whose centre is in the middle of the cells."""
        centre = (cells.top + cells.bottom) // 2, (cells.left + cells.right) // 2
        self.people[(0, *centre)] = logit
        self.foreground(cells, label, centre)

    def read(self, fit: Letterbox) -> Decoded:
        decoded = decode(self.scores, self.people, fit)
        assert decoded.labels.shape == decoded.instances.shape == fit.content_size
        assert decoded.labels.dtype == decoded.instances.dtype == np.uint8
        # Who has a label is somebody, and somebody has a label.
        np.testing.assert_array_equal(decoded.labels > 0, decoded.instances > 0)
        assert set(np.unique(decoded.instances)) - {0} == set(range(1, len(decoded.people) + 1))
        return decoded


def whole(input_size: Size) -> Letterbox:
    """A frame that fills the input, at half of its own size."""
    return Letterbox.into(Size(2 * input_size.height, 2 * input_size.width), input_size)


def painted(input_size: Size, *pieces: tuple[Box, int]) -> NDArray[np.uint8]:
    """A map of cells with rectangles on it."""
    ids = np.zeros((input_size.height // CELL, input_size.width // CELL), np.uint8)
    for cells, value in pieces:
        ids[cells.top : cells.bottom, cells.left : cells.right] = value
    return ids


def in_cells(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map as seen in the middle of each cell: enlarging rounds the corners of rectangles off."""
    return ids[CELL // 2 :: CELL, CELL // 2 :: CELL]


INPUT = Size(64, 96)
LEFT, RIGHT = Box(2, 2, 12, 14), Box(12, 3, 22, 15)
"""Cells of two who stand side by side, with nothing between them."""


def test_two_who_touch_come_apart() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT)
    answer.person(RIGHT, SKIRT, logit=SURE + 1)
    decoded = answer.read(whole(INPUT))
    np.testing.assert_array_equal(in_cells(decoded.labels), painted(INPUT, (LEFT, COAT), (RIGHT, SKIRT)))
    # The surest comes first.
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(INPUT, (LEFT, 2), (RIGHT, 1)))
    assert [person.score for person in decoded.people] == pytest.approx([0.98201, 0.95257], abs=1e-4)
    assert [person.track_id for person in decoded.people] == [0, 0]
    # Frame pixels: a cell is four of the map, and a pixel of the map two of the frame.
    assert [person.box for person in decoded.people] == [Box(96, 24, 176, 120), Box(16, 16, 96, 112)]


def test_a_cell_belongs_to_the_centre_it_points_to_and_not_to_the_one_nearby() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT)
    answer.person(RIGHT, logit=SURE + 1)
    hand = Box(2, 2, 5, 5)
    answer.foreground(hand, towards=(9, 17))
    np.testing.assert_array_equal(
        in_cells(answer.read(whole(INPUT)).instances), painted(INPUT, (LEFT, 2), (RIGHT, 1), (hand, 1))
    )


def test_labels_that_reach_past_their_cells_are_not_cut() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT)
    # So sure of the coat that half way to the next cell's middle it is a coat still.
    answer.scores[COAT][answer.scores[COAT] > 0] = 9 * CLEAR
    fit = whole(INPUT)
    decoded = answer.read(fit)
    np.testing.assert_array_equal(decoded.labels, fit.labels(answer.scores))
    assert np.count_nonzero(decoded.labels) > LEFT.area * CELL**2


def test_who_is_sure_nowhere_is_nobody() -> None:
    """A chair that looks a little like a coat does so in each of its cells."""
    answer = Answer(INPUT)
    answer.person(LEFT)
    answer.person(RIGHT)
    coats = answer.scores[COAT]
    thing = np.s_[RIGHT.top : RIGHT.bottom, RIGHT.left : RIGHT.right]
    needed = SURE_LEAD + SURER * math.log(RIGHT.area / SURE_CELLS) - FAINT
    coats[thing] = needed - 0.01
    np.testing.assert_array_equal(in_cells(answer.read(whole(INPUT)).instances), painted(INPUT, (LEFT, 1)))
    few = math.ceil(SURE_SHARE * RIGHT.area)
    coats[RIGHT.top + 1, RIGHT.left : RIGHT.right] = needed + 0.01
    assert RIGHT.right - RIGHT.left < few
    assert len(answer.read(whole(INPUT)).people) == 1
    coats[RIGHT.top + 2, RIGHT.left : RIGHT.left + few - (RIGHT.right - RIGHT.left)] = needed + 0.01
    assert len(answer.read(whole(INPUT)).people) == 2


def test_the_larger_somebody_is_the_surer_they_must_be() -> None:
    lead = SURE_LEAD - FAINT + SURER * math.log(200 / SURE_CELLS)
    for cells, found in ((Box(2, 2, 12, 14), 1), (Box(2, 2, 22, 15), 0)):
        answer = Answer(INPUT)
        answer.person(cells)
        answer.scores[COAT][answer.scores[COAT] > 0] = lead
        assert len(answer.read(whole(INPUT)).people) == found, cells


def test_whoever_is_faint_has_what_background_hardly_leads_in() -> None:
    """Beside somebody plain to see such cells are background."""
    for logit, hand_is_theirs in ((CLEAR, False), (2.2, True)):
        answer = Answer(INPUT)
        answer.person(LEFT)
        answer.scores[COAT][answer.scores[COAT] > 0] = logit
        hand = Box(LEFT.right, 4, LEFT.right + 5, 9)
        answer.foreground(hand, towards=(8, 7))
        answer.scores[COAT, hand.top : hand.bottom, hand.left : hand.right] = -FAINT / 2
        found = in_cells(answer.read(whole(INPUT)).instances)[5:8, hand.left + 1 : hand.right - 1]
        assert bool(np.all(found)) == bool(np.any(found)) == hand_is_theirs


def test_what_looks_alike_on_somebody_is_one_garment_and_what_does_not_is_another() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT)
    doubtful = Box(4, 4, 6, 6)
    where = np.s_[doubtful.top : doubtful.bottom, doubtful.left : doubtful.right]
    answer.scores[SKIRT][where], answer.scores[COAT][where] = CLEAR, CLEAR - 0.3
    plain = np.full((*INPUT, 3), 90, np.uint8)
    patched = plain.copy()
    patched[CELL * doubtful.top : CELL * doubtful.bottom, CELL * doubtful.left : CELL * doubtful.right] = (0, 0, 250)
    for picture, label in ((plain, COAT), (patched, SKIRT), (None, SKIRT)):
        decoded = decode(answer.scores, answer.people, whole(INPUT), picture)
        assert decoded.garments is not None
        skirt, coat = (decoded.garments.logits[decoded.garments.classes.index(each)][where] for each in (SKIRT, COAT))
        assert ((skirt > coat) == (label == SKIRT)).all()


@pytest.mark.parametrize(("apart", "persons"), [(PEAK_WINDOW // 2, 1), (PEAK_WINDOW // 2 + 1, 2)])
def test_centres_close_together_are_one(apart: int, persons: int) -> None:
    answer = Answer(INPUT)
    answer.foreground(Box(4, 4, 20, 12))
    answer.people[0, 8, 10] = SURE
    answer.people[0, 8, 10 + apart] = SURE - 1
    assert len(answer.read(whole(INPUT)).people) == persons


def test_a_lone_sure_cell_beside_a_broad_centre_is_no_second_person() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT)
    row, column = (LEFT.top + LEFT.bottom) // 2, (LEFT.left + LEFT.right) // 2
    answer.people[0, row - 1 : row + 2, column - 1 : column + 2] = SURE - 1
    beside = column + PEAK_WINDOW // 2 + 1
    answer.people[0, row, beside] = answer.people[0, row, column] = SURE
    answer.foreground(Box(column + 1, LEFT.top, LEFT.right, LEFT.bottom), towards=(row, beside))
    assert len(answer.read(whole(INPUT)).people) == 1
    # Broad as well, it is one.
    answer.people[0, row - 1 : row + 2, beside : beside + 2] = SURE - 1
    answer.people[0, row, beside] = SURE
    assert len(answer.read(whole(INPUT)).people) == 2


@pytest.mark.parametrize(("likely", "persons"), [(MIN_PEAK - 0.01, 0), (MIN_PEAK + 0.01, 1)])
def test_an_unlikely_centre_is_none(likely: float, persons: int) -> None:
    answer = Answer(INPUT)
    answer.person(LEFT, logit=float(np.log(likely / (1 - likely))))
    decoded = answer.read(whole(INPUT))
    assert [person.score for person in decoded.people] == pytest.approx([likely] * persons)


def test_a_speck_is_dropped_and_its_labels_too() -> None:
    answer = Answer(INPUT)
    speck, small = Box(15, 2, 15 + MIN_CELLS - 5, 3), Box(15, 10, 15 + MIN_CELLS // 2, 12)
    answer.person(speck, logit=SURE + 1)
    answer.person(LEFT)
    answer.person(small, SKIRT, logit=SURE - 1)
    decoded = answer.read(whole(INPUT))
    np.testing.assert_array_equal(in_cells(decoded.labels), painted(INPUT, (LEFT, COAT), (small, SKIRT)))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(INPUT, (LEFT, 1), (small, 2)))
    assert [person.score for person in decoded.people] == pytest.approx([0.95257, 0.88080], abs=1e-4)


def test_a_second_peak_in_somebody_is_nobody() -> None:
    answer = Answer(INPUT)
    whole_body = Box(4, 2, 20, 14)
    answer.person(whole_body)
    centre, second = (8, 12), (8, 7)
    # All cells mean the one centre, and not well: some are nearer to the second peak.
    answer.people[(0, *second)] = SURE
    arm = Box(4, 5, 6, 10)
    answer.foreground(arm, towards=(8, 8))
    assert centre == ((whole_body.top + whole_body.bottom) // 2, (whole_body.left + whole_body.right) // 2)
    decoded = answer.read(whole(INPUT))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(INPUT, (whole_body, 1)))
    # With cells that do mean it, it is somebody.
    answer.foreground(Box(4, 2, 9, 14), towards=second)
    assert len(answer.read(whole(INPUT)).people) == 2


def test_a_thing_whose_cells_do_not_agree_is_nobody_and_nobodys() -> None:
    wide = Size(64, 128)
    answer = Answer(wide)
    answer.person(LEFT)
    thing = Box(16, 4, 26, 12)
    answer.person(thing)
    assert len(answer.read(whole(wide)).people) == 2
    # Each cell but the middle means another place, as many cells away as the thing is wide.
    rows, columns = np.mgrid[thing.top : thing.bottom, thing.left : thing.right]
    side = np.where(rows < 8, -8.0, 8.0)
    answer.people[1][rows, columns] = (8 + side - rows) / OFFSET_CELLS
    answer.people[2][rows, columns] = (21 - columns) / OFFSET_CELLS
    decoded = answer.read(whole(wide))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(wide, (LEFT, 1)))
    np.testing.assert_array_equal(in_cells(decoded.labels), painted(wide, (LEFT, COAT)))


def test_the_likeliest_comes_first_and_not_the_highest_peak() -> None:
    answer = Answer(INPUT)
    answer.person(LEFT, logit=SURE + 0.1)
    answer.person(RIGHT, SKIRT)
    # Half of the cells on the left point past the centre.
    answer.people[1][LEFT.top : LEFT.bottom, LEFT.left : LEFT.right : 2] += 0.5
    decoded = answer.read(whole(INPUT))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(INPUT, (LEFT, 2), (RIGHT, 1)))
    scores = [person.score for person in decoded.people]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("times", [1, 3])
def test_whose_cells_agree_less_is_less_likely_near_and_far(times: int) -> None:
    size = Size(128 * times, 128 * times)
    answer = Answer(size)
    body = Box(4 * times, 4 * times, 12 * times, 20 * times)
    answer.person(body)
    rows, columns = np.mgrid[body.top : body.bottom, body.left : body.right]
    # Half of the cells point past by half of what makes somebody unlikely, so that the mean is a quarter.
    astray = SPREAD / 2 * body.area**0.5 * (columns % 2)
    answer.people[1][rows, columns] += astray / OFFSET_CELLS
    (person,) = answer.read(whole(size)).people
    assert person.score == pytest.approx(0.95257 * np.exp(-0.0625), abs=1e-3)


def test_what_is_far_from_everybody_is_background() -> None:
    wide = Size(64, 256)
    answer = Answer(wide)
    answer.person(LEFT)
    row, column = 8, 7
    reach = int(REACH * LEFT.area**0.5)
    near, far = Box(column + reach - 4, row, column + reach + 1, row + 1), Box(column + reach + 2, row, 60, row + 1)
    answer.foreground(near)
    answer.foreground(far)
    decoded = answer.read(whole(wide))
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(wide, (LEFT, 1), (near, 1)))
    np.testing.assert_array_equal(in_cells(decoded.labels), painted(wide, (LEFT, COAT), (near, COAT)))


def test_without_a_centre_nobody_is_there_and_nothing_is_labelled() -> None:
    answer = Answer(INPUT)
    answer.foreground(LEFT)
    decoded = answer.read(whole(INPUT))
    assert decoded.people == ()
    assert not decoded.labels.any()


def test_centres_without_foreground_are_nobody() -> None:
    answer = Answer(INPUT)
    answer.people[0, 8, 10] = SURE
    assert answer.read(whole(INPUT)).people == ()


def test_a_crowd_larger_than_an_instance_map_can_hold() -> None:
    size = Size(512, 896)
    answer = Answer(size)
    # So far apart that nobody takes in those who are left out.
    spots = list(product(range(0, 128, 8), range(0, 224, 8)))[:300]
    for index, (top, left) in enumerate(spots):
        answer.person(Box(left, top, left + 4, top + 4), logit=SURE + index / 100)
    decoded = answer.read(whole(size))
    assert len(decoded.people) == MAX_PEOPLE
    scores = [person.score for person in decoded.people]
    assert scores == sorted(scores, reverse=True)
    # The surest are kept: those drawn last. The least sure of them is the 300th from the end but 45.
    assert scores[-1] == pytest.approx(1 / (1 + np.exp(-(SURE + (300 - MAX_PEOPLE) / 100))), abs=1e-5)


@pytest.mark.parametrize(
    ("frame", "into", "cells", "box"),
    [
        # 252 rows of 256 hold the frame, each worth 720 / 252 = 2.857 of its pixels; columns 1280 / 448, the same.
        (Size(720, 1280), Size(256, 448), Box(20, 10, 60, 50), Box(228, 114, 686, 572)),
        (Size(720, 1280), Size(256, 448), Box(0, 0, 112, 64), Box(0, 0, 1280, 720)),
        # 144 columns of 448: five frame pixels each.
        (Size(1280, 720), Size(256, 448), Box(10, 10, 36, 50), Box(200, 200, 720, 1000)),
        # Enlarged: 256 / 100 = 2.56 rows of the map to a pixel.
        (Size(100, 150), Size(256, 384), Box(10, 10, 30, 50), Box(15, 15, 47, 79)),
        (Size(1, 1), Size(64, 64), Box(4, 4, 10, 10), Box(0, 0, 1, 1)),
    ],
    ids=["landscape", "all of it", "grey at the right", "enlarged", "one pixel"],
)
def test_boxes_are_in_frame_pixels(frame: Size, into: Size, cells: Box, box: Box) -> None:
    answer = Answer(into)
    answer.person(cells)
    (person,) = answer.read(Letterbox.into(frame, into)).people
    assert person.box == box


def test_who_is_only_in_the_grey_is_not_there() -> None:
    fit = Letterbox.into(Size(30, 90), INPUT)
    assert fit.content_size == Size(32, 96)
    answer = Answer(INPUT)
    answer.person(Box(2, 10, 12, 16), logit=SURE + 1)
    answer.person(Box(12, 1, 20, 7))
    decoded = answer.read(fit)
    np.testing.assert_array_equal(in_cells(decoded.instances), painted(INPUT, (Box(12, 1, 20, 7), 1))[:8])
    assert len(decoded.people) == 1


def street(index: int) -> NDArray[np.uint8]:
    """A frame of the bundled clip: a street with about ten people, all upright."""
    with av.open(str(CLIP)) as container:
        frames: Iterator[av.VideoFrame] = container.decode(video=0)
        return next(frame for place, frame in enumerate(frames) if place == index).to_ndarray(format="bgr24")


def test_people_on_a_street() -> None:
    picture = street(30)
    # f32, so that every machine sees the same people.
    parser = load_parser(size=(576, 768), precision="f32")

    def parsed(bgr: NDArray[np.uint8]) -> Parsing:
        parser.reset()
        return parser(Frame.still(bgr))

    there, mirrored = parsed(picture), parsed(picture[:, ::-1])
    assert there.map_size == Size(576, 768)
    assert 5 <= len(there.people) <= 12
    tall = [
        person for person in there.people if person.box.bottom - person.box.top > person.box.right - person.box.left
    ]
    assert len(tall) >= 0.8 * len(there.people)
    for part in ("Hair", "Face", "Pants", "UpperClothes"):
        assert there.share(part) > 0, part
    assert abs(len(there.people) - len(mirrored.people)) <= 2
    # People are where they were, mirrored: the two masks share most of their pixels.
    back = mirrored.labels[:, ::-1] > 0
    here = there.labels > 0
    assert np.count_nonzero(here & back) >= 0.7 * np.count_nonzero(here | back)


def test_what_is_said_of_the_network_is_of_this_one() -> None:
    weights = onnx.load(str(FILE)).graph.initializer
    millions = f"{sum(math.prod(each.dims) for each in weights) / 1e6:.1f}"
    assert f"a human parser of {millions} million parameters" in (FILE.parent / "NOTICE").read_text()
    assert f"{millions} M parameters" in load_parser("lite").model.about
