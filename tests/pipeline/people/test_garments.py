"""One garment of one type, over its whole and over time: on made-up answers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Person, Size, load_parser
from pipeline.network.letterbox import Letterbox
from pipeline.people.appearance import BINS
from pipeline.people.garments import FORGET_S, GARMENTS, MEMORY_S, Garments, GarmentVote

CELL = 4
SIZE = Size(64, 64)
FIT = Letterbox.into(SIZE, SIZE)
CLASSES = tuple(CIHP.id_of(name) for name in GARMENTS)
SHIRT, DRESS, COAT, PANTS, SKIRT = CLASSES
FACE = CIHP.id_of("Face")
Cells = NDArray[np.float32]


def logits(**said: Cells | float) -> Cells:
    """What is said of each garment, by name, in each of 16x16 cells; of those not named, that they are not there."""
    planes = [np.broadcast_to(np.float32(said.get(name, -8.0)), (16, 16)) for name in GARMENTS]
    return np.stack(planes)


def somebody(*numbers: int) -> list[Person]:
    return [Person(number, 0.9, Box(0, 0, 64, 64)) for number in numbers]


class Stream:
    """Parsings of one stream, with persons side by side."""

    def __init__(self) -> None:
        self.vote = GarmentVote()

    def shows(self, said: Cells, pts_s: float, people: Sequence[Person] | None = None) -> NDArray[np.uint8]:
        """The labels after dressing, where the answer alone has the highest."""
        labels = np.array(CLASSES, np.uint8)[said.argmax(axis=0)].repeat(CELL, 0).repeat(CELL, 1)
        labels[:8] = FACE
        people = somebody(1) if people is None else people
        instances = np.empty_like(labels)
        for index, columns in enumerate(np.array_split(np.arange(SIZE.width), len(people)), start=1):
            instances[:, columns] = index
        garments = Garments(CLASSES, said.astype(np.float32))
        return self.vote.decide(labels, instances, people, garments, FIT, pts_s)


def mottled(share: float, seed: int = 0, sure: float = 2.0, doubtful: float = 0.4) -> Cells:
    """A coat with so many cells in which a dress is a little likelier; above a half, a dress with a little coat."""
    if share > 0.5:
        return mottled(1 - share, seed, sure, doubtful)[[0, 2, 1, 3, 4]]
    wrong = np.random.default_rng(seed).random((16, 16)) < share
    coat = np.where(wrong, 0, sure).astype(np.float32)
    return logits(Coat=coat, Dress=np.where(wrong, doubtful, 0).astype(np.float32))


def in_cells(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return labels[CELL // 2 :: CELL, CELL // 2 :: CELL][2:]


def test_a_mottled_garment_becomes_one() -> None:
    before = mottled(0.15)
    assert np.count_nonzero(before.argmax(axis=0) == 1) > 25
    assert (in_cells(Stream().shows(before, 0.0)) == COAT).all()


def test_a_shirt_in_an_open_coat_stays() -> None:
    said = logits(Coat=4.0, UpperClothes=0.0)
    said[0, :, 6:10], said[2, :, 6:10] = 4.0, 0.0
    labels = in_cells(Stream().shows(said, 0.0))
    assert (labels[:, 7:9] == SHIRT).all()
    assert (labels[:, :5] == COAT).all()
    assert (labels[:, 11:] == COAT).all()


def test_a_shirt_has_no_patches_of_coat() -> None:
    patch = np.zeros((16, 16), np.bool_)
    patch[4:9, 2:8] = True
    said = logits(UpperClothes=np.where(patch, 0.0, 3.0), Coat=np.where(patch, 2.0, 0.0), Pants=-4.0)
    said[:, 10:] = logits(Pants=5.0)[:, 10:]
    assert np.count_nonzero(said.argmax(axis=0) == 2) == patch.sum()
    labels = in_cells(Stream().shows(said, 0.0))
    assert (labels[:7] == SHIRT).all()
    assert (labels[9:] == PANTS).all()


def test_what_is_no_garment_and_who_is_nobody_stay() -> None:
    assert (Stream().shows(mottled(0.3), 0.0)[:8] == FACE).all()
    bare = np.full(SIZE, FACE, np.uint8)
    garments = Garments(CLASSES, mottled(0.5).astype(np.float32))
    np.testing.assert_array_equal(GarmentVote().decide(bare, bare * 0 + 1, somebody(1), garments, FIT, 0.0), bare)
    hook = np.array(CLASSES, np.uint8)[mottled(0.3).argmax(axis=0)].repeat(CELL, 0).repeat(CELL, 1)
    assert set(np.unique(GarmentVote().decide(hook, hook * 0, [], garments, FIT, 0.0))) <= {COAT, DRESS}


def test_a_speck_between_the_middles_of_cells_is_not_lost() -> None:
    labels = np.full(SIZE, FACE, np.uint8)
    labels[:CELL, :CELL] = COAT
    labels[-1, -1] = COAT
    garments = Garments(CLASSES, logits(Coat=3.0))
    np.testing.assert_array_equal(
        GarmentVote().decide(labels, np.ones_like(labels), somebody(1), garments, FIT, 0.0), labels
    )


def test_the_labels_that_came_are_not_written_to() -> None:
    labels = np.full(SIZE, DRESS, np.uint8)
    garments = Garments(CLASSES, logits(Coat=3.0).astype(np.float32))
    dressed = GarmentVote().decide(labels, np.ones_like(labels), somebody(1), garments, FIT, 0.0)
    assert (dressed == COAT).all()
    assert (labels == DRESS).all()


def test_each_person_has_garments_of_their_own() -> None:
    said = mottled(0.2)
    said[:, :, 8:] = mottled(0.8, seed=1)[:, :, 8:]
    labels = in_cells(Stream().shows(said, 0.0, somebody(1, 2)))
    assert (labels[:, :7] == COAT).all()
    assert (labels[:, 9:] == DRESS).all()


def test_a_doubtful_garment_keeps_its_type() -> None:
    stream = Stream()
    kinds = []
    for step in range(30):
        # From one picture to the next now the coat, now the dress is a little likelier.
        share = 0.05 if step % 2 == 0 else 0.95
        labels = in_cells(stream.shows(mottled(share, seed=step, sure=0.5), step / 10))
        kinds.append(COAT if np.count_nonzero(labels == COAT) > labels.size / 2 else DRESS)
    assert kinds == [COAT] * 30


def test_without_anything_remembered_it_would_not() -> None:
    kinds = [np.count_nonzero(in_cells(Stream().shows(mottled(share), 0.0)) == COAT) > 112 for share in (0.05, 0.95)]
    assert kinds == [True, False]


def test_who_really_changes_is_seen_to_change() -> None:
    stream = Stream()
    for step in range(20):
        stream.shows(mottled(0.0, sure=2.0), step / 10)
    changed_s = next(
        step / 10
        for step in range(100)
        if (in_cells(stream.shows(mottled(1.0, sure=2.0), 2 + step / 10)) == DRESS).all()
    )
    # One picture is not believed, and some seconds are.
    assert 0.2 <= changed_s <= 2 * MEMORY_S


def test_how_often_it_is_seen_does_not_matter_but_how_long() -> None:
    times = []
    for hz in (5, 20):
        stream = Stream()
        for step in range(2 * hz):
            stream.shows(mottled(0.0, sure=1.0), step / hz)
        steps = (
            step
            for step in range(400)
            if (in_cells(stream.shows(mottled(1.0, sure=1.0), 2 + step / hz)) == DRESS).all()
        )
        times.append(next(steps) / hz)
    assert times[0] == pytest.approx(times[1], abs=0.3)


def test_upper_and_lower_garment_are_both_kept() -> None:
    stream = Stream()

    def said(skirt: float) -> Cells:
        whole = logits(UpperClothes=1.0, Coat=0.5)
        whole[:, 8:] = logits(Pants=0.5 - skirt, Skirt=0.5)[:, 8:]
        return whole

    first = stream.shows(said(-0.3), 0.0)
    later = [stream.shows(said(0.3), step / 10) for step in range(1, 5)]
    assert (in_cells(first)[8:] == PANTS).all()
    assert all((in_cells(each)[8:] == PANTS).all() and (in_cells(each)[:4] == SHIRT).all() for each in later)


def test_the_hem_of_a_dress_does_not_make_the_coat_above_it_a_dress() -> None:
    stream = Stream()

    def dresses(coat: float, pts_s: float) -> int:
        said = logits(Coat=2.0, Dress=0.0)
        said[:, 7:] = logits(Coat=coat, Dress=1.0, Pants=0.9)[:, 7:]
        said[:, 13:] = logits(Coat=0.0, Dress=2.0, Pants=1.0)[:, 13:]
        return int(np.count_nonzero(in_cells(stream.shows(said, pts_s)) == DRESS))

    assert dresses(1.5, 0.0) == 3 * 16
    # Between the two it becomes doubtful. At the border a row of cells may go over.
    assert all(dresses(0.6, step / 10) <= 4 * 16 for step in range(1, 4))


def test_another_person_and_another_stream_begin_anew() -> None:
    for people, pts_s in ((somebody(2), 0.1), (somebody(1), -1.0), (somebody(1), FORGET_S + 0.1)):
        stream = Stream()
        stream.shows(mottled(0.0, sure=0.5), 0.0)
        assert (in_cells(stream.shows(mottled(1.0, sure=0.5), pts_s, people)) == DRESS).all()
    stream = Stream()
    stream.shows(mottled(0.0, sure=0.5), 0.0)
    assert (in_cells(stream.shows(mottled(1.0, sure=0.5), FORGET_S - 0.1)) == COAT).all()


def test_what_was_never_seen_is_believed_where_it_is_evident() -> None:
    stream = Stream()
    stream.shows(logits(Coat=8.0), 0.0)
    said = logits(Coat=8.0)
    said[0, 8:13, 8:13], said[2, 8:13, 8:13] = 8.0, 0.0
    assert (in_cells(stream.shows(said, 0.001))[7:10, 9:12] == SHIRT).all()


def test_what_is_around_somebody_does_not_show_at_their_edge() -> None:
    said = mottled(0.0, sure=1.0)
    # Beyond somebody's last whole cell a dress is likely, on nobody.
    said[:, :, 8:] = mottled(1.0, sure=1.2)[:, :, 8:]
    instances = np.zeros(SIZE, np.uint8)
    instances[:, :34] = 1
    labels = np.where(instances, COAT, 0).astype(np.uint8)
    garments = Garments(CLASSES, said.astype(np.float32))
    np.testing.assert_array_equal(GarmentVote().decide(labels, instances, somebody(1), garments, FIT, 0.0), labels)


def test_a_parser_remembers_what_people_wear_until_it_is_reset() -> None:
    parser = load_parser(size=(64, 96), precision="f32")
    frame = Frame.still(np.full((64, 96, 3), 127, np.uint8))
    reading = parser.infer(frame.bgr, parser.fit_for(frame.size), frame.pts_s)
    assert reading.garments is not None
    assert reading.garments.logits.shape == (5, 16, 24)

    def worn(share: float) -> NDArray[np.uint8]:
        said = np.tile(mottled(share, sure=2.0), (1, 1, 2))[:, :, :24]
        labels = np.array(CLASSES, np.uint8)[said.argmax(axis=0)].repeat(CELL, 0).repeat(CELL, 1)
        people = (Person(0, 0.9, Box(0, 0, 96, 64)),)
        made = replace(
            reading,
            labels=labels,
            instances=np.ones_like(labels),
            people=people,
            looks=(np.zeros(BINS, np.float32),),
            garments=Garments(CLASSES, said.astype(np.float32)),
        )
        return parser.assemble(frame, made).labels

    worn(0.0)
    assert (worn(1.0) == COAT).all()
    parser.reset()
    assert (worn(1.0) == DRESS).all()
