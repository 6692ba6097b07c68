"""Which size of input is parsed next, told the time and what was seen."""

import numpy as np
import pytest

from pipeline import Box, Frame, Parser, Person, Size, load_parser
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from streamer.live.planner import MIN_FOUND_PX, REMEMBERED_S, Limits, Lost, Planner

FRAME = Size(720, 1280)


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser()


def person(height: int, frame: Size = FRAME) -> Person:
    """Somebody in the middle, so tall in pixels of the frame."""
    top = (frame.height - height) // 2
    return Person(1, 0.9, Box(100, top, 180, top + height))


class Clock:
    """Frames that come and are parsed, one after the other."""

    def __init__(self, planner: Planner, parser: Parser, size: Size = FRAME) -> None:
        self.planner, self.parser, self.size = planner, parser, size
        self.now_s, self.index = 100.0, 0
        self.picture = np.zeros((*size, 3), np.uint8)

    def parse(self, takes_s: float, people: tuple[Person, ...] = ()) -> Size:
        """The size that a frame is parsed at."""
        size = self.planner.plan(self.size).size
        fit = self.parser.fit_for(self.size, size)
        nothing = np.zeros((1, 1), np.uint8)
        reading = Reading(nothing, nothing, people, (), None, fit, takes_s)
        frame = Frame(self.picture, self.index, self.index / 10, self.now_s)
        began_s, self.now_s = self.now_s, self.now_s + takes_s
        self.index += 1
        self.planner.parsed(frame, np.zeros((8, 8, 3), np.uint8), reading, began_s, self.now_s, 0)
        return size


def test_a_slow_machine_comes_to_the_next_size_when_that_is_ready(parser: Parser) -> None:
    planner = Planner(parser, Limits(0.25, 0.0, 0.0))
    clock = Clock(planner, parser)
    usual = clock.parse(0.4)
    assert usual == parser.fit_for(FRAME).input_size
    while planner.next_size is None:
        assert clock.parse(0.4) == usual
        assert clock.index < 100
    smaller = planner.next_size
    assert smaller.area < usual.area
    # However long that takes, and whatever is measured meanwhile, nothing else is planned.
    for _ in range(30):
        assert clock.parse(0.4) == usual
        assert planner.next_size == smaller
    planner.made_ready(usual)
    assert planner.plan(FRAME).size == usual
    planner.made_ready(smaller)
    assert planner.plan(FRAME).size == smaller
    assert planner.next_size is None


def test_a_size_that_was_named_is_kept(parser: Parser) -> None:
    size = parser.fit_for(FRAME).input_size
    clock = Clock(Planner(parser, Limits(0.01, 0.0, 0.0, size)), parser)
    assert {clock.parse(0.4) for _ in range(50)} == {size}
    assert clock.planner.next_size is None


def test_another_frame_size_begins_anew(parser: Parser) -> None:
    planner = Planner(parser, Limits(0.25, 0.0, 0.0))
    clock = Clock(planner, parser)
    while planner.next_size is None:
        clock.parse(0.4)
    planner.made_ready(planner.next_size)
    turned = Size(FRAME.width, FRAME.height)
    assert planner.plan(turned).size == parser.fit_for(turned).input_size
    assert planner.next_size is None


def test_the_interval_is_the_users(parser: Parser) -> None:
    assert Planner(parser, Limits(0.25, 0.5, 0.0)).plan(FRAME).interval_s == 0.5


def test_what_is_too_slow_is_told_at_the_smallest_size(parser: Parser) -> None:
    planner = Planner(parser, Limits(0.01, 0.0, 0.0))
    clock = Clock(planner, parser)
    for _ in range(200):
        clock.parse(0.4)
        if planner.next_size is not None:
            assert planner.too_slow_s is None
            planner.made_ready(planner.next_size)
    assert planner.too_slow_s == pytest.approx(0.8)


USUAL = Letterbox.into(FRAME, Size(288, 512))
SMALL = Letterbox.into(FRAME, Size(160, 288))


@pytest.mark.parametrize(
    ("height_px", "lost"),
    [(2 * MIN_FOUND_PX * FRAME.height // 160, False), (MIN_FOUND_PX * FRAME.height // 288 + 20, True)],
    ids=["tall enough still", "too small now"],
)
def test_people_who_are_lost_for_the_size_are_told(height_px: int, lost: bool) -> None:
    seen = Lost()
    seen.seen((person(height_px),), USUAL, USUAL, 0.0)
    assert not seen.any
    seen.seen((), SMALL, USUAL, 1.0)
    assert seen.any is lost


def test_people_who_are_found_still_or_gone_for_long_are_not_lost() -> None:
    small = person(MIN_FOUND_PX * FRAME.height // 288 + 20)
    seen = Lost()
    seen.seen((small,), USUAL, USUAL, 0.0)
    seen.seen((small,), SMALL, USUAL, 1.0)
    assert not seen.any
    seen.seen((), SMALL, USUAL, 2.0)
    assert seen.any
    seen.seen((), SMALL, USUAL, REMEMBERED_S + 1.0)
    assert not seen.any
    seen.seen((small,), USUAL, USUAL, 2.0)
    seen.seen((), SMALL, USUAL, 3.0)
    assert seen.any
    seen.seen((), USUAL, USUAL, 4.0)
    assert not seen.any
