"""Files rendered by the machines of a real Ray cluster, of which one dies. Ray is in no extra that tests need."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.media import Clip
from tests.support.paths import ROOT
from tests.support.waiting import eventually

PATIENCE_S = 300.0
START_S = 200.0
"""Time for a cluster to start, which Ray does not always do on a busy machine."""
MAX_STARTS = 2
MODULE = [sys.executable, "-m", "tests.support.ray_cluster"]
SIZE = (64, 96)
FRAMES = {"a": 40, "b": 40, "long": 400}


class Nodes:
    """A cluster of this machine."""

    def __init__(self, folder: Path, environment: dict[str, str], found: dict[str, Any]) -> None:
        self._pids: list[int] = found["pids"]
        self._folder, self._environment, self._address = folder, environment, found["address"]

    def render(self, *words: str) -> subprocess.Popen[str]:
        command = [*MODULE, "run", "render", *words, "--size", "64x96", "--ray", self._address]
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_one(self) -> None:
        """With all that runs on it, as a machine dies."""
        kill(psutil.Process(self._pids[0]))


def kill(process: psutil.Process) -> None:
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[Nodes]:
    """Skips the test where Ray cannot start one."""
    with ExitStack() as ends:
        for tried in range(1, MAX_STARTS + 1):
            here = folder / f"cluster{tried}"
            here.mkdir()
            # Its sockets are files, whose names are to be short.
            sockets = ends.enter_context(TemporaryDirectory(prefix="ray"))
            paths = os.pathsep.join([str(ROOT), *sys.path])
            environment = os.environ | {"HOME": str(here), "PYTHONPATH": paths, "RAY_TMPDIR": sockets}
            found = ends.enter_context(started(here, environment, count))
            if found is not None:
                yield Nodes(folder, environment, found)
                return
            ends.close()
        said = (folder / f"cluster{MAX_STARTS}" / "err").read_text().strip().splitlines()
        pytest.skip(f"Ray started no {count} nodes in {START_S:.0f} s, {MAX_STARTS} times: {said[-1:]}")


@contextmanager
def started(here: Path, environment: dict[str, str], count: int) -> Iterator[dict[str, Any] | None]:
    out = here / "out"
    with out.open("w") as output, (here / "err").open("w") as errors:
        process = subprocess.Popen(
            [*MODULE, "nodes", str(count)],
            cwd=here,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
        )
    assert process.stdin is not None
    try:
        eventually(lambda: "\n" in out.read_text() or process.poll() is not None, START_S)
        yield json.loads(out.read_text()) if out.read_text() else None
    finally:
        process.stdin.close()
        if out.read_text():  # it ends them in its way
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
        if process.poll() is None:
            kill(psutil.Process(process.pid))
        process.wait()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="clusters of Ray with several nodes are of Linux")
def test_machines_of_a_cluster_write_the_bytes_of_one_process_and_one_may_die(tmp_path: Path, short: bool) -> None:
    pytest.importorskip("ray")
    (tmp_path / "in").mkdir()
    settings = Rendering(ParserSettings("lite", size=SIZE))
    wanted = {}
    for name, frames in FRAMES.items():
        clip = Clip(ticks=range(0, frames * 512, 512)).make(tmp_path / "in" / f"{name}.mp4")
        one = tmp_path / f"one-{name}.mp4"
        render_file(clip, one, settings, masks=one.with_suffix(".hpm"))
        wanted[name] = one.with_suffix(".hpm").read_bytes(), one.read_bytes()
    with cluster(tmp_path, 2 if short else 4) as found:
        folder = found.render("in", "out", "--masks", "masks")
        said, _ = folder.communicate(timeout=PATIENCE_S)
        assert folder.returncode == 0, said
        assert f"{len(FRAMES)} rendered, 0 complete already, 0 failed" in said
        for name, (masks, video) in wanted.items():
            assert (tmp_path / "masks" / f"{name}.mp4.hpm").read_bytes() == masks
            assert (tmp_path / "out" / f"{name}.mp4").read_bytes() == video
        # By name: no machine but this one sees the file.
        masks, video = wanted["long"]
        alone = found.render("in/long.mp4", "long.mp4", "--masks", "long.hpm")
        begun = tmp_path / "long.hpm"
        assert eventually(lambda: begun.exists() and begun.stat().st_size > len(masks) / 20, PATIENCE_S)
        found.kill_one()
        said, _ = alone.communicate(timeout=PATIENCE_S)
        assert alone.returncode == 0, said
        assert "was lost by the cluster" in said
        assert (begun.read_bytes(), (tmp_path / "long.mp4").read_bytes()) == (masks, video)
