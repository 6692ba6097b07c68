"""`streamer profile` as it is run: a real service, measured from outside."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline import load_parser
from pipeline.m2fp import weights
from pipeline.m2fp.checkpoint import read_safetensors
from pipeline.m2fp.config import read_configuration
from pipeline.m2fp.network import tensor_shapes
from pipeline.m2fp.weights import CONFIGURATION, SAFETENSORS
from streamer.profile.figures import Profile, read_profile
from streamer.profile.service import Service, ServiceFailed
from tests.support.weights_made_up import SMALL, SMALL_SINGLE

SIZES = "160x120,320x240"


def _run(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "streamer", "profile", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profile")
    done = _run("--sizes", SIZES, "--repeat", "2", "--concurrency", "1,2", "--rest", "1s", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Profile:
    return read_profile(folder / "resources.json")


@pytest.mark.process
@pytest.mark.slow
class TestMeasured:
    def test_the_start_is_in_the_services_own_steps(self, found: Profile) -> None:
        (run,) = found.runs
        names = ["service imported", "service listens", "worker imported", "network loaded"]
        assert [each.name for each in run.steps] == [*names, "first picture parsed", "ready"]
        assert [each.at_s for each in run.steps] == sorted(each.at_s for each in run.steps)
        assert run.steps[0].at_s > 0
        assert run.steps[-1].rss_mb > run.steps[0].rss_mb
        assert run.steps[-1].cpu_s > run.steps[0].cpu_s

    def test_idle_each_process_is_there(self, found: Profile) -> None:
        idle = found.runs[0].idle
        assert [each.role for each in idle.processes] == ["web", "stills 0"]
        assert all(each.rss_mb > 10 and each.threads >= 1 for each in idle.processes)
        assert 0 <= idle.cores < 1

    def test_each_size_has_its_stages_processor_time_and_peaks(self, found: Profile) -> None:
        (run,) = found.runs
        assert [(each.width, each.height, each.pictures) for each in run.sizes] == [(160, 120, 2), (320, 240, 2)]
        for each in run.sizes:
            assert list(each.stages) == ["upload", "queued", "decode", "network", "people", "encode"]
            assert 0 < each.stages["network"] < each.total_s.median
            assert each.total_s.low <= each.total_s.median <= each.total_s.high
            assert each.cpu_s > 0
            assert each.peak_rss_mb >= 0.8 * run.idle.rss_mb

    def test_clients_send_at_the_same_time(self, found: Profile) -> None:
        assert [(each.clients, each.pictures) for each in found.runs[0].clients] == [(1, 2), (2, 4)]
        assert all(each.pictures_per_s > 0 and each.cpu_s > 0 for each in found.runs[0].clients)

    def test_the_samples_and_the_parts_are_kept(self, found: Profile) -> None:
        (run,) = found.runs
        assert [each.name for each in run.parts] == [
            "start",
            "idle",
            *SIZES.split(","),
            "1 client",
            "2 clients",
            "cool-down",
        ]
        assert all(each.from_s < each.to_s for each in run.parts)
        assert run.recording.samples >= len(run.points) > 20
        assert run.recording.cpu_s > 0
        assert found.machine.cores >= 1
        assert found.command.startswith(f"streamer profile --sizes {SIZES} --repeat 2")

    def test_the_page_and_the_figure_are_written(self, folder: Path) -> None:
        page = (folder / "resources.md").read_text()
        assert "](resources.svg)" in page
        assert "| 320x240 |" in page
        assert (folder / "resources.svg").read_text().startswith("<?xml")


@pytest.mark.process
@pytest.mark.slow
def test_nothing_is_overwritten_or_measured_in_vain(tmp_path: Path) -> None:
    (tmp_path / "resources.json").write_text("mine")
    for options, message in (
        (["--out", str(tmp_path)], "--force"),
        (["--out", str(tmp_path / "none")], "no folder"),
        (["--compare", str(tmp_path / "resources.json")], "is not the JSON of a profile"),
        (["--parser", "liter"], "no parser 'liter'"),
        (["--sizes", "big"], "WIDTHxHEIGHT"),
    ):
        done = _run(*options)
        assert (done.returncode, message in " ".join(done.stderr.split())) == (1, True), done.stderr
    assert (tmp_path / "resources.json").read_text() == "mine"


@pytest.mark.process
@pytest.mark.parametrize(
    ("options", "message"),
    [(["--workers", "0"], "ended with status 1: .*workers"), (["--parser", "m2fp"], "cannot parse: .*no weights")],
)
def test_a_service_that_does_not_start_says_why(options: list[str], message: str, tmp_path: Path) -> None:
    with Service(options, tmp_path, {"M2FP_STREAMER_CACHE": str(tmp_path / "cache")}) as service:
        process = psutil.Process(service.pid)
        with pytest.raises(ServiceFailed, match=message):
            service.wait_ready(120)
    assert not process.is_running()


@pytest.mark.parametrize("name", ["m2fp", "m2fp-single"])
def test_made_up_weights_are_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MULTI_PERSON", SMALL)
    monkeypatch.setattr(weights, "SINGLE_PERSON", SMALL_SINGLE)
    weights.write_made_up(name, tmp_path)
    config = SMALL if name == "m2fp" else SMALL_SINGLE
    assert read_configuration(tmp_path / CONFIGURATION) == config
    shapes = {key: tensor.shape for key, tensor in read_safetensors(tmp_path / SAFETENSORS).items()}
    assert shapes == tensor_shapes(config)
    assert load_parser(name, model_dir=tmp_path).label_set.name == ("cihp" if name == "m2fp" else "lip")
