"""Webcams on Linux: FFmpeg's own V4L2 reader at a camera that answers as a driver would, and at what is no camera."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer import CannotOpen, SourceLost, Stream, StreamConfig, open_source
from streamer.errors import Cause, ConfigError
from streamer.sources.devices.webcam import Camera, read_camera
from tests.support.media import Clip
from tests.support.waiting import eventually
from tests.support.webcam import DEVICE

pytestmark = [pytest.mark.process, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 is Linux's")]


@pytest.fixture
def plugged(driver: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """For the processes that begin from here on there is a camera."""
    monkeypatch.setenv("LD_PRELOAD", str(driver))
    monkeypatch.setenv("FAKE_CAMERA", DEVICE)
    return monkeypatch


def test_its_pictures_come_at_their_times(plugged: pytest.MonkeyPatch) -> None:
    plugged.setenv("FAKE_CAMERA_FRAMES", "20")
    shades, times = [], []
    with open_source(DEVICE) as source:
        assert (source.info.frame_size, source.info.rate, source.info.live) == ((64, 96), 25, True)
        with pytest.raises(SourceLost, match=f"the camera {DEVICE}: it is not there any more") as lost:
            for frame in source:
                shades.append(frame.bgr.mean())
                times.append(frame.pts_s)
    assert lost.value.cause is Cause.NOT_FOUND
    assert len(shades) == 20
    assert shades == sorted(set(shades))
    assert times == sorted(set(times))
    assert times[0] == 0
    assert times[-1] >= 19 * 0.04


def test_a_mode_that_is_asked_for() -> None:
    camera = read_camera("webcam:0,size=720x1280,rate=30000/1001,format=mjpeg")
    assert camera.options == {"video_size": "1280x720", "framerate": "30000/1001", "input_format": "mjpeg"}
    assert (camera.device, read_camera("/dev/video7"), read_camera("3").options) == ("0", Camera("/dev/video7"), {})


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("webcam:0,size=big", "big"),
        ("webcam:0,rate=0", "rate=0 is not pictures a second"),
        ("webcam:0,rate=x", "rate=x is not pictures a second"),
        ("webcam:0,fps=30", "no setting 'fps'; there are size=HxW, rate=R and format=F"),
    ],
)
def test_a_mode_that_cannot_be(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_source(uri)


def test_what_came_is_told(plugged: pytest.MonkeyPatch) -> None:
    """The driver has one rate, whatever is asked for."""
    plugged.setenv("FAKE_CAMERA_FRAMES", "10")
    with Stream(StreamConfig(f"webcam:{DEVICE},rate=30", size=(96, 128))) as stream:
        assert eventually(lambda: stream.stats.came is not None)
        assert stream.stats.came == "64x96 at 25/s"


def test_one_that_is_pulled_out_and_plugged_in_again_is_taken_up(plugged: pytest.MonkeyPatch) -> None:
    plugged.setenv("FAKE_CAMERA_FRAMES", "15")
    with Stream(StreamConfig(DEVICE, size=(96, 128))) as stream:
        assert eventually(lambda: stream.stats.reconnects >= 1 and stream.stats.captured > 20)
        loss = stream.stats.last_loss
    assert loss is not None
    assert loss.cause is Cause.NOT_FOUND


def test_one_that_another_program_uses(plugged: pytest.MonkeyPatch) -> None:
    plugged.setenv("FAKE_CAMERA_BUSY", "1")
    with pytest.raises(CannotOpen, match=f"the camera {DEVICE}: another program uses it") as busy:
        open_source(DEVICE)
    assert busy.value.cause is Cause.FAILED


def _nothing(folder: Path) -> str:
    return "97"


def _below_a_file(folder: Path) -> str:
    (folder / "file").touch()
    return str(folder / "file" / "video0")


def _folder(folder: Path) -> str:
    return str(folder)


def _file(folder: Path) -> str:
    return str(Clip().make(folder / "clip.mp4"))


def _null(folder: Path) -> str:
    return "/dev/null"


def _socket(folder: Path) -> str:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "video0"))
    return str(folder / "video0")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_nothing, "there is no such device; there (are: /dev/video|is none at all)"),
        (_below_a_file, "there is no such device"),
        (_folder, "it is not a camera"),
        (_file, "it is not a camera"),
        (_null, "it is not a camera"),
        (_socket, "there is no camera behind it"),
    ],
)
def test_what_is_no_camera(tmp_path: Path, make: Callable[[Path], str], says: str) -> None:
    with pytest.raises(CannotOpen, match=f"^cannot open the camera /.*: {says}") as refused:
        open_source(f"webcam:{make(tmp_path)}")
    assert refused.value.cause is Cause.NOT_FOUND


ASK = """
import ctypes, sys
from streamer import CannotOpen, open_source
for right in (1, 2):  # root's, to read what nobody may: not for the processes that begin from here on
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
try:
    open_source(f"webcam:{sys.argv[1]}")
except CannotOpen as exc:
    print(exc.cause, exc, sep="; ")
"""


def test_one_that_may_not_be_read(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    device.chmod(0)
    asked = subprocess.run([sys.executable, "-c", ASK, device], capture_output=True, text=True, check=True)
    why = "it may not be read; on Linux the group 'video' may"
    assert asked.stdout == f"auth; cannot open the camera {device}: {why}\n"


def test_a_device_that_is_not_called_a_webcam() -> None:
    with pytest.raises(CannotOpen, match=r"/dev/null.*is not a video"):
        open_source("/dev/null")
