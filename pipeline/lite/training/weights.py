"""Weights from a network file, layer by layer, to go on training with."""

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from pipeline.errors import WeightsError
from pipeline.lite.training.network import LiteNet


def load_onnx(network: LiteNet, path: Path) -> None:
    """Takes over the weights of a network file of the same shape.

    Convolutions are paired in the order in which they run, which is the order in which `LiteNet` lists them: names
    do not survive an export.

    Raises:
        WeightsError: the file cannot be read, or a layer's shape is another.
    """
    theirs = _convolutions(path)
    ours = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d)]
    if len(theirs) != len(ours):
        raise WeightsError(f"{path.name} has {len(theirs)} convolutions where the network has {len(ours)}")
    for (name, layer), (weight, bias) in zip(ours, theirs):
        if tuple(layer.weight.shape) != weight.shape:
            raise WeightsError(
                f"{path.name}: {name} is {weight.shape} where the network's is {tuple(layer.weight.shape)}"
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(bias))


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
