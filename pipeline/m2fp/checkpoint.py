"""Tensors in files: what torch.save wrote, read without torch and without running any of it; and safetensors."""

import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pipeline.errors import WeightsError
from pipeline.m2fp.pickled import Ignored, Storage, Tensor, describe
from pipeline.network.cache import replacing

Tensors = dict[str, NDArray[Any]]
"""By name; float32, or int64 for counters; C-contiguous."""
Shapes = Mapping[str, tuple[int, ...]]

_DTYPES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "LongStorage": "<i8"}
_MAX_PICKLE_BYTES = 64 << 20

# What zipfile makes of damaged or hostile bytes; it does not say that it raises nothing else.
_BROKEN_ZIP = (zipfile.BadZipFile, EOFError, ValueError, LookupError, NotImplementedError, OverflowError, struct.error)


def read_checkpoint(path: Path) -> Tensors:
    """The tensors under key `model` of what torch.save wrote. The rest, such as an optimiser's state, is not read.

    float32, float16 and bfloat16 become float32, int64 stays; each array has memory of its own.

    Raises:
        WeightsError: the file cannot be read, is no such file, is damaged, or holds anything else under `model`.
    """
    try:
        with _opened(path) as archive:
            members = _Members(path, archive)
            described = _described(path, members)
            return _filled(path, members, described)
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc.strerror or exc}") from exc


def read_safetensors(path: Path) -> Tensors:
    """All tensors of a safetensors file; float16 becomes float32.

    Raises:
        WeightsError: the file cannot be read, is damaged, or has numbers of another kind.
    """
    try:
        found: Tensors = load_file(path)
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc.strerror or exc}") from exc
    except safetensors.SafetensorError as exc:
        raise WeightsError(f"{path} is damaged or no safetensors file: {exc}") from exc
    except TypeError as exc:  # NumPy has no bfloat16
        raise WeightsError(f"{path} has an unsupported number type: {exc}; save it in float32") from exc
    for name, tensor in found.items():
        if tensor.dtype.name not in ("float32", "float16", "int64"):
            raise WeightsError(f"{path}: tensor {name!r} is of {tensor.dtype}; save it in float32")
    return {name: tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor for name, tensor in found.items()}


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Writes a safetensors file; under its name there is only ever a whole one. Folders above it are made.

    Raises:
        WeightsError: it cannot be written.
    """
    try:
        with replacing(path) as partial:
            save_file({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, partial)
    except (OSError, safetensors.SafetensorError) as exc:
        raise WeightsError(f"cannot write {path}: {getattr(exc, 'strerror', None) or exc}") from exc


def check_tensors(found: Mapping[str, NDArray[Any]], wanted: Shapes, origin: str) -> None:
    """Holds tensors against the names and shapes that a network has.

    Raises:
        WeightsError: they differ; a first line counts and begins with `origin`, then each tensor has a line.
    """
    missing = [f"  missing: {name} {shape}" for name, shape in wanted.items() if name not in found]
    extra = [f"  extra: {name} {tensor.shape}" for name, tensor in found.items() if name not in wanted]
    misshapen = [
        f"  misshapen: {name} {found[name].shape}, not {shape}"
        for name, shape in wanted.items()
        if name in found and found[name].shape != shape
    ]
    if missing or extra or misshapen:
        counts = f"{len(missing)} tensors missing, {len(extra)} extra, {len(misshapen)} misshapen"
        raise WeightsError("\n".join([f"{origin} does not fit the network: {counts}", *missing, *extra, *misshapen]))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _BROKEN_ZIP as exc:
        with path.open("rb") as file:
            begins_as_zip = file.read(4) == b"PK\x03\x04"
        if begins_as_zip:
            raise WeightsError(f"{path} is cut short or damaged: it begins as a zip and does not end as one") from exc
        raise WeightsError(
            f"{path} is no zip, so not from torch.save; if torch before 1.6 wrote it, load and save it again"
            " with torch >= 1.6"
        ) from exc


class _Members:
    """The members of torch's zip: `<root>/data.pkl`, and for each storage `<root>/data/<key>`; none is compressed."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self.file_size = path.stat().st_size
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise WeightsError(f"{path} has no data.pkl of its own, so it is not what torch.save writes")
        self._root = pickles[0].removesuffix("data.pkl")
        if self._root + "byteorder" in archive.namelist() and self.read("byteorder") != b"little":
            raise WeightsError(f"{path} was written by a big-endian machine, which is not supported")

    def read(self, name: str) -> bytes:
        """A whole member. Refused before it takes memory: one that is compressed, or longer than the file."""
        try:
            info = self._archive.getinfo(self._root + name)
        except KeyError as exc:
            raise WeightsError(f"{self._path} is damaged: it has no {self._root}{name}") from exc
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise WeightsError(f"{self._path}: {name} is compressed or encrypted, as torch.save never does")
        if info.file_size != info.compress_size or info.header_offset + info.file_size > self.file_size:
            raise WeightsError(f"{self._path} is damaged: its {name} says {info.file_size} bytes, more than are there")
        try:
            return self._archive.read(info)
        except _BROKEN_ZIP as exc:
            raise WeightsError(f"{self._path} is damaged: {name}: {exc or 'ends too early'}") from exc


def _described(path: Path, members: _Members) -> dict[str, Tensor]:
    top = _content(path, members.read("data.pkl"))
    if not isinstance(top, dict):
        raise WeightsError(f"{path} holds {_what(top)}, not a dict with a key 'model'")
    if "model" not in top:
        keys = [repr(key) if isinstance(key, str) else _what(key) for key in top]
        more = f" and {len(keys) - 20} more" if len(keys) > 20 else ""
        raise WeightsError(f"{path} has no key 'model'; it has: {', '.join(keys[:20]) or 'none'}{more}")
    model = top["model"]
    if not isinstance(model, dict):
        raise WeightsError(f"{path}: under key 'model' is {_what(model)}, not a dict of tensors")
    for name, tensor in model.items():
        # A name that is not printable could steer the terminal that shows it.
        if not isinstance(name, str) or not name.isprintable():
            raise WeightsError(f"{path}: under key 'model' is a key that is no tensor's name: {_what(name)}")
        if not isinstance(tensor, Tensor):
            raise WeightsError(f"{path}: under key 'model' is no dict of tensors: {name!r} is {_what(tensor)}")
        if tensor.storage.kind not in _DTYPES:
            raise WeightsError(f"{path}: tensor {name!r} is a torch.{tensor.storage.kind}; save it in float32")
    return model


def _content(path: Path, pickled: bytes) -> object:
    if len(pickled) > _MAX_PICKLE_BYTES:
        raise WeightsError(f"{path}: its data.pkl has {len(pickled)} bytes; that of a network has less than a million")
    try:
        return describe(pickled)
    except pickle.UnpicklingError as exc:
        raise WeightsError(f"{path} is damaged: its data.pkl: {exc}") from exc


def _what(found: object) -> str:
    return found.origin if isinstance(found, Ignored) else f"a thing of type {type(found).__name__}"


def _filled(path: Path, members: _Members, described: dict[str, Tensor]) -> Tensors:
    # A stride of 0 makes a tensor of any size out of one number.
    numbers = sum(math.prod(max(side, 1) for side in tensor.size) for tensor in described.values())
    if numbers > members.file_size:
        raise WeightsError(f"{path} is damaged: its tensors would have {numbers} numbers, more than the file has bytes")
    by_storage: dict[Storage, list[str]] = {}
    for name, tensor in described.items():
        by_storage.setdefault(tensor.storage, []).append(name)
    found: Tensors = {}
    for storage, names in by_storage.items():  # one at a time in memory, and none read twice
        raw = members.read(f"data/{storage.key}")
        held = len(raw) // np.dtype(_DTYPES[storage.kind]).itemsize
        for name in names:
            if described[name].reach > held:
                raise WeightsError(
                    f"{path}: tensor {name!r} needs {described[name].reach} numbers, and {held} are there"
                )
            found[name] = _array(raw, described[name])
    return {name: found[name] for name in described}


def _array(raw: bytes, tensor: Tensor) -> NDArray[Any]:
    if 0 in tensor.size:
        return np.empty(tensor.size, np.int64 if tensor.storage.kind == "LongStorage" else np.float32)
    dtype = np.dtype(_DTYPES[tensor.storage.kind])
    strides = [step * dtype.itemsize for step in tensor.stride]
    view: NDArray[Any] = np.ndarray(tensor.size, dtype, raw, tensor.offset * dtype.itemsize, strides)
    match tensor.storage.kind:
        case "LongStorage":
            return np.array(view, np.int64, order="C")
        case "BFloat16Storage":  # the upper half of a float32
            wide = np.array(view, np.uint32, order="C")
            wide <<= 16
            return wide.view(np.float32)
    return np.array(view, np.float32, order="C")
