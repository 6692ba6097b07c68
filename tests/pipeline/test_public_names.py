"""The package's door: what it lists is there, and is loaded when it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.support.paths import ROOT

HEAVY = {"av", "cv2", "msgspec", "numpy", "onnxruntime", "openvino", "platformdirs", "torch"}


def loaded_by(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.process
@pytest.mark.parametrize(
    "code",
    [
        "import pipeline",
        "from pipeline import PARSERS, ParserSettings, Size\nParserSettings('lite', size=Size(256, 448))",
        "from pipeline import PipelineError",
        "from pipeline.network.options import PRECISIONS, RUNTIMES",
    ],
    ids=["the package", "settings", "errors", "options"],
)
def test_what_needs_no_library_loads_none(code: str) -> None:
    assert not loaded_by(code) & HEAVY


def test_each_listed_name_is_there_and_listed_once() -> None:
    assert len(set(pipeline.__all__)) == len(pipeline.__all__) <= 30
    assert set(pipeline.__all__) <= set(dir(pipeline))
    for name in pipeline.__all__:
        assert getattr(pipeline, name) is not None


def test_type_checkers_are_told_of_the_same_names() -> None:
    tree = ast.parse(Path(pipeline.__file__).read_text())
    (told,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    names = {alias.name: node.module for node in told.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(names) == set(pipeline.__all__)
    assert names == {name: module for module, found in pipeline._HOMES.items() for name in found}


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'load_parsers'"):
        _ = pipeline.load_parsers  # type: ignore[attr-defined]
