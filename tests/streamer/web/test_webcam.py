"""Somebody's own camera over a WebSocket: the newest picture in, its masks out."""

import re
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pipeline import load_parser
from streamer.web.streams.messages import unpacked
from tests.support.paths import ROOT
from tests.support.served import Served, served
from tests.support.service import black, street

pytestmark = pytest.mark.process
WORKER = "streamer.stills.main"
WAIT_S = 120.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with served(folder / "log", "--workers", "1", "--deadline", "2min", "--max-wait", "2min") as found:
        assert found.ready()
        yield found


def _opened(running: Served, query: str = "", **headers: str) -> ClientConnection:
    address = f"ws://127.0.0.1:{running.port}/api/v1/webcam{query}"
    return connect(address, additional_headers=headers, max_size=None)


def _answer(socket: ClientConnection) -> tuple[dict[str, Any], bytes]:
    message = socket.recv(WAIT_S)
    assert isinstance(message, bytes)
    return unpacked(message)


def test_each_picture_has_its_masks(running: Served) -> None:
    picture = cv2.imdecode(np.frombuffer(street(), np.uint8), cv2.IMREAD_COLOR)
    parsing = load_parser().still(picture)
    with _opened(running) as socket:
        for frame in range(2):
            socket.send(street())
            head, body = _answer(socket)
            cells = parsing.map_size
            maps = np.frombuffer(zlib.decompress(body, -15), np.uint8).reshape(2, *cells)
            assert np.array_equal(maps[0], parsing.labels)
            assert (head["frame"], head["dropped"], head["jpeg"], head["masks"]) == (frame, 0, 0, len(body))
            assert head["map"] == {"width": cells.width, "height": cells.height}
            assert head["picture"] == {"width": picture.shape[1], "height": picture.shape[0]}
            assert [each["id"] for each in head["people"]] == list(range(1, len(parsing.people) + 1))
            assert set(np.unique(maps[1])) - {0} == {each["id"] for each in head["people"]}
            assert sorted(tuple(each["box"]) for each in head["people"]) == sorted(
                tuple(each.box) for each in parsing.people
            )
        socket.send(street())
        assert _answer(socket)[0]["frame"] == 2
    with _opened(running, "?size=128x224") as socket:
        socket.send(street())
        small = _answer(socket)[0]["map"]
        assert small["width"] < cells.width


def test_what_is_no_picture_is_told_and_the_next_is_taken(running: Served) -> None:
    with _opened(running) as socket:
        for body, kind in ((b"no picture", "not-a-picture"), (street()[:2000], "truncated-picture")):
            socket.send(body)
            head, rest = _answer(socket)
            assert (head["problem"]["type"], rest) == (f"/problems/{kind}", b"")
        socket.send(black())
        head, _ = _answer(socket)
        assert (head["frame"], head["people"]) == (2, [])
        socket.send("a text")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(WAIT_S)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1003


@pytest.mark.parametrize(("query", "kind"), [("?parser=m2fp", "unknown-parser"), ("?size=7x7", "validation")])
def test_what_cannot_be_asked_for_is_told_at_once(running: Served, query: str, kind: str) -> None:
    with _opened(running, query) as socket:
        head, _ = _answer(socket)
        assert head["problem"]["type"] == f"/problems/{kind}"
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT_S)


def test_other_pages_do_not_send_pictures(running: Served) -> None:
    with pytest.raises(InvalidStatus) as caught, _opened(running, Origin="http://evil.test"):
        pass
    assert caught.value.response.status_code == 403


def test_the_newest_takes_the_place_of_those_that_wait(running: Served) -> None:
    """While the process stands still, all pictures but the one that it has and the newest are dropped and counted."""
    (worker,) = running.children(WORKER)
    with _opened(running) as socket:
        socket.send(black())
        assert _answer(socket)[0]["frame"] == 0
        worker.suspend()
        try:
            for _ in range(20):
                socket.send(black())
            # A pong comes after what was sent before it was taken.
            assert socket.ping().wait(WAIT_S)
            deadline = time.monotonic() + WAIT_S
            while running.ask("GET", "/healthz").status != 200:
                assert time.monotonic() < deadline
        finally:
            worker.resume()
        frames, dropped = [], 0
        while not frames or frames[-1] < 20:
            head, _ = _answer(socket)
            frames.append(head["frame"])
            dropped = head["dropped"]
        assert frames[-1] == 20
        assert len(frames) + dropped == 20
        assert dropped > 0


def test_the_example_prints_a_line_for_each_picture(running: Served, tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    first = cv2.imdecode(np.frombuffer(street(), np.uint8), cv2.IMREAD_COLOR)
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 10, first.shape[1::-1])
    for _ in range(3):
        writer.write(first)
    writer.release()
    command = [sys.executable, str(ROOT / "examples" / "send_webcam.py"), str(clip)]
    command.append(f"ws://127.0.0.1:{running.port}/api/v1/webcam")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [
        re.fullmatch(r"frame (\d): ([1-9]\d*) people, (\d+) % of the picture", each)
        for each in done.stdout.splitlines()
    ]
    assert [each and each[1] for each in lines] == ["0", "1", "2"], done.stdout
