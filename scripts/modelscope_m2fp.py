"""ModelScope's own M2FP class, to compare with, and weights for it that anyone can make again.

    python scripts/modelscope_m2fp.py CONFIGURATION

prints how many tensors its state dict has and what it answers for such weights. Needs the modelscope package. The
class asks for mmcv's compiled operators and, through packages that it takes one or two plain functions from, for
timm and torchvision, which the network does not use. mmcv is taken where it is installed; else the sampling stands
in plain torch here, which is what mmcv itself does on a CPU.
"""

import copy
import importlib
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F

from pipeline.m2fp.weights import made_up_weights

CV = "modelscope.models.cv"
PASSED_BY = (
    f"{CV}.image_colorization",
    f"{CV}.image_colorization.ddcolor",
    f"{CV}.image_colorization.ddcolor.utils",
)
"""Packages that import torchvision when they begin; what is wanted of them is a module inside."""


def build(configuration: Path | dict[str, Any]) -> torch.nn.Module:
    """ModelScope's class with random weights, ready to answer.

    Its `forward` takes {"batched_inputs": [{"image": float32 (3, H, W) RGB, 0-255}]} and returns a dict whose
    "outputs" has `pred_logits` (1, Q, C + 1) and `pred_masks` (1, Q, H / 4, W / 4).

    Args:
        configuration: the path of a ModelScope `configuration.json`, or what is in one; not changed.
    """
    whole = json.loads(configuration.read_text()) if isinstance(configuration, Path) else copy.deepcopy(configuration)
    options = {**whole["model"], "pretrained": False}
    del options["type"]
    with _what_it_imports(), warnings.catch_warnings():
        # Old ways to ask torch for autocast, and for a mesh: torch warns of the first as the classes are made, and
        # of the second once in a process, which is spent here.
        warnings.simplefilter("ignore")
        network: torch.nn.Module = importlib.import_module(f"{CV}.image_human_parsing.m2fp_net").M2FP("", **options)
        torch.meshgrid(torch.zeros(1), torch.zeros(1))
    return network.eval()


@contextmanager
def _what_it_imports() -> Iterator[None]:
    """Stands in for the modules that the network's files import without need, until they are imported."""
    folder = Path(str(importlib.import_module(CV).__file__)).parent
    stand_ins = {name: ModuleType(name) for name in PASSED_BY}
    for name, module in stand_ins.items():
        module.__path__ = [str(folder.joinpath(*name.removeprefix(f"{CV}.").split(".")))]
    swin = f"{CV}.image_instance_segmentation.backbones"
    stand_ins[swin] = ModuleType(swin)
    stand_ins[swin].__dict__["D2SwinTransformer"] = None
    if find_spec("mmcv") is None or find_spec("mmcv.ops") is None:
        stand_ins |= _operators()
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _operators() -> dict[str, ModuleType]:
    names = ("mmcv", "mmcv.ops", "mmcv.ops.multi_scale_deform_attn")
    modules = {name: ModuleType(name) for name in names}
    modules[names[-1]].__dict__.update(
        MultiScaleDeformableAttnFunction=_CompiledOperator,
        multi_scale_deformable_attn_pytorch=sampled,
    )
    return modules


class _CompiledOperator:
    """The caller takes the function in plain torch when this one fails, as mmcv's does without a GPU."""

    @staticmethod
    def apply(*_: object) -> torch.Tensor:
        raise NotImplementedError


def sampled(
    value: torch.Tensor, level_sizes: torch.Tensor, places: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """The sum of Deformable DETR (arXiv 2010.04159, equation 3), before its last projection.

    Args:
        value: (N, cells of all levels, heads, channels).
        level_sizes: (levels, 2), height and width.
        places: (N, queries, heads, levels, points, 2), x and y, 0 to 1 over a level.
        weights: (N, queries, heads, levels, points).

    Returns:
        (N, queries, heads * channels).
    """
    batch, _, heads, _ = value.shape
    sizes: list[list[int]] = level_sizes.tolist()
    planes = value.permute(0, 2, 3, 1).flatten(0, 1).split([height * width for height, width in sizes], dim=-1)
    grid = (2 * places - 1).transpose(1, 2).flatten(0, 1)  # (N * heads, queries, levels, points, 2)
    samples = [
        F.grid_sample(plane.unflatten(-1, size), grid[:, :, level], align_corners=False)
        for level, (plane, size) in enumerate(zip(planes, sizes))
    ]
    weight = weights.transpose(1, 2).flatten(0, 1).flatten(-2).unsqueeze(1)  # (N * heads, 1, queries, levels * points)
    mixed = (torch.cat(samples, dim=-1) * weight).sum(-1)  # (N * heads, channels, queries)
    return mixed.unflatten(0, (batch, heads)).flatten(1, 2).transpose(1, 2).contiguous()


def main(configuration: Path) -> None:
    network = build(configuration)
    state = network.state_dict()
    made_up = made_up_weights({name: tuple(tensor.shape) for name, tensor in state.items()})
    network.load_state_dict({name: torch.from_numpy(values) for name, values in made_up.items()})
    with torch.inference_mode():
        answer = network.forward({"batched_inputs": [{"image": torch.full((3, 64, 96), 127.0)}]})["outputs"]
    print(f"{len(state)} tensors, {sum(tensor.numel() for tensor in state.values()) / 1e6:.2f} M values")
    for name in ("pred_logits", "pred_masks"):
        print(name, tuple(answer[name].shape), f"mean {answer[name].mean():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
