"""One list of a parser's settings: checked when made, and the same wherever it is written."""

import inspect
import pickle
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_overloads

import pytest

from pipeline import PARSERS, ParserSettings, PipelineError, Size, UnknownName, load_parser
from pipeline.parsing.parser import MODELS

ODD = ParserSettings("lite", "somewhere", (288, 384), "onnx", "f32", 3, 2, True, "high", True, True, "cydral")
"""None of its values is the default."""


def test_settings_cross_to_another_process_whole() -> None:
    assert pickle.loads(pickle.dumps(ODD)) == ODD
    assert all(getattr(ODD, each.name) != each.default for each in fields(ODD) if each.name != "name")


def test_a_parser_keeps_the_settings_that_it_was_loaded_with() -> None:
    assert load_parser().settings == ParserSettings()
    given = ParserSettings(size=(64, 96), precision="f32", threads=1)
    assert load_parser(given).settings == given
    assert load_parser("lite", size=(64, 96), precision="f32", threads=1).settings == given


def test_load_parser_takes_what_the_settings_have() -> None:
    """Its signature is written out for whoever looks it up; it is the same list."""
    whole, spelled = (inspect.signature(each).parameters for each in get_overloads(load_parser))
    assert [each.annotation for each in whole.values()] == [ParserSettings]
    assert [(each.name, each.default, each.annotation) for each in spelled.values()] == [
        (each.name, each.default, each.type) for each in fields(ParserSettings)
    ]
    assert all(each.default is not MISSING for each in fields(ParserSettings))


def test_settings_and_more_settings_are_not_mixed() -> None:
    with pytest.raises(TypeError, match=r"threads given beside ParserSettings: use dataclasses\.replace"):
        load_parser(ParserSettings(), threads=1)  # type: ignore[call-overload]


def test_a_folder_may_be_a_string(tmp_path: Path) -> None:
    assert ParserSettings("m2fp", model_dir=str(tmp_path)).folder == tmp_path
    assert ParserSettings("m2fp", model_dir=tmp_path).folder == tmp_path
    assert ParserSettings("m2fp").folder is None


def test_a_size_may_be_any_pair() -> None:
    assert ParserSettings(size=(256, 448)).input_size == Size(256, 448)
    assert str(ParserSettings(size=(256, 448)).size) == "256x448"
    assert ParserSettings().input_size is None


def test_each_parser_has_a_maker() -> None:
    assert tuple(MODELS) == PARSERS


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"name": "m3fp"}, UnknownName, "no parser 'm3fp'; there are: lite, m2fp, m2fp-single"),
        ({"runtime": "tpu"}, UnknownName, "no runtime 'tpu'; there are: openvino, onnx"),
        ({"precision": "f8"}, UnknownName, "no precision 'f8'; there are: auto, f32, bf16"),
        ({"threads": 0}, PipelineError, "threads must be at least 1, not 0"),
        ({"in_flight": -1}, PipelineError, "in_flight must be at least 1, not -1"),
        ({"size": (256,)}, PipelineError, r"size must be \(height, width\), as in \(256, 448\), not \(256,\)"),
        ({"size": "256x448"}, PipelineError, r"size must be \(height, width\), as in \(256, 448\), not '256x448'"),
        ({"size": (256.0, 448)}, PipelineError, r"size must be \(height, width\), .* not \(256\.0, 448\)"),
        ({"name": "m2fp", "refine": True}, PipelineError, "m2fp cannot refine .* leave refine out"),
        ({"sensitivity": "max"}, UnknownName, "no sensitivity 'max'; there are: low, normal, high"),
        ({"name": "m2fp", "sensitivity": "low"}, PipelineError, "m2fp has no sensitivity 'low'; .* leave it out"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_when_made(
    settings: dict[str, Any], error: type[PipelineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        ParserSettings(**settings)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [((250, 448), "256x448"), ((256, 450), "256x448"), ((10, 10), "64x64"), ((32, 96), "64x96"), ((-64, 96), "64x96")],
    ids=str,
)
def test_a_size_that_cannot_be_is_refused_with_the_nearest(size: tuple[int, int], nearest: str) -> None:
    given = f"{size[0]}x{size[1]}"
    with pytest.raises(PipelineError, match=f"size {given}: sides must be multiples of 32, .* nearest is {nearest}$"):
        ParserSettings(size=size)


@pytest.mark.parametrize("size", [(4128, 4096), (99999, 99999)], ids=str)
def test_a_size_that_no_machine_parses_is_refused(size: tuple[int, int]) -> None:
    """Without the nearest one that it could be, which is as large."""
    with pytest.raises(PipelineError, match=r"at most 16777216 pixels are possible, as 4096x4096 has$"):
        ParserSettings(size=size)
    assert ParserSettings(size=(4096, 4096)).input_size == (4096, 4096)
