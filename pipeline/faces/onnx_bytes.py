"""ONNX files as bytes: the few messages of onnx.proto that a plain network needs, always in the same order.

The package `onnx` would do the same; but it is no part of an installation, and a file that is known by its hash has to
be the same whichever version wrote it. See https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IR_VERSION, OPSET = 8, 13
_TYPES = {"float32": 1, "int64": 7, "float16": 10}
_INT, _STRING, _INTS = 2, 3, 7

Attribute = int | str | Sequence[int]


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of ONNX with one output."""

    operation: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute]


def model_bytes(
    nodes: Sequence[Node],
    tensors: Mapping[str, NDArray[np.generic]],
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
) -> bytes:
    """A network as an ONNX file.

    Args:
        tensors: float32, float16 or int64, by name.
        inputs, outputs: shapes of float32, by name.
    """
    graph = b"".join(
        (
            *(_field(1, _node(each)) for each in nodes),
            _field(2, b"graph"),
            *(_field(5, _tensor(name, each)) for name, each in tensors.items()),
            *(_field(11, _value(name, shape)) for name, shape in inputs.items()),
            *(_field(12, _value(name, shape)) for name, shape in outputs.items()),
        )
    )
    opset = _field(1, b"") + _number(2, OPSET)
    return _number(1, IR_VERSION) + _field(7, graph) + _field(8, opset)


def _node(node: Node) -> bytes:
    names = b"".join(_field(1, each.encode()) for each in node.inputs) + _field(2, node.output.encode())
    attributes = (_field(5, _attribute(name, value)) for name, value in node.attributes.items())
    return names + _field(4, node.operation.encode()) + b"".join(attributes)


def _attribute(name: str, value: Attribute) -> bytes:
    head = _field(1, name.encode())
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, _INT)
    if isinstance(value, str):
        return head + _field(4, value.encode()) + _number(20, _STRING)
    return head + b"".join(_number(8, each) for each in value) + _number(20, _INTS)


def _tensor(name: str, tensor: NDArray[np.generic]) -> bytes:
    shape = b"".join(_number(1, each) for each in tensor.shape)
    raw = np.ascontiguousarray(tensor).astype(tensor.dtype.newbyteorder("<")).tobytes()
    return shape + _number(2, _TYPES[tensor.dtype.name]) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    sides = b"".join(_field(1, _number(1, each)) for each in shape)
    tensor = _number(1, _TYPES["float32"]) + _field(2, sides)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
