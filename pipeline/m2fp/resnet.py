"""The backbone: a ResNet with the stem of DeepLab.

"Deep Residual Learning" (arXiv 1512.03385) with the stride in the 3x3 convolutions, and three 3x3 convolutions
in place of the first 7x7 (DeepLab v3, arXiv 1706.05587). Batch normalisation is frozen.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import WeightsError

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
RES2_CHANNELS = 256
_RES2_INNER = 64


class ConvNorm(nn.Conv2d):
    """A convolution without bias, and the normalisation that follows it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(super().forward(x))
        return normed


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and the way around them."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.shortcut = ConvNorm(inputs, outputs, 1, stride) if inputs != outputs else None
        self.conv1 = ConvNorm(inputs, inner, 1)
        self.conv2 = ConvNorm(inner, inner, 3, stride, dilation)
        self.conv3 = ConvNorm(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.shortcut is None else self.shortcut(x)
        inner = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.conv3(inner) + around)


class Stem(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, channels // 2, 3, stride=2)
        self.conv2 = ConvNorm(channels // 2, channels // 2, 3)
        self.conv3 = ConvNorm(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.relu(conv(x))  # (N, channels, H/2, W/2)
        return F.max_pool2d(x, 3, stride=2, padding=1)


class ResNet(nn.Module):
    """Features of four scales.

    Args:
        depth: 50, 101 or 152. Raises WeightsError for another.
        stem_channels: of the stem's last convolution.
        res4_dilation, res5_dilation: 2 dilates a stage's convolutions instead of halving the picture there.
        res5_multi_grid: further dilation of each block of res5.
    """

    def __init__(
        self,
        depth: int,
        stem_channels: int,
        res4_dilation: int = 1,
        res5_dilation: int = 1,
        res5_multi_grid: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise WeightsError(f"no ResNet of depth {depth}; there are: {', '.join(map(str, BLOCKS))}")
        self.stem = Stem(stem_channels)
        dilations = (1, 1, res4_dilation, res5_dilation)
        channels = stem_channels
        for index, (blocks, dilation) in enumerate(zip(BLOCKS[depth], dilations)):
            grid = res5_multi_grid if index == 3 else (1,) * blocks
            stride = 1 if index == 0 or dilation > 1 else 2
            outputs = RES2_CHANNELS << index
            stage = nn.Sequential(
                *(
                    Bottleneck(
                        channels if first else outputs,
                        _RES2_INNER << index,
                        outputs,
                        stride if first else 1,
                        dilation * step,
                    )
                    for first, step in zip((True, *(False,) * (blocks - 1)), grid)
                )
            )
            self.add_module(f"res{index + 2}", stage)
            channels = outputs

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Features of normalised (N, 3, H, W): res2 (N, 256, H/4, W/4), res3, res4, res5, each half as large."""
        x = self.stem(x)
        features: dict[str, Tensor] = {}
        for name in ("res2", "res3", "res4", "res5"):
            x = self.get_submodule(name)(x)
            features[name] = x
        return features


def channels_of(name: str) -> int:
    """The number of channels of a scale."""
    return RES2_CHANNELS << (int(name.removeprefix("res")) - 2)


def frozen(network: nn.Module) -> nn.Module:
    """The network as it is used here: for inference alone."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()
