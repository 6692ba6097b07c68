"""The window, on a screen that the test makes; and no screen at all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline import Size
from pipeline.types import Picture
from streamer import SinkError, Stream, StreamConfig
from streamer.live.sinks.screen import Show, packed, unpacked
from streamer.live.sinks.window import Window
from streamer.processes.room import Room
from tests.support.display import display
from tests.support.media import pts_of
from tests.support.waiting import eventually, within

pytestmark = [pytest.mark.process, pytest.mark.screen]

COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]


@pytest.fixture
def screen() -> Iterator[str]:
    """An X display without a monitor."""
    with display() as (screen, _):
        yield screen


def xdotool(screen: str, *arguments: str) -> str:
    done = subprocess.run(
        ["xdotool", *arguments], env=os.environ | {"DISPLAY": screen}, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


# What a window manager says when somebody presses the button; there is none on the test's screen. An event is type 33,
# serial, send_event, display, window, message_type, format, data. In a process of its own: Xlib ends one when the
# window is gone.
PRESS_CLOSE = """
import ctypes, sys
screen, window = sys.argv[1].encode(), int(sys.argv[2])
x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
display = x11.XOpenDisplay(screen)
protocols = x11.XInternAtom(ctypes.c_void_p(display), b"WM_PROTOCOLS", 0)
delete = x11.XInternAtom(ctypes.c_void_p(display), b"WM_DELETE_WINDOW", 0)
event = (ctypes.c_long * 24)(33, 0, 1, display, window, protocols, 32, delete)
x11.XSendEvent(ctypes.c_void_p(display), ctypes.c_ulong(window), 0, ctypes.c_long(0), event)
x11.XCloseDisplay(ctypes.c_void_p(display))
"""


@contextmanager
def viewing(screen: str, folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A stream in a window, and the window's number."""
    environment = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"} | {"DISPLAY": screen}
    command = [
        *COMMAND,
        "run",
        "test:size=240x320,rate=20",
        "--window",
        "--size",
        "96x128",
        *options,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes) as viewer:  # type: ignore[call-overload]
        assert eventually(lambda: xdotool(screen, "search", "--name", "streamer") != "", 90)
        window = xdotool(screen, "search", "--name", "streamer").split()[-1]
        assert eventually(lambda: saved(screen, window, folder, "s", "snapshot-*.png"), 90)
        yield viewer, window


def press(screen: str, window: str, key: str) -> None:
    """Before the window is drawn it can have no focus, and the key goes nowhere: to be pressed until it is heard."""
    xdotool(screen, "windowfocus", window)
    xdotool(screen, "key", key)


def saved(screen: str, window: str, folder: Path, key: str, what: str) -> bool:
    """Whether a file is there after a key was pressed."""
    press(screen, window, key)
    return any(folder.glob(what))


def test_keys_reach_the_stream(screen: str, tmp_path: Path) -> None:
    with viewing(screen, tmp_path, "--clip-seconds", "5") as (viewer, window):
        assert eventually(lambda: saved(screen, window, tmp_path, "c", "clip-*.mp4"))

        def is_over() -> bool:
            press(screen, window, "q")
            return viewer.poll() is not None

        assert eventually(is_over)
        out, errors = viewer.communicate(timeout=120)
    assert viewer.returncode == 0
    first, second, *others = errors.splitlines()
    assert "goes to a window" in first
    assert second.startswith("the source is there")
    assert {line.split()[0] for line in others} <= {"wrote", "captured"}
    assert "shown" in out


def press_close(screen: str, window: str) -> None:
    press = [sys.executable, "-c", PRESS_CLOSE, screen, window]
    subprocess.run(press, capture_output=True, check=False, timeout=120)


def test_a_window_that_is_closed_ends_a_stream_that_has_nothing_else(screen: str, tmp_path: Path) -> None:
    with viewing(screen, tmp_path) as (viewer, window):

        def is_over() -> bool:
            press_close(screen, window)
            return viewer.poll() is not None

        assert eventually(is_over)
        out, errors = viewer.communicate(timeout=120)
    assert viewer.returncode == 0
    assert "Traceback" not in errors
    assert "window" not in out


def test_a_window_that_is_closed_does_not_end_a_recording(screen: str, tmp_path: Path) -> None:
    growing = tmp_path / "out.mp4"
    with viewing(screen, tmp_path, "--record", "out.mp4") as (viewer, window):

        def is_closed() -> bool:
            press_close(screen, window)
            return xdotool(screen, "search", "--onlyvisible", "--name", "streamer") == ""

        assert eventually(is_closed)
        had = growing.stat().st_size
        assert eventually(lambda: growing.stat().st_size > had)
        viewer.send_signal(signal.SIGINT)
        out, errors = viewer.communicate(timeout=120)
    assert viewer.returncode == 130
    assert "\nthe window ended: it was closed\n" in errors
    assert "\nthe window ended: it was closed\n" in out
    assert f"out.mp4: {len(pts_of(growing))} frames" in out


@pytest.fixture(params=["socket", "memory"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Room | None, Room | None]]:
    """The memory that pictures come in, as the stream and as the window's process has it."""
    near = Room.new() if request.param == "memory" else None
    if near is None:
        if request.param == "memory":
            pytest.skip("this system has no anonymous files")
        yield None, None
        return
    far = Room(os.dup(near.file))
    yield near, far
    near.close()
    far.close()


def test_a_picture_reaches_the_window_as_it_is(ends: tuple[Room | None, Room | None]) -> None:
    near, far = ends
    for shape in ((2, 3, 3), (7, 5, 3), (40, 80, 3), (7, 5, 3)):
        bgr = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for each in (bgr, bgr[::-1], bgr[:, ::-1]):
            head, pixels = packed(Show(Size(*shape[:2]), fit=True, full_screen=False), each, near)
            assert near is None or not pixels
            wanted, shown = unpacked(memoryview(head + pixels), far)
            assert wanted == Show(Size(*shape[:2]), fit=True, full_screen=False)
            np.testing.assert_array_equal(shown, each)
    head, pixels = packed(Show(None, fit=False, full_screen=True), None, near)
    assert unpacked(memoryview(head + pixels), far) == (Show(None, fit=False, full_screen=True), None)


def memories() -> int:
    """Files of shared memory that this process has open."""
    return sum("memfd:pictures" in str(each.resolve()) for each in Path("/proc/self/fd").iterdir())


def test_a_window_leaves_no_memory_behind(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    made: list[int] = []

    def picture() -> Picture:
        made.append(1)
        return np.zeros((48, 64, 3), np.uint8)

    def is_shown() -> bool:
        window.show(picture)
        return bool(made)

    with Window("memory") as window:
        assert eventually(is_shown)
        assert memories() > 0
    assert memories() == 0


def test_a_window_that_is_busy_has_no_pictures_made_for_it(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    made: list[int] = []

    def picture(number: int) -> Callable[[], Picture]:
        def make() -> Picture:
            made.append(number)
            return np.zeros((8, 8, 3), np.uint8)

        return make

    with Window("busy") as window:
        os.kill(window._child.pid, signal.SIGSTOP)
        for number in range(50):
            window.show(picture(number))
        assert len(made) <= 1  # it may have been there before the signal
        os.kill(window._child.pid, signal.SIGCONT)
        assert eventually(lambda: not list(window.pressed()) and 49 in made)
    assert len(made) <= 2


def shown(window: Window) -> bool:
    """Gives it a picture; whether it took one."""
    made: list[int] = []

    def make() -> Picture:
        made.append(1)
        return np.zeros((48, 64, 3), np.uint8)

    window.show(make)
    return bool(made)


@pytest.mark.parametrize(
    ("ending", "why"),
    [(signal.SIGKILL, r"the window's process was ended \(exit code -9"), (signal.SIGSTOP, "the window did not answer")],
    ids=["killed", "stopped"],
)
def test_a_window_whose_process_is_ended_says_so(
    screen: str, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals, why: str
) -> None:
    """The display is there, and is not to be looked for."""
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with Window("ended") as window:
        assert eventually(lambda: shown(window))
        os.kill(window._child.pid, ending)
        with pytest.raises(SinkError, match=why):
            eventually(lambda: not shown(window) and False)
        asked: list[bool] = []
        close = window._child.close
        monkeypatch.setattr(window._child, "close", lambda *, at_once: asked.append(at_once) or close(at_once=at_once))
    assert asked == [ending == signal.SIGSTOP]  # what does not answer gets no time to tidy up


def test_a_window_without_memory_says_so(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with Window("small") as window:
        if window._room is None:
            pytest.skip("this system has no anonymous files")
        assert eventually(lambda: shown(window))
        resource = pytest.importorskip("resource")
        resource.prlimit(window._child.pid, resource.RLIMIT_FSIZE, (0, 0))
        monkeypatch.setattr(Room, "first", lambda room, count: memoryview(bytearray(count)))
        with pytest.raises(SinkError, match="there is no memory for the window's picture"):
            eventually(lambda: larger(window) and False)


def larger(window: Window) -> None:
    window.show(lambda: np.zeros((480, 640, 3), np.uint8))
    list(window.pressed())


def test_without_a_display_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match=r"no display .* record to a file or publish instead"):
        opened()
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(SinkError, match="no display answers at :4711"):
        opened()


def opened() -> None:
    """Waits for a window to be there. Raises SinkError."""
    with Window("nothing") as window:
        assert eventually(lambda: list(window.pressed()) == ["never"], 60)


def test_a_display_that_refuses_us_ends_the_window_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a service, or after sudo: Qt ends the process that asks."""
    cookies = tmp_path / "cookies"
    cookies.write_bytes(b"\1\0\0\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\x10" + bytes(16))
    monkeypatch.setenv("XAUTHORITY", "/nonexistent")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with display("-auth", str(cookies)) as (locked, _):
        monkeypatch.setenv("DISPLAY", locked)
        source = "test:size=240x320,rate=20"
        config = StreamConfig(source, window=True, record=str(tmp_path / "out.mp4"), size=(96, 128))
        with Stream(config) as stream:
            assert eventually(lambda: stream.stats.sinks_ended, 60)
            shown = stream.stats.shown
            assert eventually(lambda: stream.stats.shown > shown + 20, 60)
            stream.stop()
            with pytest.raises(SinkError, match=f"no display answers at {locked}, or it refuses this user"):
                with within(10):
                    stream.join(120)
    assert [sink.name for sink in stream.stats.sinks_ended] == ["window"]
    assert len(pts_of(tmp_path / "out.mp4")) == stream.stats.shown


def test_a_display_that_dies_ends_the_window_alone(tmp_path: Path) -> None:
    growing = tmp_path / "out.mp4"
    with display() as (dying, server):
        with viewing(dying, tmp_path, "--record", "out.mp4") as (viewer, _):
            server.kill()
            had = growing.stat().st_size
            assert eventually(lambda: growing.stat().st_size > had + 10_000, 60)
            viewer.send_signal(signal.SIGINT)
            out, errors = viewer.communicate(timeout=120)
    assert f"the window ended: the display {dying} went away" in out
    assert errors.splitlines()[-1].startswith(f"error: the display {dying} went away")
    assert f"out.mp4: {len(pts_of(growing))} frames" in out
