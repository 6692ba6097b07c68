"""A sidecar played: every parsing, in order, not before it is due."""

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter
from streamer.parsings.replay import played
from tests.support.parsings import a_parsing


@pytest.fixture
def sidecar(tmp_path: Path) -> Sidecar:
    path = tmp_path / "clip.hpm"
    with SidecarWriter.create(path) as writer:
        for index in range(5):
            writer.write(replace(a_parsing(index), pts_s=10 + index / 10))
    return Sidecar(path)


@pytest.mark.parametrize("speed", [1.0, 2.0, math.inf])
def test_each_comes_when_it_is_due(sidecar: Sidecar, speed: float) -> None:
    with sidecar:
        began_s = time.monotonic()
        for index, parsing in enumerate(played(sidecar, speed, threading.Event(), lambda: None)):
            assert parsing.frame_index == index
            assert parsing.captured_s - began_s >= (0.0 if math.isinf(speed) else index / 10 / speed)
        assert index == 4


def test_it_ends_when_asked_to(sidecar: Sidecar) -> None:
    stopped = threading.Event()
    with sidecar:
        seen = []
        for parsing in played(sidecar, 1.0, stopped, lambda: None):
            seen.append(parsing.frame_index)
            stopped.set()
        assert seen == [0]


def test_between_two_it_ticks(sidecar: Sidecar) -> None:
    with sidecar:
        ticks: list[int] = []
        seen = list(played(sidecar, 0.5, threading.Event(), lambda: ticks.append(1)))
        assert len(seen) == 5
        assert len(ticks) >= 4


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_cannot_be_is_told(sidecar: Sidecar, speed: float) -> None:
    with sidecar, pytest.raises(ConfigError, match="speed must be above 0"):
        list(played(sidecar, speed, threading.Event(), lambda: None))
