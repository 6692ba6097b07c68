"""Cameras on the machines of a real Ray cluster, of which one dies; and the command that runs them is killed."""

import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from streamer.masks.sidecar import Sidecar
from streamer.zeromq.subscriber import subscribe
from tests.support.media import pts_of
from tests.support.ray_nodes import PATIENCE_S, Nodes, cluster, kill

FLEET = """
size = [64, 96]
parse_hz = 5
record = "{camera}.mp4"
masks = "{camera}.hpm"
publish = "tcp://127.0.0.1:*"
keep_free = 0
source = "test:size=96x128,rate=20"
"""
ENOUGH = 20
"""After so many parsings there are some of them, and pictures, in files."""
OURS = ("ray::Hosted", "streamer.inference.main")
"""Of the processes on a node: a camera's or address's, and a camera's for the network."""


class Command:
    """`streamer fleet --ray`, and what it tells."""

    def __init__(self, nodes: Nodes, *words: str) -> None:
        self.process: subprocess.Popen[str] = nodes.run("fleet", *words, "--log-format", "json")
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.told: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(json.loads(line))

    def hears(self, event: str, **details: object) -> dict[str, Any]:
        """The first line about this that was not asked for yet."""
        while True:
            for line in self.told:
                if (line["event"], details.items() <= line.items()) == (event, True):
                    self.told.remove(line)
                    return line
            try:
                self.told.append(self._lines.get(timeout=PATIENCE_S))
            except queue.Empty:
                pytest.fail(f"no {event} {details} in {self.told}")

    def interrupt(self) -> int:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        while not self._lines.empty():
            self.told.append(self._lines.get())
        return status

    def end(self) -> None:
        """If it did not end in its way."""
        if self.process.poll() is None:
            kill(psutil.Process(self.process.pid))
            self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)


def parsings_in(path: Path) -> int:
    with Sidecar(path) as kept:
        return len(kept)


def ours(nodes: Nodes) -> list[psutil.Process]:
    return [each for each in nodes.processes() if any(word in " ".join(each.cmdline()) for word in OURS)]


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="clusters of Ray with several nodes are of Linux")
def test_cameras_go_on_when_a_machine_dies_and_end_with_their_command(tmp_path: Path, short: bool) -> None:
    pytest.importorskip("ray")
    names = ["door", "yard"] if short else ["door", "yard", "gate", "hall"]
    fleet = "".join(f"[camera.{each}]\n" for each in names)
    (tmp_path / "fleet.toml").write_text(FLEET + fleet)
    with cluster(tmp_path, len(names), cores=4) as nodes:
        command = Command(nodes, "fleet.toml")
        try:
            moved_once(command, nodes, names, tmp_path)
            assert command.interrupt() == 130
        finally:
            command.end()
        for name in names:
            ended = command.hears("ended", stream=name)
            assert ended["captured"] == ended["shown"] + sum(ended["drops"].values())
        written = [tmp_path / each["path"] for each in command.told if each["event"] == "written"]
        assert len(written) == 2 * (len(names) + 1)
        for path in written:
            assert pts_of(path) if path.suffix == ".mp4" else parsings_in(path)
        killed(nodes, tmp_path)


def moved_once(command: Command, nodes: Nodes, names: list[str], folder: Path) -> None:
    """A machine dies: its camera goes on elsewhere, and is heard there."""
    placed = {name: command.hears("camera_placed", stream=name) for name in names}
    assert len({each["node"] for each in placed.values()}) == len(names)
    assert len({each["address"] for each in placed.values()}) == len(names)
    for name in names:
        while (figures := command.hears("figures", stream=name))["parsed"] < ENOUGH:
            pass
        assert figures["node"] == placed[name]["node"]
    nodes.kill_one()
    lost = command.hears("offline")["stream"]
    before = {each: each.read_bytes() for each in folder.glob(f"{lost}.*")}
    assert {each.suffix for each in before} == {".mp4", ".hpm"}
    moved = command.hears("camera_moved", stream=lost)
    assert moved["times"] == 1
    (other,) = (name for name in names if placed[name]["node"] == moved["node"])
    assert moved["address"] == placed[other]["address"]  # which is the machine's, and stays
    for stream in (lost, other):
        with subscribe(moved["address"], stream=stream, timeout_s=PATIENCE_S) as heard:
            for _, parsing in zip(range(3), heard):
                assert parsing.labels.size
    assert command.hears("back", stream=lost)["node"] == moved["node"]
    for path, content in before.items():
        assert path.read_bytes() == content
    assert not {str(path.name) for path in before} & set(moved["files"])


def killed(nodes: Nodes, folder: Path) -> None:
    """The command is killed: what it had on the cluster ends, and the recording can be played."""
    fleet = FLEET.replace("{camera}", "last-{camera}") + "[camera.door]\n"
    (folder / "last.toml").write_text(fleet)
    command = Command(nodes, "last.toml")
    try:
        while command.hears("figures")["parsed"] < ENOUGH:
            pass
        processes = ours(nodes)
        assert len(processes) == 3  # a camera, its network, the address
    finally:
        command.end()
    gone, alive = psutil.wait_procs(processes, PATIENCE_S)
    assert (len(gone), alive) == (3, [])
    assert pts_of(folder / "last-door.mp4")
