"""Streams that run as on Windows, as far as Linux can be made to look like it; see `tests/support/elsewhere`."""

from pathlib import Path

import pytest

from tests.support.elsewhere import run_elsewhere
from tests.support.media import Clip, pts_of, raw, serving

pytestmark = pytest.mark.process

STREAM = """
import sys
from streamer import Stream, StreamConfig

source, record = sys.argv[1:]
with Stream(StreamConfig(source, size=(96, 128), record=record, publish="tcp://127.0.0.1:*", segment_s=1.0)) as stream:
    assert stream.join(120)
print(stream.stats.captured, stream.stats.shown, stream.stats.parsed > 0)
"""
PUBLISH = """
import sys
from streamer import ConfigError, Publisher

try:
    Publisher("ipc:///" + sys.argv[1])
except ConfigError as exc:
    print(exc)
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def test_a_stream_with_a_worker_is_recorded_in_segments(tmp_path: Path, seen: Path) -> None:
    out = tmp_path / "out.mp4"
    done = run_elsewhere(STREAM, "test:size=240x320,rate=30,frames=60", str(out), seen=seen)
    assert done.stderr == ""
    captured, shown, parsed = done.stdout.split()
    assert (captured, parsed) == ("60", "True")
    parts = sorted(tmp_path.glob("out-*.mp4"))
    assert len(parts) >= 2
    assert sum(len(pts_of(each)) for each in parts) == int(shown) > 0
    assert not set("".join(each.name for each in tmp_path.iterdir())) & set('<>:"|?*')
    assert len(list(seen.iterdir())) == 2  # the program and the inference process


def test_a_sender_is_read_through_a_process(tmp_path: Path, seen: Path) -> None:
    clip = Clip(ticks=tuple(range(0, 40 * 512, 512))).make(tmp_path / "clip.ts")
    code = "import sys; from streamer import open_source; print(len(list(open_source(sys.argv[1]))))"
    with serving(raw(clip.read_bytes())) as port:
        done = run_elsewhere(code, f"tcp://127.0.0.1:{port}", seen=seen)
    assert (done.stdout, done.stderr) == ("40\n", "")
    assert len(list(seen.iterdir())) == 2  # the program and the process of the connection


def test_an_address_in_the_file_system_is_refused_with_the_cure(tmp_path: Path, seen: Path) -> None:
    done = run_elsewhere(PUBLISH, str(tmp_path / "masks"), seen=seen)
    assert "tcp://127.0.0.1:PORT" in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.fork()",
        "import socket; socket.socketpair()",
        "import signal; signal.SIGKILL",
        "import select; select.poll()",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', ''], pass_fds=(1,))",
        "open('a:b', 'w')",
    ],
)
def test_what_windows_lacks_is_not_there(code: str, seen: Path) -> None:
    done = run_elsewhere(code, seen=seen)
    assert "AttributeError" in done.stderr or "ValueError" in done.stderr or "OSError" in done.stderr
