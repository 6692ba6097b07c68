"""What is small, fast and nobody known is hidden; what sways, is large or slow, or moves with the camera is not."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from pipeline import Size
from pipeline.geometry import Box
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Lingering, Looked, covered_both_ways
from pipeline.motion.movers import Movers
from pipeline.motion.paths import Place
from tests.support.scenes import FRAME, Bgr, frame_of, parsing_of, rectangle, texture

RATE = 25
WALL = texture(4, low=60, high=160)
NOBODY = np.zeros((90, 160), np.uint8)
SIDE = 14
MAP = Size(180, 320)


def with_something(x: float, y: float = 150, side: int = SIDE, wall: Bgr = WALL) -> Bgr:
    """Something bright with its middle there."""
    bgr = wall.copy()
    cv2.rectangle(
        bgr, (round(x - side / 2), round(y - side / 2)), (round(x + side / 2), round(y + side / 2)), (240,) * 3, -1
    )
    return bgr


def places(pictures: Sequence[Bgr], people: np.ndarray = NOBODY) -> list[list[Place]]:
    movers = Movers()
    return [movers.add(Grey.of(frame_of(bgr, index, RATE)), people) for index, bgr in enumerate(pictures)]


def is_at(found: Sequence[Place], x: float, y: float = 150) -> bool:
    return any(abs(each.x - x) < each.width / 2 + 3 and abs(each.y - y) < each.height / 2 + 3 for each in found)


@pytest.mark.parametrize("step", [6, 12, 20])
def test_who_crosses_the_picture_quickly_is_hidden(step: int) -> None:
    """Up to one and a half times its own length a frame, which optical flow does not follow."""
    where = [80 + step * index for index in range(16)]
    found = places([with_something(x) for x in where])
    assert all(is_at(each, x) for each, x in zip(found[6:], where[6:]))
    assert all(len(each) <= 2 for each in found)


def test_who_is_missed_for_some_frames_goes_on() -> None:
    """Behind a post, say, or before a wall of their own colour."""
    where = [60 + 16 * index for index in range(18)]
    found = places([with_something(x) if index not in range(10, 14) else WALL for index, x in enumerate(where)])
    assert all(is_at(each, x) for each, x in zip(found[7:], where[7:]))


STILL: dict[str, Callable[[int], Bgr]] = {
    "nothing": lambda index: WALL,
    "swaying": lambda index: with_something(200 + 6 * (index % 3)),
    "flickering": lambda index: with_something(200) if index % 2 else WALL,
    "slow": lambda index: with_something(200 + 0.5 * index),
    "large": lambda index: with_something(120 + 12 * index, side=120),
    "noise": lambda index: np.clip(WALL + np.random.default_rng(index).normal(0, 12, WALL.shape), 0, 255).astype(
        np.uint8
    ),
    "camera": lambda index: np.roll(with_something(200), 8 * index, axis=1),
    "slow camera": lambda index: np.roll(with_something(200), 4 * index, axis=1),
    "shaken camera": lambda index: np.roll(with_something(200), (4 * (index % 3), 6 * (index % 2)), axis=(0, 1)),
    "darker": lambda index: (WALL * (1 - 0.02 * index)).astype(np.uint8),
}


@pytest.mark.parametrize("scene", STILL.values(), ids=STILL.keys())
def test_what_goes_nowhere_is_left_alone(scene: Callable[[int], Bgr]) -> None:
    assert not any(places([scene(index) for index in range(20)]))


def test_somebody_known_is_left_to_their_masks() -> None:
    where = [80 + 12 * index for index in range(16)]
    people = np.ones((90, 160), np.uint8)
    assert not any(places([with_something(x) for x in where], people))


def test_another_scene_begins_anew() -> None:
    movers = Movers()
    for index in range(8):
        assert movers.add(Grey.of(frame_of(with_something(80 + 12 * index), index, RATE)), NOBODY) or index < 6
    for index in range(8, 11):
        assert not movers.add(Grey.of(frame_of(texture(9), index, RATE)), NOBODY, cut=index == 8)


def looked(where: Sequence[float], people: np.ndarray | None) -> list[Looked]:
    """Frames of somebody whom nothing recognises."""
    none = np.zeros(MAP, np.uint8)
    frames = [frame_of(with_something(x), index, RATE) for index, x in enumerate(where)]
    return [Looked(frame, parsing_of(frame, [none > 0]), none, (), people) for frame in frames]


def test_in_a_recording_they_are_hidden_from_their_first_frame_and_live_once_they_are_known_to_move() -> None:
    where = [70 + 14 * index for index in range(20)]
    lingering = Lingering()
    live = [each.into(lingering, Grey.of(each.frame)) for each in looked(where, NOBODY)]
    both = [each.lingering for each in covered_both_ways(looked(where, NOBODY))]
    for index, x in enumerate(where):
        mask = both[index]
        assert mask is not None
        assert mask[75, round(x) // 2] == 255
        shown = live[index]
        assert index < 6 or (shown is not None and shown[75, round(x) // 2] == 255)
    assert live[0] is None


def test_where_no_faces_are_hidden_nothing_is_looked_for() -> None:
    where = [70 + 14 * index for index in range(12)]
    assert all(each.lingering is None for each in covered_both_ways(looked(where, None)))


def test_who_is_known_beside_them_does_not_hide_them() -> None:
    where = [70 + 14 * index for index in range(14)]
    people = np.where(rectangle(MAP, tuple(Box(400, 200, 500, 340))), 1, 0).astype(np.uint8)
    found = places([with_something(x) for x in where], people)
    assert all(is_at(each, x) for each, x in zip(found[6:], where[6:]))
    assert FRAME.width > where[-1]
