"""A trained network made narrower: the channels that say least go, and those that stay make up for them.

Which channels of a layer's input can go is seen from what comes in on pictures: one that the others can stand in for
costs little. The way of "Optimal Brain Surgeon" (Hassibi and Stork, 1993), a channel at a time: with H the second
moments of the input, taking away channel c costs w_c (H^-1_cc)^-1 w_c, and the weights of all others are changed so
that the layer's answer changes least. Training goes on from there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from pipeline.errors import WeightsError
from training.network.encoder import Block, SameConv
from training.network.lite_net import LiteNet, Shape

_DAMPING = 1e-3
"""Of the mean of H's diagonal, added to it: moments of a few pictures are not those of all."""
_POSITIONS = 2_000
"""Of a picture, at which inputs are looked at: neighbours see nearly the same."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Channels that can go: who makes them, and who takes them up, from which of their input's channels on."""

    makers: tuple[nn.Conv2d, ...]
    takers: tuple[nn.Conv2d, ...]
    first: int
    there: int
    kept: int


@torch.no_grad()
def narrowed(network: LiteNet, shape: Shape, images: Iterable[Tensor]) -> LiteNet:
    """A network of smaller `expansion`, `middle` or `fine` that answers as much like this one as it can.

    Args:
        network: one that was trained.
        shape: of the new one.
        images: float32 (n, 3, H, W), such as it is trained on.

    Raises:
        WeightsError: the new one would be wider, or of another shape in something else.
    """
    old = network.shape
    alike = replace(shape, expansion=old.expansion, middle=old.middle, fine=old.fine) == old
    if not alike or shape.expansion > old.expansion or shape.middle > old.middle or shape.fine > old.fine:
        raise WeightsError(f"{old} cannot be made into {shape}")
    cut = _copied(network)
    cuts = _cuts(cut, shape)
    inputs = dict.fromkeys(each.takers for each in cuts)
    moments = _moments(cut, [takers[0] for takers in inputs], images)
    for takers in inputs:
        _make_narrower([each for each in cuts if each.takers == takers], moments[takers[0]])
    new = LiteNet(shape).to(next(network.parameters()).device)
    new.load_state_dict(cut.state_dict())
    return new


def _copied(network: LiteNet) -> LiteNet:
    copied = LiteNet(network.shape).to(next(network.parameters()).device)
    copied.load_state_dict(network.state_dict())
    return copied.eval()


def _cuts(network: LiteNet, shape: Shape) -> list[_Cut]:
    cuts = []
    for block in network.encoder.modules():
        if isinstance(block, Block) and block.expand is not None:
            there = block.expand.out_channels
            kept = block.expand.in_channels * shape.expansion
            cuts.append(_Cut((block.expand, block.depthwise), (block.project,), 0, there, kept))
    old, eighth, quarter = network.shape, _convs(network.to_eighth), _convs(network.to_quarter)
    parts, people = _convs(network.parts), _convs(network.people)
    heads = (parts[0], people[0])
    return [
        *cuts,
        _Cut(eighth[:1], eighth[1:], old.deep, old.middle // 2, shape.middle // 2),
        _Cut(eighth[1:], quarter[1:], 0, old.middle, shape.middle),
        _Cut(quarter[:1], quarter[1:], old.middle, old.middle // 2, shape.middle // 2),
        _Cut(quarter[1:], heads, 0, old.fine, shape.fine),
        _Cut(parts[:1], parts[1:], 0, old.fine, shape.fine),
        _Cut(people[:1], people[1:], 0, old.fine // 2, shape.fine // 2),
    ]


def _convs(module: nn.Module) -> tuple[nn.Conv2d, ...]:
    """Its two, in the order in which they run."""
    return tuple(each for each in module.modules() if isinstance(each, nn.Conv2d))


def _moments(network: LiteNet, takers: list[nn.Conv2d], images: Iterable[Tensor]) -> dict[nn.Conv2d, Tensor]:
    """Of each layer's input, and of a 1 beside it that stands for the bias: float64 (n + 1, n + 1), n numbers in."""
    sums: dict[nn.Conv2d, Tensor] = {}

    def add(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        seen = functional.unfold(inputs[0].float(), layer.kernel_size, padding=layer.padding)  # type: ignore[arg-type]
        every = max(1, seen.shape[2] // _POSITIONS)
        flat = seen[:, :, ::every].transpose(1, 2).reshape(-1, seen.shape[1]).double()
        flat = torch.cat([flat, flat.new_ones(len(flat), 1)], 1)
        sums[layer] = sums.get(layer, 0) + flat.T @ flat

    hooks: list[RemovableHandle] = [each.register_forward_pre_hook(add) for each in dict.fromkeys(takers)]
    for image in images:
        network(image)
    for hook in hooks:
        hook.remove()
    return sums


def _make_narrower(cuts: list[_Cut], moments: Tensor) -> None:
    """Takes channels out of one layer's input, and out of what makes them."""
    takers = cuts[0].takers
    size = takers[0].kernel_size
    each = size[0] * size[1]
    damped = moments + torch.eye(len(moments), dtype=moments.dtype) * moments.diagonal().mean() * _DAMPING
    inverse = torch.linalg.inv(damped)
    weights = torch.cat([_with_bias(taker) for taker in takers])
    gone: list[int] = []
    for cut in cuts:
        there = list(range(cut.first, cut.first + cut.there))
        for _ in range(cut.there - cut.kept):
            worst = min(there, key=_prices(weights, inverse, there, each).__getitem__)
            _remove(weights, inverse, worst, each)
            there.remove(worst)
            gone.append(worst)
        for maker in cut.makers:
            _keep_out(maker, [channel - cut.first for channel in there])
    kept = [channel for channel in range(takers[0].in_channels) if channel not in gone]
    for taker, theirs in zip(takers, torch.split(weights, [taker.out_channels for taker in takers])):
        taker.in_channels = len(kept)
        taker.weight = nn.Parameter(theirs[:, :-1].reshape(taker.out_channels, -1, *size)[:, kept].float())
        taker.bias = nn.Parameter(theirs[:, -1].float())


def _with_bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1).double()


def _prices(weights: Tensor, inverse: Tensor, channels: list[int], each: int) -> dict[int, float]:
    """What each channel's going would cost."""
    where = torch.tensor(channels)[:, None] * each + torch.arange(each)  # (channels, each)
    own = torch.linalg.inv(inverse[where[:, :, None], where[:, None, :]])  # (channels, each, each)
    theirs = weights[:, where]  # (out, channels, each)
    prices = torch.einsum("oca,cab,ocb->c", theirs, own, theirs)
    return dict(zip(channels, prices.tolist()))


def _remove(weights: Tensor, inverse: Tensor, channel: int, each: int) -> None:
    """Takes a channel away, in place: the others make up for it, and it is as if it had never come in."""
    where = slice(channel * each, (channel + 1) * each)
    own = torch.linalg.inv(inverse[where, where])
    rows = inverse[where].clone()
    weights -= weights[:, where] @ own @ rows
    inverse -= rows.T @ own @ rows
    weights[:, where] = 0.0
    # Nothing has to do with it any more; a 1 in its place, so that it can be inverted.
    inverse[where], inverse[:, where] = 0.0, 0.0
    inverse[where, where] = torch.eye(each, dtype=inverse.dtype)


def _keep_out(maker: nn.Conv2d, kept: list[int]) -> None:
    """Leaves only some of the channels that a layer answers with."""
    assert maker.bias is not None
    maker.weight = nn.Parameter(maker.weight[kept])
    maker.bias = nn.Parameter(maker.bias[kept])
    maker.out_channels = len(kept)
    if isinstance(maker, SameConv) and maker.groups > 1:
        maker.groups = maker.in_channels = len(kept)
