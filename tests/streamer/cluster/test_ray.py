"""Files rendered by the machines of a real Ray cluster, of which one dies. Ray is in no extra that tests need."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.ray_nodes import PATIENCE_S, Nodes, cluster
from tests.support.samples import FOUR, PATTERN, clip_of
from tests.support.waiting import eventually

SIZE = (64, 96)
SIZED = ("--size", "64x96")
FRAMES = dict.fromkeys(FOUR, 24) | {PATTERN: 400}


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
        clip = clip_of(name, tmp_path / "in", frames)
        one = tmp_path / f"one-{name}"
        render_file(clip, one, settings, masks=one.with_suffix(".hpm"))
        wanted[name] = one.with_suffix(".hpm").read_bytes(), one.read_bytes()
    with cluster(tmp_path, 2 if short else 4) as found:
        assert folder_of(found, tmp_path, "out") == wanted
        # By name: no machine but this one sees the file.
        masks, video = wanted[PATTERN]
        alone = found.run("render", f"in/{PATTERN}", "long.mp4", "--masks", "long.hpm", *SIZED)
        assert "was lost by the cluster" in ended(alone, found, tmp_path / "long.hpm", len(masks))
        assert ((tmp_path / "long.hpm").read_bytes(), (tmp_path / "long.mp4").read_bytes()) == (masks, video)
        if not short:
            assert folder_of(found, tmp_path, "again", kill_at=len(masks)) == wanted


def ended(run: subprocess.Popen[str], nodes: Nodes, masks: Path, size: int) -> str:
    """What a run says, in the midst of which a machine dies: once there is a twentieth of its masks."""
    assert eventually(lambda: masks.exists() and masks.stat().st_size > size / 20, PATIENCE_S)
    nodes.kill_one()
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    return said


def folder_of(nodes: Nodes, folder: Path, name: str, kill_at: int | None = None) -> dict[str, tuple[bytes, bytes]]:
    """The masks and video of each file of a folder, of which each machine renders one at a time."""
    out, masks = folder / name, folder / f"{name}-masks"
    run = nodes.run("render", "in", out.name, "--masks", masks.name, *SIZED)
    if kill_at is not None:
        said = ended(run, nodes, masks / f"{PATTERN}.hpm", kill_at)
    else:
        said, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, said
    assert f"{len(FRAMES)} rendered, 0 complete already, 0 failed" in said
    return {each: ((masks / f"{each}.hpm").read_bytes(), (out / each).read_bytes()) for each in FRAMES}
