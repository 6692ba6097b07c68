"""The numbers that make one M2FP network, and how ModelScope writes them down."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import WeightsError
from pipeline.labels import CIHP_HUMAN, LIP

STRIDE = 4
"""Masks are so many times smaller than the input."""
POINTS = 4
"""Sampling points of a cell of the pixel decoder in each level, for each head."""
HEAD_CHANNELS = 32
"""Channels of each head."""


@dataclass(frozen=True, slots=True)
class M2fpConfig:
    """One M2FP network. The defaults are those of ModelScope's multi-person model."""

    classes: tuple[str, ...] = CIHP_HUMAN.names
    """Names of the classes, in the order of the class scores; the scores have one more, for "no object"."""
    parts: int = 20
    """Number of classes that are parts, background included; the class after them is a whole person."""
    single_person: bool = False
    """Trained on pictures of one person each, which are shown centred on grey and never enlarged."""
    score_least: float = 0.3
    """Masks of a lower score are left out when masks of a class are put together."""

    depth: int = 101
    """Depth of the ResNet: 50, 101 or 152."""
    stem_channels: int = 128
    res4_dilation: int = 1
    """2 keeps res4 at the stride of res3."""
    res5_dilation: int = 1
    res5_multi_grid: tuple[int, int, int] = (1, 1, 1)
    """Further dilation of the three blocks of res5."""

    width: int = 256
    """Channels of the pixel decoder, the queries and the mask features."""
    heads: int = 8
    encoder_layers: int = 6
    encoder_ffn: int = 1024
    decoder_layers: int = 9
    decoder_ffn: int = 2048
    queries: int = 100

    @property
    def has_human(self) -> bool:
        """True if there is a class for a whole person."""
        return self.parts < len(self.classes)


MULTI_PERSON = M2fpConfig()
SINGLE_PERSON = M2fpConfig(classes=LIP.names, single_person=True, score_least=0.5)


def read_configuration(path: Path) -> M2fpConfig:
    """Reads a ModelScope `configuration.json`.

    Raises:
        WeightsError: the file is missing, is no such configuration, or asks for what this network does not have.
    """
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
        if model["type"] != "m2fp":
            raise WeightsError(f"{path} configures a model of type {model['type']!r}, not 'm2fp'")
        return _config(model)
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc.strerror}") from exc
    except KeyError as exc:
        raise WeightsError(f"{path} has no {exc}; it is not the configuration of an M2FP model") from exc
    except (ValueError, TypeError, AttributeError) as exc:
        raise WeightsError(f"{path} is not the configuration of an M2FP model: {exc}") from exc


def configuration(config: M2fpConfig) -> dict[str, Any]:
    """What ModelScope writes down of a network: the content of its `configuration.json`."""
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


def _config(model: dict[str, Any]) -> M2fpConfig:
    backbone, encoder, decoder = model["backbone"], model["encoder"], model["decoder"]
    _refuse_what_differs(
        {
            "backbone.out_features": (backbone["out_features"], ["res2", "res3", "res4", "res5"]),
            "backbone.num_groups": (backbone["num_groups"], 1),
            "backbone.width_per_group": (backbone["width_per_group"], 64),
            "backbone.res2_out_channels": (backbone["res2_out_channels"], 256),
            "backbone.stride_in_1x1": (backbone["stride_in_1x1"], False),
            "encoder.transformer_in_features": (encoder["transformer_in_features"], ["res3", "res4", "res5"]),
            "encoder.common_stride": (encoder["common_stride"], STRIDE),
            "encoder.mask_dim": (encoder["mask_dim"], encoder["conv_dim"]),
            "encoder.transformer_nheads": (encoder["transformer_nheads"], decoder["nheads"]),
            "encoder.conv_dim": (encoder["conv_dim"], HEAD_CHANNELS * encoder["transformer_nheads"]),
            "decoder.hidden_dim": (decoder["hidden_dim"], encoder["conv_dim"]),
            "decoder.mask_dim": (decoder["mask_dim"], encoder["conv_dim"]),
            "decoder.pre_norm": (decoder["pre_norm"], False),
            "decoder.enforce_input_project": (decoder["enforce_input_project"], False),
            "decoder.num_classes": (decoder["num_classes"], len(model["classes"])),
        }
    )
    grid = tuple(int(each) for each in backbone["res5_multi_grid"])
    if len(grid) != 3:
        raise ValueError(f"backbone.res5_multi_grid has {len(grid)} numbers, not 3")
    return M2fpConfig(
        classes=tuple(str(name) for name in model["classes"]),
        parts=int(model.get("num_parsing") or len(model["classes"])),
        single_person=bool(model.get("single_human", True)),
        score_least=float(model.get("parsing_ins_score_thr", 0.5)),
        depth=int(backbone["depth"]),
        stem_channels=int(backbone["stem_out_channels"]),
        res4_dilation=int(backbone["res4_dilation"]),
        res5_dilation=int(backbone["res5_dilation"]),
        res5_multi_grid=grid,
        width=int(encoder["conv_dim"]),
        heads=int(encoder["transformer_nheads"]),
        encoder_layers=int(encoder["transformer_enc_layers"]),
        encoder_ffn=int(encoder["transformer_dim_feedforward"]),
        decoder_layers=int(decoder["dec_layers"]),
        decoder_ffn=int(decoder["dim_feedforward"]),
        queries=int(decoder["num_queries"]),
    )


def _refuse_what_differs(known: dict[str, tuple[object, object]]) -> None:
    for name, (found, wanted) in known.items():
        if found != wanted:
            raise WeightsError(f"configuration asks for {name} = {found!r}; this network has {wanted!r}")
