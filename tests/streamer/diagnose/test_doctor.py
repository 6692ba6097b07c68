"""What is said of a camera, of which everything is known, and of this machine."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import Frame, Size
from streamer import CannotOpen, open_source
from streamer.cli import app, doctor
from streamer.diagnose.camera import SETTLED_S, costs_of, diagnosed, timed, watch, ways
from streamer.diagnose.capacity import Costs, Way
from streamer.sources.network import Access
from streamer.sources.source import Health, Source
from tests.support.media import Clip, hold, http, in_time, serving

pytestmark = pytest.mark.process

runner = CliRunner()


def film(path: Path, seconds: int, key_every: int) -> None:
    """Twenty frames a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=20, options={"g": str(key_every), "sc_threshold": "0"})
        video.height, video.width, video.pix_fmt = 96, 128, "yuv420p"
        random = np.random.default_rng(0)
        for _ in range(20 * seconds):
            picture = random.integers(0, 255, (96, 128, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode())


class OnTime:
    """A file whose frames come when they are due, whatever else the machine does; those before a time at that time."""

    def __init__(self, path: Path, at_once_s: float = 0.0) -> None:
        self._source = open_source(path)
        self._at_once_s = at_once_s

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def __enter__(self) -> "OnTime":
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            yield replace(frame, captured_s=max(self._at_once_s, frame.pts_s))


def test_what_a_source_gives_is_seen(tmp_path: Path) -> None:
    film(tmp_path / "door.mp4", seconds=3, key_every=10)
    camera, frames, decode_s = watch(lambda: cast(Source, OnTime(tmp_path / "door.mp4")), 2.0)
    assert camera.hz == pytest.approx(20)
    assert camera.key_every_s == pytest.approx(0.5)
    assert camera.info.codec == "h264"
    assert camera.bits_per_s is not None
    assert camera.bits_per_s > 1e5
    assert (camera.damaged, camera.lost) == (0, None)
    assert camera.frames == 41
    assert len(frames) == camera.frames
    assert 0 < decode_s < 0.05


def test_what_had_come_before_is_not_counted_as_its_rate(tmp_path: Path) -> None:
    """A camera that keeps two seconds for whoever connects, and then goes on as it should."""
    film(tmp_path / "door.mp4", seconds=6, key_every=10)
    camera, _, _ = watch(lambda: cast(Source, OnTime(tmp_path / "door.mp4", at_once_s=2.0)), 3.5)
    assert camera.frames == 111
    assert camera.hz == pytest.approx(20)


def test_it_is_not_counted_over_a_network_either(tmp_path: Path) -> None:
    """The camera's rate is what it really sent, on a machine that may be busy."""
    body = Clip(ticks=range(0, 512 * 450, 512)).make(tmp_path / "clip.ts").read_bytes()
    begun = len(body) // 9
    sent_s: list[float] = []
    opened = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(body[:begun])
        opened.wait()
        pace = in_time()
        for number in range(400):
            pace(number / 25)
            step = (len(body) - begun) // 400 + 1
            connection.sendall(body[begun + number * step : begun + (number + 1) * step])
            sent_s.append(time.monotonic())
        hold(connection)

    def open_() -> Source:
        source = open_source(f"tcp://127.0.0.1:{port}", realtime=True)
        opened.set()
        return source

    with serving(answer) as port:
        try:
            camera, _, _ = watch(open_, 3.5)
        finally:
            opened.set()
    came_s = [each for each in sent_s if each - sent_s[0] <= 3.5]
    settled_s = [each for each in came_s if each - sent_s[0] >= SETTLED_S]
    assert camera.frames > 0.8 * (50 + len(came_s))  # 50 were there before
    assert camera.hz == pytest.approx((len(settled_s) - 1) / (settled_s[-1] - settled_s[0]), rel=0.15)


def test_of_one_frame_nothing_is_known_but_what_the_source_says() -> None:
    camera, frames, _ = watch(lambda: open_source("test:rate=50,size=64x64", realtime=True), 0.0)
    assert camera.frames == len(frames) == 1
    assert camera.hz == 50


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen):
        watch(lambda: open_source(tmp_path / "none.mp4"), 1.0)


def test_costs_are_those_of_showing_and_of_recording_if_wanted() -> None:
    with open_source("test:size=96x128,frames=10") as source:
        frames = list(source)
    shown, recorded = (costs_of(frames, source.info, 0.001, records=records) for records in (False, True))
    assert shown.decode_s == 0.001
    assert shown.draw_s > 0
    assert (shown.encode_s, recorded.encode_s > 0) == (0.0, True)


def test_every_parser_that_is_ready_is_timed_at_every_size_that_may_be_chosen() -> None:
    size = Size(96, 128)
    wanted = ways(size, None)
    sizes = [each for name, each in wanted if name == "lite"]
    assert len(sizes) > 2
    assert sizes == sorted(sizes, key=lambda each: -each.height * each.width)
    with open_source("test:size=96x128,frames=2") as source:
        frames = list(source)
    way = next(timed(wanted[-1:], frames, None))
    assert (way.parser, way.size) == wanted[-1]
    assert 0 < way.takes_s < 10
    assert way.cpu_s > 0


def test_a_diagnosis_recommends_what_holds(tmp_path: Path) -> None:
    camera, _, _ = watch(lambda: open_source("test:rate=30,frames=10,size=64x64", realtime=True), 5.0)
    fast, slow = Way("lite", Size(128, 224), 0.004, 0.006), Way("lite", Size(256, 448), 0.5, 1.0)
    assert (best := diagnosed(camera, Costs(0.001, 0.001), 2, [slow, fast], 0.25).best) is not None
    assert best.way is fast


def test_key_frames_are_counted_from_the_first_to_the_last() -> None:
    health = Health()
    for index in range(9):
        health.add_packet(100, index / 2, key=index % 4 == 0)
    assert (health.bytes, health.key_frames, health.key_every_s) == (900, 3, 2.0)
    assert Health().key_every_s is None


def test_the_verb_says_it_for_people_and_for_programs(tmp_path: Path) -> None:
    clip = Clip(size=(96, 128))
    clip.make(tmp_path / "my door.mp4")
    told = runner.invoke(app, ["doctor", str(tmp_path / "my door.mp4"), "--seconds", "1", "--record"])
    assert told.exit_code == 0, told.output
    assert "h264, 96x128" in told.output
    assert "encoding" in told.output
    assert f"streamer run '{tmp_path}/my door.mp4' --record out.mp4" in told.output
    any_age = ["--max-mask-age", "any"]
    row = json.loads(
        runner.invoke(app, ["doctor", "test:size=96x128,frames=9", "--seconds", "1", "--json", *any_age]).stdout
    )
    assert row["camera"]["frames"] == 9
    assert row["limit_s"] is None  # what JSON has no word for
    assert row["best"]["way"]["parser"] == "lite"
    assert {"cores", "costs", "forecasts"} <= row.keys()


def test_a_source_is_opened_as_run_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that gives one JPEG a request is asked for as many as `--poll-hz` says: how it is opened is looked at,
    for a machine that stands still gets fewer."""
    given: list[dict[str, object]] = []

    def opened(uri: str, **how: Any) -> Source:
        given.append({"uri": uri, **how})
        return open_source(uri, **how)

    monkeypatch.setattr(doctor, "open_source", opened)
    picture = cv2.imencode(".jpg", np.zeros((96, 128, 3), np.uint8))[1].tobytes()
    with serving(http(picture, "Content-Type: image/jpeg\r\n")) as port:
        source = f"http://127.0.0.1:{port}/snap.jpg"
        options = ["--poll-hz", "8", "--latency", "0", "--rtsp-transport", "tcp"]
        told = runner.invoke(app, ["doctor", source, "--seconds", "2", *options])
    assert told.exit_code == 0, told.output
    assert f"streamer run {source} --rtsp-transport tcp --poll-hz 8 --latency 0s" in told.output
    assert re.search(r"came: [0-9.]+ frames/s", told.output)
    assert given == [
        {"uri": source, "realtime": True, "video_track": None, "latency_s": 0.0, "access": Access("tcp", 8.0)}
    ]
