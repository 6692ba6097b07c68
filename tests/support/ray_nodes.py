"""A real Ray cluster for tests, in processes of its own. Ray is in no extra that tests need."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from tests.support.paths import ROOT
from tests.support.throttled import spent_s, throttled
from tests.support.waiting import eventually, fair_time

PATIENCE_S = 300.0
START_S = 200.0
"""Time for a cluster to start, which Ray does not always do on a busy machine."""
MAX_STARTS = 2
TRICKLE = 0.1
"""Of the processor: what a slow node is measured by while the others wait."""
MODULE = [sys.executable, "-m", "tests.support.ray_cluster"]


@dataclass(slots=True)
class Spent:
    """Processor time of what we have on nodes, since one of them is slow."""

    slow_s: float = 0.0
    others_s: float = 0.0


class Nodes:
    """A cluster of this machine."""

    def __init__(self, folder: Path, environment: dict[str, str], found: dict[str, Any]) -> None:
        self._pids: list[int] = found["pids"]
        self._folder, self._environment, self._address = folder, environment, found["address"]

    def run(self, *words: str) -> subprocess.Popen[str]:
        """A command of the program, which joins it."""
        return subprocess.Popen(
            [*MODULE, "run", *words, "--ray", self._address],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[psutil.Process]:
        """What runs on its nodes."""
        return [each for pid in self._pids for each in running_on(pid)]

    @contextmanager
    def one_slow(self) -> Iterator["Spent"]:
        """What we have on one of its nodes is given a tenth of the processor that we have on the others.

        While those wait for it, it is a hundredth of a core.
        """
        slow, *others = ([each for each in running_on(pid) if is_hosted(each)] for pid in self._pids)
        beside = [each for some in others for each in some]
        assert slow
        assert beside
        before_s, others_before_s = sum(map(spent_s, slow)), sum(map(spent_s, beside))
        spent = Spent()
        with fair_time() as time_s:

            def busy_s() -> float:
                spent.slow_s = max(spent.slow_s, sum(map(spent_s, slow)) - before_s)
                spent.others_s = max(spent.others_s, sum(map(spent_s, beside)) - others_before_s)
                return spent.others_s + TRICKLE * time_s()

            with throttled(slow, busy_s):
                yield spent

    def kill_one(self) -> None:
        """With all that runs on it, as a machine dies."""
        kill(psutil.Process(self._pids.pop(0)))


def running_on(node: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(node).children(recursive=True)
    return []


def is_hosted(process: psutil.Process) -> bool:
    """Whether a process of a node is one of ours."""
    with suppress(psutil.NoSuchProcess):
        return "ray::Hosted" in " ".join(process.cmdline())
    return False


def kill(process: psutil.Process) -> None:
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()


@contextmanager
def cluster(folder: Path, count: int, cores: int = 1) -> Iterator[Nodes]:
    """Nodes of so many cores. Skips the test where Ray cannot start them."""
    with ExitStack() as ends:
        for tried in range(1, MAX_STARTS + 1):
            here = folder / f"cluster{tried}"
            here.mkdir()
            # Its sockets are files, whose names are to be short.
            sockets = ends.enter_context(TemporaryDirectory(prefix="ray"))
            paths = os.pathsep.join([str(ROOT), *sys.path])
            environment = os.environ | {"HOME": str(here), "PYTHONPATH": paths, "RAY_TMPDIR": sockets}
            found = ends.enter_context(started(here, environment, count, cores))
            if found is not None:
                yield Nodes(folder, environment, found)
                return
            ends.close()
        said = (folder / f"cluster{MAX_STARTS}" / "err").read_text().strip().splitlines()
        pytest.skip(f"Ray started no {count} nodes in {START_S:.0f} s, {MAX_STARTS} times: {said[-1:]}")


@contextmanager
def started(here: Path, environment: dict[str, str], count: int, cores: int) -> Iterator[dict[str, Any] | None]:
    out = here / "out"
    with out.open("w") as output, (here / "err").open("w") as errors:
        process = subprocess.Popen(
            [*MODULE, "nodes", str(count), str(cores)],
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
