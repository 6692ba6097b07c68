"""Mixing: the mean of networks' weights, as a function and as a command."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import WeightsError
from pipeline.labels import CIHP
from training.commands.mix import main
from training.network.export import export
from training.network.lite_net import LiteNet, Shape
from training.network.mix import load_network, mixed

SMALL = Shape(width=0.25, expansion=2, deepest=16, deep=16, middle=8, fine=8, context_blocks=1)
COAT = CIHP.id_of("Coat")


def network(seed: int, shape: Shape = SMALL) -> LiteNet:
    torch.manual_seed(seed)
    return LiteNet(shape).eval()


def checkpoint(path: Path, average: LiteNet) -> Path:
    """As `Trainer.save` writes it; its other network is none of those that are mixed."""
    state = {"network": network(99).state_dict(), "average": average.state_dict(), "settings": {"shape": asdict(SMALL)}}
    torch.save(state | {"step": 1, "seconds": 1.0, "optimizer": {}, "faults": None}, path)
    return path


def weights(of: LiteNet) -> dict[str, np.ndarray]:
    return {name: each.numpy() for name, each in of.state_dict().items()}


def test_each_weight_is_the_mean_by_the_shares() -> None:
    one, other = network(1), network(2)
    found = weights(mixed([(one, 3.0), (other, 1.0)]))
    for name, ours in weights(one).items():
        np.testing.assert_allclose(found[name], 0.75 * ours + 0.25 * weights(other)[name], atol=1e-6)


def test_networks_of_different_shapes_have_no_mean() -> None:
    with pytest.raises(WeightsError, match=r"different shapes have no mean: .*context_blocks=1.*context_blocks=2"):
        mixed([(network(1), 1.0), (network(1, Shape(0.25, 2, 16, 16, 8, 8, context_blocks=2)), 1.0)])


def test_the_command_mixes_a_checkpoint_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = network(1), network(2)
    export(other, tmp_path / "b.onnx")
    checkpoint(tmp_path / "a.pt", one)
    out = tmp_path / "out.onnx"
    arguments = [
        f"{tmp_path / 'a.pt'}=3",
        str(tmp_path / "b.onnx"),
        "--shift",
        "Coat=-0.5",
        "--shift",
        "Background=.25",
    ]
    assert main(["--out", str(out), *arguments]) == 0
    said = capsys.readouterr().out
    assert "Background +0.25, Coat -0.50" in said
    assert "no int8 form" in said
    found, expected = weights(load_network(out)), weights(mixed([(one, 0.75), (other, 0.25)]))
    added = np.zeros(len(CIHP), np.float32)
    added[0], added[COAT] = 0.25, -0.5
    expected["parts.1.bias"] = expected["parts.1.bias"] + added
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, atol=2e-3, err_msg=name)  # most are stored as float16


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.onnx=0"], "'0' is no number above 0"),
        (["a.onnx=much"], "'much' is no number above 0"),
        (["a.onnx", "--shift", "Cape=1"], "no class 'Cape'; there are Background, Hat"),
        (["a.onnx", "--shift", "Coat=up"], "'up' is no number"),
        (["a.onnx", "--shifts", "0.3"], "--shifts: give the pack"),
        (["a.onnx", "--out", "none/out.onnx"], "--out: there is no folder none"),
    ],
)
def test_arguments_that_cannot_be(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", "out.onnx", *arguments])
    assert told in capsys.readouterr().err


def test_a_network_that_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out.onnx"), str(tmp_path / "none.onnx")]) == 1
    assert "cannot read" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()
