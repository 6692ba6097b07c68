"""The pixel decoder of Mask2Former (arXiv 2112.01527): features of all scales told of each other."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.deformable import EncoderLayer, sine_positions
from pipeline.m2fp.resnet import channels_of

LEVELS = ("res5", "res4", "res3")
"""The scales that the encoder sees, coarsest first."""
_GROUPS = 32


class ConvGroupNorm(nn.Conv2d):
    """A convolution without bias, and the normalisation that follows it."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(super().forward(x))
        return normed


class Encoder(nn.Module):
    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(config.width, config.heads, len(LEVELS), config.encoder_ffn)
            for _ in range(config.encoder_layers)
        )


class Transformer(nn.Module):
    """Deformable attention of all cells of all levels to each other."""

    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        self.level_embed = nn.Parameter(torch.zeros(len(LEVELS), config.width))
        self.encoder = Encoder(config)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Features (N, C, h, w), coarsest first, to features of the same shapes."""
        sizes = [(level.shape[2], level.shape[3]) for level in levels]
        counts = [height * width for height, width in sizes]
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], dim=1)  # (N, T, C)
        codes = [
            sine_positions(*size, channels=tokens.shape[2]) + embed for size, embed in zip(sizes, self.level_embed)
        ]
        positions = torch.cat(codes)[None]  # (1, T, C)
        shapes = torch.tensor(sizes)
        for layer in self.encoder.layers:
            tokens = layer(tokens, positions, shapes)
        parts = torch.split(tokens.transpose(1, 2), counts, dim=2)
        return [part.reshape(*part.shape[:2], *size) for part, size in zip(parts, sizes)]


class PixelDecoder(nn.Module):
    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        width = config.width
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels_of(name), width, 1), nn.GroupNorm(_GROUPS, width)) for name in LEVELS
        )
        self.transformer = Transformer(config)
        self.mask_features = nn.Conv2d(width, width, 1)
        self.adapter_1 = ConvGroupNorm(channels_of("res2"), width, 1)
        self.layer_1 = ConvGroupNorm(width, width, 3)

    def forward(self, features: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
        """Of the backbone's features.

        Returns:
            Features (N, C, h, w) of `LEVELS`, coarsest first, and (N, C, H/4, W/4), of which `mask_features` makes
            what masks are made of.
        """
        levels = self.transformer([proj(features[name]) for name, proj in zip(LEVELS, self.input_proj)])
        fine = self.adapter_1(features["res2"])
        fine = fine + F.interpolate(levels[-1], size=fine.shape[2:], mode="bilinear", align_corners=False)
        return levels, F.relu(self.layer_1(fine))
