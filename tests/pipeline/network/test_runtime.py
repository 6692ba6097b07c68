"""One contract for every way to run a network, checked on all of them."""

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from pipeline import BadPicture, PipelineError, RuntimeUnavailable, Size, UnknownName, WeightsError
from pipeline.lite.model import FILE as LITE
from pipeline.network.options import PRECISIONS, RUNTIMES, RunOptions
from pipeline.network.runtime import Network, compile_network
from tests.support.paths import PEOPLE

SIZE = Size(64, 96)
F32_AGREE = 1e-3
"""Of logits up to 20: sums in another order differ by some 1e-5, hundreds of layers of them by less than this."""
BF16_AGREE = 0.05
"""Share of the largest logit: bf16 keeps 8 bits, 0.4 % a rounding, and errors of some dozens of layers add up."""
BF16_SAME_CLASS = 0.95
"""Share of cells: where two classes are nearly level, either may win."""


def noise(seed: int, size: Size = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def run(network: Network, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    return network.start(picture).result().outputs


def assert_agree(
    outputs: tuple[NDArray[np.float32], ...], expected: tuple[NDArray[np.float32], ...], atol: float = F32_AGREE
) -> None:
    assert len(outputs) == len(expected)
    for one, other in zip(outputs, expected):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A network file that answers with the planes it was given, and with their negative."""
    planes = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "height", "width"]) for name in ("same", "less")
    ]
    nodes = [helper.make_node("Relu", ["picture"], ["same"]), helper.make_node("Neg", ["picture"], ["less"])]
    graph = helper.make_graph(nodes, "mirror", [planes], outputs)
    # Versions that the oldest runtimes allowed can read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "mirror.onnx"
    onnx.save(model, path)
    return path


def test_the_network_gets_planes_of_red_green_and_blue(runtime: str, mirror: Path) -> None:
    size = Size(5, 7)
    picture = noise(1, size)
    answer = compile_network(mirror, size, RunOptions(runtime, "f32")).start(picture).result()
    planes = picture[..., ::-1].transpose(2, 0, 1).astype(np.float32)
    same, less = answer.outputs
    assert same.dtype == less.dtype == np.float32
    np.testing.assert_array_equal(same, planes)
    np.testing.assert_array_equal(less, -planes)
    assert answer.seconds > 0


def test_a_picture_may_be_a_view(runtime: str, mirror: Path) -> None:
    size = Size(5, 7)
    picture = noise(1, size)
    network = compile_network(mirror, size, RunOptions(runtime, "f32"))
    assert_agree(run(network, picture[:, ::-1]), run(network, picture[:, ::-1].copy()), atol=0)


def test_the_bundled_network_answers_the_same_everywhere(runtime: str) -> None:
    picture = noise(2)
    expected = run(compile_network(LITE, SIZE, RunOptions("onnx", "f32")), picture)
    assert [each.shape for each in expected] == [(20, 16, 24), (3, 16, 24)]
    network = compile_network(LITE, SIZE, RunOptions(runtime, "f32", threads=1))
    assert network.precision == "f32"
    assert_agree(run(network, picture), expected)


def test_a_network_for_pictures_of_any_size_answers_as_one_for_each(runtime: str) -> None:
    options = RunOptions(runtime, "f32", threads=1)
    of_any = compile_network(LITE, None, options)
    sizes = (SIZE, Size(96, 64), SIZE, Size(128, 64))
    answers = [of_any.start(noise(3, size)).result().outputs for size in sizes]
    for size, answer in zip(sizes, answers):  # what comes later does not write to it
        expected = run(compile_network(LITE, size, options), noise(3, size))
        assert [each.shape for each in answer] == [each.shape for each in expected]
        assert_agree(answer, expected)


def test_a_network_for_pictures_of_any_size_refuses_what_is_no_picture(runtime: str) -> None:
    network = compile_network(LITE, None, RunOptions(runtime, "f32"))
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3), np.float32)):
        with pytest.raises(BadPicture, match=re.escape("must be uint8 (height, width, 3)")):
            network.start(wrong)


MANY_SIZES = """
import sys
from pathlib import Path
import numpy as np, psutil
from pipeline.network.options import RunOptions
from pipeline.network.runtime import compile_network

network = compile_network(Path(sys.argv[1]), None, RunOptions(sys.argv[2], "f32", threads=1))
look = lambda height, width: network.start(np.zeros((height, width, 3), np.uint8)).result()
held = lambda: psutil.Process().memory_full_info().uss / 1e6
look(256, 256)
before = held()
for height in range(128, 384, 32):
    for width in range(128, 384, 32):
        look(height, width)
print(held() - before)
"""


@pytest.mark.process
def test_what_is_kept_for_sizes_is_bounded(runtime: str) -> None:
    """For each of 64 sizes 8 MB would be 500."""
    command = [sys.executable, "-c", MANY_SIZES, str(LITE), runtime]
    grown_mb = float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout)
    assert grown_mb < 200


def test_bf16_agrees_or_is_refused() -> None:
    automatic = compile_network(LITE, SIZE, RunOptions("openvino")).precision
    import openvino  # only now: what it does when first imported is settled by the package under test

    options = RunOptions("openvino", "bf16")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert automatic == "f32"
        with pytest.raises(RuntimeUnavailable, match="this processor or runtime does not support bf16"):
            compile_network(LITE, SIZE, options)
        return
    assert automatic == "bf16"
    larger = Size(128, 192)  # where the network sees enough to be sure of anything
    network = compile_network(LITE, larger, options)
    assert network.precision == "bf16"
    # Noise is not what rounding is judged by: of some of it, AMX's is nearly twice as far off, and means nothing.
    with av.open(str(PEOPLE)) as film:
        first = next(film.decode(video=0)).to_ndarray(format="bgr24")
    picture = cv2.resize(first, (larger.width, larger.height)).astype(np.uint8)
    exact = run(compile_network(LITE, larger, RunOptions("onnx")), picture)
    rounded = run(network, picture)
    for one, other in zip(rounded, exact):
        assert np.abs(one - other).max() <= BF16_AGREE * np.abs(other).max()
    assert np.mean(rounded[0].argmax(axis=0) == exact[0].argmax(axis=0)) >= BF16_SAME_CLASS


WATCHED_RUN = """
import sys, threading
from pathlib import Path
from pipeline import Size
from pipeline.network.options import RunOptions
from pipeline.network.runtime import compile_network

compile_network(Path(sys.argv[1]), Size(64, 96), RunOptions("openvino"))
assert "openvino" in sys.modules
print("openvino_telemetry" in sys.modules, threading.active_count())
"""


@pytest.mark.process
def test_openvino_does_not_report_its_use() -> None:
    # In a fresh process: the report would be sent at the first import, and here that has been.
    command = [sys.executable, "-c", WATCHED_RUN, str(LITE)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert said.split() == ["False", "1"]


def test_onnx_runtime_has_no_bf16_and_says_so() -> None:
    assert compile_network(LITE, SIZE, RunOptions("onnx", "auto")).precision == "f32"
    with pytest.raises(RuntimeUnavailable, match="does not support bf16; use f32 or auto"):
        compile_network(LITE, SIZE, RunOptions("onnx", "bf16"))


@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_several_in_flight_come_back_each_with_its_own_answer(runtime: str, in_flight: int) -> None:
    pictures = [noise(seed) for seed in range(7)]
    alone = compile_network(LITE, SIZE, RunOptions(runtime, "f32"))
    expected = [run(alone, picture) for picture in pictures]
    network = compile_network(LITE, SIZE, RunOptions(runtime, "f32", in_flight=in_flight))
    # More than may be in flight are begun before the first answer is asked for.
    runs = [network.start(picture) for picture in pictures]
    for begun, answer in zip(runs, expected):
        assert_agree(begun.result().outputs, answer)
    again = runs[0].result()
    assert_agree(again.outputs, expected[0])


def test_an_answer_stays_as_it_was_when_the_next_run_ends(runtime: str) -> None:
    network = compile_network(LITE, SIZE, RunOptions(runtime, "f32"))
    first = run(network, noise(1))
    kept = tuple(each.copy() for each in first)
    run(network, noise(2))
    assert_agree(first, kept, atol=0)


def test_nobody_else_need_keep_the_picture(runtime: str) -> None:
    size = Size(256, 448)
    expected = run(compile_network(LITE, size, RunOptions(runtime, "f32")), noise(1, size))
    network = compile_network(LITE, size, RunOptions(runtime, "f32", in_flight=4))
    begun = [network.start(noise(1, size)) for _ in range(4)]
    gc.collect()
    # Takes the memory that would have come free.
    others = [np.zeros((*size, 3), np.uint8) for _ in range(16)]
    for each in begun:
        assert_agree(each.result().outputs, expected)
    assert len(others) == 16


def test_the_picture_may_be_painted_over_once_the_run_has_begun(runtime: str) -> None:
    size = Size(256, 448)
    expected = run(compile_network(LITE, size, RunOptions(runtime, "f32")), noise(1, size))
    network = compile_network(LITE, size, RunOptions(runtime, "f32", in_flight=4))
    picture = noise(1, size)
    begun = []
    for _ in range(4):
        picture[:] = noise(1, size)
        begun.append(network.start(picture))
        picture[:] = 0
    for each in begun:
        assert_agree(each.result().outputs, expected)


@pytest.mark.parametrize(
    ("picture", "came"),
    [
        (np.zeros((64, 96, 3), np.float32), r"float32 \(64, 96, 3\)"),
        (np.zeros((96, 64, 3), np.uint8), r"uint8 \(96, 64, 3\)"),
        (np.zeros((64, 96, 4), np.uint8), r"uint8 \(64, 96, 4\)"),
        (np.zeros((64, 96), np.uint8), r"uint8 \(64, 96\)"),
        (np.zeros((1, 64, 96, 3), np.uint8), r"uint8 \(1, 64, 96, 3\)"),
    ],
    ids=["dtype", "turned", "alpha", "grey", "batch"],
)
def test_a_picture_of_another_kind_is_refused(runtime: str, picture: NDArray[np.uint8], came: str) -> None:
    network = compile_network(LITE, SIZE, RunOptions(runtime, "f32"))
    with pytest.raises(BadPicture, match=rf"the network's input must be uint8 \(64, 96, 3\), not {came}"):
        network.start(picture)
    # What was refused did not take a place among those in flight.
    assert len(run(network, noise(1))) == 2


def test_a_missing_file_is_told_by_its_path(runtime: str, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(WeightsError, match=f"no network file at {path}; reinstall the package"):
            compile_network(path, SIZE, RunOptions(runtime))


@pytest.mark.parametrize(
    "content",
    [b"", b"not a network " * 100, LITE.read_bytes()[:100_000], bytes(1000)],
    ids=["empty", "text", "cut short", "zeros"],
)
def test_a_damaged_file_is_no_network(runtime: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot run damaged\.onnx"):
        compile_network(path, SIZE, RunOptions(runtime))


@pytest.mark.parametrize(
    ("runtime", "package", "cure"),
    [
        ("openvino", "openvino", "OpenVINO is not installed; `pip install openvino`"),
        ("onnx", "onnxruntime", r"ONNX Runtime is not installed; `pip install -e '\.\[onnx\]'` in /"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_the_cure(
    runtime: str, package: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeUnavailable, match=cure):
        compile_network(LITE, SIZE, RunOptions(runtime))


def test_names_that_there_are_not_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownName, match="no runtime 'tpu'; there are: openvino, onnx"):
        RunOptions("tpu")
    with pytest.raises(UnknownName, match=f"no precision 'int4'; there are: {', '.join(PRECISIONS)}"):
        RunOptions(precision="int4")


@pytest.mark.parametrize("name", ["threads", "in_flight"])
def test_numbers_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(PipelineError, match=f"{name} must be at least 1, not 0"):
        RunOptions(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_ctrl_c_is_answered_after_networks_were_released() -> None:
    """In the order in which they were compiled, as those of sizes that are not wanted any more."""
    code = f"""
import os, signal
from pathlib import Path
from pipeline.geometry import Size
from pipeline.network.options import RunOptions
from pipeline.network.runtime import compile_network
first, second = (compile_network(Path({str(LITE)!r}), Size(64, width), RunOptions("openvino")) for width in (64, 96))
del first
del second
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print("answered")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "answered\n", "")
