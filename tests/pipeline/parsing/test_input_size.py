"""How large the network's input is, by how tall people are in it."""

from itertools import islice

import numpy as np
import pytest

from pipeline import Box, Frame, Parser, Person, Size, load_parser
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.input_size import (
    DOWN_AFTER_S,
    STILL_ZOOM,
    TALL_PX,
    UP_AFTER_S,
    ZOOM_STEPS,
    Zoom,
    larger,
    still_times,
    times_for,
)
from streamer import open_source
from streamer.sources.open import sample
from tests.support.scenes import counting_parser

USUAL = Letterbox.into(Size(720, 1280), Size(256, 448))
LARGEST = ZOOM_STEPS[-1]


def person(height_px: float, left: int = 100, top: int = 10) -> Person:
    """Somebody so tall in the usual input, somewhere in a 720p frame."""
    tall = round(height_px * 720 / USUAL.content_size.height)
    return Person(0, 0.9, Box(left, top, left + 60, top + tall))


def test_the_usual_size_shows_tall_people_and_nobody() -> None:
    assert times_for([], USUAL) == 1
    assert times_for([person(160), person(200)], USUAL) == 1


@pytest.mark.parametrize(("height_px", "times"), [(150, 1), (120, 1.25), (100, 1.5), (25, 1.5)])
def test_small_people_are_shown_larger(height_px: int, times: float) -> None:
    assert times_for([person(height_px)], USUAL) == times


def test_the_shorter_of_several_decide_unless_somebody_would_become_too_tall() -> None:
    assert times_for([person(200), person(90), person(90)], USUAL) == LARGEST
    assert times_for([person(200), person(200), person(200), person(200), person(40)], USUAL) == 1
    low = Letterbox.into(Size(720, 405), Size(448, 256))
    tall = round(0.9 * TALL_PX * 720 / low.content_size.height)
    people = [Person(0, 0.9, Box(10, 5, 90, 5 + height)) for height in (60, 60, tall)]
    assert times_for(people[:2], low) == LARGEST
    assert times_for(people, low) == 1


def test_who_is_cut_by_the_edge_may_be_tall() -> None:
    for cut in (Box(0, 10, 60, 80), Box(10, 0, 60, 80), Box(1240, 300, 1280, 350), Box(10, 650, 60, 720)):
        assert times_for([Person(0, 0.9, cut)], USUAL) == 1
        assert times_for([Person(0, 0.9, cut), person(100)], USUAL) == LARGEST


def test_a_picture_by_itself_is_shown_large_unless_somebody_is_too_tall_in_it() -> None:
    high = Letterbox.into(Size(720, 540), Size(384, 288))
    tall, taller = (Person(0, 0.9, Box(9, 9, 99, 9 + round(px * 720 / 384))) for px in (260, 280))
    small = Person(0, 0.9, Box(200, 9, 240, 99))
    assert still_times([], high) == STILL_ZOOM
    assert still_times([tall, small], high) == STILL_ZOOM
    assert still_times([taller, small], high) == 1
    low = Letterbox.into(Size(720, 405), Size(448, 256))
    whole = Box(0, 0, 405, 720)  # cut by the edges, and as tall as that at least
    assert still_times([Person(0, 0.9, whole)], low) == 1


def test_the_frames_own_pixels_are_the_most() -> None:
    assert larger(USUAL, 1) == Size(256, 448)
    assert larger(USUAL, 1.5) == Size(384, 672)
    assert larger(Letterbox.into(Size(480, 640), Size(288, 384)), 1.5) == Size(448, 608)
    assert larger(Letterbox.into(Size(360, 480), Size(288, 384)), 1.5) == Size(384, 512)  # sides are multiples of 32
    assert larger(Letterbox.into(Size(120, 160), Size(288, 384)), 1.5) == Size(288, 384)


class TestOverTime:
    def test_the_first_parsing_of_a_stream_decides_at_once(self) -> None:
        zoom = Zoom()
        assert zoom.times(0.0) == 1
        assert zoom.seen([person(90)], USUAL, 0.0) == LARGEST
        assert zoom.times(0.04) == LARGEST

    def test_a_picture_by_itself_is_never_shown_as_the_one_before(self) -> None:
        zoom = Zoom()
        zoom.seen([person(90)], USUAL, 0.0)
        assert zoom.times(0.0) == 1
        assert zoom.seen([person(200)], USUAL, 0.0) == 1

    def test_who_turns_up_for_a_frame_changes_nothing(self) -> None:
        zoom = Zoom()
        zoom.seen([person(200)], USUAL, 0.0)
        for at in range(1, 100):
            people = [person(90)] if at % 10 == 0 else [person(200)]
            assert zoom.seen(people, USUAL, at / 30) == 1

    @pytest.mark.parametrize(("before_px", "after_px", "after_s"), [(200, 90, UP_AFTER_S), (90, 200, DOWN_AFTER_S)])
    def test_who_stays_does(self, before_px: int, after_px: int, after_s: float) -> None:
        zoom = Zoom()
        before = zoom.seen([person(before_px)], USUAL, 0.0)
        changed = [at / 30 for at in range(1, 150) if zoom.seen([person(after_px)], USUAL, at / 30) != before]
        assert changed[0] == pytest.approx(1 / 30 + after_s, abs=0.05)
        assert len(changed) == 150 - round(30 * changed[0])


@pytest.fixture(scope="module")
def street() -> list[Frame]:
    """People of a fifth of the picture's height."""
    with open_source(sample("street.mp4")) as source:
        return list(islice(source, 3))


class TestInAParser:
    @staticmethod
    def sizes(parser: Parser, frames: list[Frame]) -> list[Size]:
        return [parser(frame).map_size for frame in frames]

    def test_small_people_are_seen_larger_from_the_first_frame_on(self, street: list[Frame]) -> None:
        usual, named = load_parser(precision="f32"), load_parser(precision="f32", size=(288, 384))
        grown = larger(usual.fit_for(street[0].size), LARGEST)
        assert grown.area > 2 * 288 * 384
        seen = [usual(frame) for frame in street]
        assert {each.map_size for each in seen} == {Letterbox.into(street[0].size, grown).content_size}
        assert sum(len(each.people) for each in seen) > sum(len(named(frame).people) for frame in street)
        assert self.sizes(named, street) == [Size(288, 384)] * len(street)

    def test_frames_begun_before_that_was_known_are_seen_so_too(self, street: list[Frame]) -> None:
        ahead, alone = load_parser(precision="f32", in_flight=2), load_parser(precision="f32")
        begun = [ahead.start(frame) for frame in street]
        assert [each.result().map_size for each in begun] == self.sizes(alone, street)

    def test_a_picture_by_itself_is_looked_at_again(self, street: list[Frame]) -> None:
        parser = load_parser(precision="f32")
        still = Frame.still(street[0].bgr)
        first, second = parser(still), parser(still)
        assert first.map_size == second.map_size != Size(288, 384)
        np.testing.assert_array_equal(first.instances, second.instances)

    def test_people_who_fill_the_picture_are_seen_as_usual(self, street: list[Frame]) -> None:
        parser = load_parser(precision="f32")
        tall = max(parser(Frame.still(street[0].bgr)).people, key=lambda each: each.box.bottom - each.box.top).box
        close = street[0].bgr[tall.top - 8 : tall.bottom + 8, max(0, tall.left - 40) : tall.right + 40]
        enlarged = Frame.still(np.repeat(np.repeat(close, 3, axis=0), 3, axis=1))
        assert parser(enlarged).map_size == parser.fit_for(enlarged.size).content_size

    def test_only_the_first_frame_is_looked_at_twice(self, street: list[Frame]) -> None:
        parser = counting_parser()
        assert [parser(frame).inferred_s for frame in street] == [2, 1, 1]

    def test_reset_forgets(self, street: list[Frame]) -> None:
        parser = load_parser(precision="f32")
        parser(street[0])
        parser.reset()
        assert parser.begin(street[1]).fit.input_size == Size(288, 384)
