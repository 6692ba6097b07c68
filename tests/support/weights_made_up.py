"""Weights that mean nothing and are always the same, and networks of them small enough to be exported in a test."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import LIP
from pipeline.m2fp.config import M2fpConfig, configuration
from pipeline.m2fp.network import M2fp, build_m2fp, tensor_shapes
from pipeline.m2fp.weights import CHECKPOINT, CONFIGURATION, made_up_weights
from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"

SMALL = M2fpConfig(
    depth=50,
    stem_channels=32,
    width=64,
    heads=2,
    encoder_layers=1,
    encoder_ffn=128,
    decoder_layers=3,
    decoder_ffn=128,
    queries=20,
)
"""All kinds of layers, and each level looked at once."""
SMALL_SINGLE = replace(SMALL, classes=LIP.names, single_person=True, score_least=0.5)

Tensors = dict[str, NDArray[Any]]

# Threads of torch's spin as they wait for each other: where others use the machine, two are slower than one.
torch.set_num_threads(1)


def weights(config: M2fpConfig) -> Tensors:
    """By the rule that the golden files were made by."""
    return dict(_weights(config))


@cache
def _weights(config: M2fpConfig) -> Tensors:
    made: Tensors = made_up_weights(tensor_shapes(config))
    return made


def weights_that_see(config: M2fpConfig) -> Tensors:
    """By the same rule, but that the queries think of persons and parts, not mostly of nothing."""
    made = weights(config)
    name = "sem_seg_head.predictor.class_embed.bias"
    bias = made[name].copy()
    bias[-1] -= 2.0
    if config.has_human:
        bias[config.parts] += 2.5
    return made | {name: bias}


def network(config: M2fpConfig, tensors: Mapping[str, NDArray[Any]] | None = None) -> M2fp:
    """With the weights given, or those of the rule."""
    made = build_m2fp(config)
    given = weights(config) if tensors is None else tensors
    made.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in given.items()})
    return made


def write_model(folder: Path, config: M2fpConfig, tensors: Mapping[str, NDArray[Any]]) -> Path:
    """A folder as ModelScope makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIGURATION).write_text(json.dumps(configuration(config)))
    counted = {
        name: torch.tensor(0) if name.endswith("num_batches_tracked") else torch.from_numpy(tensor)
        for name, tensor in tensors.items()
    }
    optimizer = {"state": {0: {"exp_avg": torch.ones(7), "step": 3}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    torch.save({"model": counted, "optimizer": optimizer, "iteration": 7}, folder / CHECKPOINT)
    return folder


def golden(name: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)
