"""The graph that is made of the weights: made once, like torch, and never half."""

import errno
import gc
import logging
import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline import ExportMismatch, RuntimeUnavailable, Size, WeightsError
from pipeline.m2fp import graph
from pipeline.m2fp.checkpoint import write_safetensors
from pipeline.m2fp.config import MULTI_PERSON
from pipeline.m2fp.export import (
    MAX_TYPICAL,
    MIN_CORRELATION,
    PEOPLE,
    Agreement,
    check_agreement,
    exported,
    probe,
    quantised,
)
from pipeline.network.options import RunOptions
from pipeline.network.runtime import compile_network
from tests.support.weights_made_up import ROOT, SMALL, SMALL_SINGLE, Tensors, golden, network, weights

pytestmark = pytest.mark.slow

SIZE = Size(64, 96)
EXPORTED = 1e-3
"""Of logits up to 30: the plugin fuses and reorders float32 sums, which makes 1e-5 of a layer and less than this of
all."""
CHANNEL = 0.01
"""Of a channel's largest value: weights are rounded to a 254th of it, what goes in to a 255th of its range."""


@dataclass(frozen=True)
class Made:
    """The small network, exported once for all tests."""

    folder: Path
    """With its weights."""
    cache: Path
    sampling: Any

    def exported(self, form: str = "float", **changed: Any) -> Path:
        given = {"folder": self.folder, "config": SMALL, "size": SIZE, "sampling": self.sampling} | changed
        return exported(form=form, **given)


@pytest.fixture(scope="module", autouse=True)
def threads_of_the_process() -> None:
    """Those that graphs share stay as long as the process."""
    for threads in (2, 3):
        graph.operation(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    place = tmp_path_factory.mktemp("small")
    write_safetensors(place / "model" / "model.safetensors", weights(SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2FP_STREAMER_CACHE", str(place / "cache"))
        here = Made(place / "model", place / "cache", graph.operation(2))
        for form in ("float", "int8"):
            here.exported(form)
        yield here
    shutil.rmtree(place)  # 300 MB


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another cache, with nothing in it."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in the cache cannot be made."""
    monkeypatch.setitem(sys.modules, "torch", None)


def answers(path: Path, sampling: Any, precision: str = "f32") -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logits, masks = graph.run(graph.read(path, sampling), probe(SIZE)[0], precision)
    return logits[0], masks[0]


@pytest.fixture(scope="module")
def wanted() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What torch says of the first picture of people."""
    with torch.inference_mode():
        logits, masks = network(SMALL)(torch.from_numpy(probe(SIZE)[0]))
    return logits[0].numpy(), masks[0].numpy()


@pytest.mark.slow
def test_the_full_network_answers_as_modelscopes() -> None:
    expected = golden("golden_96x128")
    sampling = graph.operation(2)
    made = graph.trace(network(MULTI_PERSON), Size(96, 128), sampling)
    logits, masks = graph.run(made, expected["image"].astype(np.float32)[None], "f32")
    graph.release(sampling)
    np.testing.assert_allclose(logits[0], expected["pred_logits"], rtol=0, atol=EXPORTED)
    np.testing.assert_allclose(masks[0], expected["pred_masks"], rtol=0, atol=EXPORTED)


def test_a_graph_from_the_disk_answers_as_torch(made: Made, wanted: Any) -> None:
    for found, expected in zip(answers(made.exported(), made.sampling), wanted):
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXPORTED)


def test_a_graph_from_the_disk_has_a_place_for_each_look_up(made: Made) -> None:
    """And not its gathers and products, which the kernel stands in for."""
    kinds = Counter(node.get_type_name() for node in graph.read(made.exported(), made.sampling).get_ordered_ops())
    assert kinds["DeformableSampling"] == SMALL.encoder_layers
    assert kinds["GridSample"] == 0


@pytest.mark.usefixtures("without_torch")
def test_what_is_in_the_cache_is_not_made_again(made: Made) -> None:
    path = made.exported()
    assert path.is_file()
    assert path.is_relative_to(made.cache / "exported")
    assert made.exported(config=replace(SMALL)) == path
    assert made.exported(sampling=graph.operation(3)) == path


@pytest.mark.usefixtures("without_torch")
def test_the_same_weights_elsewhere_are_the_same(made: Made, tmp_path: Path) -> None:
    os.link(made.folder / "model.safetensors", tmp_path / "model.safetensors")
    assert made.exported(folder=tmp_path) == made.exported()


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize(
    "changed",
    [
        {"size": Size(96, 64)},
        {"size": Size(64, 128)},
        {"config": replace(SMALL, res5_dilation=2)},
        {"config": replace(SMALL, res5_multi_grid=(1, 2, 4))},
        {"config": replace(SMALL, heads=1)},
        {"config": SMALL_SINGLE},
    ],
    ids=str,
)
def test_another_size_or_configuration_is_another_graph(made: Made, changed: dict[str, Any]) -> None:
    """Configurations that have the same tensors too."""
    with pytest.raises(RuntimeUnavailable):
        made.exported(**changed)


@pytest.mark.usefixtures("without_torch")
def test_other_weights_are_another_graph(made: Made, tmp_path: Path) -> None:
    """Of the same names, shapes and number of bytes, and as old."""
    file = made.folder / "model.safetensors"
    shutil.copy2(file, tmp_path)
    with (tmp_path / file.name).open("r+b") as copy:
        copy.seek(-1, os.SEEK_END)
        (last,) = copy.read(1)
        copy.seek(-1, os.SEEK_END)
        copy.write(bytes([last ^ 1]))
    os.utime(tmp_path / file.name, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    with pytest.raises(RuntimeUnavailable):
        made.exported(folder=tmp_path)


@pytest.mark.usefixtures("without_torch")
def test_another_openvino_makes_another_graph(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    monkeypatch.setattr(openvino, "__version__", "2099.1")
    with pytest.raises(RuntimeUnavailable):
        made.exported()


def test_the_forms_are_different_graphs(made: Made) -> None:
    assert made.exported("int8") != made.exported("float")


ASKED = """
import sys
sys.modules["torch"] = None
from pathlib import Path
from pipeline import PipelineError, Size
from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.export import exported
try:
    print(exported(Path(sys.argv[1]), {config!r}, Size(64, 96), "float", None))
except PipelineError as exc:
    print(type(exc).__name__, exc)
"""


def asked(code: Path, made: Made) -> str:
    """What another process, with the code in that folder and without torch, says of the small network."""
    command = [sys.executable, "-c", ASKED.format(config=SMALL), str(made.folder)]
    environment = os.environ | {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.process
def test_other_code_makes_another_graph(made: Made, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    assert asked(tmp_path, made) == str(made.exported())
    with (tmp_path / "pipeline" / "m2fp" / "pixel_decoder.py").open("a") as file:
        file.write("\n# changed\n")
    assert asked(tmp_path, made).startswith("RuntimeUnavailable torch")


@pytest.mark.usefixtures("elsewhere", "without_torch")
def test_without_torch_there_is_a_cure(made: Made) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"torch, .* is not installed; `pip install -e '\.\[m2fp\]'` in /"):
        made.exported()


NAME = "sem_seg_head.predictor.query_feat.weight"


def renamed(tensors: Tensors) -> Tensors:
    return {("module." if name == NAME else "") + name: tensor for name, tensor in tensors.items()}


def lost(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name != NAME}


def reshaped(tensors: Tensors) -> Tensors:
    return tensors | {NAME: np.ascontiguousarray(tensors[NAME].T)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (renamed, rf"1 tensors missing, 1 extra, 0 misshapen\n +missing: {NAME} .*\n +extra: module\.{NAME} "),
        (lost, rf"1 tensors missing, 0 extra, 0 misshapen\n +missing: {NAME} \(20, 64\)"),
        (reshaped, rf"0 tensors missing, 0 extra, 1 misshapen\n +misshapen: {NAME} \(64, 20\), not \(20, 64\)"),
    ],
    ids=["renamed", "lost", "reshaped"],
)
def test_weights_of_another_network_are_refused(elsewhere: Path, tmp_path: Path, change: Any, says: str) -> None:
    write_safetensors(tmp_path / "model.safetensors", change(weights(SMALL)))
    with pytest.raises(WeightsError, match=says):
        exported(tmp_path, SMALL, SIZE, "float", graph.operation(2))
    assert not [each for each in elsewhere.rglob("*") if each.name != "exported"]


def test_lost_weights_are_told(made: Made, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*model\.safetensors: No such file"):
        made.exported(folder=tmp_path / "nowhere")


def disagreeing(sampling: Any) -> Any:
    """The same operation, which sees the values upside down."""
    import openvino

    return lambda inputs: sampling([openvino.opset13.negative(inputs[0]).output(0), *inputs[1:]])


def test_a_graph_that_disagrees_is_refused_and_not_kept(
    made: Made, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And what is done in its minute is told."""
    caplog.set_level(logging.INFO, "pipeline")
    with pytest.raises(
        ExportMismatch, match="M2FP exported at f32 does not agree with the original in torch: mask logits"
    ):
        made.exported(sampling=disagreeing(made.sampling))
    assert not [each for each in elsewhere.rglob("*") if each.name != "exported"]
    steps = [each.getMessage() for each in caplog.records if each.name == "pipeline.m2fp.export"]
    assert len(steps) == 3
    assert all(str(SIZE) in each for each in steps)


@contextmanager
def full_disk(after_bytes: int) -> Iterator[None]:
    """As one on which files cannot grow beyond so much."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_is_cut_short_leaves_nothing(made: Made, elsewhere: Path) -> None:
    with (
        full_disk(after_bytes=1 << 20),
        pytest.raises(WeightsError, match=r"set \$M2FP_STREAMER_CACHE to another folder"),
    ):
        made.exported()
    assert list((elsewhere / "exported").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(made: Made, elsewhere: Path) -> None:
    elsewhere.touch()
    says = rf"cannot write to {re.escape(str(elsewhere))}.*: {os.strerror(errno.ENOTDIR)}; set \$M2FP_STREAMER_CACHE"
    with pytest.raises(WeightsError, match=says):
        made.exported()


def test_what_another_process_made_meanwhile_is_taken(made: Made, elsewhere: Path) -> None:
    """The other is done after this one saw that nothing is there, and before it is done itself."""
    done = made.cache / "exported"

    def meanwhile(inputs: Any) -> Any:
        shutil.copytree(done, elsewhere / "exported", dirs_exist_ok=True)
        return made.sampling(inputs)

    path = made.exported(sampling=meanwhile)
    assert path.is_relative_to(elsewhere)
    assert {each.name for each in (elsewhere / "exported").iterdir()} == {each.name for each in done.iterdir()}
    assert path.stat().st_ino != (done / path.relative_to(elsewhere / "exported")).stat().st_ino


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what is mapped")
def test_weights_go_with_the_last_who_runs_them(made: Made, tmp_path: Path) -> None:
    """OpenVINO keeps an operation that is written in Python; not the file of weights, which it maps into memory."""
    path = tmp_path / "m2fp.xml"
    for suffix in (".xml", ".bin"):
        os.link(made.exported().with_suffix(suffix), path.with_suffix(suffix))

    def mapped() -> bool:
        return str(path.with_suffix(".bin")) in Path("/proc/self/maps").read_text()

    sampling = graph.operation(2)
    running = compile_network(path, SIZE, RunOptions(precision="f32"), [sampling])
    assert mapped()
    graph.release(sampling)
    answer = running.start(np.zeros((*SIZE, 3), np.uint8)).result()
    assert np.isfinite(answer.outputs[1]).all()
    del running
    gc.collect()
    assert not mapped()


def test_the_pictures_of_people_are_four_and_upright() -> None:
    pictures = probe(SIZE)
    assert [(each.shape, each.dtype) for each in pictures] == [((1, 3, *SIZE), np.float32)] * 4
    assert all(each.flags.c_contiguous and each.min() >= 0 and 200 < each.max() <= 255 for each in pictures)
    assert not any(np.allclose(one, other) for one, other in pairwise(pictures))
    # Skin is red before it is blue: the other way around scales would be those of another world.
    assert all(each[0, 0].mean() > each[0, 2].mean() for each in pictures)
    assert PEOPLE.stat().st_size < 200_000


# How far a graph may be off.


def a_pair(queries: int = 9) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(5)
    return (
        random.standard_normal((queries, 22)).astype(np.float32),
        random.standard_normal((queries, 16, 24)).astype(np.float32),
    )


def test_agreement_is_measured() -> None:
    logits, masks = a_pair()
    same = Agreement.between((logits, masks), (logits, masks))
    assert (same.typical, same.same_class, same.mask_iou) == (0, 1, 1)
    assert same.correlation == pytest.approx(1)
    other = masks.copy()
    other[:, 0, 0] += 3 * masks.std()
    other[0] += 100
    apart = Agreement.between((-logits, other), (logits, masks))
    # Of the middle query: the one that is off altogether does not matter.
    assert apart.typical == pytest.approx(3, rel=1e-3)
    assert apart.same_class == 0
    assert apart.mask_iou < 0.97
    assert Agreement.between((logits, -masks), (logits, masks)).correlation == pytest.approx(-1)
    assert Agreement.between((logits, -masks), (logits, masks)).mask_iou == 0


def test_masks_without_anything_in_them_agree() -> None:
    logits, masks = a_pair()
    flat = np.full_like(masks, -1)
    same = Agreement.between((logits, flat), (logits, flat))
    assert (same.typical, same.correlation, same.mask_iou) == (0, 1, 1)
    assert Agreement.between((logits, flat), (logits, masks)).correlation == 0


FINE = Agreement(typical=0.0, correlation=1.0, same_class=1.0, mask_iou=1.0)


@pytest.mark.parametrize("precision", MAX_TYPICAL)
def test_the_bounds_are_where_they_are_said_to_be(precision: str) -> None:
    most, least = MAX_TYPICAL[precision], MIN_CORRELATION[precision]
    check_agreement(Agreement(most, least, same_class=0.0, mask_iou=0.0), precision, "it")
    for outside in (
        replace(FINE, typical=most * 1.001),
        replace(FINE, correlation=least - 1e-6),
        replace(FINE, typical=float("nan")),
        replace(FINE, correlation=float("nan")),
    ):
        with pytest.raises(ExportMismatch, match=f"it exported at {precision} does not agree"):
            check_agreement(outside, precision, "it")


@pytest.mark.parametrize(
    ("precision", "cure"), [("f32", "weights may be damaged"), ("bf16", "--precision f32"), ("int8", "--precision f32")]
)
def test_a_mismatch_names_its_cure(precision: str, cure: str) -> None:
    with pytest.raises(ExportMismatch, match=cure):
        check_agreement(replace(FINE, typical=9.0), precision, "it")


@pytest.mark.parametrize("where", ["ours", "theirs", "both"])
def test_what_is_no_number_does_not_agree(where: str) -> None:
    """Not even with itself: weights that make NaN are damaged."""
    logits, masks = a_pair()
    none = np.full_like(masks, np.nan)
    ours, theirs = (none if where in (side, "both") else masks for side in ("ours", "theirs"))
    with pytest.raises(ExportMismatch):
        check_agreement(Agreement.between((logits, ours), (logits, theirs)), "int8", "it")


# int8.


def test_int8_agrees_and_is_smaller(made: Made, wanted: Any) -> None:
    agreement = Agreement.between(answers(made.exported("int8"), made.sampling), wanted)
    check_agreement(agreement, "int8", "the small network")
    assert agreement.typical > 1e-3  # it is rounded, after all
    sizes = {form: made.exported(form).with_suffix(".bin").stat().st_size for form in ("float", "int8")}
    assert sizes["int8"] < 0.35 * sizes["float"]


def runs_as(compiled: Any) -> list[tuple[str, str, str]]:
    """Kind, precision and origin of all that is run."""
    nodes = compiled.get_runtime_model().get_ordered_ops()
    keys = ("layerType", "runtimePrecision", "originalLayersNames")
    return [
        (info[keys[0]].astype(str), info[keys[1]].astype(str), info[keys[2]].astype(str)) for info in map(_info, nodes)
    ]


def _info(node: Any) -> Any:
    return node.get_rt_info()


def test_int8_is_what_runs(made: Made) -> None:
    import openvino

    read = graph.read(made.exported("int8"), made.sampling)
    compiled = openvino.Core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    run = runs_as(compiled)
    convolutions = [(precision, origin) for kind, precision, origin in run if kind == "Convolution"]
    floating = [origin for precision, origin in convolutions if precision not in ("u8", "i8")]
    # All but the one that sees the picture; of ResNet-50 there are 55 (3 in the stem), of the decoder 3 or more.
    assert len(convolutions) >= 58
    assert len(floating) == 1
    assert "stem.conv1" in floating[0]
    # Of the pixel decoder's layers the two of the feed-forward part, and not the attention.
    small = [origin for kind, precision, origin in run if kind == "FullyConnected" and precision in ("u8", "i8")]
    encoder = [origin for origin in small if "encoder.layers" in origin]
    assert len(encoder) == 2 * SMALL.encoder_layers
    assert all("linear" in origin for origin in encoder)


def convolved(weights: NDArray[np.float32], relu: bool = True) -> Any:
    """A picture as four planes (red, green, blue, blue), and two convolutions of those, with the same weights."""
    import openvino

    ops = openvino.opset13
    picture = ops.parameter([1, 3, 200, 200], np.float32, name="image")

    def convolution(source: Any, kernel: NDArray[np.float32]) -> Any:
        return ops.convolution(source, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])

    planes = convolution(picture, np.eye(4, 3, dtype=np.float32)[[0, 1, 2, 2], :, None, None])
    source = ops.relu(planes) if relu else planes
    return openvino.Model([convolution(source, weights).output(0) for _ in range(2)], [picture])


def quantisers(made: Any) -> list[tuple[float, float]]:
    """From where to where each goes."""
    nodes = [node for node in made.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    return [tuple(float(node.input_value(port).get_node().get_data().item()) for port in (1, 2)) for node in nodes]


KERNEL = np.eye(4, dtype=np.float32)[..., None, None]


def ramp(low: float, high: float) -> NDArray[np.float32]:
    """A picture with every value between these."""
    line = np.linspace(low, high, 200 * 200, dtype=np.float32).reshape(200, 200)
    return np.stack([line] * 3)[None]


def test_scales_come_from_the_pictures_and_are_shared() -> None:
    original = convolved(KERNEL)
    made = quantised(original, [ramp(-3, 4), ramp(-3, 7), ramp(-3, 5)])
    # Two convolutions of the same tensor: one quantiser, from zero, for it comes out of a ReLU.
    ((low, high),) = quantisers(made)
    assert low == 0
    assert high == pytest.approx(7, rel=1e-3)
    assert quantisers(original) == []


@pytest.mark.parametrize(("lowest", "highest", "most"), [(-3, 2, 3), (-2, 3, 3 * 128 / 127)])
def test_a_range_with_less_than_nothing_in_it_is_symmetric(lowest: float, highest: float, most: float) -> None:
    """So that zero is a level, and what is on its edge is not moved."""
    ((low, high),) = quantisers(quantised(convolved(KERNEL, relu=False), [ramp(lowest, highest)]))
    assert low == pytest.approx(-most, rel=1e-3)
    assert high == pytest.approx(-low * 127 / 128)


def test_one_lone_value_does_not_coarsen_all_others() -> None:
    """Of 160,000: one in 100,000 may be clipped, so two are too many."""
    picture = ramp(0, 1)
    for column, expected in ((7, 1), (8, 1000)):
        picture[0, 0, 7, column] = 1000
        ((_, high),) = quantisers(quantised(convolved(KERNEL), [picture]))
        assert high == pytest.approx(expected, rel=1e-3)


def test_what_is_never_seen_has_a_scale_too() -> None:
    made = quantised(convolved(KERNEL), [ramp(0, 0)])
    ((low, high),) = quantisers(made)
    assert low < high
    assert not graph.run(made, ramp(0, 0), "f32")[0].any()


def test_each_channel_has_its_own_scale() -> None:
    """A faint channel beside a strong one is not rounded away."""
    kernel = KERNEL * np.array([1000, 1, 1e-3, 0], np.float32)[:, None, None, None]
    original = convolved(kernel)
    picture = ramp(0, 1)
    expected, found = (graph.run(each, picture, "f32")[0][0] for each in (original, quantised(original, [picture])))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=0, atol=CHANNEL * np.abs(other).max())
