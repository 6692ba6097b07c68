"""What masks lose cell by cell over seconds stays hidden, and what they give up rightly does not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Size
from pipeline.drawing.effects import fill
from pipeline.drawing.selection import On
from pipeline.motion.blobs import Mask
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Lingering
from tests.support.scenes import FRAME, frame_of, parsing_of, person_at, person_scene, shifted, texture

HZ = 10
"""Frames a second: as quick a stream as a busy machine shows."""
SECONDS = 3
MAPS = Size(180, 320)
EVERYBODY = On.read("all")
Where = Callable[[int], float]
"""From a frame's index to the left edge of the person."""

WALKS: dict[str, Where] = {
    "still": lambda index: 150.0,
    "sways": lambda index: 150 + 6 * np.sin(index / 4),
    "walks": lambda index: 60 + 4.0 * index,
}


def part_of(kind: str, left: float) -> NDArray[np.bool_]:
    """Where a face is, or the whole person: bool of the frame's size."""
    if kind == "person":
        return person_at(left)
    face = np.zeros(FRAME, np.uint8)
    cv2.circle(face, (30, 130), 24, (255,), cv2.FILLED)
    return np.asarray(shifted(face, left, 0, cv2.BORDER_CONSTANT) > 127)


def map_of(where: NDArray[np.bool_]) -> Mask:
    whole = np.where(where, 255, 0).astype(np.uint8)
    return np.asarray(cv2.resize(whole, MAPS[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def eroded(whole: Mask, cells: int) -> Mask:
    return np.asarray(cv2.erode(whole, np.ones((2 * cells + 1, 2 * cells + 1), np.uint8)), np.uint8)


def hidden_shares(kind: str, walk: Where, cells: Callable[[int], int]) -> list[float]:
    """Of each frame the share of the face or person that an effect hides, whose masks have lost so many cells."""
    lingering, shares = Lingering(), []
    for index in range(SECONDS * HZ):
        left = walk(index)
        frame, truth = frame_of(person_scene(left), index, HZ), part_of(kind, left)
        seen = eroded(map_of(truth), cells(index))
        more = lingering.add(Grey.of(frame), seen)
        hidden = fill(np.zeros_like(frame.bgr), parsing_of(frame, [seen > 0]), EVERYBODY, (255, 255, 255), more)
        shares.append(float((hidden[truth] >= 250).mean()))
    return shares


@pytest.mark.parametrize(
    ("kind", "walk", "frames_a_cell"),
    [("face", "still", 1), ("face", "walks", 2), ("person", "sways", 1), ("person", "walks", 2)],
)
def test_what_masks_lose_slowly_stays_hidden(kind: str, walk: str, frames_a_cell: int) -> None:
    """Until nothing is selected any more: each step alone is less than what an effect hides around a selection.

    Before it is noticed, two cells of the edge are bare: a quarter of so small a face. Without `Erosion` all of it is.
    """
    shares = hidden_shares(kind, WALKS[walk], lambda index: max(0, index - 5) // frames_a_cell)
    assert min(shares) > 0.7
    assert min(shares[HZ * 2 :]) > 0.9


def test_what_has_gone_from_a_place_is_not_hidden_there_any_more() -> None:
    """An arm that is drawn in as slowly as a mask may be lost."""
    lingering, wide = Lingering(), 60
    arm = texture(4, Size(40, wide), low=140)
    for index in range(SECONDS * HZ):
        out = max(0, wide - 4 * max(0, index - 5))
        picture, where = person_scene(150), person_at(150)
        picture[140:180, 210 : 210 + out] = arm[:, wide - out :]
        where[140:180, 210 : 210 + out] = True
        more = lingering.add(Grey.of(frame_of(picture, index, HZ)), map_of(where))
        bare = more is None or np.count_nonzero(more) < 0.02 * np.count_nonzero(map_of(where))
        assert bare or index < HZ * 2
    assert out == 0
