"""Weights from a network file, layer by layer, to go on training with."""

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from pipeline.errors import WeightsError
from training.network.encoder import STAGES
from training.network.lite_net import LiteNet, Shape

_IN_BLOCK = 3
"""Convolutions in a block of the encoder; the very first has one less, and before it is the stem."""
_EXPAND = 3
"""Which convolution makes a block wider for the first time: after the stem and the first block's two."""


def load_onnx(path: Path) -> LiteNet:
    """The network in a file, of the shape that it has there.

    Convolutions are paired in the order in which they run, which is the order in which `LiteNet` lists them: names
    do not survive an export.

    Raises:
        WeightsError: the file cannot be read, or is no such network.
    """
    theirs = _convolutions(path)
    try:
        network = LiteNet(_shape([weight.shape for weight, _ in theirs]))
    except (IndexError, ValueError) as exc:
        raise WeightsError(f"{path.name} is not such a network: it has {len(theirs)} convolutions") from exc
    ours = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d)]
    if len(theirs) != len(ours):
        raise WeightsError(f"{path.name} has {len(theirs)} convolutions where such a network has {len(ours)}")
    for (name, layer), (weight, bias) in zip(ours, theirs):
        if tuple(layer.weight.shape) != weight.shape:
            raise WeightsError(
                f"{path.name}: {name} is {weight.shape} where such a network's is {tuple(layer.weight.shape)}"
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(bias))
    return network


def _shape(theirs: list[tuple[int, ...]]) -> Shape:
    """Of a network, by its convolutions' weights: (out, in, height, width) each. Whether they fit is seen later."""
    in_encoder = _IN_BLOCK * sum(stage.blocks for stage in STAGES)
    last, reduce, sixteenth, eighth, quarter = (
        theirs[in_encoder - 1],
        theirs[in_encoder],
        theirs[-9],
        theirs[-7],
        theirs[-5],
    )
    return Shape(
        width=last[0] / STAGES[-1].channels,  # of all stages, the least is rounded off here
        expansion=theirs[_EXPAND][0] // theirs[_EXPAND][1],
        deepest=reduce[0],
        deep=sixteenth[0],
        middle=eighth[0],
        fine=quarter[0],
        # Beside them: where it is made narrow and the gate, two in each of three steps, two in each of two heads.
        context_blocks=(len(theirs) - in_encoder - 12) // 2,
    )


def _convolutions(path: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, onnx.onnx_cpp2py_export.checker.ValidationError) as exc:
        raise WeightsError(f"cannot read {path}: {exc}") from exc
    arrays = {each.name: np.asarray(numpy_helper.to_array(each), np.float32) for each in graph.initializer}
    for node in graph.node:  # float16 weights pass through a cast; of equal ones, only the first is stored
        if node.op_type in ("Cast", "Identity") and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return [
        (arrays[node.input[1]].copy(), arrays[node.input[2]].copy()) for node in graph.node if node.op_type == "Conv"
    ]
