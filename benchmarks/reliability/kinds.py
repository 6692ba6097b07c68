"""The kinds of cameras: ours, GStreamer's RTSP server where it is installed, and a live HLS server."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.reliability.measure import Place
from tests.support.media import Camera

HERE = Path(__file__).parent
PYTHON = "/usr/bin/python3"
"""The system's, for which Debian's packages are."""
PACKAGES = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
_WORKS = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ("x264enc", "rtph264pay", "rtppcmapay", "videotestsrc", "alawenc")))
"""


@cache
def gstreamer_is_here() -> bool:
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", _WORKS], capture_output=True, check=False).returncode == 0


def kinds(place: Place, *more: str) -> tuple[str, ...]:
    """Those that there are here, with these where there is the time."""
    if place.short:
        return ("rtsp",)
    return ("rtsp", "tcp", "mjpeg", *(("gstreamer",) if gstreamer_is_here() else ()), *more)


def camera(place: Place, kind: str) -> Camera:
    if kind == "gstreamer":
        return Camera(place.clip("long.ts", 60), kind, (PYTHON, str(HERE / "gstreamer.py")))
    if kind == "hls":
        return Camera(place.clip("second.ts", 1), kind, (sys.executable, "-m", "tests.support.hls"))
    return Camera(place.clip("long.ts", 60), kind)
