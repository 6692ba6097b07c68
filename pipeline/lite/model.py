"""The bundled network: its file, and how it becomes a parser."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.errors import WeightsError
from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.lite.decode import decode
from pipeline.lite.mirrored import both_ways
from pipeline.model import Model
from pipeline.network.options import RunOptions
from pipeline.network.quantize import int8_form, is_quick
from pipeline.network.runtime import Network, compile_network

FILE = Path(__file__).parent / "lite.onnx"
SHA256 = "8afa1c16157f1d2e9c675ea4aa6f5c13e2eb23be13278a56d6552d8e6076676c"
READING = 5
"""The version of `decode` and of what is done with it over time. Another number whenever it makes other masks of the
same weights, so that a sidecar is not gone on with in another way than it began."""


def lite_model(model_dir: Path | None = None) -> Model:
    """The bundled model. Raises WeightsError for a folder: this one's weights are where its code is."""
    if model_dir is not None:
        raise WeightsError(f"lite is bundled with its weights; model_dir {model_dir} is for m2fp or m2fp-single")
    return replace(model_with(compile_lite), weights=lambda: SHA256)


def model_with(compiled: Callable[[Size | None, RunOptions], Network]) -> Model:
    """The bundled model around any network of its kind.

    Args:
        compiled: makes it ready for a size, or with None for all.
    """
    return Model(
        name="lite",
        about="the bundled parser: 2.9 M parameters, CIHP's 20 classes, persons apart",
        label_set=CIHP,
        pixels=256 * 448,
        compiles_at_once=True,
        compile=compiled,
        decode=lambda answer, fit, picture: decode(answer.outputs[0], answer.outputs[1], fit, picture),
        compile_any=lambda options: compiled(None, options),
        both_ways=both_ways,
        smoothed=True,
        reading=READING,
    )


def compile_lite(size: Size | None, options: RunOptions, file: Path = FILE) -> Network:
    """Makes the network ready for pictures of a size, or of any.

    Raises:
        WeightsError: the file is missing, or not the one that the code was written for.
        RuntimeUnavailable: see `compile_network`.
    """
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as exc:
        raise WeightsError(f"cannot read {file}: {exc.strerror}; reinstall the package") from exc
    if found != SHA256:
        raise WeightsError(
            f"{file} is damaged or another network: its SHA-256 begins with {found[:12]}, not {SHA256[:12]};"
            " reinstall the package"
        )
    if options.precision == "auto" and options.runtime == "openvino" and is_quick():
        options = replace(options, precision="int8")
    return compile_file(file, size, options)


def compile_file(file: Path, size: Size | None, options: RunOptions) -> Network:
    """Makes any network file of this kind ready. Raises as `compile_network` does."""
    return compile_network(file, size, options, prepare=int8_form if options.precision == "int8" else None)
