"""From a frame to a parsing: sizes, order, and who is remembered between frames."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline import (
    CIHP,
    BadPicture,
    Box,
    Frame,
    Parser,
    ParserSettings,
    Parsing,
    Person,
    Size,
    WeightsError,
    load_parser,
)
from pipeline.lite.model import compile_lite, lite_model
from pipeline.parsing.reading import MAX_SIZES
from pipeline.people.appearance import BINS, Appearance
from tests.support.paths import STREET

CLIP = STREET
SMALL = (64, 96)


@pytest.fixture(scope="module")
def street() -> list[Frame]:
    """The first frames of the bundled clip, in which people walk."""
    with av.open(str(CLIP)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for _, frame in zip(range(4), container.decode(video=0))]
    return [Frame(bgr, index=10 + at, pts_s=at / 30, captured_s=100.0 + at) for at, bgr in enumerate(pictures)]


def blank(height: int, width: int) -> Frame:
    return Frame.still(np.full((height, width, 3), 127, np.uint8))


def small_parser() -> Parser:
    return load_parser(size=SMALL, precision="f32")


def assert_same(one: Parsing, other: Parsing) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.instances, other.instances)
    assert [person.box for person in one.people] == [person.box for person in other.people]


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (Size(720, 1280), Size(256, 448)),
        (Size(1280, 720), Size(448, 256)),
        (Size(480, 640), Size(288, 384)),
        (Size(600, 600), Size(352, 352)),
    ],
    ids=str,
)
def test_the_default_size_follows_the_frames_shape(frame: Size, size: Size) -> None:
    assert load_parser().fit_for(frame).input_size == size


def test_a_given_size_is_for_all_frames() -> None:
    parser = small_parser()
    assert {parser.fit_for(Size(*size)).input_size for size in ((720, 1280), (1280, 720), (9, 9))} == {Size(*SMALL)}


def test_what_is_asked_for_is_what_runs() -> None:
    parser = load_parser(size=SMALL, runtime="onnx", precision="f32", threads=1, in_flight=2)
    assert parser.model.name == "lite"
    assert parser.label_set is CIHP


def test_a_missing_network_is_told_at_the_first_frame(tmp_path: Path) -> None:
    lost = partial(compile_lite, file=tmp_path / "lost.onnx")
    parser = Parser(replace(lite_model(), compile=lost), ParserSettings(size=SMALL))
    with pytest.raises(WeightsError, match=r"lost\.onnx"):
        parser(blank(48, 64))


def test_a_parsing_says_which_frame_it_is_of(street: list[Frame]) -> None:
    frame = street[2]
    parsing = load_parser(precision="f32", size=(288, 384))(frame)
    assert (parsing.frame_index, parsing.carried_from) == (frame.index, frame.index)
    assert (parsing.pts_s, parsing.captured_s) == (frame.pts_s, frame.captured_s)
    assert parsing.frame_size == frame.size == Size(576, 768)
    # 576x768 into 288x384 exactly: all of the map is of the frame.
    assert parsing.map_size == Size(288, 384)
    assert parsing.label_set is CIHP
    assert parsing.inferred_s > 0
    assert len(parsing.people) >= 2


def test_to_call_is_to_start_and_to_wait(street: list[Frame]) -> None:
    called, waited = load_parser(precision="f32"), load_parser(precision="f32")
    for frame in street[:2]:
        pending = waited.start(frame)
        one, other = called(frame), pending.result()
        assert_same(one, other)
        assert [person.track_id for person in one.people] == [person.track_id for person in other.people]


def test_frames_begun_ahead_are_parsed_as_one_by_one(street: list[Frame]) -> None:
    ahead = load_parser(precision="f32", in_flight=2)
    alone = load_parser(precision="f32")
    begun = [ahead.start(frame) for frame in street]
    for frame, pending in zip(street, begun):
        one, other = alone(frame), pending.result()
        assert other.frame_index == frame.index
        # Threads are shared out differently, so that the last bits of a score may differ: a pixel may change sides.
        assert np.mean(one.labels != other.labels) < 1e-4
        assert [person.track_id for person in one.people] == [person.track_id for person in other.people]


def test_people_keep_their_numbers_until_the_parser_is_reset(street: list[Frame]) -> None:
    parser = load_parser(precision="f32")
    first = {person.track_id for person in parser(street[0]).people}
    assert first == set(range(1, len(first) + 1))
    # One thirtieth of a second later all but those at the edge of being seen are the same.
    again = [person.track_id for person in parser(street[1]).people]
    assert len(first & set(again)) >= len(first) - 1
    parser.reset()
    after = parser(street[1])
    assert [person.track_id for person in after.people] == list(range(1, len(after.people) + 1))


def test_people_are_known_by_their_colours_too() -> None:
    parser = small_parser()
    frame = blank(64, 96)
    nobody = parser.infer(frame.bgr, parser.fit_for(frame.size), frame.pts_s)
    boxes = (Box(0, 0, 40, 60), Box(20, 0, 60, 60))
    people = tuple(Person(0, 0.9, box) for box in boxes)
    looks = tuple(np.eye(2, BINS, dtype=np.float32))

    def ids(*seen: Appearance) -> list[int]:
        return [each.track_id for each in parser.assemble(frame, replace(nobody, people=people, looks=seen)).people]

    assert ids(*looks) == [1, 2]
    assert ids(*looks[::-1]) == [2, 1]


def test_frames_may_change_their_size() -> None:
    parser = load_parser(precision="f32", size=SMALL)
    for height, width, map_size in ((48, 72, (64, 96)), (90, 30, (64, 21)), (1, 1, (64, 64)), (48, 72, (64, 96))):
        parsing = parser(blank(height, width))
        assert parsing.frame_size == Size(height, width)
        assert parsing.map_size == map_size
    by_shape = load_parser(precision="f32")
    assert [by_shape(blank(*size)).map_size for size in ((72, 128), (128, 72))] == [(252, 448), (448, 252)]


def test_frames_of_several_sizes_may_be_begun_before_any_is_read() -> None:
    parser = load_parser(precision="f32", size=SMALL)
    begun = [parser.start(blank(height, 60)) for height in (30, 40, 50)]
    assert [pending.result().frame_size.height for pending in begun] == [30, 40, 50]


def test_the_frame_may_be_let_go_once_begun() -> None:
    """The parser reads a frame that fills the input exactly from a copy, too."""
    parser = load_parser(precision="f32", size=(256, 448))
    picture = np.random.default_rng(4).integers(0, 256, (256, 448, 3)).astype(np.uint8)
    expected = parser(Frame.still(picture.copy()))
    pending = parser.start(Frame.still(picture))
    picture[:] = 0
    assert_same(pending.result(), expected)


def test_only_so_many_sizes_are_kept() -> None:
    parser = load_parser(runtime="onnx")
    sizes = [Size(64, 64 + 32 * step) for step in range(MAX_SIZES + 1)]
    fits = [parser.fit_for(size) for size in sizes]
    networks = [parser.network(size) for size in sizes]
    for size, fit, network in list(zip(sizes, fits, networks))[1:]:
        assert parser.fit_for(size) is fit
        assert parser.network(size) is network
    assert parser.fit_for(sizes[0]) is not fits[0]
    assert parser.network(sizes[0]) is not networks[0]


def test_a_picture_that_is_none_is_refused_before_the_network() -> None:
    with pytest.raises(BadPicture):
        small_parser()(Frame.still(np.zeros((0, 4, 3), np.uint8)))


def test_a_higher_sensitivity_sees_more_and_the_second_look_too(street: list[Frame]) -> None:
    def seen(sensitivity: str, refine: bool) -> float:
        parser = load_parser(size=(288, 512), precision="f32", sensitivity=sensitivity, refine=refine)
        return float(np.mean(parser(street[0]).labels > 0))

    for refine in (False, True):
        low, normal, high = (seen(each, refine) for each in ("low", "normal", "high"))
        assert low < normal < high


def test_a_higher_sensitivity_shows_in_pictures_by_themselves_too(street: list[Frame]) -> None:
    low, high = (load_parser(size=(288, 512), precision="f32", sensitivity=each) for each in ("low", "high"))
    fewer, more = (np.count_nonzero(parser.still(street[0].bgr).labels) for parser in (low, high))
    assert fewer < more


def test_a_higher_sensitivity_shows_in_averaged_answers_too(street: list[Frame]) -> None:
    low, high = (load_parser(size=(288, 512), precision="f32", sensitivity=each) for each in ("low", "high"))
    for frame in street[:2]:
        fewer, more = (np.count_nonzero(parser(frame).labels) for parser in (low, high))
        assert fewer < more
