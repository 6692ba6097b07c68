"""Video that is written into a named pipe or standard input."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streamer import CannotOpen, open_source
from streamer.errors import Cause
from streamer.sources import pipe
from tests.support.media import Clip
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes"),
]

READ = """
from streamer import open_source
with open_source("-") as source:
    print(source.info.name, sum(1 for _ in source))
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "in.mkv")
    return tmp_path / "in.mkv"


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, fifo: Path) -> None:
    clip = Clip().make(tmp_path / "clip.mkv")
    with open_source(clip) as source:
        frames = sum(1 for _ in source)
    writer = threading.Thread(target=lambda: fifo.write_bytes(clip.read_bytes()))
    writer.start()
    with open_source(fifo) as source:
        assert sum(1 for _ in source) == frames > 0
    writer.join(120)


def test_a_pipe_that_nobody_writes_into_is_told(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "WRITER_S", 0.3)
    with pytest.raises(CannotOpen, match=r"nobody wrote into this pipe within 0\.3 s") as told:
        open_source(fifo)
    assert told.value.cause is Cause.TIMEOUT


def test_waiting_for_a_writer_can_be_stopped(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "WRITER_S", float("inf"))
    stop = threading.Event()
    stop.set()
    with pytest.raises(CannotOpen, match="it was stopped"):
        open_source(fifo, stopped=stop)


def test_standard_input(tmp_path: Path) -> None:
    clip = Clip().make(tmp_path / "clip.mkv")
    with open_source(clip) as source:
        frames = sum(1 for _ in source)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with clip.open("rb") as sent:
        cat = subprocess.Popen(["cat"], stdin=sent, stdout=subprocess.PIPE)
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, stdin=cat.stdout, env=environment, capture_output=True, text=True, check=True)
    assert cat.stdout is not None
    cat.stdout.close()
    cat.wait(120)
    assert done.stdout == f"standard input {frames}\n"


def test_what_is_no_video_is_told_with_a_cure(fifo: Path) -> None:
    writer = threading.Thread(target=lambda: fifo.write_bytes(b"no video " * 1000))
    writer.start()
    with pytest.raises(CannotOpen, match="send MPEG-TS or Matroska"):
        open_source(fifo)
    writer.join(120)


def test_a_protocol_that_ffmpeg_lacks_is_told() -> None:
    """PyAV's own FFmpeg has no SRT; where one has, nobody listens."""
    with pytest.raises(CannotOpen, match=r"does not know that protocol|cannot open srt") as told:
        open_source("srt://127.0.0.1:9?timeout=100000")
    assert "unexpected" not in str(told.value)
