"""How long a live stream lasts."""

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pipeline import Frame
from streamer.live.capture import _Limit
from streamer.media.packet_queue import PacketQueue
from streamer.sources.source import Source


def taken(pts_s: float, captured_s: float) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), 0, pts_s, captured_s)


def test_sound_goes_as_far_as_the_pictures_that_came_ahead() -> None:
    """Of a piece of several seconds, all is there at once: what is recorded of it has its sound."""
    made: Any = SimpleNamespace(audio=PacketQueue(), info=SimpleNamespace(tags=SimpleNamespace(start_s=2.0)))
    limit = _Limit(threading.Event(), 4.0)
    now_s = time.monotonic() + 10_000  # so long is not over yet
    limit.begin(cast(Source, made), taken(0.0, now_s))
    told = [(limit.reached(taken(pts_s, now_s)), made.audio.ends_s) for pts_s in (3.0, 4.0, 5.0, 7.5)]
    assert told == [(False, 6.0), (False, 6.0), (False, 7.0), (False, 9.5)]


def test_without_a_duration_there_is_no_end() -> None:
    made: Any = SimpleNamespace(audio=PacketQueue())
    limit = _Limit(threading.Event(), None)
    limit.begin(cast(Source, made), taken(0.0, 0.0))
    assert not limit.reached(taken(1e6, 0.0))
    assert made.audio.ends_s == pytest.approx(float("inf"))
