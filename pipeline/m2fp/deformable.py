"""Multi-scale deformable attention ("Deformable DETR", arXiv 2010.04159), of a pyramid of features to itself.

Every cell of every level looks at a few points of every level, around its own place there, and adds up what
it finds. Where to look and how much it counts are linear functions of the cell's own features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.m2fp.config import POINTS


class DeformableSampling(nn.Module):
    """Looks up the places and adds up what is there. No weights: a kernel may stand in for it.

    The plain way, to be held against: one bilinear look-up a level, summed level by level.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, values: Tensor, offsets: Tensor, logits: Tensor, shapes: Tensor) -> Tensor:
        """Samples for all T cells of all levels, level after level, row after row.

        Args:
            values: (N, T, C), what there is to be seen; a head sees its own C / heads channels.
            offsets: (N, T, heads * levels * POINTS * 2), (x, y) in cells of the level looked at, from the place
                there of the cell that looks.
            logits: (N, T, heads * levels * POINTS); their softmax over a head's points is how much each counts.
            shapes: int64 (levels, 2), height and width of each level.

        Returns:
            (N, T, C).
        """
        batch, tokens, channels = values.shape
        sizes = [(int(h), int(w)) for h, w in shapes.tolist()]
        levels = len(sizes)
        weights = logits.view(batch, tokens, self.heads, levels * POINTS).softmax(-1)
        weights = weights.transpose(1, 2).reshape(batch * self.heads, 1, tokens, levels, POINTS)
        offsets = offsets.view(batch, tokens, self.heads, levels, POINTS, 2)
        centres = reference_points(sizes).to(offsets)[None, :, None, None, :]  # (1, T, 1, 1, 2)
        per_head = values.view(batch, tokens, self.heads, -1).permute(0, 2, 3, 1).flatten(0, 1)  # (N * heads, c, T)
        seen = values.new_zeros(batch * self.heads, channels // self.heads, tokens)
        starts = [sum(h * w for h, w in sizes[:level]) for level in range(levels)]
        for level, ((height, width), start) in enumerate(zip(sizes, starts)):
            picture = per_head[:, :, start : start + height * width].reshape(*per_head.shape[:2], height, width)
            places = centres + offsets[:, :, :, level] / offsets.new_tensor([width, height])
            grid = 2 * places.transpose(1, 2).flatten(0, 1) - 1  # (N * heads, T, POINTS, 2) in [-1, 1]
            found = F.grid_sample(picture, grid, align_corners=False)
            seen = seen + (found * weights[:, :, :, level]).sum(-1)
        return seen.view(batch, channels, tokens).transpose(1, 2)


class DeformableAttention(nn.Module):
    def __init__(self, width: int, heads: int, levels: int) -> None:
        super().__init__()
        self.sampling_offsets = nn.Linear(width, heads * levels * POINTS * 2)
        self.attention_weights = nn.Linear(width, heads * levels * POINTS)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self.sampling = DeformableSampling(heads)

    def forward(self, tokens: Tensor, positions: Tensor, shapes: Tensor) -> Tensor:
        """Tokens (N, T, C) and their position codes (1, T, C) to (N, T, C)."""
        placed = tokens + positions
        seen = self.sampling(
            self.value_proj(tokens), self.sampling_offsets(placed), self.attention_weights(placed), shapes
        )
        attended: Tensor = self.output_proj(seen)
        return attended


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, levels: int, ffn: int) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(width, heads, levels)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, ffn)
        self.linear2 = nn.Linear(ffn, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, positions: Tensor, shapes: Tensor) -> Tensor:
        tokens = self.norm1(tokens + self.self_attn(tokens, positions, shapes))
        further: Tensor = self.norm2(tokens + self.linear2(F.relu(self.linear1(tokens))))
        return further


def reference_points(sizes: Sequence[tuple[int, int]]) -> Tensor:
    """The centre of each cell of each level as (x, y) in [0, 1]: float32 (T, 2)."""
    return torch.cat([_centres(height, width) for height, width in sizes])


def _centres(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    return torch.stack((x, y), -1).flatten(0, 1)


def sine_positions(height: int, width: int, channels: int) -> Tensor:
    """Positions of the cells as sines and cosines of row and column: float32 (height * width, channels).

    As in DETR (arXiv 2005.12872), appendix A.4: the first half of the channels tells the row and the second the
    column, both scaled to end at 2 pi.
    """
    each = channels // 2
    steps = 10000 ** (2 * torch.div(torch.arange(each), 2, rounding_mode="floor") / each)
    codes = []
    for cells in (height, width):
        along = (torch.arange(cells) + 1) / (cells + 1e-6) * (2 * torch.pi)
        angles = along[:, None] / steps
        codes.append(torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), 2).flatten(1))
    rows, columns = codes
    return torch.cat((rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)), dim=2).flatten(0, 1)
