"""Weights that mean nothing and are always the same, and networks of them small enough to be exported in a test."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import LIP
from pipeline.m2fp.config import STRIDE, M2fpConfig
from pipeline.m2fp.network import M2fp, build_m2fp, tensor_shapes
from pipeline.m2fp.weights import CHECKPOINT, CONFIGURATION
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


def _script() -> Any:
    """The rule that the golden files were made by, from where they are made."""
    spec = spec_from_file_location("modelscope_m2fp", ROOT / "scripts" / "modelscope_m2fp.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def weights(config: M2fpConfig) -> Tensors:
    """By the rule that the golden files were made by."""
    return dict(_weights(config))


@cache
def _weights(config: M2fpConfig) -> Tensors:
    made: Tensors = _script().made_up_weights(tensor_shapes(config))
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


def configuration(config: M2fpConfig) -> dict[str, Any]:
    """What ModelScope writes down of it."""
    model = {
        "type": "m2fp",
        "pretrained": True,
        "backbone": {
            "out_features": ["res2", "res3", "res4", "res5"],
            "depth": config.depth,
            "num_groups": 1,
            "width_per_group": 64,
            "norm": "BN",
            "stem_out_channels": config.stem_channels,
            "res2_out_channels": 256,
            "stride_in_1x1": False,
            "res4_dilation": config.res4_dilation,
            "res5_dilation": config.res5_dilation,
            "res5_multi_grid": config.res5_multi_grid,
        },
        "encoder": {
            "in_features": ["res2", "res3", "res4", "res5"],
            "transformer_in_features": ["res3", "res4", "res5"],
            "transformer_dropout": 0.0,
            "transformer_nheads": config.heads,
            "transformer_dim_feedforward": config.encoder_ffn,
            "transformer_enc_layers": config.encoder_layers,
            "conv_dim": config.width,
            "mask_dim": config.width,
            "common_stride": STRIDE,
        },
        "decoder": {
            "num_classes": len(config.classes),
            "hidden_dim": config.width,
            "num_queries": config.queries,
            "nheads": config.heads,
            "dim_feedforward": config.decoder_ffn,
            "dec_layers": config.decoder_layers,
            "pre_norm": False,
            "mask_dim": config.width,
            "enforce_input_project": False,
        },
        "classes": config.classes,
        "num_parsing": config.parts if config.has_human else None,
        "single_human": config.single_person,
        "parsing_ins_score_thr": config.score_least,
    }
    return {"framework": "pytorch", "task": "image-segmentation", "model": model}


def golden(name: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)
