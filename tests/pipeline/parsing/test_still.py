"""A picture by itself: what was parsed before it changes nothing, nor does it change what comes."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline import Frame, Parser, Parsing, Size, blend, load_parser
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Network, Run
from pipeline.parsing.input_size import STILL_ZOOM, larger
from pipeline.types import Picture
from tests.support.paths import ROOT, STREET
from tests.support.scenes import counting_parser


@pytest.fixture(scope="module")
def photos() -> list[Picture]:
    """Of several shapes and crowds; the last three are of the same street, one after the other."""
    return [*shots(ROOT / "sample_videos" / "portrait.mp4", 1), np.full((90, 120, 3), 127, np.uint8), *shots(STREET, 3)]


def shots(path: Path, count: int) -> Iterator[Picture]:
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), 0, 30 * count, 30):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser(precision="f32")


def said(parsing: Parsing) -> tuple[object, ...]:
    """All that a parsing says of a picture, to the byte."""
    maps = (parsing.labels.tobytes(), parsing.instances.tobytes())
    return (*maps, parsing.map_size, *((each.track_id, each.score, each.box) for each in parsing.people))


def test_any_order_and_choice_of_pictures_gives_each_its_own_answer(parser: Parser, photos: list[Picture]) -> None:
    alone = [said(load_parser(precision="f32").still(photo)) for photo in photos]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 2, 3]):
        for at in order:
            assert said(parser.still(photos[at])) == alone[at]


def test_people_are_numbered_from_one(parser: Parser, photos: list[Picture]) -> None:
    crowd = parser.still(photos[-1])
    assert len(crowd.people) > 2
    for photo in photos:
        people = parser.still(photo).people
        assert [each.track_id for each in people] == [*range(1, len(people) + 1)]


def test_a_larger_look_is_taken_and_another_where_somebody_is_too_tall_in_it(photos: list[Picture]) -> None:
    """The street's people are small; the portrait's is as tall as the picture. Never larger than the picture is.

    The look that counts is taken both ways round.
    """
    counting = counting_parser()
    portrait, *others = photos
    seen_again = counting.still(portrait)
    assert seen_again.inferred_s == 3.0
    assert seen_again.map_size == counting.fit_for(Size(*portrait.shape[:2])).content_size
    for photo in others:
        parsing = counting.still(photo)
        assert parsing.inferred_s == 2.0
        usual = counting.fit_for(Size(*photo.shape[:2]))
        assert parsing.map_size == counting.fit_for(usual.frame_size, larger(usual, STILL_ZOOM)).content_size
    assert counting.zoomed(Size(720, 1280), STILL_ZOOM).input_size == Size(384, 672)
    assert counting.zoomed(Size(90, 120), STILL_ZOOM) == counting.fit_for(Size(90, 120))


def test_a_size_that_was_given_is_kept(photos: list[Picture]) -> None:
    assert load_parser(size=(192, 256), precision="f32").still(photos[-1]).map_size == Size(192, 256)


def test_the_sensitivity_is_that_of_the_parser(photos: list[Picture]) -> None:
    low, normal, high = (
        np.count_nonzero(load_parser(precision="f32", sensitivity=how).still(photos[-1]).labels)
        for how in ("low", "normal", "high")
    )
    assert low < normal < high


def test_refining_is_done_of_pictures_too(photos: list[Picture]) -> None:
    once, twice = (counting_parser(Size(288, 384), refine=refine).still(photos[-1]) for refine in (False, True))
    assert once.inferred_s == 2 < twice.inferred_s


def test_a_picture_is_looked_at_both_ways_round(parser: Parser, photos: list[Picture]) -> None:
    """The two answers are of the picture and its mirror image, and a frame of a stream has one."""
    scene = Frame.still(photos[-1])
    seen: list[Picture] = []
    fit = parser.zoomed(scene.size, STILL_ZOOM)
    small = fit.shrink(scene.picture)

    class Watched:
        precision = "f32"

        def start(self, picture: Picture) -> Run:
            seen.append(picture.copy())
            return parser.network(fit.input_size).start(picture)

    model = replace(parser.model, compile_any=lambda options: Watched())
    Parser(replace(model, both_ways=None), parser.settings).still(scene)
    assert [each.tobytes() for each in seen] == [small.tobytes()]
    Parser(model, parser.settings).still(scene)
    assert [each.tobytes() for each in seen[1:]] == [small.tobytes(), small[:, ::-1].tobytes()]


def test_pictures_of_all_shapes_have_one_network(parser: Parser, photos: list[Picture]) -> None:
    """To compile one for each shape takes ten times as long as a picture."""
    made: list[str] = []
    of_any = parser.model.compile_any
    assert of_any is not None

    def compile_any(options: RunOptions) -> Network:
        made.append("any")
        return of_any(options)

    def compile_one(size: Size, options: RunOptions) -> Network:
        made.append(str(size))
        return parser.model.compile(size, options)

    model = replace(parser.model, compile=compile_one, compile_any=compile_any)
    watched = Parser(model, parser.settings)
    for photo in photos:
        assert said(watched.still(photo)) == said(parser.still(photo))
    assert made == ["any"]
    given = Parser(model, replace(parser.settings, size=(96, 128)))
    given.still(photos[-1])
    assert made[1:] == ["96x128"]


def test_a_stream_does_not_notice_a_picture_between_its_frames(photos: list[Picture]) -> None:
    frames = [Frame(photo, index, index / 2, 0.0) for index, photo in enumerate(photos[-3:])]
    plain, disturbed = load_parser(precision="f32"), load_parser(precision="f32")
    expected = [said(plain(frame)) for frame in frames]
    found = []
    for frame in frames:
        disturbed.still(photos[0])
        found.append(said(disturbed(frame)))
    assert found == expected
    assert said(disturbed.still(photos[-1])) != found[-1]  # it would have been noticed


def test_to_call_with_anything_but_a_frame_is_to_ask_for_a_still(
    parser: Parser, photos: list[Picture], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photos[-1])
    expected = said(parser.still(photos[-1]))
    parser(Frame(photos[-2], 0, 1.0, 0.0))
    for picture in (photos[-1], path, str(path)):
        assert said(parser(picture)) == expected


def test_the_frame_of_a_still_is_told_as_it_is(parser: Parser, photos: list[Picture]) -> None:
    parsing = parser.still(Frame(photos[0], 7, 3.5, 9.0))
    assert (parsing.frame_index, parsing.carried_from, parsing.pts_s, parsing.captured_s) == (7, 7, 3.5, 9.0)


def test_what_was_parsed_is_drawn_on_in_any_form(parser: Parser, photos: list[Picture], tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photos[0])
    parsing = parser.still(path)
    drawn = blend(path, parsing)
    np.testing.assert_array_equal(drawn, blend(Frame.still(photos[0]), parsing))
    before = photos[0].copy()
    np.testing.assert_array_equal(drawn, blend(photos[0], parsing))
    np.testing.assert_array_equal(photos[0], before)
    assert (drawn != photos[0]).any()


def test_a_parser_says_what_it_is() -> None:
    assert repr(load_parser()) == "<Parser lite>"
    assert repr(load_parser(size=(64, 96), precision="f32")) == "<Parser lite size=64x96 precision=f32>"
