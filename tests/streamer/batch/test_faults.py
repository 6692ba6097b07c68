"""What befalls a run over files: silence, a full disk, another arithmetic."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import ParserSettings
from streamer import Rendering, render_file
from streamer.batch import driver
from streamer.batch.events import Event, Outcome
from tests.streamer.batch.test_batch import clips, lines, run, written
from tests.support.media import Clip

SETTINGS = Rendering(ParserSettings("lite", size=(64, 96)))
LIMIT_BYTES = 64 << 10


@pytest.mark.process
@pytest.mark.slow
def test_a_file_at_which_the_decoder_hangs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_MODULE", "tests.support.crashing")
    usual_s = driver.SILENCE_S
    (hangs,) = clips(tmp_path / "in", "hang")
    later = clips(tmp_path / "in", "a")
    with hangs.open("ab") as file:
        file.write(bytes(1000))  # the largest is the first

    def out_of_patience_once_it_hangs() -> bool:
        if Path(f"{hangs}.hangs").exists():
            monkeypatch.setattr(driver, "SILENCE_S", 0.0)
        return False

    def patient_again(event: Event) -> None:
        if isinstance(event, Outcome):
            Path(f"{hangs}.hangs").unlink(missing_ok=True)
            monkeypatch.setattr(driver, "SILENCE_S", usual_s)

    out = tmp_path / "out"
    outcomes = run(
        out, [hangs, *later], masks=True, workers=1, stopped=out_of_patience_once_it_hangs, tell=patient_again
    )
    assert outcomes["hang"].state == "failed"
    assert "hang.mp4: no frame came for 0 s: its process was ended, and it is given up" in outcomes["hang"].why
    assert (outcomes["a"].state, outcomes["a"].rendered and outcomes["a"].rendered.frames) == ("done", 12)
    assert [(each.out, each.exit) for each in lines(out) if each.state == "failed"] == [("hang.mp4", 1)]
    assert not [each for each in out.iterdir() if each.suffix == ".mp4" and each.name != "a.mp4"]


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be limited there")
def test_a_file_that_the_disk_has_no_room_for_is_told_and_rendered_later(tmp_path: Path) -> None:
    """The system lets a process write no file larger than a limit: as if the disk were full for the large one."""
    clips(tmp_path / "in", "a", "b")
    noise = np.random.default_rng(1).integers(0, 255, (12, 192, 288, 3), np.uint8)
    Clip(size=(192, 288)).make(tmp_path / "in" / "large.mp4", noise)
    command = [sys.executable, "-m", "streamer", "render", "in", "out", "--workers", "2", "--size", "64x96", "--resume"]
    limited = ["prlimit", f"--fsize={LIMIT_BYTES}", *command]
    full = subprocess.run(limited, cwd=tmp_path, check=False, capture_output=True, text=True)
    said = " ".join((full.stdout + full.stderr).split())
    assert full.returncode == 1, said
    assert "large.mp4" in said
    assert "File too large" in said
    assert "1 of 3 could not be rendered" in said
    out = tmp_path / "out"
    before = written(out)
    assert sorted(before) == ["a.mp4", "b.mp4"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = written(out)
    assert sorted(after) == ["a.mp4", "b.mp4", "large.mp4"]
    assert {name: after[name] for name in before} == before


@pytest.mark.process
@pytest.mark.slow
def test_masks_that_were_begun_in_another_precision_are_refused(tmp_path: Path) -> None:
    (source,) = clips(tmp_path / "in", "a")
    out = tmp_path / "out"
    out.mkdir()
    exact = replace(SETTINGS, parser=replace(SETTINGS.parser, precision="f32"), resume=True)
    masks = out / "a.mp4.hpm"
    render_file(source, out / "a.mp4", exact, lambda so_far: so_far.done < 4, masks=masks)
    (out / "a.mp4").unlink()
    other = replace(exact, parser=replace(exact.parser, precision="int8"))
    refused = run(out, [source], other, masks=True, workers=1)["a"]
    assert refused.state == "failed"
    assert "the parser's precision is int8, not f32" in refused.why
    assert run(out, [source], exact, masks=True, workers=1)["a"].state == "done"
    one = tmp_path / "one.hpm"
    render_file(source, tmp_path / "one.mp4", exact, masks=one)
    assert masks.read_bytes() == one.read_bytes()
