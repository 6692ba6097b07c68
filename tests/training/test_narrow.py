"""A network made narrower: what it answers stays as near as it can, and what says nothing costs nothing."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from pipeline import WeightsError  # noqa: E402
from training.network.encoder import Block  # noqa: E402
from training.network.lite_net import LiteNet, Shape  # noqa: E402
from training.network.narrow import narrowed  # noqa: E402

WIDE = Shape(width=0.25, expansion=6, deepest=16, deep=16, middle=16, fine=16, context_blocks=1)
NARROWER = replace(WIDE, expansion=4, middle=8, fine=8)


def network(shape: Shape = WIDE) -> LiteNet:
    torch.manual_seed(3)
    made = LiteNet(shape)
    with torch.no_grad():
        for each in made.parameters():
            if each.dim() == 1:
                each.normal_(0, 0.1)
    return made.eval()


def images(count: int = 3, seed: int = 5) -> list[Tensor]:
    noise = torch.Generator().manual_seed(seed)
    small = [torch.rand((2, 3, 12, 16), generator=noise) * 255 for _ in range(count)]
    return [each.repeat_interleave(8, 2).repeat_interleave(8, 3) for each in small]


def apart(one: LiteNet, other: LiteNet) -> float:
    """How far two networks' answers are from each other on pictures, as a share of how much they vary."""
    with torch.no_grad():
        pairs = [(a, b) for image in images(2, seed=9) for a, b in zip(one(image), other(image))]
    return max(float((a - b).std() / a.std()) for a, b in pairs)


def test_it_has_the_shape_that_was_asked_for() -> None:
    made = narrowed(network(), NARROWER, images())
    assert made.shape == NARROWER
    weights = {name: tuple(each.shape) for name, each in made.named_parameters()}
    assert weights == {name: tuple(each.shape) for name, each in LiteNet(NARROWER).named_parameters()}


def test_the_one_it_is_made_of_stays_as_it_was() -> None:
    wide = network()
    before = [each.clone() for each in wide.parameters()]
    narrowed(wide, NARROWER, images())
    for now, then in zip(wide.parameters(), before):
        torch.testing.assert_close(now, then, atol=0, rtol=0)


def test_channels_that_others_can_stand_in_for_cost_nothing() -> None:
    """Each channel inside a block is there twice, the second time half as strong and taken up otherwise."""
    wide = network()
    with torch.no_grad():
        for block in wide.encoder.modules():
            if isinstance(block, Block) and block.expand is not None:
                half = block.expand.out_channels // 2
                for layer in (block.expand, block.depthwise):
                    layer.weight[half:], layer.bias[half:] = layer.weight[:half], layer.bias[:half]
                block.project.weight[:, half:].normal_(0, 0.2)
    made = narrowed(wide, replace(WIDE, expansion=3), images())
    assert apart(wide, made) < 0.05


def test_those_that_stay_make_up_for_those_that_go() -> None:
    """Better than taking the same number away at random, or the same ones without making up for them."""
    wide = network()
    shape = replace(WIDE, expansion=5)
    made = narrowed(wide, shape, images(8))
    first = LiteNet(shape)
    with torch.no_grad():
        for theirs, ours in zip(first.parameters(), wide.parameters()):
            theirs.copy_(ours[tuple(slice(side) for side in theirs.shape)])
    assert apart(wide, made) < 0.5 * apart(wide, first)


@pytest.mark.parametrize("change", [{"expansion": 7}, {"middle": 24}, {"fine": 24}, {"deep": 8}, {"width": 0.125}])
def test_what_cannot_be_cut_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(WeightsError, match="cannot be made into"):
        narrowed(network(), replace(WIDE, **change), images())
