"""The network as a file that any runtime reads, refused unless it answers as torch does."""

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import ExportMismatch
from pipeline.geometry import Size
from pipeline.network.letterbox import Letterbox
from pipeline.network.quantize import RANGES_KEY, folded, ranges_of
from pipeline.network.runtime import openvino_package
from pipeline.types import Picture
from training.network.lite_net import LiteNet

OPSET = 18
_TRIED = ((64, 64), (96, 160), (256, 448))
"""Inputs on which both must agree: the file may not have learnt the size that it was traced at."""
AGREES_WITHIN = 1e-3
"""Of a logit: what runtimes add up in another order."""
_WATCHED_AT = Size(256, 448)
"""The size at which tensors are watched. What lies in them hardly depends on it."""
_MIN_HALVED = 4096
ROUNDED_WITHIN = 0.2
"""Of a logit, on noise: what float16 weights may cost. Logits reach 20; what decides is rarely closer than this."""


def export(network: LiteNet, path: Path) -> None:
    """Writes `image` -> `scores`, `people`, of any size that is a multiple of 32; weights stored as float16.

    Raises:
        ExportMismatch: the file answers differently; nothing is left at `path` that was not there before.
    """
    written = path.with_suffix(".part")
    rounded = _rounded(network)
    _trace(rounded, written)
    onnx.save(_halved(onnx.load(str(written))), str(written))
    try:
        compare(rounded, written, AGREES_WITHIN)
        compare(_copy(network), written, ROUNDED_WITHIN)
    except ExportMismatch:
        written.unlink()
        raise
    written.replace(path)


def add_int8_ranges(path: Path, pictures: Sequence[Picture]) -> None:
    """Writes into a network file between what limits its tensors lie on some pictures, for `pipeline.network.quantize`.

    Args:
        path: of a file that `export` wrote; the same network is in it afterwards.
        pictures: such as it is for, of any size.
    """
    graph = openvino_package().Core().read_model(path)
    graph.reshape({0: [1, 3, *_WATCHED_AT]})
    planes = [
        Letterbox.into(Size(*bgr.shape[:2]), _WATCHED_AT).shrink(bgr)[..., ::-1].transpose(2, 0, 1) for bgr in pictures
    ]
    ranges = ranges_of(folded(graph), [each[None].astype(np.float32) for each in planes])
    model = onnx.load(str(path))
    helper.set_model_props(model, {RANGES_KEY: json.dumps(ranges)})
    written = path.with_suffix(".part")
    onnx.save(model, str(written))
    written.replace(path)


def compare(network: LiteNet, path: Path, within: float) -> None:
    """Raises ExportMismatch if a network file and torch disagree on some picture."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0)
    for height, width in _TRIED:
        image = noise.uniform(0, 255, (1, 3, height // 8, width // 8)).astype(np.float32)
        image = image.repeat(8, axis=2).repeat(8, axis=3)
        with torch.no_grad():
            ours = [each.numpy() for each in network(torch.from_numpy(image))]
        for name, one, other in zip(("scores", "people"), ours, session.run(None, {"image": image})):
            _check(name, one, np.asarray(other), (height, width), within)


def _check(
    name: str, ours: NDArray[np.float32], theirs: NDArray[np.float32], size: tuple[int, int], within: float
) -> None:
    if ours.shape != theirs.shape:
        raise ExportMismatch(f"{name} at {size}: torch answers {ours.shape}, the file {theirs.shape}")
    apart = float(np.abs(ours - theirs).max())
    if not apart <= within:
        raise ExportMismatch(f"{name} at {size}: the file is {apart:.3g} off, more than {within}")


def _copy(network: LiteNet) -> LiteNet:
    copied = LiteNet(network.shape)
    copied.load_state_dict(network.state_dict())
    return copied.eval()


def _rounded(network: LiteNet) -> LiteNet:
    copied = _copy(network)
    with torch.no_grad():
        for each in copied.parameters():
            if _is_halved(each.shape):
                each.copy_(each.half().float())
    return copied


def _is_halved(shape: Sequence[int]) -> bool:
    """Whether weights are stored as float16: not depthwise filters, nor what is small anyway. They are a twentieth of
    all, and made three quarters of the error."""
    return len(shape) == 4 and shape[1] > 1 and math.prod(shape) >= _MIN_HALVED


def _trace(network: LiteNet, path: Path) -> None:
    with warnings.catch_warnings():
        # The exporter that needs no further package is called old by its makers.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 256, 448),),
            str(path),
            input_names=["image"],
            output_names=["scores", "people"],
            dynamic_axes={
                "image": {2: "height", 3: "width"},
                "scores": {2: "h", 3: "w"},
                "people": {2: "h", 3: "w"},
            },
            opset_version=OPSET,
            dynamo=False,
        )


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with most weights stored as float16, cast back where they are used."""
    casts = []
    for index, each in enumerate(model.graph.initializer):
        if each.data_type != TensorProto.FLOAT or not _is_halved(each.dims):
            continue
        stored = numpy_helper.from_array(numpy_helper.to_array(each).astype(np.float16), f"{each.name}.half")
        casts.append(helper.make_node("Cast", [stored.name], [each.name], to=TensorProto.FLOAT))
        model.graph.initializer[index].CopyFrom(stored)
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    return model
