"""What other readers see of a file: Debian's ffprobe, apart from PyAV."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed (Debian: ffmpeg)")


def probe(path: Path, *more: str) -> dict[str, Any]:
    """ffprobe's account of a file's streams and of the whole."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", *more, "-of", "json", f"file:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def video_of(path: Path) -> dict[str, Any]:
    """Its account of the first video stream."""
    found: dict[str, Any] = next(each for each in probe(path)["streams"] if each["codec_type"] == "video")
    return found


def rate_of(path: Path) -> Fraction:
    """Frames a second on average."""
    return Fraction(video_of(path)["avg_frame_rate"])
