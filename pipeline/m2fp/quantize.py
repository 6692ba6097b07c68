"""int8 for the arithmetic that bears it: convolutions, and the feed-forward layers of the pixel decoder.

Weights are quantised a channel of the output at a time, symmetrically. What goes in is quantised by one scale a
tensor, which comes from pictures ("Quantizing deep convolutional networks for efficient inference", arXiv
1806.08342). OpenVINO turns a convolution between two quantisers into one on int8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.runtime import openvino_package

OUTLIERS = 1e-5
"""This share of a tensor's values, at either end, may be clipped: one lone value must not coarsen all others."""
_LEVELS = 256
_WATCHED = 16
"""So many tensors are looked at in one run: all at once would be gigabytes."""
_PICTURE_CHANNELS = 3
_FEED_FORWARD = ("encoder.layers.", ".linear")


def quantised(graph: Any, pictures: Sequence[NDArray[np.float32]]) -> Any:
    """A graph whose heavy operations run on int8.

    Args:
        graph: what `trace` gave; it stays as it is.
        pictures: float32 (1, 3, H, W) each, of what the network is for; the scales are taken from them.
    """
    ranges = _ranges(graph, pictures)
    made = graph.clone()
    quantisers: dict[str, Any] = {}
    for node in _heavy(made):
        source = node.input_value(0)
        key = _key(source)
        if key not in quantisers:
            quantisers[key] = _quantiser(source, *ranges[key])
        node.input(0).replace_source_output(quantisers[key])
        node.input(1).replace_source_output(_small_weights(node))
    made.validate_nodes_and_infer_types()
    return made


def _heavy(graph: Any) -> list[Any]:
    """The operations to quantise: none that sees the picture itself, whose three channels are no work."""
    found = []
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        if node.get_input_size() < 2 or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        if (kind == "Convolution" and node.input_value(0).get_shape()[1] != _PICTURE_CHANNELS) or (
            kind == "MatMul" and all(part in node.get_friendly_name() for part in _FEED_FORWARD)
        ):
            found.append(node)
    return found


def _key(output: Any) -> str:
    return f"{output.get_node().get_friendly_name()}:{output.get_index()}"


def _ranges(graph: Any, pictures: Sequence[NDArray[np.float32]]) -> dict[str, tuple[float, float]]:
    """Between what limits the inputs of the heavy operations lie."""
    sources = {_key(node.input_value(0)): node.input_value(0) for node in _heavy(graph)}
    limits: dict[str, tuple[float, float]] = {}
    keys = list(sources)
    for start in range(0, len(keys), _WATCHED):
        limits |= _ranges_of({key: sources[key] for key in keys[start : start + _WATCHED]}, graph, pictures)
    return limits


def _ranges_of(
    sources: dict[str, Any], graph: Any, pictures: Sequence[NDArray[np.float32]]
) -> dict[str, tuple[float, float]]:
    openvino = openvino_package()
    watched = openvino.Model(
        [source.get_node().output(source.get_index()) for source in sources.values()], graph.get_parameters()
    )
    compiled = openvino.Core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
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
