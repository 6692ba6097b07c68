"""The assets that people are made of: a base mesh with shape targets and a rig, and what can be worn.

A folder holds `MANIFEST.json`, a list of files with their SHA-256, `base.npz` and any number of `wear/NAME.npz`:
MakeHuman's (CC0-1.0), packed into arrays. Lengths are in decimetres, x points to the body's own left, y up, z ahead.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from training.synthetic.geometry.mesh import Points, Triangles, triangles_of

MANIFEST = "MANIFEST.json"
BASE = "base.npz"
_WHERE = "--assets names the folder that holds MANIFEST.json, base.npz and wear/"
_BASE_KEYS = ("V", "F", "G", "T", "names", "order", "par", "W", "jr", "jc", "jw", "lip")
_WEAR_KEYS = ("ref", "bw", "off", "scl", "F", "VT", "FT", "dele", "comp", "kind")


class BadAssets(PipelineError):
    """Raised when a file of the assets is missing, differs from the manifest or is not made as it should be."""


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """A body in its rest pose, the helper meshes around it that garments are cut from, and its rig."""

    vertices: Points
    """float32 (n, 3), dm."""
    quads: NDArray[np.int32]
    """(f, 4); a triangle repeats a vertex."""
    groups: NDArray[np.str_]
    """The group of each quad: body, helper-tights, helper-skirt, helper-l-eye, helper-r-eye and others."""
    targets: NDArray[np.int16]
    """(m, n, 3), thousandths of a decimetre: what each shape target adds to the vertices."""
    target_names: tuple[str, ...]
    bones: tuple[str, ...]
    """Parents first."""
    parents: NDArray[np.int32]
    """(b,); -1 for the root."""
    weights: NDArray[np.float32]
    """(n, b): how much each bone moves each vertex."""
    joint_rows: NDArray[np.int32]
    """Rows of the matrix (2b, n) that finds heads, then tails, of the bones from the vertices; with what follows."""
    joint_columns: NDArray[np.int32]
    joint_weights: NDArray[np.float32]
    lips: NDArray[np.float32]
    """(n,), 0 to 1."""

    def __post_init__(self) -> None:
        n, b = len(self.vertices), len(self.bones)
        shapes = {
            "weights": (self.weights.shape, (n, b)),
            "targets": (self.targets.shape, (len(self.target_names), n, 3)),
            "parents": (self.parents.shape, (b,)),
            "lips": (self.lips.shape, (n,)),
        }
        for name, (is_, should) in shapes.items():
            if is_ != should:
                raise BadAssets(f"{BASE}: {name} has the shape {is_}, where {should} belongs to its mesh")
        if self.quads.min() < 0 or self.quads.max() >= n or self.joint_columns.max() >= n:
            raise BadAssets(f"{BASE}: a face or a joint names a vertex beyond its {n} vertices")


@dataclass(frozen=True, slots=True)
class Wear:
    """A garment, a hat, shoes or hair that follow the body's surface."""

    name: str
    kind: str
    """clothes or hair."""
    reference: NDArray[np.int32]
    """(n, 3): the body's vertices that each vertex hangs on."""
    barycentric: NDArray[np.float32]
    """(n, 3): how much on each."""
    offset: NDArray[np.float32]
    """(n, 3), dm, for a body of the base mesh's size."""
    spans: NDArray[np.float64]
    """(3, 3): for x, y, z two of the body's vertices and their distance in the base mesh, which scale the offset."""
    triangles: Triangles
    lengthwise: NDArray[np.float32]
    """(n,): the texture's second coordinate, which runs along the strands of hair, tips first."""
    hidden: NDArray[np.int32]
    """The body's vertices that it covers."""
    component: NDArray[np.int32]
    """(n,): the connected piece that each vertex is in."""

    def fit(self, vertices: Points) -> Points:
        """Its vertices on a body of this shape, float32 (n, 3), dm."""
        on = np.sum(vertices[self.reference] * self.barycentric[..., None], axis=1)
        scale = np.ones(3, np.float32)
        for axis, (first, second, length) in enumerate(self.spans):
            if length > 0:
                scale[axis] = abs(vertices[int(first), axis] - vertices[int(second), axis]) / length
        return np.asarray(on + self.offset * scale, np.float32)


class Assets:
    """A folder of assets whose every file is as its manifest says."""

    def __init__(self, folder: Path) -> None:
        """Raises:
        BadAssets: a file is missing or differs; the message names each of them.
        """
        self.folder = folder
        self.hashes = _checked(folder)
        self._wear: dict[str, Wear] = {}

    @cached_property
    def base(self) -> BaseMesh:
        found = _arrays(self.folder / BASE, _BASE_KEYS)
        return BaseMesh(
            vertices=found["V"].astype(np.float32),
            quads=found["F"].astype(np.int32),
            groups=found["G"].astype(np.str_),
            targets=found["T"].astype(np.int16),
            target_names=tuple(found["names"].tolist()),
            bones=tuple(found["order"].tolist()),
            parents=found["par"].astype(np.int32),
            weights=found["W"].astype(np.float32),
            joint_rows=found["jr"].astype(np.int32),
            joint_columns=found["jc"].astype(np.int32),
            joint_weights=found["jw"].astype(np.float32),
            lips=found["lip"].astype(np.float32),
        )

    @property
    def fingerprint(self) -> str:
        """Another one for other files."""
        return hashlib.sha256(json.dumps(sorted(self.hashes.items())).encode()).hexdigest()[:16]

    def there(self, names: Iterable[str]) -> list[str]:
        """Those of the names of which there is `wear/NAME.npz`."""
        return [name for name in names if f"wear/{name}.npz" in self.hashes]

    def wear(self, name: str) -> Wear:
        if name not in self._wear:
            self._wear[name] = _wear_of(name, _arrays(self.folder / "wear" / f"{name}.npz", _WEAR_KEYS))
            if self._wear[name].reference.max() >= len(self.base.vertices):
                raise BadAssets(f"wear/{name}.npz hangs on vertices that {BASE} does not have")
        return self._wear[name]


def _checked(folder: Path) -> dict[str, str]:
    listed = _manifest(folder / MANIFEST)
    if BASE not in listed:
        raise BadAssets(f"{folder / MANIFEST} does not list {BASE}; {_WHERE}")
    missing = [name for name in listed if not (folder / name).is_file()]
    if missing:
        raise BadAssets(f"missing in {folder}: {', '.join(missing)}; {_WHERE}")
    wrong = [name for name, wanted in listed.items() if _sha256(folder / name) != wanted]
    if wrong:
        raise BadAssets(f"not the files that {folder / MANIFEST} lists, by their SHA-256: {', '.join(wrong)}")
    return listed


def _manifest(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise BadAssets(f"there is no {path}; {_WHERE}")
    try:
        return {str(entry["file"]): str(entry["sha256"]) for entry in json.loads(path.read_text())}
    except (ValueError, TypeError, KeyError) as exc:
        raise BadAssets(f"{path} is no list of files with their sha256: {exc!r}") from exc


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _arrays(path: Path, keys: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
        raise BadAssets(f"cannot read {path}: {exc}") from exc


def _wear_of(name: str, found: Mapping[str, NDArray[np.generic]]) -> Wear:
    lengthwise = np.zeros(len(found["ref"]), np.float32)
    if len(found["VT"]):
        lengthwise[found["F"].ravel()] = found["VT"][found["FT"].ravel(), 1]
    return Wear(
        name=name,
        kind=str(found["kind"]),
        reference=found["ref"].astype(np.int32),
        barycentric=found["bw"].astype(np.float32),
        offset=found["off"].astype(np.float32),
        spans=found["scl"].astype(np.float64),
        triangles=triangles_of(found["F"].astype(np.int32)),
        lengthwise=lengthwise,
        hidden=found["dele"].astype(np.int32),
        component=found["comp"].astype(np.int32),
    )
