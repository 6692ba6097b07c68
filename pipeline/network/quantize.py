"""int8 for the arithmetic that bears it: a graph of OpenVINO's whose heavy operations run on whole numbers.

Weights are quantised a channel of the output at a time, symmetrically. What goes in is quantised by one scale a
tensor, which comes from pictures ("Quantizing deep convolutional networks for efficient inference", arXiv
1806.08342). OpenVINO turns a convolution between two quantisers into one on int8.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RuntimeUnavailable
from pipeline.network.runtime import openvino_core, openvino_package

_CPU_INFO = Path("/proc/cpuinfo")
_BYTE_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Instructions that add up products of bytes, as Linux calls them."""
RANGES_KEY = "int8_ranges"
"""Under which an ONNX file's metadata have the ranges of its tensors, as JSON."""

OUTLIERS = 1e-5
"""This share of a tensor's values, at either end, may be clipped: one lone value must not coarsen all others."""
_LEVELS = 256
_WATCHED = 16
"""Tensors observed in one run: all at once would take gigabytes."""
_PICTURE_CHANNELS = 3

Ranges = dict[str, tuple[float, float]]
"""Between what limits the values of tensors lie, by the tensors' names."""
Heavy = Callable[[Any], list[Any]]
"""Selects the operations of a graph to quantise, each of two inputs: activations, and constant weights."""


def convolutions(graph: Any) -> list[Any]:
    """All but depthwise ones and those that see the picture itself: a few channels are no work."""
    return [
        node
        for node in graph.get_ordered_ops()
        if node.get_type_name() == "Convolution"
        and has_weights(node)
        and node.input_value(0).get_partial_shape()[1].get_length() != _PICTURE_CHANNELS
    ]


def has_weights(node: Any) -> bool:
    """True for an operation whose second input is constant."""
    return bool(node.get_input_size() > 1 and node.input_value(1).get_node().get_type_name() == "Constant")


def in_int8(graph: Any, ranges: Ranges, heavy: Heavy = convolutions) -> Any:
    """A graph whose heavy operations run on int8; the one given stays as it is.

    Args:
        ranges: as `ranges_of` found them.

    Raises KeyError for ranges of another graph.
    """
    made = graph.clone()
    quantisers: dict[str, Any] = {}
    for node in heavy(made):
        source = node.input_value(0)
        key = _key(source)
        if key not in quantisers:
            quantisers[key] = _quantiser(source, *ranges[key])
        node.input(0).replace_source_output(quantisers[key])
        node.input(1).replace_source_output(_small_weights(node))
    made.validate_nodes_and_infer_types()
    return made


def is_quick(cpu_info: Path = _CPU_INFO) -> bool:
    """True if the processor has instructions for dot products of bytes (VNNI).

    Without them int8 is no faster, and less accurate, since sums overflow. False where there is no such file, as on
    Windows and macOS.
    """
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and not _BYTE_PRODUCTS.isdisjoint(line.split()) for line in lines)


def int8_form(graph: Any) -> Any:
    """The same on int8, by the ranges in the file that it was read from.

    Raises RuntimeUnavailable if there are none.
    """
    try:
        ranges = json.loads(graph.get_rt_info(["framework", RANGES_KEY]).astype(str))
    except RuntimeError as exc:
        raise RuntimeUnavailable("this network file has no int8 form; use f32, bf16 or auto") from exc
    return in_int8(folded(graph), ranges)


def folded(graph: Any) -> Any:
    """The same without arithmetic on constants, such as that which makes weights that are stored as float16 float32."""
    openvino_package()
    from openvino.passes import ConstantFolding, Manager

    copied = graph.clone()
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(copied)
    return copied


def ranges_of(graph: Any, pictures: Sequence[NDArray[np.float32]], heavy: Heavy = convolutions) -> Ranges:
    """Between what limits the inputs of the heavy operations lie.

    Args:
        pictures: float32 (1, 3, H, W) each, of what the network is for.
    """
    sources = {_key(node.input_value(0)): node.input_value(0) for node in heavy(graph)}
    limits: Ranges = {}
    keys = list(sources)
    for start in range(0, len(keys), _WATCHED):
        limits |= _watched({key: sources[key] for key in keys[start : start + _WATCHED]}, graph, pictures)
    return limits


def _key(output: Any) -> str:
    """A name that reading the same file again gives it again."""
    return str(min(output.get_names(), default=f"{output.get_node().get_friendly_name()}:{output.get_index()}"))


def _watched(sources: dict[str, Any], graph: Any, pictures: Sequence[NDArray[np.float32]]) -> Ranges:
    openvino = openvino_package()
    watched = openvino.Model(
        [source.get_node().output(source.get_index()) for source in sources.values()], graph.get_parameters()
    )
    compiled = openvino_core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    limits = dict.fromkeys(sources, (0.0, 0.0))
    for picture in pictures:
        answer = compiled([picture])
        for key, output in zip(sources, compiled.outputs):
            low, high = _limits(answer[output])
            limits[key] = min(limits[key][0], low), max(limits[key][1], high)
    return limits


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    flat = values.ravel()
    spare = int(flat.size * OUTLIERS)
    ordered = np.partition(flat, (spare, flat.size - 1 - spare))
    return float(ordered[spare]), float(ordered[flat.size - 1 - spare])


def _quantiser(source: Any, low: float, high: float) -> Any:
    """Unsigned where nothing is negative, as after a ReLU; else symmetric."""
    ops = openvino_package().opset13
    if low < 0:
        most = max(-low, high * 128 / 127)
        low, high = -most, most * 127 / 128
    ends = [ops.constant(np.float32(end)) for end in (low, max(high, 1e-6))]
    return ops.fake_quantize(source, *ends, *ends, _LEVELS).output(0)


def _small_weights(node: Any) -> Any:
    """The operation's weights as int8, with a scale for each channel that it makes."""
    openvino = openvino_package()
    ops = openvino.opset13
    weights = np.array(node.input_value(1).get_node().get_data(), np.float32)
    by_rows = node.get_type_name() == "Convolution" or node.get_attributes()["transpose_b"]
    others = tuple(range(1, weights.ndim)) if by_rows else (0,)
    scales = np.maximum(np.abs(weights).max(axis=others, keepdims=True), 1e-12) / 127
    whole = ops.constant(np.rint(weights / scales).astype(np.int8))
    return ops.multiply(ops.convert(whole, openvino.Type.f32), ops.constant(scales.astype(np.float32))).output(0)
