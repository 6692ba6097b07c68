"""The bundled network on whole numbers: where that is quick it is what runs, and it says the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from pipeline import Box, Frame, RuntimeUnavailable, Size, load_parser
from pipeline.lite.model import FILE, compile_file, compile_lite
from pipeline.network.options import RunOptions
from pipeline.network.quantize import RANGES_KEY, is_quick
from streamer.sources.open import open_source, sample

SIZE = Size(256, 448)
SURE = 0.6
"""Of a person: who is just found, rounding may lose."""
SAME_LABELS = 0.99
"""Share of the pixels: rounding moves an edge here and there."""


@pytest.fixture(scope="module")
def people() -> Frame:
    with open_source(sample("street.mp4")) as source:
        return next(frame for frame in source if frame.index == 30)


def answered(file: Path, precision: str, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    network = compile_file(file, SIZE, RunOptions(precision=precision))
    assert network.precision == precision
    return network.start(picture).result().outputs


def near(one: Box, other: Box) -> bool:
    return all(abs(a - b) <= 8 for a, b in zip(one, other))


def test_int8_rounds_and_sees_the_same(people: Frame) -> None:
    exact, small = (load_parser(size=people.size, precision=precision) for precision in ("f32", "int8"))
    whole, rounded = exact(people), small(people)
    assert small.network(exact.fit_for(people.size).input_size).precision == "int8"
    for one, other in ((whole, rounded), (rounded, whole)):
        sure = [person.box for person in one.people if person.score > SURE]
        assert len(sure) >= 3
        assert all(any(near(box, person.box) for person in other.people) for box in sure)
    assert np.mean(whole.labels == rounded.labels) >= SAME_LABELS
    picture = exact.fit_for(people.size, SIZE).shrink(people.picture)
    scores, others = (answered(FILE, precision, picture)[0] for precision in ("f32", "int8"))
    assert 0.01 < np.abs(scores - others).std() < 0.5, "what is not rounded is not int8"


def test_auto_is_int8_where_that_is_quick() -> None:
    assert (compile_lite(Size(64, 64), RunOptions()).precision == "int8") == is_quick()
    assert compile_lite(Size(64, 64), RunOptions(precision="f32")).precision == "f32"
    assert compile_lite(Size(64, 64), RunOptions("onnx")).precision == "f32"


@pytest.mark.parametrize(
    ("flags", "quick"),
    [
        ("fpu sse avx2 avx_vnni", True),
        ("fpu avx512f avx512_vnni", True),
        ("fpu sse avx2 avx512f", False),
        ("", False),
    ],
)
def test_what_processors_say_of_themselves(tmp_path: Path, flags: str, quick: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: avx_vnni of a name\nflags\t\t: {flags}\n")
    assert is_quick(tmp_path / "cpuinfo") is quick


def test_where_nothing_is_said_of_the_processor_int8_is_not_taken_for_quick(tmp_path: Path) -> None:
    assert not is_quick(tmp_path / "cpuinfo")


def test_a_network_file_without_ranges_has_no_int8_form(tmp_path: Path) -> None:
    model = onnx.load(str(FILE))
    for index, each in enumerate(model.metadata_props):
        if each.key == RANGES_KEY:
            del model.metadata_props[index]
            break
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(RuntimeUnavailable, match="no int8 form; use f32, bf16 or auto"):
        compile_file(tmp_path / "other.onnx", SIZE, RunOptions(precision="int8"))


def test_onnx_runtime_has_no_int8_and_says_so() -> None:
    with pytest.raises(RuntimeUnavailable, match="precision int8 needs runtime openvino"):
        compile_file(FILE, SIZE, RunOptions("onnx", "int8"))
