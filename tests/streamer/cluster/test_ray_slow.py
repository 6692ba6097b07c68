"""Files rendered by the machines of a real Ray cluster, of which one is slow. Ray is in no extra that tests need."""

import re
import sys
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.media import Clip
from tests.support.ray_nodes import PATIENCE_S, Nodes, Spent, cluster
from tests.support.waiting import eventually

SIZE = (256, 448)
FRAMES = 400
HELD_BACK = 0.5
"""Of one file each machine does half if they wait for each other, and then the slow one has worked as much as the other
one."""
ONE = re.compile(r"is slow: it has had frames \d+ to \d+ for [\d.]+ s, which takes [\d.]+ s elsewhere")
FOLDER = re.compile(r"is slow: \d+ ms for a frame, which takes \d+ ms elsewhere; another process goes on with in/")


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="clusters of Ray with several nodes are of Linux")
def test_a_machine_that_is_slow_by_a_factor_of_ten_holds_nobody_back(tmp_path: Path) -> None:
    """What it has is done by the other one, the bytes are the same, and it is named."""
    pytest.importorskip("ray")
    (tmp_path / "in").mkdir()
    clips = [Clip(ticks=range(0, FRAMES * 512, 512)).make(tmp_path / "in" / f"{name}.mp4") for name in ("a", "b")]
    settings = Rendering(ParserSettings("lite", size=SIZE, threads=1))
    wanted = {}
    for each in clips:
        one = tmp_path / f"one-{each.name}"
        render_file(each, one, settings, masks=one.with_suffix(".hpm"))
        wanted[each.name] = one.with_suffix(".hpm").read_bytes(), one.read_bytes()
    with cluster(tmp_path, 2) as nodes:
        masks = tmp_path / "two.hpm"
        said, spent = with_one_slow(nodes, [masks], len(wanted["a.mp4"][0]) // 20, "in/a.mp4", "two.mp4")
        assert ONE.search(said), said
        assert (masks.read_bytes(), (tmp_path / "two.mp4").read_bytes()) == wanted["a.mp4"]
        assert spent.slow_s < HELD_BACK * spent.others_s
        every = [tmp_path / "masks" / f"{each.name}.hpm" for each in clips]
        said, spent = with_one_slow(nodes, every, 1, "in", "out")
        assert FOLDER.search(said), said
        assert "2 rendered, 0 complete already, 0 failed" in said
        for each in every:
            assert (each.read_bytes(), (tmp_path / "out" / each.stem).read_bytes()) == wanted[each.stem]
        assert spent.slow_s < HELD_BACK * spent.others_s


def with_one_slow(nodes: Nodes, masks: list[Path], size: int, source: str, out: str) -> tuple[str, Spent]:
    """What is said, and what machines work from when the masks have a size: one is slow from then on.

    The masks of one file are named for it, those of a folder are in one.
    """
    name = masks[0].name if len(masks) == 1 else masks[0].parent.name
    run = nodes.run("render", source, out, "--masks", name, "--size", f"{SIZE[0]}x{SIZE[1]}")
    assert eventually(lambda: all(each.exists() and each.stat().st_size >= size for each in masks), PATIENCE_S)
    with nodes.one_slow() as spent:
        said, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, said
        return said, spent
