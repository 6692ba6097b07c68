"""How steady parsings are, on made-up videos in which every change is known."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, LIP, Box, Frame, LabelSet, Parsing, Person, Size, Steadiness, steadiness
from pipeline.evaluation.flicker import Flicker
from pipeline.evaluation.garment_flips import GarmentFlips
from pipeline.evaluation.id_switches import NumberSwitches
from pipeline.types import LabelMap

RATE = 25
SHIRT, COAT, DRESS, PANTS, SKIRT, FACE = (
    CIHP.id_of(name) for name in ("UpperClothes", "Coat", "Dress", "Pants", "Skirt", "Face")
)
HEIGHT, WIDTH = 144, 192
SIDE = 64

Mask = NDArray[np.bool_]


def texture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Blots large and small, which flow can follow."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.random((height // blot + 2, width // blot + 2)), (width, height), interpolation=cv2.INTER_CUBIC
        )
        for blot in (4, 8, 24)
    ]
    grey = cv2.normalize(np.sum(layers, axis=0), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


def frame_of(bgr: NDArray[np.uint8], index: int, pts_s: float | None = None) -> Frame:
    return Frame(bgr, index, index / RATE if pts_s is None else pts_s, 0.0)


def parsing_of(labels: LabelMap, instances: LabelMap | None = None, numbers: Iterable[int] = (1,)) -> Parsing:
    """Everything that is not background is the first person's, unless instances say whose it is."""
    return Parsing(
        labels=labels,
        instances=(labels > 0).astype(np.uint8) if instances is None else instances,
        people=tuple(Person(number, 0.9, Box(0, 0, 1, 1)) for number in numbers),
        label_set=CIHP,
        frame_index=0,
        pts_s=0.0,
        captured_s=0.0,
        frame_size=Size(*labels.shape),
        inferred_s=0.0,
        carried_from=0,
    )


def still(*maps: LabelMap) -> Steadiness:
    """A picture that does not move, with these labels in turn."""
    flicker = Flicker(CIHP)
    for index, labels in enumerate(maps):
        flicker.add(frame_of(texture(*labels.shape, seed=1), index), parsing_of(labels))
    return flicker.counted


def square(label: int, top: int = 40, left: int = 40, height: int = SIDE, width: int = SIDE) -> LabelMap:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[top : top + height, left : left + width] = label
    return labels


def moving(steps: int, down: int, across: int) -> Iterator[tuple[Frame, LabelMap]]:
    """A textured square before a still ground; its upper half is a shirt and its lower half trousers."""
    thing = texture(SIDE, SIDE, seed=2)
    for step in range(steps):
        picture = texture(HEIGHT, WIDTH, seed=1)
        top, left = 20 + step * down, 20 + step * across
        picture[top : top + SIDE, left : left + SIDE] = thing
        labels = square(SHIRT, top, left)
        labels[top + SIDE // 2 : top + SIDE, left : left + SIDE] = PANTS
        yield frame_of(picture, step), labels


# Label flips


def test_what_moves_with_the_picture_does_not_flip() -> None:
    flicker = Flicker(CIHP)
    for frame, labels in moving(5, down=5, across=6):
        flicker.add(frame, parsing_of(labels))
    assert flicker.counted.label_flips == 0
    # Nearly all of the square was compared; flow is unsure at its rim.
    assert flicker.counted.pixel_s == pytest.approx(SIDE * SIDE * 4 / RATE, rel=0.25)
    assert flicker.counted.label_flips_per_pixel_s == 0.0
    assert flicker.counted.frames == 5
    assert flicker.counted.seconds == pytest.approx(4 / RATE)


def test_what_stays_while_the_picture_moves_flips() -> None:
    flicker = Flicker(CIHP)
    for (frame, _), (_, labels) in zip(moving(5, down=5, across=0), moving(5, down=0, across=0)):
        flicker.add(frame, parsing_of(labels))
    # Five rows of shirt below the belt, as flow tells, each time.
    assert flicker.counted.label_flips == pytest.approx(4 * 5 * SIDE, rel=0.1)


def test_a_blinking_label_flips_with_each_frame() -> None:
    counted = still(*[square(SHIRT), square(COAT)] * 5)
    assert counted.label_flips == 9 * SIDE * SIDE
    assert counted.pixel_s == pytest.approx(9 / RATE * SIDE * SIDE)
    assert counted.label_flips_per_pixel_s == pytest.approx(RATE)


def test_the_rate_is_per_second_and_not_per_frame() -> None:
    flicker = Flicker(CIHP)
    for index, pts_s in enumerate((0.0, 0.1, 0.5)):
        flicker.add(frame_of(texture(HEIGHT, WIDTH, 1), index, pts_s), parsing_of(square((SHIRT, COAT)[index % 2])))
    assert flicker.counted.label_flips_per_pixel_s == pytest.approx(2 / 0.5)


def test_a_blinking_strip_counts_both_when_it_comes_and_when_it_goes() -> None:
    striped = square(SHIRT)
    striped[60, 40 : 40 + SIDE] = COAT
    assert still(square(SHIRT), striped).label_flips == SIDE
    assert still(striped, square(SHIRT)).label_flips == SIDE


def test_an_edge_may_lie_a_pixel_off() -> None:
    def parted(column: int) -> LabelMap:
        labels = square(SHIRT)
        labels[:, column:][labels[:, column:] == SHIRT] = COAT
        return labels

    assert still(parted(60), parted(61), parted(60)).label_flips == 0
    assert still(parted(60), parted(62)).label_flips == 2 * SIDE


def test_background_is_not_compared() -> None:
    smaller = square(COAT, height=10)
    counted = still(square(COAT), smaller, square(COAT))
    assert counted.label_flips == 0
    assert counted.pixel_s == pytest.approx(2 / RATE * 10 * SIDE)


def test_where_flow_is_lost_nothing_is_compared() -> None:
    flicker = Flicker(CIHP)
    for index in range(2):
        everywhere = np.full((HEIGHT, WIDTH), (SHIRT, COAT)[index], np.uint8)
        flicker.add(frame_of(texture(HEIGHT, WIDTH, seed=index), index), parsing_of(everywhere))
    assert flicker.counted.pixel_s < 0.15 * HEIGHT * WIDTH / RATE


def test_what_comes_into_the_picture_is_not_compared() -> None:
    wide = texture(HEIGHT, WIDTH + 16, seed=3)
    flicker = Flicker(CIHP)
    for index in range(2):
        picture = np.ascontiguousarray(wide[:, 16 - 16 * index : 16 - 16 * index + WIDTH])
        flicker.add(frame_of(picture, index), parsing_of(np.full((HEIGHT, WIDTH), SHIRT, np.uint8)))
    assert flicker.counted.pixel_s * RATE / HEIGHT == pytest.approx(WIDTH - 16, abs=3)


@pytest.mark.parametrize("pts_s", [0.6, 0.0, -1.0], ids=["long after", "at once", "before"])
def test_frames_that_do_not_follow_are_not_compared(pts_s: float) -> None:
    flicker = Flicker(CIHP)
    flicker.add(frame_of(texture(HEIGHT, WIDTH, 1), 0, 0.0), parsing_of(square(SHIRT)))
    flicker.add(frame_of(texture(HEIGHT, WIDTH, 1), 1, pts_s), parsing_of(square(COAT), numbers=(2,)))
    assert flicker.counted == Steadiness(frames=2)
    assert flicker.counted.label_flips_per_pixel_s == 0.0
    # What comes next is.
    flicker.add(frame_of(texture(HEIGHT, WIDTH, 1), 2, pts_s + 0.1), parsing_of(square(SHIRT), numbers=(3,)))
    counted = flicker.counted
    assert (counted.label_flips, counted.number_switches) == (SIDE * SIDE, 1)


def test_what_was_worn_long_before_is_forgotten() -> None:
    flicker = Flicker(CIHP)
    for index, (garment, pts_s) in enumerate(((SHIRT, 0.0), (COAT, 0.6), (DRESS, 0.7))):
        flicker.add(frame_of(texture(HEIGHT, WIDTH, 1), index, pts_s), parsing_of(square(garment)))
    assert flicker.counted.garment_flips == 1


def test_frames_of_another_size_are_not_compared() -> None:
    flicker = Flicker(CIHP)
    for index, size in enumerate(((HEIGHT, WIDTH), (WIDTH, HEIGHT))):
        flicker.add(frame_of(texture(*size, 1), index), parsing_of(np.full(size, index + 1, np.uint8)))
    assert flicker.counted == Steadiness(frames=2)


@pytest.mark.parametrize("size", [(6, 400), (1, 1), (900, 700)])
def test_frames_of_any_size_can_be_compared(size: tuple[int, int]) -> None:
    picture = texture(*size, seed=1)
    flicker = Flicker(CIHP)
    for index in range(2):
        # Maps have a size of their own.
        labels = np.full((48, 40), (SHIRT, COAT)[index], np.uint8)
        flicker.add(frame_of(picture, index), parsing_of(labels))
    assert flicker.counted.label_flips_per_pixel_s == pytest.approx(RATE)
    assert flicker.counted.pixel_s * RATE <= 448 * 448


def test_counts_of_several_videos_add_up() -> None:
    one = Steadiness(frames=1, seconds=2, person_s=30, pixel_s=4, label_flips=8, garment_flips=15, number_switches=7)
    assert (one.label_flips_per_pixel_s, one.garment_flips_per_person_s) == (2.0, 0.5)
    assert one.number_switches_per_person_min == 14.0
    assert one + replace(one, frames=5) == Steadiness(6, 4, 60, 8, 16, 30, 14)
    assert (Steadiness().garment_flips_per_person_s, Steadiness().number_switches_per_person_min) == (0.0, 0.0)


def test_frames_are_parsed_one_at_a_time_and_in_order() -> None:
    parsed: list[int] = []

    def parse(frame: Frame) -> Parsing:
        parsed.append(frame.index)
        return parsing_of(square(SHIRT if frame.index % 2 else COAT))

    def frames() -> Iterator[Frame]:
        for index in range(3):
            assert len(parsed) == index
            yield frame_of(texture(HEIGHT, WIDTH, 1), index)

    counted = steadiness(parse, CIHP, frames())
    assert (counted.frames, counted.label_flips, counted.garment_flips) == (3, 2 * SIDE * SIDE, 2)
    assert parsed == [0, 1, 2]


# Garments


def wearing(*people: dict[int, int], numbers: Iterable[int] | None = None) -> Parsing:
    """Persons of so many pixels of each class."""
    labels = [label for pixels in people for label, count in pixels.items() for _ in range(count)]
    instances = [index for index, pixels in enumerate(people, start=1) for _ in range(sum(pixels.values()))]
    given = range(1, len(people) + 1) if numbers is None else numbers
    return parsing_of(np.array([labels], np.uint8), np.array([instances], np.uint8), given)


def flips(*parsings: Parsing, label_set: LabelSet = CIHP) -> int:
    garments = GarmentFlips(label_set)
    return sum(garments.add(parsing) for parsing in parsings)


def test_a_garment_is_what_most_of_it_is() -> None:
    shirt, coat = wearing({SHIRT: 30, COAT: 20, FACE: 9}), wearing({SHIRT: 20, COAT: 30, FACE: 9})
    assert flips(shirt, wearing({SHIRT: 26, COAT: 25, FACE: 90})) == 0
    assert flips(shirt, coat) == 1
    assert flips(shirt, coat, shirt) == 2


def test_upper_and_lower_count_each() -> None:
    assert flips(wearing({SHIRT: 30, PANTS: 30}), wearing({SHIRT: 30, SKIRT: 30})) == 1
    assert flips(wearing({SHIRT: 30, SKIRT: 30}), wearing({DRESS: 60})) == 2


def test_a_speck_says_nothing() -> None:
    assert flips(wearing({FACE: 95, SHIRT: 5}), wearing({FACE: 95, COAT: 5})) == 0
    assert flips(wearing({FACE: 94, SHIRT: 6}), wearing({FACE: 94, COAT: 6})) == 1


def test_what_was_worn_is_known_while_it_is_out_of_sight() -> None:
    assert flips(wearing({SHIRT: 30}), wearing({FACE: 30}), wearing({COAT: 30})) == 1


def test_each_person_has_garments_of_their_own() -> None:
    before = wearing({SHIRT: 30}, {COAT: 30}, numbers=(4, 7))
    # The order in a parsing means nothing: the number does.
    assert flips(before, wearing({COAT: 30}, {SHIRT: 30}, numbers=(7, 4))) == 0
    assert flips(before, wearing({COAT: 30}, {SHIRT: 30}, numbers=(4, 7))) == 2
    assert flips(before, wearing({DRESS: 30}, numbers=(9,))) == 0


def test_jumpsuits_are_garments() -> None:
    shirt, jumpsuit = (LIP.id_of(name) for name in ("UpperClothes", "Jumpsuits"))
    worn = (replace(wearing(each), label_set=LIP) for each in ({shirt: 9, PANTS: 9}, {jumpsuit: 20}))
    assert flips(*worn, label_set=LIP) == 2


def test_garment_flips_per_person_and_second() -> None:
    flicker = Flicker(CIHP)
    for index in range(6):
        labels = np.hstack([square((SHIRT, COAT)[index % 2]), square(DRESS)])
        instances = np.hstack([square(1), square(2)])
        flicker.add(frame_of(texture(*labels.shape, 1), index), parsing_of(labels, instances, (1, 2)))
    # Five flips in five frames of two persons.
    assert flicker.counted.person_s == pytest.approx(2 * 5 / RATE)
    assert flicker.counted.garment_flips_per_person_s == pytest.approx(RATE / 2)


# Numbers


def mask(left: int, width: int = 10) -> Mask:
    row = np.zeros((1, 60), np.bool_)
    row[:, left : left + width] = True
    return row


def switched(*found: dict[int, Mask], apart_s: float = 0.1, across: int = 0) -> int:
    """Each in its turn, while the picture moves across by so many pixels."""
    switches, count = NumberSwitches(), 0
    for index, each in enumerate(found):
        switches.carry(lambda before: np.roll(before, across, axis=1))
        count += switches.add(each, index * apart_s)
    return count


def test_who_keeps_the_number_is_no_switch() -> None:
    assert switched({1: mask(0), 2: mask(20)}, {2: mask(20), 1: mask(1)}, {1: mask(2)}, {}) == 0


def test_another_number_on_the_same_body_is_one() -> None:
    assert switched({1: mask(0)}, {2: mask(0)}) == 1
    assert switched({1: mask(0)}, {2: mask(0)}, {2: mask(0)}, {3: mask(0)}) == 2


def test_two_who_exchange_numbers_are_two() -> None:
    assert switched({1: mask(0), 2: mask(20)}, {1: mask(20), 2: mask(0)}) == 2


def test_half_an_overlap_is_the_same_body_and_less_is_another() -> None:
    assert switched({1: mask(0)}, {2: mask(0, 5)}) == 1
    assert switched({1: mask(0)}, {2: mask(0, 4)}) == 0


def test_bodies_move_with_the_picture() -> None:
    assert switched({1: mask(0)}, {2: mask(8)}, across=8) == 1
    assert switched({1: mask(0)}, {2: mask(8)}) == 0
    # Somebody unseen too.
    assert switched({1: mask(0)}, {}, {2: mask(16)}, across=8) == 1


def test_who_is_lost_and_comes_back_as_another_is_one() -> None:
    assert switched({1: mask(0)}, {}, {}, {2: mask(0)}, apart_s=0.3) == 1
    assert switched({1: mask(0)}, {}, {}, {1: mask(0)}, apart_s=0.3) == 0
    assert switched({1: mask(0)}, {}, {}, {2: mask(0)}, apart_s=0.4) == 0  # 1.2 s later
    assert switched({1: mask(0)}, {}, {2: mask(30)}) == 0


def test_a_number_that_passed_on_is_not_looked_for_where_it_was() -> None:
    # 1's body is called 2 and walks away: whoever comes to where it was is somebody else.
    assert switched({1: mask(0)}, {2: mask(0)}, {2: mask(30)}, {2: mask(30), 3: mask(0)}) == 1


def test_best_overlap_first() -> None:
    # 2 is lost at 0 and 1 was last seen at 5: at 2 it shares 8 of 12 columns with the one and 7 of 13 with the other.
    assert switched({2: mask(0)}, {1: mask(5)}, {1: mask(2)}) == 1
    assert switched({2: mask(0)}, {1: mask(5)}, {1: mask(4)}) == 0


def test_a_body_is_one_persons() -> None:
    # Split in halves, only one of the two was it.
    assert switched({1: mask(0)}, {2: mask(0, 5), 3: mask(5, 5)}) == 1


def test_of_equal_overlaps_the_one_that_keeps_its_number() -> None:
    assert switched({1: mask(0), 2: mask(0)}, {2: mask(0), 1: mask(0)}) == 0


def test_persons_of_one_frame_are_told_apart() -> None:
    flicker = Flicker(CIHP)
    instances = np.hstack([square(1), square(2)])
    for index, numbers in enumerate(((4, 7), (4, 7), (7, 4))):
        labels = (instances > 0).astype(np.uint8)
        flicker.add(frame_of(texture(*labels.shape, 1), index), parsing_of(labels, instances, numbers))
    assert flicker.counted.number_switches == 2


def test_switches_are_found_by_flow_and_given_per_person_and_minute() -> None:
    flicker = Flicker(CIHP)
    for frame, labels in moving(4, down=0, across=14):
        # Of the square the middle 16 columns: where they are and were share two.
        labels[:, : 20 + frame.index * 14 + 24] = 0
        labels[:, 20 + frame.index * 14 + 40 :] = 0
        flicker.add(frame, parsing_of(labels, numbers=(1 + frame.index // 2,)))
    assert flicker.counted.number_switches == 1
    assert flicker.counted.person_s == pytest.approx(3 / RATE)
    assert flicker.counted.number_switches_per_person_min == pytest.approx(60 * RATE / 3)
