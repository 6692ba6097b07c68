"""From weights to a graph on the disk, once for each input size; and back, without torch."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RuntimeUnavailable, WeightsError
from pipeline.m2fp import agreement, graph
from pipeline.m2fp.checkpoint import check_tensors, read_safetensors
from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.quantize import quantised
from pipeline.m2fp.weights import SAFETENSORS, cache_folder
from pipeline.network.runtime import openvino_package
from pipeline.types import Size

FORMAT = 1
"""Counted up when the same weights make another graph."""
PEOPLE = Path(__file__).parent / "people.jpg"
"""Four pictures of people, side by side: what an export is tried on, and where the scales of int8 come from."""
_PICTURES = 4
NEEDS_TORCH = (
    "torch, which checks and exports M2FP's weights, is not installed; `pip install 'm2fp-streamer[m2fp]'` adds it"
)


def exported(folder: Path, config: M2fpConfig, size: Size, form: str, sampling: Any) -> Path:
    """The graph of a network, from the cache or made now.

    Args:
        folder: with `model.safetensors`.
        config: of the network.
        size: of its input.
        form: `float`, or `int8` for the parts that bear it.
        sampling: what `graph.operation` gave.

    Raises:
        WeightsError: the weights are not this network's, or cannot be read; the graph cannot be written.
        RuntimeUnavailable: torch, which makes the graph, is not installed.
        ExportMismatch: the graph does not answer as torch does. Nothing is kept of it.
    """
    kept = cache_folder() / "exported" / _key(folder / SAFETENSORS, config, size, form)
    path = kept / "m2fp.xml"
    if not path.is_file():
        with _place_beside(
            kept
        ) as place:  # before the work of minutes: a folder that cannot be written is told at once
            made = _made(folder, config, size, form, sampling)
            _keep(made, place, path)
    return path


def probe(size: Size) -> list[NDArray[np.float32]]:
    """Pictures of people: float32 (1, 3, H, W) each, RGB, 0-255."""
    sheet = np.asarray(cv2.imdecode(np.frombuffer(PEOPLE.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB))
    tiles = np.split(sheet, _PICTURES, axis=1)
    scaled = (cv2.resize(tile, size[::-1], interpolation=cv2.INTER_AREA) for tile in tiles)
    return [np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32) for tile in scaled]


def _made(folder: Path, config: M2fpConfig, size: Size, form: str, sampling: Any) -> Any:
    try:
        import torch
    except ImportError as exc:
        raise RuntimeUnavailable(NEEDS_TORCH) from exc
    from pipeline.m2fp.network import build_m2fp, tensor_shapes

    tensors = read_safetensors(folder / SAFETENSORS)
    check_tensors(tensors, tensor_shapes(config), str(folder / SAFETENSORS))
    network = build_m2fp(config)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    pictures = probe(size)
    with torch.inference_mode():
        logits, masks = (each[0].numpy() for each in network(torch.from_numpy(pictures[0])))
    made = graph.trace(network, size, sampling)
    _check(made, pictures[0], (logits, masks), "f32")
    if form == "int8":
        made = quantised(made, pictures)
        _check(made, pictures[0], (logits, masks), "int8")
    return made


def _check(made: Any, picture: NDArray[np.float32], wanted: agreement.Outputs, precision: str) -> None:
    logits, masks = (each[0] for each in graph.run(made, picture, "f32"))
    agreement.check(agreement.Agreement.between((logits, masks), wanted), precision, "M2FP")


def _key(weights: Path, config: M2fpConfig, size: Size, form: str) -> str:
    """Everything that makes a graph what it is, in 24 hex digits, after what a person wants to see of it."""
    parts = (FORMAT, _digest(weights), astuple(config), tuple(size), form, openvino_package().__version__, _sources())
    return f"{size}-{form}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc.strerror}") from exc


@cache
def _sources() -> str:
    """Of the code that makes graphs: whoever changes it gets new ones."""
    folder = Path(__file__).parent
    names = ("resnet", "deformable", "pixel_decoder", "query_decoder", "network", "graph", "quantize", "export")
    code = b"".join((folder / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(code + PEOPLE.read_bytes()).hexdigest()


@contextmanager
def _place_beside(folder: Path) -> Iterator[Path]:
    """A new folder to write into, beside where `folder` will be; gone at the end, if it is still there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    except OSError as exc:
        raise WeightsError(
            f"cannot write to {folder.parent}: {exc.strerror}; $M2FP_STREAMER_CACHE names another"
        ) from exc
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _keep(made: Any, place: Path, path: Path) -> None:
    """Writes a graph into `place`, which becomes the folder of `path`: all at once, or not at all."""
    try:
        graph.save(made, place / path.name)
        try:
            place.replace(path.parent)
        except OSError:
            # Another process made the same at the same time.
            if not path.parent.is_dir():
                raise
    except (OSError, RuntimeError) as exc:
        raise WeightsError(f"cannot write {path.parent}: {exc}; $M2FP_STREAMER_CACHE names another place") from exc
