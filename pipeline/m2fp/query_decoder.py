"""The query decoder of Mask2Former (arXiv 2112.01527): queries that look where their own mask is."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.deformable import sine_positions
from pipeline.m2fp.pixel_decoder import LEVELS


class Attention(nn.Module):
    """Attention of several heads ("Attention Is All You Need", arXiv 1706.03762)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Queries (N, Q, C), keys and values (N, T, C) to (N, Q, C).

        Args:
            blocked: float (N, Q, T), added to the scores: 0, or minus infinity where a query must not look.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            self._heads(F.linear(each, weight, bias))
            for each, weight, bias in zip((queries, keys, values), weights, biases)
        )  # (N, heads, Q or T, C / heads)
        scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3)  # (N, heads, Q, T)
        if blocked is not None:
            scores = scores + blocked[:, None]
        attended: Tensor = self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return attended

    def _heads(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        return x.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)


class CrossAttentionLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = Attention(width, heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, places: Tensor, keys: Tensor, values: Tensor, blocked: Tensor) -> Tensor:
        further: Tensor = self.norm(queries + self.multihead_attn(queries + places, keys, values, blocked))
        return further


class SelfAttentionLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, places: Tensor) -> Tensor:
        placed = queries + places
        further: Tensor = self.norm(queries + self.self_attn(placed, placed, queries))
        return further


class FeedForwardLayer(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, inner)
        self.linear2 = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        further: Tensor = self.norm(x + self.linear2(F.relu(self.linear1(x))))
        return further


class MaskEmbedding(nn.Module):
    """Three linear layers: from a query to the mask features that it answers to."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.layers
        embedded: Tensor = third(F.relu(second(F.relu(first(x)))))
        return embedded


class QueryDecoder(nn.Module):
    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        width, heads, layers = config.width, config.heads, config.decoder_layers
        self.transformer_self_attention_layers = nn.ModuleList(SelfAttentionLayer(width, heads) for _ in range(layers))
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(width, heads) for _ in range(layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(FeedForwardLayer(width, config.decoder_ffn) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.query_feat = nn.Embedding(config.queries, width)
        self.query_embed = nn.Embedding(config.queries, width)
        self.level_embed = nn.Embedding(len(LEVELS), width)
        self.class_embed = nn.Linear(width, len(config.classes) + 1)
        self.mask_embed = MaskEmbedding(width)

    def forward(self, levels: list[Tensor], fine: Tensor, to_masks: nn.Conv2d) -> tuple[Tensor, Tensor]:
        """Class scores and masks.

        Masks are the product of each query's embedding with mask features. Where a query may look is its mask at
        the size of the level looked at, and since making mask features, enlarging, shrinking and the product are
        all linear, the features are shrunk once a level instead of each mask once a layer, and the 1x1
        convolution that makes them is applied to a hundred embeddings instead of to every pixel.

        Args:
            levels: (N, C, h, w) each, coarsest first.
            fine: (N, C, H/4, W/4).
            to_masks: the convolution that makes mask features of `fine`.

        Returns:
            (N, Q, classes + 1) and (N, Q, H/4, W/4), logits.
        """
        sizes = [(level.shape[2], level.shape[3]) for level in levels]
        shrunk = [F.interpolate(fine, size=size, mode="bilinear", align_corners=False).flatten(2) for size in sizes]
        values = [level.flatten(2).transpose(1, 2) + embed for level, embed in zip(levels, self.level_embed.weight)]
        keys = [value + sine_positions(*size, channels=value.shape[2]) for value, size in zip(values, sizes)]
        places = self.query_embed.weight[None]  # (1, Q, C)
        queries = self.query_feat.weight[None].expand(fine.shape[0], -1, -1)  # (N, Q, C)
        layers = zip(
            self.transformer_cross_attention_layers, self.transformer_self_attention_layers, self.transformer_ffn_layers
        )
        for index, (cross, own, feed_forward) in enumerate(layers):
            level = index % len(LEVELS)
            blocked = _blocked(self._masks(queries, shrunk[level], to_masks))
            queries = cross(queries, places, keys[level], values[level], blocked)
            queries = feed_forward(own(queries, places))
        masks = self._masks(queries, fine.flatten(2), to_masks)
        return self.class_embed(self.decoder_norm(queries)), masks.view(*masks.shape[:2], *fine.shape[2:])

    def _masks(self, queries: Tensor, fine: Tensor, to_masks: nn.Conv2d) -> Tensor:
        """Mask logits (N, Q, P) of queries (N, Q, C) over features (N, C, P)."""
        embedded = self.mask_embed(self.decoder_norm(queries))
        assert to_masks.bias is not None
        embedding = embedded @ to_masks.weight.flatten(1)
        masks: Tensor = embedding @ fine + (embedded @ to_masks.bias)[..., None]
        return masks


def _blocked(masks: Tensor) -> Tensor:
    """Minus infinity where a query's mask is not, 0 elsewhere; a query without any mask looks everywhere.

    Without the exception a softmax over nothing would make its query NaN, and through attention all others.
    """
    outside = masks < 0
    outside = outside & ~outside.all(dim=-1, keepdim=True)
    return torch.zeros_like(masks).masked_fill(outside, float("-inf"))
