"""The tasks of `examples/celery` with Debian's Redis: a worker of Celery, and what becomes of its jobs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.media import Clip
from tests.support.paths import ROOT
from tests.support.waiting import eventually

PATIENCE_S = 120.0
TASKS = ROOT / "examples" / "celery" / "tasks.py"
MAX_LINES = 60


class Queue:
    """A queue with one worker, spoken to as a shell does."""

    def __init__(self, broker: str) -> None:
        self._environment = os.environ | {"BROKER": broker, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", "tests.support.celery_crashing", *words]

    def started(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(*words), cwd=ROOT, env=self._environment)

    def said(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return done.returncode, done.stdout + done.stderr

    def sent(self, **asked: object) -> str:
        """The number of a new job."""
        code, said = self.said("call", "tasks.render", "--kwargs", json.dumps(asked))
        assert code == 0, said
        return said.split()[-1]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    socket = tmp_path / "redis.sock"
    words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
    with ExitStack() as ends:
        redis = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        ends.callback(redis.wait)
        ends.callback(redis.terminate)
        assert eventually(socket.exists, PATIENCE_S)
        queue = Queue(f"redis+socket://{socket}")
        worker = queue.started("worker", "--concurrency", "1", "--loglevel", "warning")
        ends.callback(worker.wait)
        ends.callback(worker.terminate)
        yield queue


def job(tmp_path: Path, name: str) -> dict[str, object]:
    source = Clip().make(tmp_path / f"{name}.mp4")
    out = tmp_path / f"out-{name}.mp4"
    return {"source": str(source), "out": str(out), "masks": f"{out}.hpm", "size": [64, 96]}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.broker
def test_a_queue_renders_what_one_process_does_whatever_dies(queue: Queue, tmp_path: Path) -> None:
    bad = job(tmp_path, "bad")
    Path(str(bad["source"])).write_bytes(b"nothing")
    asked = {name: job(tmp_path, name) for name in ("good", "crash-once", "crash")} | {"bad": bad}
    sent = {name: queue.sent(**words) for name, words in asked.items()}
    found = {name: queue.said("result", number) for name, number in sent.items()}
    for name in ("good", "crash-once"):
        assert found[name][0] == 0, found[name]
        assert "{'frames': 12, " in found[name][1]
        one = tmp_path / f"one-{name}.mp4"
        settings = Rendering(ParserSettings("lite", size=(64, 96)))
        render_file(str(asked[name]["source"]), one, settings, masks=one.with_suffix(".hpm"))
        assert Path(str(asked[name]["masks"])).read_bytes() == one.with_suffix(".hpm").read_bytes()
        assert Path(str(asked[name]["out"])).read_bytes() == one.read_bytes()
    assert (tmp_path / "crash-once.mp4.crashed").read_text() == "x"
    assert "bad.mp4 is not a video" in found["bad"][1]
    assert "crash.mp4 ended 3 processes that rendered it: given up" in found["crash"][1]
    assert (tmp_path / "crash.mp4.crashed").read_text() == "xxx"
    assert not Path(str(asked["crash"]["out"])).exists()


def test_the_example_is_short() -> None:
    assert len(TASKS.read_text().splitlines()) <= MAX_LINES
