"""Files rendered by the machines of a real Ray cluster, of which one dies. Ray is in no extra that tests need."""

import sys
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.media import Clip
from tests.support.ray_nodes import PATIENCE_S, cluster
from tests.support.waiting import eventually

SIZE = (64, 96)
SIZED = ("--size", "64x96")
FRAMES = {"a": 40, "b": 40, "long": 400}


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
        folder = found.run("render", "in", "out", "--masks", "masks", *SIZED)
        said, _ = folder.communicate(timeout=PATIENCE_S)
        assert folder.returncode == 0, said
        assert f"{len(FRAMES)} rendered, 0 complete already, 0 failed" in said
        for name, (masks, video) in wanted.items():
            assert (tmp_path / "masks" / f"{name}.mp4.hpm").read_bytes() == masks
            assert (tmp_path / "out" / f"{name}.mp4").read_bytes() == video
        # By name: no machine but this one sees the file.
        masks, video = wanted["long"]
        alone = found.run("render", "in/long.mp4", "long.mp4", "--masks", "long.hpm", *SIZED)
        begun = tmp_path / "long.hpm"
        assert eventually(lambda: begun.exists() and begun.stat().st_size > len(masks) / 20, PATIENCE_S)
        found.kill_one()
        said, _ = alone.communicate(timeout=PATIENCE_S)
        assert alone.returncode == 0, said
        assert "was lost by the cluster" in said
        assert (begun.read_bytes(), (tmp_path / "long.mp4").read_bytes()) == (masks, video)
