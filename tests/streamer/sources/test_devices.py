"""What is told of webcams: by a driver on Linux, and by FFmpeg's lists of other systems, as they were recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import Size
from streamer.cli.doctor import lines_of
from streamer.sources.devices.listing import Device, Mode, device_at, listed
from tests.support.paths import ROOT
from tests.support.webcam import DEVICE

DSHOW = """\
[dshow @ 000001d5c0a0] "Integrated Camera" (video)
[dshow @ 000001d5c0a0]   Alternative name "@device_pnp_\\\\?\\usb#vid_04f2"
[dshow @ 000001d5c0a0] "OBS Virtual Camera" (none)
[dshow @ 000001d5c0a0] "Microphone (Realtek Audio)" (audio)
[dshow @ 000001d5c0a0] "USB Cam" (video)
"""
OLD_DSHOW = """\
[dshow @ 02f8] DirectShow video devices (some may be both video and audio devices)
[dshow @ 02f8]  "Integrated Camera"
[dshow @ 02f8]     Alternative name "@device_pnp_\\\\?\\usb#vid_04f2"
[dshow @ 02f8] DirectShow audio devices
[dshow @ 02f8]  "Microphone (Realtek Audio)"
"""
AVFOUNDATION = """\
[AVFoundation indev @ 0x7f8] AVFoundation video devices:
[AVFoundation indev @ 0x7f8] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7f8] [1] Capture screen 0
[AVFoundation indev @ 0x7f8] AVFoundation audio devices:
[AVFoundation indev @ 0x7f8] [0] MacBook Pro Microphone
"""


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (DSHOW, [("webcam:0", "Integrated Camera"), ("webcam:1", "USB Cam")]),
        (OLD_DSHOW, [("webcam:0", "Integrated Camera")]),
        (AVFOUNDATION, [("webcam:0", "FaceTime HD Camera")]),
        ("", []),
    ],
)
def test_what_ffmpeg_lists(log: str, found: list[tuple[str, str]]) -> None:
    assert [(each.source, each.name) for each in listed(log)] == found


def test_a_camera_is_told_in_lines() -> None:
    modes = (Mode("MJPG", Size(720, 1280), (30.0, 15.0)), Mode("MJPG", Size(480, 640), ()), Mode("H264", None, ()))
    assert lines_of(Device("webcam:0", "A camera", modes)) == [
        "webcam:0   A camera",
        "           MJPG: 720x1280 at 30/15/s, 480x640",
        "           H264: any size",
    ]
    assert lines_of(Device("webcam:1", "?", trouble="it may not be read")) == ["webcam:1   ?: it may not be read"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 is Linux's")
@pytest.mark.parametrize("path", ["/dev/null", "/dev/video251"])
def test_what_is_no_camera_is_left_out(path: str) -> None:
    assert device_at(Path(path)) is None


ASK = f"""
import json
from dataclasses import asdict
from pathlib import Path
from streamer.sources.devices.listing import device_at
found = device_at(Path("{DEVICE}"))
print(json.dumps(found and asdict(found)))
"""


@pytest.mark.process
@pytest.mark.parametrize("metadata", [False, True])
def test_the_modes_that_a_driver_has(driver: Path, metadata: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(driver), "FAKE_CAMERA": DEVICE}
    if metadata:
        environment["FAKE_CAMERA_METADATA"] = "1"
    asked = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(asked.stdout)
    if metadata:
        assert found is None
        return
    assert (found["source"], found["name"], found["trouble"]) == ("webcam:97", "A camera", "")
    assert [(each["pixels"], each["size"], each["rates"]) for each in found["modes"]] == [
        ("YUYV", [64, 96], [30.0, 25.0]),
        ("MJPG", [1080, 1920], [30.0, 25.0]),
    ]
