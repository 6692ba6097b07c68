"""Who leaves by an edge of the picture, or somebody passes before, stays hidden while they can be seen."""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Frame, Size
from pipeline.drawing.effects import fill
from pipeline.drawing.selection import On
from pipeline.motion.blobs import Mask
from pipeline.motion.flow import Grey
from pipeline.motion.linger import LINGER_S, Lingering
from tests.support.scenes import frame_of, parsing_of, texture

EVERYBODY, WHITE = On.read("all"), (255, 255, 255)
HIDDEN = 250
"""Levels of white on black from which a pixel is hidden."""
KNOWN = 4
"""Frames before the masks are lost, with the last of which somebody comes to the edge."""
HZ = 30
EDGES = {"right": (1, 0), "left": (-1, 0), "bottom": (0, 1), "top": (0, -1)}
CLIPS = [
    pytest.param(Size(48, 64), Size(120, 160), id="48x64"),
    pytest.param(Size(96, 160), Size(96, 160), id="96x160"),
    pytest.param(Size(360, 640), Size(252, 448), id="360x640", marks=pytest.mark.slow),
]
Way = Callable[[int], float]
"""From a frame's index to how far somebody is over the edge, in their own length; negative before it."""


def drawn(size: Size, where: Sequence[float], body: Size, index: int) -> tuple[Frame, NDArray[np.bool_]]:
    """A person, bright before a dark wall, who stands at a place (across, down): the frame, and where they are."""
    high, wide = body
    solid = np.full((high, wide), 255, np.uint8)
    solid[round(high * 0.65) :, round(wide * 0.4) : round(wide * 0.6)] = 0
    coat = texture(2, Size(max(high, 6), max(wide, 6)), low=140)[:high, :wide]
    there = np.array([[1, 0, where[0]], [0, 1, where[1]]], np.float32)
    truth = np.asarray(cv2.warpAffine(solid, there, size[::-1]) > 127)
    colours = cv2.warpAffine(coat, there, size[::-1], borderMode=cv2.BORDER_REPLICATE)
    picture = texture(1, size, high=130)
    picture[truth] = colours[truth]
    return frame_of(picture, index, HZ), truth


def filmed(size: Size, edge: str, body: Size, way: Way, count: int) -> list[tuple[Frame, NDArray[np.bool_]]]:
    (across, down), (high, wide) = EDGES[edge], body
    inside = {
        "right": (size.width - wide, size.height * 0.4),
        "left": (0, size.height * 0.4),
        "bottom": (size.width * 0.4, size.height - high),
        "top": (size.width * 0.4, 0),
    }[edge]
    return [
        drawn(size, (inside[0] + across * wide * way(index), inside[1] + down * high * way(index)), body, index)
        for index in range(count)
    ]


def map_of(where: NDArray[np.bool_], maps: Size) -> Mask:
    whole = np.where(where, 255, 0).astype(np.uint8)
    return np.asarray(cv2.resize(whole, maps[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def hidden_in(frame: Frame, seen: Mask, more: Mask | None) -> NDArray[np.bool_]:
    covered = fill(np.zeros_like(frame.bgr), parsing_of(frame, [seen > 0]), EVERYBODY, WHITE, more)
    return np.asarray((covered >= HIDDEN).all(axis=2))


def shares_and_spread(film: list[tuple[Frame, NDArray[np.bool_]]], maps: Size) -> tuple[list[float], list[float]]:
    """Of each frame in which they are seen, the share of them that is hidden; and of each how much is, of the map."""
    lingering, shares, spread = Lingering(), [], []
    for frame, truth in film:
        seen = map_of(truth, maps) if frame.index < KNOWN else np.zeros(maps, np.uint8)
        hidden = hidden_in(frame, seen, lingering.add(Grey.of(frame), seen))
        if truth.any():
            shares.append(float(hidden[truth].mean()))
        spread.append(float(hidden.mean()))
    return shares, spread


def over(index: int, begun: float, rate: float) -> float:
    return begun + rate * (index - KNOWN)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(("size", "maps"), CLIPS)
@pytest.mark.parametrize("step", [0.003, 0.008, 0.015, 0.03])
@pytest.mark.parametrize("tall", [0.06, 0.12, 0.3])
def test_who_leaves_by_an_edge_is_hidden_until_they_are_gone(
    edge: str, size: Size, maps: Size, step: float, tall: float
) -> None:
    """At so much of the picture a frame, so tall in it; lost as they come to the edge, or half of them beyond it."""
    high = max(4, round(tall * size.height))
    body = Size(high, max(3, round(high * 0.4)))
    side, length = (size.width, body.width) if EDGES[edge][0] else (size.height, body.height)
    rate = step * side / length
    if rate > 0.6:
        pytest.skip("nobody goes so fast by their own length")
    count = min(KNOWN + round(1 / rate) + 4, int(LINGER_S * HZ))
    for begun in (0.0, 0.5):
        way = partial(over, begun=begun, rate=rate)
        shares, _ = shares_and_spread(filmed(size, edge, body, way, count), maps)
        # Of a picture of so few pixels a column that is bare is more of somebody.
        assert min(shares) > (0.97 if min(size) > 48 else 0.9), begun


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(("size", "maps"), CLIPS[1:])
def test_who_turns_back_at_the_edge_is_hidden(edge: str, size: Size, maps: Size) -> None:
    """Half of them was out of the picture, and comes back, with a part of them that was never seen."""
    body = Size(round(size.height * 0.3), round(size.height * 0.12))
    film = filmed(size, edge, body, lambda index: 0.5 * float(np.sin(np.pi * min(index, 24) / 24)), 27)
    shares, _ = shares_and_spread(film, maps)
    # Flow lags where somebody turns: some rows of them come to light.
    assert min(shares) > 0.85


@pytest.mark.parametrize("edge", EDGES)
def test_who_has_left_is_hidden_nowhere_after_a_time(edge: str) -> None:
    """What covers ever more would pass the tests above."""
    size = maps = Size(96, 160)
    body = Size(12, 5)
    film = filmed(size, edge, body, partial(over, begun=0.0, rate=0.2), round(KNOWN + 5 + HZ * LINGER_S) + 2)
    _, spread = shares_and_spread(film, maps)
    assert max(spread) < 6 * body.area / size.area
    assert spread[-1] == 0


def test_who_is_passed_by_somebody_else_is_hidden_after() -> None:
    """Nobody's masks but those of who passes are there."""
    size, one, other = Size(180, 320), Size(90, 24), Size(120, 40)
    lingering = Lingering()
    for index in range(26):
        behind, where = drawn(size, (150, 50), one, index)
        left = 40.0 + 8 * index
        front = np.zeros(size, bool)
        front[30 : 30 + other.height, round(left) : round(left) + other.width] = True
        picture = behind.bgr.copy()
        coat = texture(5, other, low=60, high=200)
        picture[30 : 30 + other.height, round(left) : round(left) + other.width] = coat
        frame = frame_of(picture, index, HZ)
        seen = map_of(front | where if index < KNOWN else front, size)
        hidden = hidden_in(frame, seen, lingering.add(Grey.of(frame), seen))
        assert hidden[where | front].mean() > 0.97, index


def test_a_thin_arm_that_is_missed_is_hidden() -> None:
    """It is a small share of who is seen, and no edge of them."""
    size = Size(180, 320)
    frame, where = drawn(size, (150, 50), Size(90, 30), 0)
    arm = np.zeros(size, bool)
    arm[70:73, 180:210] = True
    picture = frame.bgr.copy()
    picture[arm] = 250
    lingering = Lingering()
    for index in range(8):
        frame = frame_of(picture, index, HZ)
        seen = map_of(where | arm if index < KNOWN else where, size)
        hidden = hidden_in(frame, seen, lingering.add(Grey.of(frame), seen))
        assert hidden[where | arm].all(), index
