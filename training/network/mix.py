"""The mean of networks' weights: of two that were trained from one another it often sees better than either."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.errors import WeightsError
from training.network.lite_net import LiteNet, Shape
from training.network.weights import load_onnx
from training.train import read_checkpoint


def load_network(path: Path) -> LiteNet:
    """The network of a file that `export` wrote, or the average of a checkpoint of `Trainer.save` (.pt).

    Raises:
        WeightsError: it cannot be read, or is neither.
    """
    if path.suffix != ".pt":
        return load_onnx(path)
    state = read_checkpoint(path, torch.device("cpu"))
    network = LiteNet(Shape(**state["settings"]["shape"]))
    network.load_state_dict(state["average"])
    return network


def mixed(parts: Sequence[tuple[LiteNet, float]]) -> LiteNet:
    """A network whose weights are the mean of those of others, each with its share.

    Args:
        parts: at least one; shares above 0, of any sum.

    Raises:
        WeightsError: they are not all of the same shape.
    """
    first = parts[0][0]
    total = sum(share for _, share in parts)
    for network, _ in parts:
        if network.shape != first.shape:
            raise WeightsError(f"networks of different shapes have no mean: {first.shape} and {network.shape}")
    states = [(network.state_dict(), share / total) for network, share in parts]
    mean = LiteNet(first.shape)
    mean.load_state_dict({name: sum(share * state[name] for state, share in states) for name in states[0][0]})
    return mean
