"""The encoder that training begins with: other people's weights, taken over exactly, and quick gradients."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from pipeline import WeightsError  # noqa: E402
from training.network.encoder import (  # noqa: E402
    DEVIATION,
    MEAN,
    STAGES,
    Encoder,
    SameConv,
    load_pretrained,
)

EXPANSION = 6


def made_up_weights() -> dict[str, Tensor]:
    """Of the shapes and names that the package has, normalisation and all."""
    torch.manual_seed(1)
    tensors: dict[str, Tensor] = {}

    def add(conv: str, norm: str, out: int, into: int, size: int) -> None:
        tensors[f"{conv}.weight"] = torch.randn(out, into, size, size) / (into * size * size) ** 0.5
        tensors[f"{norm}.weight"], tensors[f"{norm}.bias"] = torch.rand(out) + 0.5, torch.randn(out) * 0.1
        tensors[f"{norm}.running_mean"], tensors[f"{norm}.running_var"] = torch.randn(out) * 0.1, torch.rand(out) + 0.5

    add("_conv_stem", "_bn0", 32, 3, 3)
    into, number = 32, 0
    for stage in STAGES:
        for _ in range(stage.blocks):
            wide, name = into * (EXPANSION if number else 1), f"_blocks.{number}."
            if number > 0:
                add(f"{name}_expand_conv", f"{name}_bn0", wide, into, 1)
            add(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, stage.size)
            add(f"{name}_project_conv", f"{name}_bn2", stage.channels, wide, 1)
            into, number = stage.channels, number + 1
    return tensors


def answered(weights: dict[str, Tensor], image: Tensor) -> Tensor:
    """The last stage's answer, as the paper's network gives it, with TensorFlow's edges."""

    def layer(x: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        weight = weights[f"{conv}.weight"]
        size, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        over = max(0, (-(-x.shape[2] // stride) - 1) * stride + size - x.shape[2])
        x = functional.pad(x, (over // 2, over - over // 2, over // 2, over - over // 2))
        stats = (weights[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(functional.conv2d(x, weight, None, stride, groups=groups), *stats, eps=1e-3)

    x = functional.relu6(layer((image - MEAN) / DEVIATION, "_conv_stem", "_bn0", 2))
    number = 0
    for stage in STAGES:
        for index in range(stage.blocks):
            name, before = f"_blocks.{number}.", x
            if number > 0:
                x = functional.relu6(layer(x, f"{name}_expand_conv", f"{name}_bn0"))
            stride = stage.stride if index == 0 else 1
            x = functional.relu6(layer(x, f"{name}_depthwise_conv", f"{name}_bn1", stride))
            x = layer(x, f"{name}_project_conv", f"{name}_bn2")
            x = x + before if index else x
            number += 1
    return x


def test_weights_of_a_normalised_network_answer_the_same_without_normalisation(tmp_path: Path) -> None:
    weights = made_up_weights()
    torch.save(weights, tmp_path / "w.pth")
    encoder = Encoder()
    load_pretrained(encoder, tmp_path / "w.pth")
    image = torch.rand(1, 3, 96, 64) * 255
    with torch.no_grad():
        ours = encoder(image)
        theirs = answered(weights, image)
    assert [tuple(each.shape[1:]) for each in ours] == [(24, 24, 16), (40, 12, 8), (112, 6, 4), (320, 3, 2)]
    torch.testing.assert_close(ours[-1], theirs, atol=1e-3, rtol=1e-3)


def test_what_is_missing_or_misshapen_is_named(tmp_path: Path) -> None:
    weights = made_up_weights()
    lacking = {name: each for name, each in weights.items() if name != "_blocks.3._bn1.bias"}
    torch.save(lacking, tmp_path / "lacking.pth")
    with pytest.raises(WeightsError, match=r"lacking\.pth has no tensor '_blocks\.3\._bn1\.bias'"):
        load_pretrained(Encoder(), tmp_path / "lacking.pth")
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"_conv_stem is \(32, 3, 3, 3\), not \(16, 3, 3, 3\)"):
        load_pretrained(Encoder(width=0.5), tmp_path / "w.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(WeightsError, match=r"broken\.pth"):
        load_pretrained(Encoder(), tmp_path / "broken.pth")


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_gradients_of_depthwise_convolutions_are_those_of_torch(size: int, stride: int) -> None:
    layer = SameConv(8, 8, size, stride, groups=8)
    image, towards = torch.randn(2, 8, 16, 16), torch.randn(2, 8, 16 // stride, 16 // stride)

    def gradients(run: Any) -> tuple[Tensor, ...]:
        x = image.clone().requires_grad_()
        found: tuple[Tensor, ...] = torch.autograd.grad((run(x) * towards).sum(), (x, layer.bias))
        return found

    def plain(x: Tensor) -> Tensor:
        padded = x if layer.uneven is None else functional.pad(x, layer.uneven)
        return nn.Conv2d.forward(layer, padded)

    for ours, theirs in zip(gradients(layer), gradients(plain), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
