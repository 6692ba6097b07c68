"""The bundled network in torch: MobileNetV1's encoder, a decoder of two steps, two heads.

The encoder (arXiv 1704.04861) goes down to a sixteenth of the picture; a branch at a thirty-second sees whole
persons; the decoder comes up to a quarter, where `scores` and `people` are answered. There is no normalisation
layer: batches are small, the first weights were fused with theirs, and without it a step is a third shorter.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 20
"""CIHP's."""
PEOPLE_PLANES = 3
"""Logit of a centre, and the offset to it, down and across."""
STRIDE = 4
"""Input pixels to a side of a cell of the answer."""

_ENCODER = (
    # channels at full width, stride, dilation
    (64, 1, 1),
    (128, 2, 1),
    (128, 1, 1),
    (256, 2, 1),
    (256, 1, 1),
    (512, 2, 1),
    *((512, 1, 1),) * 6,
    (512, 1, 2),
)
_AT_QUARTER, _AT_EIGHTH = 2, 4
"""Blocks whose answers the decoder takes up again."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the network is."""

    width: float = 0.75
    """Of the encoder, as a share of MobileNetV1's channels."""
    decoder_width: float = 1.0
    """Of the decoder, as a share of the first network's channels."""
    context_blocks: int = 0
    """Residual blocks at a thirty-second of the picture, where a person is a few cells: next to nothing to compute."""

    def __post_init__(self) -> None:
        if not (0 < self.width <= 2 and 0 < self.decoder_width <= 4 and self.context_blocks >= 0):
            raise ValueError(f"no such network: {self}")


class Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, into: int, out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.dw = nn.Conv2d(into, into, 3, stride, dilation, dilation, groups=into)
        self.pw = nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.pw(functional.relu6(self.dw(x), inplace=True)), inplace=True)


class Residual(nn.Module):
    """Adds to what it is given; nothing at first, so that a trained network goes on as it was."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for each in self.second.parameters():
            nn.init.zeros_(each)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu(self.first(x)))
        return x + change


def _conv(into: int, out: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, size, stride, size // 2), nn.ReLU(inplace=True))


class LiteNet(nn.Module):
    """Scores and people of pictures: float32 (n, 3, H, W), RGB, 0-255, sides multiples of 32."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.frozen = 0
        wide = [round(channels * shape.width) for channels, _, _ in _ENCODER]
        deep, middle, fine, last, small = (round(n * shape.decoder_width) for n in (128, 96, 64, 64, 32))
        self.stem = nn.Conv2d(3, round(32 * shape.width), 3, 2, 1)
        channels = [round(32 * shape.width), *wide]
        self.blocks = nn.ModuleList(
            Separable(channels[i], out, stride, dilation)
            for i, (out, (_, stride, dilation)) in enumerate(zip(wide, _ENCODER))
        )
        self.reduce = _conv(wide[-1], deep, 1)
        self.context = nn.Sequential(
            _conv(deep, deep, 3, 2), _conv(deep, deep, 3), *(Residual(deep) for _ in range(shape.context_blocks))
        )
        self.gate = nn.Conv2d(wide[-1], deep, 1)
        self.eighth = _conv(wide[_AT_EIGHTH], fine, 1)
        self.join_eighth = _conv(deep + fine, middle, 3)
        self.quarter = _conv(wide[_AT_QUARTER], small, 1)
        self.join_quarter = _conv(middle + small, last, 3)
        self.parts = nn.Sequential(_conv(last, last, 3), nn.Conv2d(last, CLASSES, 1))
        self.people = nn.Sequential(_conv(last, small, 3), nn.Conv2d(small, PEOPLE_PLANES, 1))

    def freeze(self, blocks: int) -> None:
        """Leaves the stem and the first blocks as they are from now on; at most those before the decoder's first."""
        self.frozen = min(blocks, _AT_QUARTER)
        for module in (self.stem, *self.blocks[: self.frozen]) if self.frozen else ():
            module.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        # Without gradients nothing is kept for going back, and the largest planes of all are the first.
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = functional.relu6(self.stem(image / 127.5 - 1.0), inplace=True)  # (n, 24, H/2, W/2)
            for block in self.blocks[: self.frozen]:
                x = block(x)
        kept: list[Tensor] = [x] * self.frozen
        for block in self.blocks[self.frozen :]:
            x = block(x)
            kept.append(x)
        deep = self.reduce(x)  # (n, 128, H/16, W/16)
        deep = deep + _enlarge(self.context(deep), deep)
        deep = deep * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        eighth = kept[_AT_EIGHTH]
        middle = self.join_eighth(torch.cat([_enlarge(deep, eighth), self.eighth(eighth)], 1))  # (n, 96, H/8, W/8)
        quarter = kept[_AT_QUARTER]
        fine = self.join_quarter(torch.cat([_enlarge(middle, quarter), self.quarter(quarter)], 1))  # (n, 64, H/4, W/4)
        return self.parts(fine), self.people(fine)  # (n, 20, H/4, W/4), (n, 3, H/4, W/4)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
