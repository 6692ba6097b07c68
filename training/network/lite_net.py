"""The bundled network in torch: EfficientNet-Lite0's encoder, a decoder of three steps, two heads.

The encoder goes down to a thirty-second of the picture, where a person is a few cells and is seen whole; the decoder
comes up to a quarter, where `scores` and `people` are answered.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network.encoder import Encoder

CLASSES = 20
"""CIHP's."""
PEOPLE_PLANES = 3
"""Logit of a centre, and the offset to it, down and across."""
STRIDE = 4
"""Input pixels to a side of a cell of the answer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the network is; of the decoder, channels at a thirty-second of the picture, a sixteenth and so on."""

    width: float = 1.0
    """Of the encoder, as a share of EfficientNet-Lite0's channels."""
    expansion: int = 6
    """How many times as wide the encoder's blocks are inside, as EfficientNet-Lite0's are."""
    deepest: int = 128
    deep: int = 96
    middle: int = 64
    fine: int = 64
    context_blocks: int = 2
    """Residual blocks at a thirty-second: next to nothing to compute."""

    def __post_init__(self) -> None:
        least = min(self.deepest, self.deep, self.middle, self.fine)
        if least < 8 or self.expansion < 1 or self.context_blocks < 0 or not 0 < self.width <= 4:
            raise ValueError(f"no such network: {self}")


NARROW = Shape(expansion=4, middle=48, fine=48)
"""Of the bundled network. It was wider when it was first trained, see `narrow`."""


class Residual(nn.Module):
    """Adds to what it is given; nothing at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        for each in self.second.parameters():
            nn.init.zeros_(each)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu(self.first(x)))
        return x + change


def _conv(into: int, out: int, size: int) -> nn.Sequential:
    layer = nn.Conv2d(into, out, size, 1, size // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layer, nn.ReLU(inplace=True))


class Step(nn.Module):
    """Comes up by two: what is known from below, enlarged, beside what the encoder saw there."""

    def __init__(self, below: int, beside: int, taken: int, out: int) -> None:
        super().__init__()
        self.beside = _conv(beside, taken, 1)
        self.join = _conv(below + taken, out, 3)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        up = functional.interpolate(below, size=beside.shape[2:], mode="bilinear", align_corners=False)
        out: Tensor = self.join(torch.cat([up, self.beside(beside)], 1))
        return out


class LiteNet(nn.Module):
    """Scores and people of pictures: float32 (n, 3, H, W), RGB, 0-255, sides multiples of 32."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.width, shape.expansion)
        quarter, eighth, sixteenth, smallest = self.encoder.channels
        self.reduce = _conv(smallest, shape.deepest, 1)
        self.context = nn.Sequential(*(Residual(shape.deepest) for _ in range(shape.context_blocks)))
        self.gate = nn.Conv2d(smallest, shape.deepest, 1)
        self.to_sixteenth = Step(shape.deepest, sixteenth, shape.deep // 2, shape.deep)
        self.to_eighth = Step(shape.deep, eighth, shape.middle // 2, shape.middle)
        self.to_quarter = Step(shape.middle, quarter, shape.middle // 2, shape.fine)
        self.parts = nn.Sequential(_conv(shape.fine, shape.fine, 3), nn.Conv2d(shape.fine, CLASSES, 1))
        self.people = nn.Sequential(_conv(shape.fine, shape.fine // 2, 3), nn.Conv2d(shape.fine // 2, PEOPLE_PLANES, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        quarter, eighth, sixteenth, smallest = self.encoder(image)
        deepest = self.context(self.reduce(smallest))  # (n, 128, H/32, W/32)
        deepest = deepest * torch.sigmoid(self.gate(smallest.mean((2, 3), keepdim=True)))
        deep = self.to_sixteenth(deepest, sixteenth)  # (n, 96, H/16, W/16)
        middle = self.to_eighth(deep, eighth)  # (n, 64, H/8, W/8)
        fine = self.to_quarter(middle, quarter)  # (n, 64, H/4, W/4)
        return self.parts(fine), self.people(fine)  # (n, 20, H/4, W/4), (n, 3, H/4, W/4)
