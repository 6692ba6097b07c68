"""Frames between two parsed ones, and files that are parsed now and then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Look, Parser, ParserSettings, Parsing, Size
from pipeline.motion.carry import between
from pipeline.motion.flow import Follower, Grey
from streamer import Encoding, Rendering, render_file
from streamer.parsings.parsed import MAX_LOOK_AHEAD
from tests.support.media import Clip, pictures_of
from tests.support.scenes import FACE, FRAME, Bgr, centre, frame_of, iou, parsing_of, person_at, person_scene, texture

SCREEN = Size(256, 384)


def passing(
    lefts: Sequence[float], masks: Sequence[Sequence[float]], at: Sequence[int]
) -> tuple[list[Grey], list[Parsing]]:
    """The greys of a scene with a person at each place; parsings of some of its frames, with masks at these places."""
    frames = [frame_of(person_scene(left), index) for index, left in enumerate(lefts)]
    parsings = [parsing_of(frames[index], [person_at(left) for left in where]) for index, where in zip(at, masks)]
    return [Grey.of(frame) for frame in frames], parsings


def filled(greys: Sequence[Grey], before: Parsing, after: Parsing) -> list[Parsing]:
    return list(between(before, Follower(greys[0]), greys[1:-1], Follower(greys[-1]), after))


def test_between_two_parsed_frames_both_are_used() -> None:
    lefts = [100 + 8.0 * step for step in range(7)]
    greys, (before, after) = passing(lefts, [[lefts[0]], [lefts[-1]]], (0, 6))
    carried = filled(greys, before, after)
    assert [each.frame_index for each in carried] == [1, 2, 3, 4, 5]
    assert [each.carried_from for each in carried] == [0, 0, 0, 6, 6]
    for left, each in zip(lefts[1:], carried):
        assert iou(each.labels > 0, person_at(left)) > 0.85
        assert [person.track_id for person in each.people] == [1]


def test_from_each_side_comes_what_only_that_side_can_know() -> None:
    """Somebody steps out from behind a post: what is seen of the person later on, only the later frame can tell."""
    lefts = [250 + 9 * step for step in range(13)]
    pictures = [person_scene(left, post=(230, 330)) for left in lefts]
    frames = [frame_of(bgr, index) for index, bgr in enumerate(pictures)]
    nobody = replace(parsing_of(frames[0], [np.zeros(FRAME, bool)]), people=())
    after = parsing_of(frames[-1], [person_at(lefts[-1])])
    middle = filled([Grey.of(frame) for frame in frames], nobody, after)[6]
    truth = person_at(lefts[7])
    truth[:, :330] = False
    assert iou(middle.labels > 0, truth) > 0.6
    assert len(middle.people) == 1


def test_of_two_sides_the_nearer_one_is_believed_where_both_explain_the_picture() -> None:
    greys, (before, after) = passing([100.0] * 6, [[100], [300]], (0, 5))
    carried = filled(greys, before, after)
    places = [int(centre(each.labels > 0)[1]) for each in carried]
    assert places == [129, 129, 329, 329]


def test_a_little_noise_does_not_make_the_farther_side_the_better_one() -> None:
    """The first frame is a level brighter here and there than all others."""
    chequers = np.kron(np.indices((9, 16)).sum(axis=0) % 2, np.ones((40, 40))).astype(np.uint8)
    pictures = [person_scene(100) + chequers[..., None], *[person_scene(100)] * 4]
    frames = [frame_of(bgr, index) for index, bgr in enumerate(pictures)]
    before, after = parsing_of(frames[0], [person_at(100)]), parsing_of(frames[4], [person_at(300)])
    first, *_ = filled([Grey.of(frame) for frame in frames], before, after)
    assert iou(first.labels > 0, person_at(100)) > 0.95


def test_a_person_known_from_both_sides_is_one_person() -> None:
    greys, (before, after) = passing([100.0] * 4, [[100, 400], [400, 102]], (0, 3))
    untracked = replace(after, people=tuple(replace(person, track_id=7 + at) for at, person in enumerate(after.people)))
    boxes = [Box(400, 100, 460, 260), Box(102, 100, 162, 260)]
    untracked = replace(untracked, people=tuple(replace(p, box=box) for p, box in zip(untracked.people, boxes)))
    first, second = filled(greys, before, untracked)
    assert [person.track_id for person in first.people] == [1, 2]
    assert sorted(person.track_id for person in second.people) == [7, 8]


class SquareFinder(Parser):
    """Finds what is red; counts what it was asked."""

    label_set = CIHP

    def __init__(self) -> None:
        self.settings = ParserSettings()
        self.asked: list[int] = []

    def reset(self) -> None:
        self.asked = []

    def __call__(self, frame: Frame) -> Parsing:
        self.asked.append(frame.index)
        small = cv2.resize(frame.bgr, (192, 128), interpolation=cv2.INTER_AREA).astype(int)
        mask = (small[..., 2] > 120) & (small[..., 1] < 90)
        parsing = parsing_of(frame, [mask])
        return parsing if mask.any() else replace(parsing, people=())


def red_square(left: int, wall: int = 5) -> Bgr:
    picture = texture(wall, SCREEN, 60, 200)
    picture[..., 2] = picture[..., 1]
    picture[90:170, left : left + 60] = texture(6, Size(80, 60), 0, 80)
    picture[90:170, left : left + 60, 2] = 220
    return picture


def drawn(path: Path) -> list[NDArray[np.bool_]]:
    """Where the class's colour is on each picture of a file."""
    colour = CIHP.palette[FACE].astype(int)
    return [np.abs(picture.astype(int) - colour).sum(axis=2) < 60 for picture in pictures_of(path)]


def rendered(tmp_path: Path, pictures: Sequence[Bgr], every: int) -> tuple[SquareFinder, list[NDArray[np.bool_]]]:
    source = Clip(size=SCREEN, ticks=range(0, 512 * len(pictures), 512)).make(tmp_path / "in.mkv", pictures)
    parser = SquareFinder()
    look = Look(opacity=1.0, outline=False, tags=False)
    settings = Rendering(parser.settings, look, parse_every=every, encoding=Encoding(crf=5))
    done = render_file(source, tmp_path / "out.mkv", settings, parser=parser)
    assert (done.frames, done.parsed) == (len(pictures), len(parser.asked))
    return parser, drawn(tmp_path / "out.mkv")


def square_at(left: int) -> NDArray[np.bool_]:
    mask = np.zeros(SCREEN, bool)
    mask[90:170, left : left + 60] = True
    return mask


def test_a_file_parsed_now_and_then_has_masks_on_every_frame(tmp_path: Path) -> None:
    lefts = [20 + 8 * step for step in range(25)]
    parser, masks = rendered(tmp_path, [red_square(left) for left in lefts], every=10)
    assert parser.asked == [0, 10, 20]
    for left, mask in zip(lefts, masks):
        assert iou(mask, square_at(left)) > 0.8


def test_what_appears_between_two_parsed_frames_is_masked_from_where_it_is_parsed(tmp_path: Path) -> None:
    empty = texture(5, SCREEN, 60, 200)
    empty[..., 2] = empty[..., 1]
    pictures = [empty] * 4 + [red_square(100)] * 7
    _, masks = rendered(tmp_path, pictures, every=10)
    assert not any(mask.any() for mask in masks[:4])
    assert all(iou(mask, square_at(100)) > 0.8 for mask in masks[4:])


def test_the_first_frame_after_a_cut_is_parsed(tmp_path: Path) -> None:
    pictures = [red_square(50)] * 5 + [red_square(250, wall=60)] * 8
    parser, masks = rendered(tmp_path, pictures, every=10)
    assert parser.asked == [0, 5]
    for index, mask in enumerate(masks):
        assert iou(mask, square_at(50 if index < 5 else 250)) > 0.8


def test_a_bounded_number_of_frames_waits(tmp_path: Path) -> None:
    """The first frames are written before the second parsing, which is far off, has been asked for."""
    count = 2 * MAX_LOOK_AHEAD
    source = Clip(size=SCREEN, ticks=range(0, 512 * count, 512)).make(tmp_path / "in.mkv", [red_square(50)] * count)
    parser = SquareFinder()
    settings = Rendering(parser.settings, parse_every=count - 1)
    asked: list[int] = []
    render_file(source, tmp_path / "out.mkv", settings, lambda so_far: asked.append(len(parser.asked)) is None, parser)
    assert asked.index(2) == count - 1 - MAX_LOOK_AHEAD
    assert len(asked) == count
