"""Files rendered by the machines of a real Ray cluster, of which one is slow. Ray is in no extra that tests need."""

import re
import sys
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from tests.support.media import Clip
from tests.support.ray_nodes import PATIENCE_S, cluster
from tests.support.waiting import eventually, fair_time

SIZE = (256, 448)
FRAMES = 400
HELD_BACK = 10
"""If all waited for the slow machine, they would take far more than so many times as long as one process."""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="clusters of Ray with several nodes are of Linux")
def test_a_machine_that_is_slow_by_a_factor_of_ten_holds_nobody_back(tmp_path: Path) -> None:
    """Its segments are done by the other one, too, the bytes are the same, and it is named."""
    pytest.importorskip("ray")
    clip = Clip(ticks=range(0, FRAMES * 512, 512)).make(tmp_path / "in.mp4")
    one, masks = tmp_path / "one.mp4", tmp_path / "two.hpm"
    with fair_time() as time_s:
        settings = Rendering(ParserSettings("lite", size=SIZE, threads=1))
        render_file(clip, one, settings, masks=one.with_suffix(".hpm"))
        one_s = time_s()
    wanted = one.with_suffix(".hpm").read_bytes()
    with cluster(tmp_path, 2) as found:
        run = found.run("render", "in.mp4", "two.mp4", "--masks", "two.hpm", "--size", "256x448")
        assert eventually(lambda: masks.exists() and masks.stat().st_size > len(wanted) / 20, PATIENCE_S)
        with found.one_slow() as time_s:
            said, _ = run.communicate(timeout=PATIENCE_S)
            two_s = time_s()
        assert run.returncode == 0, said
    assert two_s < HELD_BACK * one_s
    assert re.search(r"is slow: it has had frames \d+ to \d+ for [\d.]+ s, which takes [\d.]+ s elsewhere", said)
    assert (masks.read_bytes(), (tmp_path / "two.mp4").read_bytes()) == (wanted, one.read_bytes())
