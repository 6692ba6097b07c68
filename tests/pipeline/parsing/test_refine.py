"""A second look at small people: where, how close, and what becomes of what was seen from afar."""

from itertools import islice

import av
import cv2
import numpy as np
import pytest

from pipeline import CIHP, Box, Frame, Parser, Parsing, Person, Size, load_parser
from pipeline.model import Decoded
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.refine import ALIGNED_PX, MAX_MAGNIFICATION, SHAPES, cutouts, how_close, merge
from pipeline.people.garments import GARMENTS, Garments
from tests.support.paths import STREET
from tests.support.scenes import counting_parser

CLIP = STREET
FRAME = Size(720, 1280)
FIT = Letterbox.into(FRAME, Size(256, 448))
TWICE = Letterbox.into(FRAME, Size(512, 896))
COAT, DRESS = CIHP.id_of("Coat"), CIHP.id_of("Dress")


def person(left: int, top: int, width: int, height: int) -> Person:
    return Person(0, 0.8, Box(left, top, left + width, top + height))


SMALL, TALL = person(600, 300, 60, 180), person(100, 50, 200, 600)
"""63 and 210 pixels of the input."""


@pytest.mark.parametrize(
    ("people", "frame", "times"),
    [
        ([], FRAME, 1),
        ([TALL], FRAME, 1),
        ([SMALL, TALL], FRAME, 3),
        # 112 pixels: a little is enough.
        ([person(600, 300, 60, 320), TALL], FRAME, 2),
        # 20 pixels of a frame with six times the input's: closer would be better, but is too much.
        ([person(600, 300, 60, 120)], Size(1536, 2688), MAX_MAGNIFICATION),
        ([SMALL], Size(256, 448), 1),
    ],
    ids=["nobody", "nobody small", "small", "nearly tall", "tiny", "no more to see"],
)
def test_how_close(people: list[Person], frame: Size, times: int) -> None:
    assert how_close(people, Letterbox.into(frame, Size(256, 448))) == times


def test_only_the_small_are_cut_out_whole_and_with_what_is_around() -> None:
    (cutout,) = cutouts([TALL, SMALL], FIT, TWICE)
    assert cutout.number == 2
    assert cutout.shape == SHAPES[0]
    box = SMALL.box.scaled(FRAME, TWICE.content_size)
    rows, columns = cutout.where
    assert rows.start <= box.top - 20
    assert rows.stop >= box.bottom + 20
    assert columns.start < box.left
    assert columns.stop > box.right
    for side in (*cutout.where,):
        assert side.start % ALIGNED_PX == side.stop % ALIGNED_PX == 0
    picture = np.zeros((*TWICE.input_size, 3), np.uint8)
    assert cutout.of(picture).shape == (*SHAPES[0], 3)


@pytest.mark.parametrize(
    ("box", "shape"),
    [((600, 300, 60, 180), 0), ((600, 300, 120, 120), 1), ((600, 300, 250, 90), 2)],
    ids=["upright", "crouching", "lying"],
)
def test_the_shape_follows_the_person(box: tuple[int, int, int, int], shape: int) -> None:
    (cutout,) = cutouts([person(*box)], FIT, TWICE)
    assert cutout.shape == SHAPES[shape]
    height, width = (side.stop - side.start for side in cutout.where)
    assert height / width == pytest.approx(cutout.shape.height / cutout.shape.width, rel=0.1)


@pytest.mark.parametrize("corner", [(0, 0), (1220, 0), (0, 540), (1220, 540)])
def test_cutouts_stay_in_the_picture(corner: tuple[int, int]) -> None:
    (cutout,) = cutouts([person(*corner, 60, 180)], FIT, TWICE)
    for side, whole in zip(cutout.where, TWICE.input_size):
        assert 0 <= side.start < side.stop <= whole


def afar(*people: Person, garments: Garments | None = None) -> Decoded:
    """All of each person's box is a coat."""
    labels = np.zeros(FIT.content_size, np.uint8)
    instances = np.zeros_like(labels)
    for index, each in enumerate(people, start=1):
        box = each.box.scaled(FRAME, FIT.content_size)
        labels[box.top : box.bottom, box.left : box.right] = COAT
        instances[box.top : box.bottom, box.left : box.right] = index
    return Decoded(labels, instances, people, garments)


def close_by(shape: Size, box: Box, score: float = 0.9, garments: Garments | None = None) -> Decoded:
    """Somebody in a dress, in a cut-out."""
    instances = np.zeros(shape, np.uint8)
    instances[box.top : box.bottom, box.left : box.right] = 1
    return Decoded(instances * np.uint8(DRESS), instances, (Person(0, score, box),), garments)


BODY = Box(30, 30, 90, 170)
"""About where the cut-out of SMALL has them."""


def test_who_is_seen_from_close_by_replaces_who_was_seen_from_afar() -> None:
    (cutout,) = cutouts([TALL, SMALL], FIT, TWICE)
    merged = merge(afar(TALL, SMALL), FIT, TWICE, [(cutout, close_by(cutout.shape, BODY))])
    assert merged.labels.shape == merged.instances.shape == TWICE.content_size
    assert [each.score for each in merged.people] == [0.8, 0.9]
    # Not a pixel of the coat is left of the one, and all of the other's.
    assert np.unique(merged.labels[merged.instances == 2]).tolist() == [DRESS]
    np.testing.assert_array_equal(merged.labels == DRESS, merged.instances == 2)
    tall = TALL.box.scaled(FRAME, TWICE.content_size)
    assert np.count_nonzero(merged.instances == 1) == pytest.approx(tall.area, rel=0.02)
    scale = [(side.stop - side.start) / length for side, length in zip(cutout.where, cutout.shape)]
    assert np.count_nonzero(merged.instances == 2) == pytest.approx(BODY.area * scale[0] * scale[1], rel=0.03)
    top = (cutout.where[0].start + BODY.top * scale[0]) * FRAME.height / TWICE.content_size.height
    assert merged.people[1].box.top == pytest.approx(top, abs=4)


@pytest.mark.parametrize(
    "seen",
    [
        Box(0, 0, 20, 20),
        Box(80, 150, 120, 186),
        Box(30, 30, 90, 192),
        Box(0, 30, 90, 170),
        Box(30, 0, 90, 170),
        Box(40, 30, 128, 170),
    ],
    ids=["elsewhere", "beside", "cut below", "cut left", "cut above", "cut right"],
)
def test_who_is_not_seen_whole_stays_as_from_afar(seen: Box) -> None:
    (cutout,) = cutouts([TALL, SMALL], FIT, TWICE)
    merged = merge(afar(TALL, SMALL), FIT, TWICE, [(cutout, close_by(cutout.shape, seen))])
    assert set(np.unique(merged.labels)) == {0, COAT}
    assert [each.score for each in merged.people] == [0.8, 0.8]


def test_who_is_cut_by_the_picture_itself_is_seen_whole() -> None:
    low = person(600, 540, 60, 180)
    (cutout,) = cutouts([low], FIT, TWICE)
    # The cut-out ends where the picture does: 504 of its rows are of the frame.
    assert cutout.where[0].stop >= TWICE.content_size.height
    merged = merge(afar(low), FIT, TWICE, [(cutout, close_by(cutout.shape, Box(30, 60, 90, 192)))])
    assert set(np.unique(merged.labels)) == {0, DRESS}


def test_nobody_seen_close_by_changes_nothing() -> None:
    (cutout,) = cutouts([SMALL], FIT, TWICE)
    empty = Decoded(np.zeros(cutout.shape, np.uint8), np.zeros(cutout.shape, np.uint8), ())
    merged = merge(afar(SMALL), FIT, TWICE, [(cutout, empty)])
    assert len(merged.people) == 1
    assert set(np.unique(merged.labels)) == {0, COAT}


def test_what_is_said_of_garments_is_taken_from_close_by_too() -> None:
    classes = tuple(CIHP.id_of(name) for name in GARMENTS)
    far_said = Garments(classes, np.full((5, 64, 112), -1, np.float32))
    (cutout,) = cutouts([SMALL], FIT, TWICE)
    near_said = Garments(classes, np.full((5, cutout.shape.height // 4, cutout.shape.width // 4), 7, np.float32))
    near = close_by(cutout.shape, BODY, garments=near_said)
    merged = merge(afar(SMALL, garments=far_said), FIT, TWICE, [(cutout, near)])
    assert merged.garments is not None
    assert merged.garments.logits.shape == (5, 128, 224)
    of_cells = TWICE.on_grid(merged.instances, 4) > 0
    assert (merged.garments.logits[:, of_cells] == 7).all()
    # And a cell around.
    assert (merged.garments.logits[:, cv2.dilate(of_cells.view(np.uint8), np.ones((5, 5), np.uint8)) == 0] == -1).all()
    assert (far_said.logits == -1).all()


def street() -> list[Frame]:
    """The end of the clip, where people are near enough to be found at once: every third picture."""
    with av.open(str(CLIP)) as container:
        return [Frame.still(each.to_ndarray(format="bgr24")) for each in islice(container.decode(video=0), 40, None, 3)]


@pytest.mark.slow
def test_people_on_a_street_are_seen_as_in_the_whole_picture() -> None:
    """Nearer to what the network says of the whole clip unreduced, and on maps of that size."""
    frames = street()
    reference, once, twice = (
        load_parser(precision="f32", size=size, refine=refine)
        for size, refine in (((576, 768), False), ((288, 384), False), ((288, 384), True))
    )
    assert once(frames[-1]).map_size == Size(288, 384)
    assert twice(frames[-1]).map_size == Size(576, 768)

    def parsed(parser: Parser, frame: Frame) -> Parsing:
        parser.reset()
        return parser(frame)

    def agreement(parser: Parser, frame: Frame) -> float:
        expected, found = parsed(reference, frame).labels, parsed(parser, frame).labels
        labels = cv2.resize(found, (768, 576), interpolation=cv2.INTER_NEAREST_EXACT)
        somebody = (labels > 0) | (expected > 0)
        return float(np.mean(labels[somebody] == expected[somebody]))

    for frame in frames:
        assert len(parsed(twice, frame).people) == len(parsed(once, frame).people)
    small = [each for each in once(frames[-1]).people if how_close([each], once.fit_for(frames[-1].size)) > 1]
    assert counting_parser(Size(288, 384), refine=True)(frames[-1]).inferred_s == 1 + len(small)
    closer, afar = (np.mean([agreement(parser, frame) for frame in frames]) for parser in (twice, once))
    assert closer > afar + 0.05
