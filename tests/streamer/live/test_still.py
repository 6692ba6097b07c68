"""What is not parsed again: the same picture, and a scene in which nothing moved."""

from dataclasses import dataclass

import numpy as np
import pytest

from pipeline import Size
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import LabelMap, Picture
from streamer.live.still import MAX_PICTURES, Repeats, still
from tests.support.scenes import person_scene, texture

NOISE_LEVELS = 5.0
"""Deviation of a webcam's noise in the dark."""


@dataclass(frozen=True)
class _Named:
    number: int

    @property
    def reading(self) -> Reading:
        labels: LabelMap = np.full((4, 4), self.number, np.uint8)
        fit = Letterbox.into(Size(4, 4), Size(4, 4))
        return Reading(labels, np.zeros((4, 4), np.uint8), (), (), garments=None, fit=fit, seconds=0.0)


def noisy(picture: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, NOISE_LEVELS, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_a_scene_with_nothing_but_noise_is_remembered_for_its_time() -> None:
    repeats, reading = Repeats(1.0), _Named(1).reading
    scene = texture(1, Size(256, 448), 40, 200)
    repeats.remember(noisy(scene, 0), reading, 10.0)
    assert all(repeats.recall(noisy(scene, n), 10.0 + n / 30) is reading for n in range(1, 30))
    assert repeats.recall(noisy(scene, 31), 11.01) is None


@pytest.mark.parametrize("across", [-3.0, 2.0])
def test_somebody_who_moves_a_little_is_seen(across: float) -> None:
    assert still(person_scene(200), person_scene(200))
    assert not still(person_scene(200), person_scene(200 + across))


def test_what_creeps_is_seen_in_the_end() -> None:
    """It is compared with what was parsed, not with the frame before."""
    repeats = Repeats(60.0)
    repeats.remember(person_scene(200), _Named(1).reading, 0.0)
    known = [repeats.recall(person_scene(200 + 0.2 * n), n / 30) is not None for n in range(30)]
    assert known[0]
    assert not known[-1]


def test_pictures_seen_before_are_known_again_until_there_are_too_many() -> None:
    repeats = Repeats(1.0)
    slides = [texture(n, Size(64, 64)) for n in range(MAX_PICTURES + 1)]
    for number, slide in enumerate(slides):
        repeats.remember(slide, _Named(number % 20).reading, float(2 * number))
    for number, slide in enumerate(slides[1:], start=1):
        found = repeats.recall(slide, 1000.0)
        assert found is not None
        assert found.labels[0, 0] == number % 20
    assert repeats.recall(slides[0], 1000.0) is None


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    repeats = Repeats(1.0)
    repeats.remember(np.zeros((64, 128, 3), np.uint8), _Named(1).reading, 0.0)
    assert repeats.recall(np.zeros((128, 64, 3), np.uint8), 0.0) is None


def test_nothing_is_remembered_where_that_is_wanted() -> None:
    repeats, picture = Repeats(0.0), texture(1, Size(64, 64))
    repeats.remember(picture, _Named(1).reading, 0.0)
    assert repeats.recall(picture, 0.0) is None
