"""M2FP's weights on this machine: in a given folder, as ModelScope makes it, in the cache, or made up."""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import RuntimeUnavailable, UnknownName, WeightsError, installs
from pipeline.labels import CIHP_HUMAN, LIP, LabelSet
from pipeline.m2fp.checkpoint import read_checkpoint, write_safetensors
from pipeline.m2fp.config import MULTI_PERSON, SINGLE_PERSON, configuration
from pipeline.network.cache import cache_folder, disk_errors, replacing

CONFIGURATION = "configuration.json"
CHECKPOINT = "pytorch_model.pt"
SAFETENSORS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with `configuration.json` and weights in it."""

    path: Path
    weights: Path
    """`model.safetensors`, or ModelScope's `pytorch_model.pt`."""


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Weights that ModelScope has."""

    name: str
    about: str
    model_id: str
    label_set: LabelSet
    download_mb: int = 723
    licence: str = "CC BY-NC 4.0"

    @property
    def folder(self) -> Path:
        """The folder into which `pull` puts them."""
        return cache_folder() / self.name

    @property
    def ready(self) -> bool:
        """True if they were pulled."""
        return _weights_in(self.folder) is not None

    @property
    def terms(self) -> str:
        """The terms to accept before they are fetched."""
        return (
            f"{self.name} is about {self.download_mb} MB from ModelScope ({self.model_id}); its weights are licensed"
            f" {self.licence}: for non-commercial use only"
        )


WEIGHTS = {
    source.name: source
    for source in (
        WeightsSource(
            name="m2fp",
            about="M2FP with ResNet-101: 63 M parameters, CIHP's 20 classes and whole persons",
            model_id="damo/cv_resnet101_image-multiple-human-parsing",
            label_set=CIHP_HUMAN,
        ),
        WeightsSource(
            name="m2fp-single",
            about="M2FP with ResNet-101 for pictures of one person: 63 M parameters, LIP's 20 classes",
            model_id="damo/cv_resnet101_image-single-human-parsing",
            label_set=LIP,
        ),
    )
}


def find(name: str, model_dir: Path | None = None) -> Folder:
    """The weights in `model_dir`, or those that were pulled. Of two kinds in one folder, safetensors.

    Raises:
        UnknownName: no such source.
        WeightsError: they are not there.
    """
    source = source_of(name)
    folder = source.folder if model_dir is None else model_dir
    weights = _weights_in(folder)
    if weights is not None:
        return Folder(folder, weights)
    pull_it = f"`streamer models pull {name} --accept-license` fetches them"
    if model_dir is None:
        raise WeightsError(f"no weights of {name} in {folder}; {pull_it}, --model-dir names a folder that has them")
    raise WeightsError(
        f"no weights in {folder}: --model-dir must name a folder with {CONFIGURATION} and {CHECKPOINT}, as ModelScope"
        f" makes it, or {SAFETENSORS}; {pull_it}"
    )


def import_weights(folder: Folder) -> Path:
    """A folder with `configuration.json` and `model.safetensors`: this one, or one made of it in the cache.

    A checkpoint is converted when it was not yet, or has changed since; what was made of it before is then deleted.
    Its tensors are not checked against a network.

    Raises:
        WeightsError: see `read_checkpoint`; or the cache cannot be written.
    """
    if folder.weights.name == SAFETENSORS:
        return folder.path
    with disk_errors(folder.weights):
        place, state = _identity(folder.weights)
    imported = cache_folder() / "imported"
    made = imported / f"{place}-{state}"
    with disk_errors(made):
        made.mkdir(parents=True, exist_ok=True)
        copy_file(folder.path / CONFIGURATION, made / CONFIGURATION)
    if not (made / SAFETENSORS).is_file():
        write_safetensors(made / SAFETENSORS, read_checkpoint(folder.weights))
    for older in imported.glob(f"{place}-*"):
        if older != made:
            shutil.rmtree(older, ignore_errors=True)
    return made


def write_made_up(name: str, folder: Path) -> None:
    """Writes weights of no meaning into a folder, which is made: they see noise, and take as long as the real ones.

    Raises:
        RuntimeUnavailable: torch, which knows the tensors' shapes, is not installed.
        WeightsError: they cannot be written.
    """
    try:
        from pipeline.m2fp.network import tensor_shapes
    except ImportError as exc:
        raise RuntimeUnavailable(f"{exc.name} is not installed; {installs('m2fp')} adds it") from exc
    config = SINGLE_PERSON if name == "m2fp-single" else MULTI_PERSON
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIGURATION).write_text(json.dumps(configuration(config)))
    write_safetensors(folder / SAFETENSORS, made_up_weights(tensor_shapes(config)))


def made_up_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Values for each tensor of a state dict: of its name and shape alone, and such that answers stay in range."""
    return {name: _made_up(name, tuple(shape)).astype(np.float32) for name, shape in shapes.items()}


def _made_up(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape)
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    noise = rng.standard_normal(shape)
    if name.endswith("running_mean"):
        return 0.1 * noise
    if name.endswith("sampling_offsets.bias"):
        return 2 * noise
    if noise.ndim == 1:
        return 1 + 0.1 * noise if name.endswith("weight") else 0.05 * noise
    if name.endswith("sampling_offsets.weight"):
        return 0.02 * noise
    if any(word in name for word in ("query_feat", "query_embed", "level_embed")):
        return 3 * noise
    scaled: NDArray[np.float64] = noise * np.sqrt(_gain(name, noise.ndim) / np.prod(shape[1:]))
    return scaled - scaled.mean(axis=1, keepdims=True) if name.endswith("mask_features.weight") else scaled


def _gain(name: str, dimensions: int) -> float:
    if name.endswith("conv3.weight"):
        return 0.1
    if name.endswith(("out_proj.weight", "linear2.weight")):
        return 0.02
    return 2.0 if dimensions == 4 else 1.0


def source_of(name: str) -> WeightsSource:
    if name not in WEIGHTS:
        raise UnknownName("weights", name, WEIGHTS)
    return WEIGHTS[name]


def _weights_in(folder: Path) -> Path | None:
    with disk_errors(folder):
        if (folder / CONFIGURATION).is_file():
            for weights in (folder / SAFETENSORS, folder / CHECKPOINT):
                if weights.is_file():
                    return weights
    return None


def _identity(file: Path) -> tuple[str, str]:
    """Two short hashes: of where a file really is, and of what tells that it has changed."""
    real = file.resolve()
    stat = real.stat()
    texts = (os.fsencode(real), f"{stat.st_size} {stat.st_mtime_ns}".encode())
    place, state = (hashlib.sha256(text).hexdigest()[:16] for text in texts)
    return place, state


def copy_file(file: Path, to: Path) -> None:
    content = file.read_bytes()
    if not to.is_file() or to.read_bytes() != content:
        with replacing(to) as partial:
            partial.write_bytes(content)
