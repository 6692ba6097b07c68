"""The screen as a source, at an X server that nobody sees: what FFmpeg reads of it, and what mss does."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from pipeline import Size
from streamer import CannotOpen, SourceLost, Stream, StreamConfig, open_source
from streamer.errors import Cause, ConfigError
from streamer.sources.devices import screen as screens
from streamer.sources.devices.screen import GrabbedScreen, Screen, part_of, read_screen
from streamer.sources.network import Timeouts
from tests.support.display import display
from tests.support.media import pts_of
from tests.support.waiting import eventually

PATIENT = Timeouts(open_s=120, read_s=120)
"""A busy machine takes its time to start the process that reads the screen."""
WHITE = "-wr"
"""Xvfb's option for a white screen."""
MONITORS = [
    {"left": 0, "top": 0, "width": 1800, "height": 1000},
    {"left": 0, "top": 0, "width": 800, "height": 600},
    {"left": 800, "top": 40, "width": 1000, "height": 900},
]


def test_what_is_asked_for() -> None:
    assert read_screen("screen:") == Screen()
    assert read_screen("screen::1,rate=30000/1001") == Screen(":1", rate=Fraction(30000, 1001))
    part = read_screen("screen:size=300x400,left=20,top=10")
    assert part == Screen("", Size(300, 400), 20, 10)
    assert part.options == {"framerate": "15", "grab_x": "20", "grab_y": "10", "video_size": "400x300"}


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("screen:size=big", "big"),
        ("screen:rate=0", "rate=0 is not pictures a second"),
        ("screen:left=-3", "left=-3 is not a number of pixels"),
        ("screen::1,fps=30", "no setting 'fps'; there are size=HxW, left=X, top=Y and rate=R"),
    ],
)
def test_what_cannot_be_asked_for(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_source(uri)


def test_parts_of_monitors() -> None:
    assert part_of(Screen(), MONITORS) == MONITORS[1]
    assert part_of(Screen("0"), MONITORS) == MONITORS[0]
    part = part_of(Screen("2", Size(100, 200), left=30, top=20), MONITORS)
    assert part == {"left": 830, "top": 60, "width": 200, "height": 100}
    with pytest.raises(CannotOpen, match="no monitor 3; there are 2, from 1; 0 is all of them"):
        part_of(Screen("3"), MONITORS)
    with pytest.raises(CannotOpen, match="no monitor :1; there are 2"):
        part_of(Screen(":1"), MONITORS)
    with pytest.raises(CannotOpen, match="not within it, which is 600x800"):
        part_of(Screen(size=Size(600, 800), left=1), MONITORS)


def test_without_mss_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(ConfigError, match=r"pip install 'm2fp-streamer\[screen\]'"):
        GrabbedScreen(Screen(), Event())


def test_without_a_display_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("X11 is Linux's")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CannotOpen, match="DISPLAY names none") as found:
        open_source("screen:")
    assert found.value.cause is Cause.NOT_FOUND


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A white screen of 600x800, its pointer in the middle, and its server."""
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb here")
    with display(WHITE) as (name, server):
        monkeypatch.setenv("DISPLAY", name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        yield name, server


Server = tuple[str, "subprocess.Popen[bytes]"]


@pytest.mark.process
@pytest.mark.screen
@pytest.mark.parametrize("way", ["ffmpeg", "mss"])
def test_the_screen_and_a_part_of_it(server: Server, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "mss":
        monkeypatch.setattr(screens.sys, "platform", "elsewhere")
    with open_source("screen:", timeouts=PATIENT) as source:
        frames = list(islice(source, 4))
    assert (source.info.frame_size, source.info.live, source.info.rate) == ((600, 800), True, 15)
    assert frames[0].bgr.dtype == np.uint8
    assert frames[0].bgr[:100].min() == 255  # FFmpeg draws the pointer
    times_s = [frame.pts_s for frame in frames]
    assert times_s[0] == 0
    assert times_s == sorted(set(times_s))
    with open_source("screen:size=100x200,left=20,top=10,rate=30", timeouts=PATIENT) as source:
        frame = next(iter(source))
    assert frame.bgr.shape == (100, 200, 3)
    assert frame.bgr.min() == 255
    with pytest.raises(CannotOpen, match="size=HxW at left=X, top=Y, is not within it") as found:
        open_source("screen:size=600x800,left=1", timeouts=PATIENT)
    assert found.value.cause is Cause.NOT_FOUND


@pytest.mark.process
@pytest.mark.screen
def test_it_is_recorded_as_a_camera_is(server: Server, tmp_path: Path) -> None:
    name, _ = server
    out = tmp_path / "screen.mp4"
    with Stream(StreamConfig(f"screen:{name},size=120x160,rate=10", record=str(out), size=(96, 128))) as stream:
        assert eventually(lambda: stream.stats.shown >= 8, 60)
        stream.stop()
    stats = stream.stats
    assert stats.came == "120x160 at 10/s"
    assert len(list(pts_of(out))) == stats.shown
    assert stats.captured == stats.shown + stats.drops.total


@pytest.mark.process
@pytest.mark.screen
def test_a_server_that_ends_is_a_loss(server: Server) -> None:
    name, process = server
    with open_source("screen:", timeouts=PATIENT) as source:
        frames = iter(source)
        next(frames)
        process.kill()
        with pytest.raises(SourceLost, match=f"the screen {name}: it is not there any more") as lost:
            for _ in frames:
                pass
    assert lost.value.cause is Cause.NOT_FOUND


def test_without_ffmpegs_reader_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens.sys, "platform", "linux")
    monkeypatch.setattr(screens, "X11", "none")
    with pytest.raises(CannotOpen, match="this FFmpeg does not read X11"):
        open_source("screen:", timeouts=PATIENT)


@pytest.mark.process
def test_a_display_that_nobody_serves_is_told() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("X11 is Linux's")
    with pytest.raises(CannotOpen, match="cannot open the screen :4321: no display answers there") as found:
        open_source("screen::4321", timeouts=PATIENT)
    assert found.value.cause is Cause.NOT_FOUND
