"""M2FP as a parser: ModelScope's weights, exported for one input size and run by OpenVINO."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import RuntimeUnavailable, WeightsError
from pipeline.geometry import Size
from pipeline.labels import CIHP, LIP, LabelSet
from pipeline.m2fp import graph
from pipeline.m2fp.checkpoint import Shapes
from pipeline.m2fp.config import M2fpConfig, read_configuration
from pipeline.m2fp.decode import decode
from pipeline.m2fp.download import Pulled, pull
from pipeline.m2fp.export import NEEDS_TORCH, exported
from pipeline.m2fp.masks import masks
from pipeline.m2fp.weights import CONFIGURATION, SAFETENSORS, WEIGHTS, Folder, find, import_weights
from pipeline.model import Model
from pipeline.network.cache import digest_of
from pipeline.network.letterbox import Letterbox
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Network, compile_network

MULTI_PIXELS = 480 * 640
"""ModelScope takes 640 pixels for the short side, which costs twice the time of this."""
SINGLE_PIXELS = 512 * 384


def m2fp_model(name: str, model_dir: Path | None = None) -> Model:
    """One of ModelScope's two models.

    Args:
        name: one of `WEIGHTS`.
        model_dir: a folder with its weights, as ModelScope makes it; None is where `pull` puts them.

    Raises:
        WeightsError: the weights are not there, or their configuration is of another network.
    """
    folder = find(name, model_dir)
    config = read_configuration(folder.path / CONFIGURATION)
    return Model(
        name=name,
        about=WEIGHTS[name].about,
        label_set=label_set_of(config),
        pixels=SINGLE_PIXELS if config.single_person else MULTI_PIXELS,
        compile=lambda size, options: _compiled(folder, config, size, options),
        decode=lambda answer, fit, picture: decode(answer.outputs[0], answer.outputs[1], fit, config),
        masks=lambda answer, fit: masks(answer.outputs[0], answer.outputs[1], fit, config),
        weights=lambda: digest_of(import_weights(folder) / SAFETENSORS),
        fit=Letterbox.centred if config.single_person else Letterbox.into,
    )


def pull_weights(name: str, *, accept_license: bool) -> Pulled:
    """Fetches weights from ModelScope into the cache. Some 723 MB, of which 253 stay.

    Args:
        name: `m2fp` or `m2fp-single`.
        accept_license: of the weights, which are for non-commercial use only.

    Raises:
        UnknownName: no such weights.
        WeightsError: the licence is not accepted, they cannot be had or stored, or are not what they should be.
        RuntimeUnavailable: torch, which knows what they should be, or ModelScope's client is not installed.
    """
    # Before the download and not after it; but what the licence says comes first.
    if accept_license and find_spec("torch") is None:
        raise RuntimeUnavailable(NEEDS_TORCH)
    return pull(name, shapes=_tensor_shapes, accept_license=accept_license)


def _tensor_shapes(config: M2fpConfig) -> Shapes:
    from pipeline.m2fp.network import tensor_shapes

    return tensor_shapes(config)


def label_set_of(config: M2fpConfig) -> LabelSet:
    """The parts that a network tells apart, without its class for whole persons.

    Raises WeightsError if their number is not that of a label set whose colours and sides are known.
    """
    names = config.classes[: config.parts]
    for known in (LIP, CIHP):
        if known.names == names:
            return known
    if len(names) != len(CIHP):
        raise WeightsError(
            f"the configuration names {len(names)} parts; only {len(CIHP)} are supported, as in CIHP and LIP"
        )
    # Other spellings of the same parts: the order is what the weights fix.
    classes = tuple(replace(known, name=name, twin="") for known, name in zip(CIHP.classes, names))
    return LabelSet("m2fp", classes)


def _compiled(folder: Folder, config: M2fpConfig, size: Size, options: RunOptions) -> Network:
    if options.runtime != "openvino":
        raise RuntimeUnavailable(
            f"M2FP runs on runtime openvino only, not on {options.runtime}: its sampling is a custom operation"
        )
    sampling: Any = graph.operation(options.threads or os.cpu_count() or 1)
    form = "int8" if options.precision == "int8" else "float"
    try:
        path = exported(import_weights(folder), config, size, form, sampling)
        return compile_network(path, size, options, extensions=[sampling])
    finally:
        graph.release(sampling)
