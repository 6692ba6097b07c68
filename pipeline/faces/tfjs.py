"""A network of TensorFlow.js as an ONNX file: what `faceres` is made of, and nothing else.

Pictures are (1, height, width, channels) there, and (1, channels, height, width) in the ONNX file; weights stay float16
and are cast where they are used, which loses nothing. The format: https://github.com/tensorflow/tfjs, `graph_model`.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pipeline.errors import WeightsError
from pipeline.faces.onnx_bytes import Attribute, Node, model_bytes
from pipeline.geometry import Size

_PLAIN = {"Relu": "Relu", "Sigmoid": "Sigmoid", "Minimum": "Min", "Maximum": "Max", "Add": "Add", "Mul": "Mul"}


class _Quantization(msgspec.Struct):
    dtype: str


class _Weight(msgspec.Struct):
    name: str
    shape: tuple[Annotated[int, Meta(ge=1, le=1 << 20)], ...]
    dtype: str
    quantization: _Quantization | None = None


class _Group(msgspec.Struct):
    weights: tuple[_Weight, ...]


class _Step(msgspec.Struct):
    name: str
    op: str
    input: tuple[str, ...] = ()
    attr: dict[str, Any] = {}


class _Topology(msgspec.Struct):
    node: tuple[_Step, ...]


class _File(msgspec.Struct):
    model_topology: _Topology = msgspec.field(name="modelTopology")
    weights_manifest: tuple[_Group, ...] = msgspec.field(name="weightsManifest")


def converted(topology: bytes, weights: bytes, input_size: Size, outputs: Mapping[str, int]) -> bytes:
    """The ONNX file of a network.

    Args:
        topology: `model.json`.
        weights: `model.bin`.
        input_size: of the pictures; three channels.
        outputs: names of the outputs, and how many numbers each has.

    Raises:
        WeightsError: it is no such network, or has an operation that is not known here.
    """
    try:
        file = msgspec.json.decode(topology, type=_File)
        made = _Conversion(_arrays(file, weights), input_size)
        for step in file.model_topology.node:
            made.add(step)
    except (ValueError, LookupError, TypeError, binascii.Error) as exc:
        raise WeightsError(f"this is no network of TensorFlow.js that is known here: {exc}") from exc
    return model_bytes(made.nodes, made.tensors, made.inputs, {name: (1, numbers) for name, numbers in outputs.items()})


def _arrays(file: _File, weights: bytes) -> dict[str, NDArray[np.generic]]:
    found: dict[str, NDArray[np.generic]] = {}
    offset = 0
    for weight in (each for group in file.weights_manifest for each in group.weights):
        dtype = np.dtype(weight.quantization.dtype if weight.quantization else weight.dtype).newbyteorder("<")
        if dtype.name not in ("float16", "float32", "int32"):
            raise ValueError(f"weights of {dtype}")
        count = math.prod(weight.shape)
        found[weight.name] = np.frombuffer(weights, dtype, count, offset).reshape(weight.shape)
        offset += count * dtype.itemsize
    if offset != len(weights):
        raise ValueError(f"{len(weights)} bytes of weights, not {offset}")
    return found


class _Conversion:
    """Steps of TensorFlow, one after the other, as nodes of ONNX."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], input_size: Size) -> None:
        self._arrays = arrays
        self._input_size = input_size
        self.nodes: list[Node] = []
        self.tensors: dict[str, NDArray[np.generic]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}

    def add(self, step: _Step) -> None:
        """Raises ValueError and LookupError for what is not known."""
        source = tuple(each.split(":")[0] for each in step.input)
        if step.op == "Const":
            return
        if step.op == "Placeholder":
            self.inputs[step.name] = (1, 3, *self._input_size)
        elif step.op in ("Conv2D", "DepthwiseConv2dNative"):
            self._convolution(step, source)
        elif step.op == "Mean":
            if sorted(self._arrays[source[1]].ravel().tolist()) != [1, 2]:
                raise ValueError(f"{step.name} is no mean over a picture")
            self._node("ReduceMean", (source[0],), step.name, axes=(2, 3), keepdims=0)
        elif step.op == "_FusedMatMul":
            self._layer(step, source)
        elif step.op == "Softmax":
            self._node("Softmax", source, step.name, axis=1)
        elif step.op in _PLAIN:
            self._node(_PLAIN[step.op], tuple(map(self._operand, source)), step.name)
        else:
            raise ValueError(f"operation {step.op}")

    def _convolution(self, step: _Step, source: tuple[str, ...]) -> None:
        kernel = self._arrays[source[1]]  # (height, width, in, out)
        grouped = step.op != "Conv2D"
        if grouped and kernel.shape[3] != 1:
            raise ValueError(f"{step.name} has several outputs a channel")
        order = (2, 3, 0, 1) if grouped else (3, 2, 0, 1)
        weights = self._cast(source[1], kernel.transpose(order))
        padding = base64.b64decode(step.attr["padding"]["s"]).decode()
        _, *strides, _ = (int(each) for each in step.attr["strides"]["list"]["i"])
        self._node(
            "Conv",
            (source[0], weights),
            step.name,
            auto_pad={"SAME": "SAME_UPPER", "VALID": "VALID"}[padding],
            strides=strides,
            group=kernel.shape[2] if grouped else 1,
        )

    def _layer(self, step: _Step, source: tuple[str, ...]) -> None:
        fused = [base64.b64decode(each).decode() for each in step.attr["fused_ops"]["list"]["s"]]
        then = {("BiasAdd",): "Identity", ("BiasAdd", "Relu"): "Relu", ("BiasAdd", "Sigmoid"): "Sigmoid"}[tuple(fused)]
        weights, bias = (self._cast(each, self._arrays[each]) for each in source[1:3])
        self._node("MatMul", (source[0], weights), f"{step.name}/product")
        self._node("Add", (f"{step.name}/product", bias), f"{step.name}/sum")
        self._node(then, (f"{step.name}/sum",), step.name)

    def _operand(self, name: str) -> str:
        """A step's output; or a constant, of a number for each channel or of one for all."""
        if name not in self._arrays:
            return name
        array = self._arrays[name]
        return self._cast(name, array.reshape(-1, 1, 1) if array.size > 1 else array.reshape(()))

    def _cast(self, name: str, array: NDArray[np.generic]) -> str:
        if name not in self.tensors:
            self.tensors[name] = array
            self._node("Cast", (name,), f"{name}/float32", to=1)
        return f"{name}/float32"

    def _node(self, operation: str, inputs: tuple[str, ...], output: str, **attributes: Attribute) -> None:
        self.nodes.append(Node(operation, inputs, output, attributes))
