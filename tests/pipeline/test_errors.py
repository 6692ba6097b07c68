"""What errors advise."""

from pathlib import Path

import pytest

from pipeline import UnknownName, errors
from tests.support.paths import ROOT


def test_a_name_is_met_with_the_one_that_was_meant() -> None:
    assert str(UnknownName("precision", "fp32", ["auto", "f32"])) == (
        "no precision 'fp32'; there are: auto, f32; did you mean f32?"
    )
    assert str(UnknownName("parser", "big", ["lite"])) == "no parser 'big'; there are: lite"


def test_an_extra_is_installed_from_where_the_program_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert errors.installs("m2fp") == f"`pip install -e '.[m2fp]'` in {ROOT}"
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "pipeline" / "errors.py"))
    assert errors.installs("m2fp") == "`pip install 'm2fp-streamer[m2fp]'`"
