"""The base mesh as the generator needs it: its regions, levels, sides, and points that hands go to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from training.pack import SOMEBODY
from training.synthetic.assets import BaseMesh
from training.synthetic.geometry.mesh import Points, Triangles, triangles_of
from training.synthetic.geometry.skinning import binding_of

SIDES = ("l", "r")
"""The body's own left, where x is positive, and its right."""
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_ARM = ("upperarm", "lowerarm", "hand", *FINGERS)
_HAND = ("hand", *FINGERS)
_LEG = ("thigh", "calf", "foot", "ball")
_HAIRLINE_Z = (-0.6, -0.2, 0.05, 0.12, 0.42, 0.5, 0.62, 0.8, 1.0, 1.3, 1.5)
_HAIRLINE_Y = (-0.75, -0.75, -0.6, 0.2, 0.25, -0.25, 0.05, 0.35, 0.62, 0.72, 0.74)
"""How high above the eyes hair begins, from the nape (z -.6 dm) over the ear to the forehead."""

_PROBES_DM, _HAND_PROBES_DM = 0.5, 0.45
"""Grids by which contact is tested."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Heights of joints in the rest pose, dm."""

    hip: float
    knee: float
    ankle: float
    waist: float
    neck: float
    head: float


class Body:
    """Tables over the vertices of a base mesh; n is their number."""

    def __init__(self, base: BaseMesh) -> None:
        self.base = base
        self.rest = base.vertices
        self.count = len(base.vertices)
        self.index = {bone: number for number, bone in enumerate(base.bones)}
        self.after = {"": list(range(len(base.bones))), **{bone: self._after(bone) for bone in base.bones}}
        """The bones that each bone moves, parents first; all of them by the empty name."""
        self.skin = self._faces("body")
        self.tights = self._faces("helper-tights")
        self.skirt = self._faces("helper-skirt")
        self.skirt_top = float(self.rest[self.skirt, 1].max())
        self.eyes = np.concatenate([self._faces("helper-l-eye"), self._faces("helper-r-eye")])
        self.binding = binding_of(base.weights)
        self.is_skin = np.zeros(self.count, bool)
        self.is_skin[self.skin] = True
        self.is_tights = np.zeros(self.count, bool)
        self.is_tights[self.tights] = True
        joints, self.tails = self.joints_of(self.rest)
        self.joints = joints
        self.levels = self._levels()
        self.arm = {side: self._share(_ARM, side) for side in SIDES}
        self.hand = {side: self._share(_HAND, side) for side in SIDES}
        self.leg = {side: self._share(_LEG, side) for side in SIDES}
        self.arms = self.arm["l"] + self.arm["r"]
        self.in_arm = np.clip(self.arms * 2, 0, 1)
        self.head, self.neck = self._share(("head",)), self._share(("neck",))
        self.eye = {side: self.rest[np.unique(self._faces(f"helper-{side}-eye"))].mean(axis=0) for side in SIDES}
        self.along_arm = np.where(self.x > 0, self._along_arm("l"), self._along_arm("r"))
        self.scalp = self._scalp()
        self.labels = self._labels()
        self.landmarks = _landmarks(self)
        self.probes = _sampled(self.rest, self.is_skin & (self.arms < 0.3), _PROBES_DM)
        self.hand_probes = {side: self._hand_probes(side) for side in SIDES}

    @property
    def x(self) -> NDArray[np.float32]:
        return self.rest[:, 0]

    @property
    def y(self) -> NDArray[np.float32]:
        return self.rest[:, 1]

    @property
    def z(self) -> NDArray[np.float32]:
        return self.rest[:, 2]

    def joints_of(self, vertices: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the bones of a body of this shape begin and end, float64 (b, 3) each."""
        base = self.base
        ends = np.zeros((2 * len(base.bones), 3))
        np.add.at(ends, base.joint_rows, vertices[base.joint_columns] * base.joint_weights[:, None])
        return ends[: len(base.bones)], ends[len(base.bones) :]

    def eye_of(self, vertices: Points, side: str) -> NDArray[np.float32]:
        """The vertices of an eye of a body of this shape, (m, 3)."""
        return vertices[np.unique(self._faces(f"helper-{side}-eye"))]

    def labels_of(self, triangles: Triangles) -> NDArray[np.uint8]:
        """The class of bare triangles of the base mesh, by the majority of their corners."""
        corners = self.labels[triangles]
        return np.where(corners[:, 1] == corners[:, 2], corners[:, 1], corners[:, 0])

    def _after(self, bone: str) -> list[int]:
        found = {self.index[bone]}
        for number, parent in enumerate(self.base.parents.tolist()):
            if parent in found:
                found.add(number)
        return sorted(found - {self.index[bone]})

    def _faces(self, group: str) -> Triangles:
        return triangles_of(self.base.quads[self.base.groups == group])

    def _share(self, bones: tuple[str, ...], side: str = "") -> NDArray[np.float32]:
        """How much of each vertex bones with these beginnings move, (n,)."""
        ours = [
            number
            for name, number in self.index.items()
            if name.startswith(bones) and (not side or name.endswith(f"_{side}"))
        ]
        return np.asarray(self.base.weights[:, ours].sum(axis=1), np.float32)

    def _levels(self) -> Levels:
        names = ("thigh_l", "calf_l", "foot_l", "spine_02", "neck_01", "head")
        return Levels(*(float(self.joints[self.index[name], 1]) for name in names))

    def _along_arm(self, side: str) -> NDArray[np.float32]:
        """How far along an arm: 0 at the shoulder, 1 at the elbow, 2 at the wrist."""
        shoulder, elbow, wrist = (self.joints[self.index[f"{bone}_{side}"]] for bone in _ARM[:3])
        upper, lower = elbow - shoulder, wrist - elbow
        first = (self.rest - shoulder) @ upper / (upper @ upper)
        second = 1 + (self.rest - elbow) @ lower / (lower @ lower)
        return np.asarray(np.where(second > 1, second, np.minimum(first, 1)), np.float32)

    def _hand_probes(self, side: str) -> NDArray[np.int64]:
        """Vertices by which is seen whether a hand or its forearm is in something."""
        hand = _sampled(self.rest, self.is_skin & (self.hand[side] > 0.9), _HAND_PROBES_DM)
        along = (self.along_arm > 1.25) & (self.along_arm < 1.9)
        mask = self.is_skin & (self.arm[side] > 0.9) & (self.hand[side] < 0.5) & along
        forearm = _sampled(self.rest, mask, _PROBES_DM)
        return np.concatenate([hand, forearm])

    def _scalp(self) -> NDArray[np.float32]:
        """Above 0 where hair grows, about in dm from the hairline."""
        line = np.interp(self.z, _HAIRLINE_Z, self.eye["l"][1] + np.array(_HAIRLINE_Y))
        return np.asarray(np.minimum(self.y - line, (self.head - 0.4) * 2), np.float32)

    def _labels(self) -> NDArray[np.uint8]:
        """Of bare skin. A bald scalp is somebody's, of no class: some annotators call it face, others do not."""
        rest = 1 - self.head - self.arms - self.leg["l"] - self.leg["r"]
        votes = np.stack([self.head, rest, self.arm["l"], self.arm["r"], self.leg["l"], self.leg["r"]], axis=1)
        names = ("Face", "Torso-skin", "Left-arm", "Right-arm", "Left-leg", "Right-leg")
        labels = np.array([CIHP.id_of(name) for name in names], np.uint8)[votes.argmax(axis=1)]
        labels[self.scalp > 0] = SOMEBODY
        return np.asarray(labels)


def _sampled(points: Points, mask: NDArray[np.bool_], cell_dm: float) -> NDArray[np.int64]:
    """One of the vertices in each cell of a grid."""
    index = np.flatnonzero(mask)
    _, first = np.unique(np.floor(points[index] / cell_dm).astype(np.int64), axis=0, return_index=True)
    return index[np.sort(first)]


def _landmarks(body: Body) -> dict[str, int]:
    """Vertices of the skin that hands go to, by name; those with a side end in l or r."""
    levels = body.levels
    found: dict[str, int] = {}
    torso = body.is_skin & (body.arms < 0.5)

    def near(x: float, y: float, ahead: bool = True, reach: float = 0.35) -> int:
        """The foremost or rearmost vertex of those near a place, or the nearest if there is none."""
        away = np.maximum(np.abs(body.x - x), np.abs(body.y - y))
        among = np.flatnonzero(torso & (away < max(reach, away[torso].min() + 1e-6)))
        return int(among[np.argmax(body.z[among] * (1 if ahead else -1))])

    def outermost(mask: NDArray[np.bool_], measure: NDArray[np.float32]) -> int:
        return int(np.argmax(np.where(body.is_skin & mask, measure, -np.inf)))

    found |= {"chest": near(0, 3.8), "belly": near(0, 1.4)}
    found |= {"back": near(0, 3.6, False), "waistback": near(0, 1.6, False)}
    found["head"] = outermost(body.head > -1, body.y)
    for side, sign in (("l", 1), ("r", -1)):
        found["chest" + side], found["belly" + side] = near(sign * 0.9, 3.3), near(sign * 0.9, 1.5)
        found["back" + side], found["loin" + side] = near(sign * 0.9, 3.6, False), near(sign * 0.9, 1.6, False)
        found["thigh" + side], found["knee" + side] = near(sign * 0.95, -2.2), near(sign * 1.1, levels.knee + 0.2)
        found["cheek" + side] = near(sign * 0.55, float(body.eye["l"][1]) - 0.7, True, 0.2)
        found["hip" + side] = outermost((np.abs(body.y - 1.0) < 0.3) & (body.arms < 0.2), sign * body.x)
        beside = (sign * body.x > 1.2) & (sign * body.x < 1.9) & (body.arms < 0.6)
        found["shoulder" + side] = outermost(beside, body.y)
        at_ears = (body.head > 0.5) & (np.abs(body.y - body.eye["l"][1] - 0.1) < 0.3)
        found["ear" + side] = outermost(at_ears, sign * body.x)
    return found
