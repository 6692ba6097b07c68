"""A made-up base mesh with the bones of the real one: a tube around each bone, and a folder of assets that holds it."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

AROUND, STATIONS = 8, 4
_STEP = np.array([0.05, -0.2, 0.2])
"""From one joint of a finger to the next."""
_FINGERS = {
    "index": (4.5, 2.0, 2.6),
    "middle": (4.6, 1.9, 2.5),
    "ring": (4.7, 1.8, 2.3),
    "pinky": (4.7, 1.8, 2.1),
    "thumb": (4.2, 2.3, 2.1),
}
_TRUNK: list[tuple[str, str, tuple[float, float, float], float]] = [
    ("Root", "", (0, -8.2, 0), 0.05),
    ("pelvis", "Root", (0, 0.7, 0), 1.2),
    ("spine_01", "pelvis", (0, 1.2, 0), 1.2),
    ("spine_02", "spine_01", (0, 1.9, 0), 1.2),
    ("spine_03", "spine_02", (0, 2.8, 0), 1.3),
    ("neck_01", "spine_03", (0, 5.9, 0), 0.5),
    ("head", "neck_01", (0, 7.0, 0.2), 1.0),
]
_LIMBS: list[tuple[str, str, tuple[float, float, float], float]] = [
    ("thigh", "pelvis", (1.1, 0.5, 0), 0.8),
    ("calf", "thigh", (1.6, -3.7, 0.2), 0.55),
    ("foot", "calf", (2.2, -7.4, 0), 0.4),
    ("ball", "foot", (2.2, -8.1, 1.2), 0.3),
    ("clavicle", "spine_03", (0.3, 5.2, 0.3), 0.3),
    ("upperarm", "clavicle", (1.7, 5.2, 0.1), 0.45),
    ("lowerarm", "upperarm", (3.1, 3.5, 0.1), 0.4),
    ("hand", "lowerarm", (4.3, 2.5, 1.8), 0.35),
]
_ENDS = {
    "Root": (0, -8.0, 0),
    "pelvis": (0, 1.2, 0),
    "spine_01": (0, 1.9, 0),
    "spine_02": (0, 2.8, 0),
    "spine_03": (0, 5.6, 0),
    "neck_01": (0, 7.0, 0.2),
    "head": (0, 8.4, 0.2),
    "thigh": (1.6, -3.7, 0.2),
    "calf": (2.2, -7.4, 0),
    "foot": (2.2, -8.1, 1.2),
    "ball": (2.2, -8.0, 1.9),
    "clavicle": (1.7, 5.2, 0.1),
    "upperarm": (3.1, 3.5, 0.1),
    "lowerarm": (4.3, 2.5, 1.8),
    "hand": (4.6, 1.9, 2.4),
}


def _bones() -> list[tuple[str, str, NDArray[np.float64], NDArray[np.float64], float]]:
    """Name, parent, head, tail, radius; parents first."""
    found = [(name, parent, np.array(at, float), np.array(_ENDS[name], float), r) for name, parent, at, r in _TRUNK]
    trunk = {name for name, *_ in _TRUNK}
    for side, sign in (("l", 1.0), ("r", -1.0)):
        mirror = np.array([sign, 1, 1])
        for name, parent, at, radius in _LIMBS:
            above = parent if parent in trunk else f"{parent}_{side}"
            found.append((f"{name}_{side}", above, np.array(at) * mirror, np.array(_ENDS[name]) * mirror, radius))
        for finger, base in _FINGERS.items():
            above = f"hand_{side}"
            for number in range(3):
                start = np.array(base) + number * _STEP
                name = f"{finger}_0{number + 1}_{side}"
                found.append((name, above, start * mirror, (start + _STEP) * mirror, 0.08))
                above = name
    return found


class _Mesh:
    def __init__(self, bones: list[str]) -> None:
        self.bones = bones
        self.vertices: list[NDArray[np.float64]] = []
        self.quads: list[list[int]] = []
        self.groups: list[str] = []
        self.owners: list[int] = []

    def tube(self, group: str, bone: str, start: NDArray[np.float64], end: NDArray[np.float64], radius: float) -> int:
        """Rings of vertices from start to end; gives the number of the first."""
        first = len(self.vertices)
        along = (end - start) / np.linalg.norm(end - start)
        aside = np.cross(along, [0, 0, 1] if abs(along[2]) < 0.9 else [1, 0, 0])
        aside /= np.linalg.norm(aside)
        up = np.cross(along, aside)
        for station in range(STATIONS):
            middle = start + (end - start) * station / (STATIONS - 1)
            for step in range(AROUND):
                angle = 2 * np.pi * step / AROUND
                self.vertices.append(middle + radius * (np.cos(angle) * aside + np.sin(angle) * up))
                self.owners.append(self.bones.index(bone))
        for station in range(STATIONS - 1):
            for step in range(AROUND):
                a, b = first + station * AROUND + step, first + station * AROUND + (step + 1) % AROUND
                self.quads.append([a, b, b + AROUND, a + AROUND])
                self.groups.append(group)
        return first


def base_mesh() -> dict[str, NDArray[np.generic]]:
    """The arrays of `base.npz`."""
    bones = _bones()
    names = [name for name, *_ in bones]
    mesh = _Mesh(names)
    rows, columns = [], []
    for number, (name, _, start, end, radius) in enumerate(bones):
        first = mesh.tube("body", name, start, end, radius)
        for row, ring in ((number, 0), (len(bones) + number, STATIONS - 1)):
            rows += [row] * AROUND
            columns += range(first + ring * AROUND, first + (ring + 1) * AROUND)
    for name, _, start, end, radius in bones:
        if name.startswith(("pelvis", "spine", "thigh", "calf", "clavicle", "upperarm", "lowerarm")):
            mesh.tube("helper-tights", name, start, end, radius + 0.03)
    mesh.tube("helper-skirt", "pelvis", np.array([0, 1.8, 0]), np.array([0, -4.0, 0]), 2.0)
    for side, x in (("l", 0.3), ("r", -0.3)):
        mesh.tube(f"helper-{side}-eye", "head", np.array([x, 7.28, 1.1]), np.array([x, 7.28, 1.25]), 0.1)
    count = len(mesh.vertices)
    weights = np.zeros((count, len(bones)), np.float16)
    weights[np.arange(count), mesh.owners] = 1
    return {
        "V": np.array(mesh.vertices, np.float32),
        "F": np.array(mesh.quads, np.int32),
        "G": np.array(mesh.groups),
        "T": np.zeros((1, count, 3), np.int16),
        "names": np.array(["x-chin-prominent-incr"]),
        "order": np.array(names),
        "par": np.array([names.index(parent) if parent else -1 for _, parent, *_ in bones], np.int32),
        "W": weights,
        "jr": np.array(rows, np.int32),
        "jc": np.array(columns, np.int32),
        "jw": np.full(len(rows), 1 / AROUND, np.float32),
        "lip": np.zeros(count, np.float16),
    }


def hair(base: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """The arrays of a hair style: one card on the head."""
    owners = np.argmax(base["W"], axis=1)
    head = np.flatnonzero(owners == base["order"].tolist().index("head"))[:4].astype(np.int32)
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return {
        "ref": np.repeat(head[:, None], 3, axis=1),
        "bw": np.tile(np.array([1, 0, 0], np.float32), (4, 1)),
        "off": np.tile(np.array([0, 0.1, 0], np.float32), (4, 1)),
        "scl": np.zeros((3, 3)),
        "F": np.array([[0, 1, 2, 3]], np.int32),
        "VT": ends,
        "FT": np.array([[0, 1, 2, 3]], np.int32),
        "dele": np.zeros(0, np.int32),
        "comp": np.zeros(4, np.int32),
        "kind": np.array("hair"),
    }


def write_assets(folder: Path) -> Path:
    """A folder of assets: the mannequin and one hair style, with their manifest."""
    (folder / "wear").mkdir(parents=True)
    base = base_mesh()
    np.savez(folder / "base.npz", **base)
    np.savez(folder / "wear" / "short03.npz", **hair(base))
    write_manifest(folder, ["base.npz", "wear/short03.npz"])
    return folder


def write_manifest(folder: Path, names: list[str]) -> None:
    listed = [{"file": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()} for name in names]
    (folder / "MANIFEST.json").write_text(json.dumps(listed))


def write_backgrounds(folder: Path) -> Path:
    """Two pictures without anybody."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.png"):
        coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))
    return folder
