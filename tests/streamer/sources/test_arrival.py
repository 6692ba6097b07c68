"""Packets have the times at which they arrived, whatever whoever reads them was doing then."""

import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from av.audio.stream import AudioStream

from streamer import open_source
from streamer.sources.connection import RemoteFeed
from streamer.sources.demuxer.protocol import Request
from streamer.sources.network import Access
from streamer.sources.timing import buffer, stamps
from streamer.sources.timing.buffer import MAX_ALONE_S, MAX_BEHIND_S, Buffer, Timed, Wait
from streamer.sources.timing.live_clock import LiveClock
from streamer.sources.timing.playout import Playing, Playout
from streamer.sources.timing.stamps import stamped
from tests.support.clicks import flashing
from tests.support.media import hang_up, http, raw, serving
from tests.support.waiting import PATIENCE_S, Clock, eventually

PICTURES = 6
SHADES = 10
"""From one picture to the next, in which they are told apart."""
ROUNDED_S = 1e-4
"""Times are told in ticks of a 90,000th of a second."""


# In the process that receives them


def numbered(asked_s: list[float], sent_s: list[float]):  # type: ignore[no-untyped-def]
    """A camera that gives one JPEG a request, each a little lighter: when each was asked for, and begun to be sent."""

    def answer(connection: socket.socket) -> None:
        asked_s.append(time.monotonic())
        picture = np.full((64, 96, 3), SHADES * min(len(sent_s), 25), np.uint8)
        body = cv2.imencode(".jpg", picture)[1].tobytes()
        sent_s.append(time.monotonic())
        http(body, "Content-Type: image/jpeg\r\n")(connection)

    return answer


@pytest.mark.process
def test_pictures_that_wait_for_their_reader_keep_the_times_at_which_they_arrived() -> None:
    """Each arrived after the camera began to send it, and before the next one was asked for."""
    asked_s: list[float] = []
    sent_s: list[float] = []
    with serving(numbered(asked_s, sent_s)) as port:
        with open_source(f"http://127.0.0.1:{port}/snap.jpg", access=Access(poll_hz=10)) as source:
            opened = len(asked_s)
            assert eventually(lambda: len(asked_s) > opened + PICTURES)  # meanwhile, nobody reads
            frames = list(islice(source, PICTURES))
    numbers = [round(float(frame.bgr.mean()) / SHADES) for frame in frames]
    assert [later - earlier for earlier, later in pairwise(numbers)] == [1] * (PICTURES - 1)
    first = numbers[0]
    for frame, number in zip(frames[1:], numbers[1:]):
        least_s, most_s = sent_s[number] - asked_s[first + 1], asked_s[number + 1] - sent_s[first]
        assert least_s - ROUNDED_S <= frame.pts_s <= most_s + ROUNDED_S


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.process
def test_pictures_and_sound_that_wait_in_the_pipe_keep_the_times_at_which_they_arrived(tmp_path: Path) -> None:
    """They are read after the process that received them has ended."""
    body = flashing(tmp_path / "source.flv", 2.0, (1.0,)).read_bytes()
    before = set(psutil.Process().children())
    with serving(raw(body, then=hang_up)) as port:
        began_s = time.monotonic()
        remote = RemoteFeed(Request(f"tcp://127.0.0.1:{port}", True, {}), PATIENCE_S, threading.Event())
        try:
            (process,) = set(psutil.Process().children()) - before
            assert eventually(lambda: has_ended(process))
            ended_s = time.monotonic()
            came = [(packet, remote.arrived_s) for packet in remote.packets() if packet is not None and packet.size]
        finally:
            remote.close()
    assert {isinstance(packet.stream, AudioStream) for packet, _ in came} == {False, True}
    stamps_s = [began_s, *(arrived_s for _, arrived_s in came), ended_s]
    assert stamps_s == sorted(stamps_s)


# In the process that reads


EVERY_S = 0.04
PLACE = SimpleNamespace(index=0)
"""The stream of the pictures."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (buffer, stamps):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def picture(number: int) -> Any:
    time_base, ticks = Fraction(1, 1000), round(number * EVERY_S * 1000)
    return SimpleNamespace(
        stream=PLACE, pts=ticks, dts=ticks, time_base=time_base, size=10, is_keyframe=not number % 25
    )


def test_what_waited_while_the_reader_stood_still_is_late_and_not_uneven(clock: Clock) -> None:
    """It is hurried through, and nothing of it is left out; the pictures that follow are not kept back for it."""
    stood_s = MAX_BEHIND_S + 2
    count, began_s = round(stood_s / EVERY_S), clock.now_s
    clock.now_s += stood_s
    arrived_s = began_s

    def packets() -> Iterator[Any]:
        nonlocal arrived_s
        for number in range(count):
            arrived_s = began_s + number * EVERY_S
            yield picture(number)
        yield None

    playout = Playout("auto")
    timed = stamped(packets(), lambda: arrived_s, LiveClock(usual_s=EVERY_S), timeless=False)
    played = Buffer(timed, Wait(), playout, Playing(), clock)  # type: ignore[arg-type]
    given = iter(played)
    came = [next(given)]
    assert played.behind_s == pytest.approx(stood_s - EVERY_S)
    came += [each for each in given if each is not None]
    assert [each.pts for each in came] == [picture(number).pts for number in range(count)]
    assert clock.now_s == began_s + stood_s
    assert (played.skipped, playout.delay_s) == (0, 0)
    assert playout.uneven_s == pytest.approx(0, abs=1e-6)


def test_sound_that_waited_is_still_given_with_its_pictures(clock: Clock) -> None:
    """They are behind it in the pipe, and not there in the same moment."""
    long_ago_s = clock.now_s - MAX_ALONE_S - 1
    timed = [Timed(picture(0), 0.0, long_ago_s, clock.now_s, pictures) for pictures in (False, True)]
    packets = iter([timed[0], None, None, None, timed[1]])
    given = Buffer(packets, Wait(), Playout("auto"), Playing(), clock)  # type: ignore[arg-type]
    assert [each is not None for each in given] == [False, True, True]
