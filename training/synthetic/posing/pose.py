"""Poses: the rotation of every bone, from the directions that limbs are wished to have, or from where they end.

Rotations are of the world's axes, from the rest pose. Limbs of two bones reach a target by the cosine rule (analytic
inverse kinematics); a pole says where knee or elbow points to.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.synthetic.geometry.mesh import Points, cross, unit
from training.synthetic.geometry.skinning import Binding, skin
from training.synthetic.people.body import FINGERS, Body

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
_X, _Y, _Z = np.eye(3)
_SPINE = ("spine_01", "spine_02", "spine_03")
_JOINTS = ("01", "02", "03")
"""Of each finger."""


@dataclass(frozen=True, slots=True)
class Grip:
    """How a hand is held, in radians."""

    twist: float = 0.0
    """Of the forearm around itself."""
    curl: float = 0.3
    """Of each joint of the fingers."""
    bend: float = 0.0
    """Of the wrist, towards the palm."""


@dataclass(frozen=True, slots=True)
class _Hand:
    """Unit vectors of a hand in the rest pose."""

    palm: Vector
    """Where it looks."""
    wrist: Vector
    """The axis that it bends around towards the palm."""
    fingers: dict[str, Vector]
    """The axis that each bone of a finger bends around."""


def rotation(axis: ArrayLike, angle: float) -> Matrix:
    """The rotation by an angle, in radians, around an axis (Rodrigues)."""
    x, y, z = unit(axis).tolist()
    c, s = math.cos(angle), math.sin(angle)
    t = 1 - c
    return np.array(
        [
            [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
            [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
            [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
        ]
    )


def arc(start: ArrayLike, end: ArrayLike) -> Matrix:
    """The shortest rotation from one direction to another."""
    a, b = unit(start), unit(end)
    axis = cross(a, b)
    sine, cosine = math.sqrt(float(axis @ axis)), float(a @ b)
    if sine < 1e-6:
        return np.eye(3) if cosine > 0 else rotation(cross(a, np.array([1, 0.3, 0.2])), np.pi)
    return rotation(axis, float(np.arctan2(sine, cosine)))


def reach(lengths: tuple[float, float], way: Vector, pole: ArrayLike) -> tuple[Vector, Vector]:
    """The directions of a limb's two bones that bring its end to the end of a way, bent towards a pole.

    What is too far is reached for, what is too near is kept at the least distance.
    """
    first, second = lengths
    distance = float(np.clip(np.linalg.norm(way), abs(first - second) * 1.02 + 0.02, (first + second) * 0.995))
    ahead = unit(way)
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = np.sqrt(max(0.0, first**2 - along**2))
    out = unit(np.asarray(pole) - ahead * (ahead @ np.asarray(pole)))
    joint = ahead * along + out * aside
    return unit(joint), unit(ahead * distance - joint)


class Pose:
    """Somebody's bones: turned by `yaw` around y, then tilted forwards and sideways at the pelvis, in radians."""

    def __init__(self, body: Body, vertices: Points, yaw: float = 0.0, tilt: float = 0.0, side: float = 0.0) -> None:
        self._body = body
        self._at = body.index
        self._parents = body.base.parents
        self.rest, self._tails = body.joints_of(vertices)
        self.rotations = np.repeat(np.eye(3)[None], len(self.rest), axis=0)
        self.joints = self.rest.copy()
        self.origin = np.zeros(3)
        self._hands = {side: _Hand(*self._hand_axes(side)) for side in "lr"}
        self.facing = rotation(_Y, yaw)
        self.pelvis = self.facing @ rotation(_X, tilt) @ rotation(_Z, side)
        self._set("Root", self.pelvis)
        self.update()

    def joint(self, bone: str) -> Vector:
        """Where a bone begins, dm."""
        return np.asarray(self.joints[self._at[bone]])

    def rotation_of(self, bone: str) -> Matrix:
        return np.asarray(self.rotations[self._at[bone]])

    def apply(self, vertices: Points, binding: Binding) -> Points:
        """Vertices of the rest pose in this pose, float32 (n, 3)."""
        return skin(vertices, binding, self.rotations, self.rest, self.joints)

    def update(self, moved: str = "") -> None:
        """Forward kinematics: bones begin where their parents put them; those after one that moved, or all."""
        for bone in self._body.after[moved]:
            parent = self._parents[bone]
            if parent < 0:
                self.joints[bone] = self.rest[bone] + self.origin
            else:
                offset = self.rest[bone] - self.rest[parent]
                self.joints[bone] = self.joints[parent] + self.rotations[parent] @ offset

    def bend_trunk(self, bend: float, twist: float, lean: float, look: tuple[float, float, float]) -> None:
        """Bends the spine forwards, around itself and sideways; look: the head's nod, turn and roll."""
        turned = self.pelvis
        self._set("pelvis", turned)
        step = rotation(_X, bend / 3) @ rotation(_Y, twist / 3) @ rotation(_Z, lean / 3)
        for bone in _SPINE:
            turned = turned @ step
            self._set(bone, turned)
        for side in "lr":
            self._set(f"clavicle_{side}", turned)
        nod, turn, roll = look
        half = rotation(_Y, turn / 2) @ rotation(_X, nod / 2) @ rotation(_Z, roll / 2)
        self._set("neck_01", turned @ half)
        self._set("head", turned @ half @ half)
        self.update()

    def arm(self, side: str, upper: ArrayLike, lower: ArrayLike, grip: Grip = Grip()) -> None:
        """Points an arm's two halves along directions of the world."""
        self._raise_shoulder(side, upper)
        bones = (f"upperarm_{side}", f"lowerarm_{side}", f"hand_{side}")
        self._limb(bones, f"clavicle_{side}", upper, lower, _Z)
        forearm = unit(self.joint(bones[2]) - self.joint(bones[1]))
        turned = self.rotation_of(bones[1])
        self._set(bones[1], rotation(forearm, grip.twist * 0.45) @ turned)
        self._hand(side, rotation(forearm, grip.twist) @ turned, grip)
        self.update(bones[1])

    def arm_to(self, side: str, target: ArrayLike, pole: ArrayLike, grip: Grip = Grip()) -> None:
        """Brings a wrist to a target, the elbow pointing to the pole; both in the world's axes, dm."""
        bones = (f"upperarm_{side}", f"lowerarm_{side}", f"hand_{side}")
        for _ in range(2):  # the shoulder moves with the arm, and with it where the arm begins
            upper, lower = self._reach(bones, target, pole)
            self._raise_shoulder(side, upper)
        upper, lower = self._reach(bones, target, pole)
        self.arm(side, upper, lower, grip)

    def leg(self, side: str, flex: float, spread: float, knee: float, turn: float, foot: float, flat: bool) -> None:
        """Bends hip and knee; a flat foot stands on the ground, another one follows its calf; foot: heel up."""
        sign = 1 if side == "l" else -1
        hip = self.pelvis @ rotation(_Y, sign * turn) @ rotation(_Z, sign * spread) @ rotation(_X, -flex)
        upper, behind = hip @ -_Y, hip @ -_Z
        lower = upper * np.cos(knee) + behind * np.sin(knee)
        self._limb((f"thigh_{side}", f"calf_{side}", f"foot_{side}"), "pelvis", upper, lower, -_Z)
        if flat:
            ahead = self.facing @ rotation(_Y, sign * (turn * 0.8 + spread * 0.3 + 0.15)) @ _Z
            turned = rotation(_Y, float(np.arctan2(ahead[0], ahead[2]))) @ rotation(_X, foot)
        else:
            turned = self.rotation_of(f"calf_{side}") @ rotation(_X, foot)
        self._set(f"foot_{side}", turned)
        on_toes = flat and foot >= 0.2
        self._set(f"ball_{side}", rotation(_Y, float(np.arctan2(turned[0, 2], turned[2, 2]))) if on_toes else turned)
        self.update(f"foot_{side}")

    def _set(self, bone: str, turned: Matrix) -> None:
        self.rotations[self._at[bone]] = turned

    def _reach(self, bones: tuple[str, str, str], target: ArrayLike, pole: ArrayLike) -> tuple[Vector, Vector]:
        first, second, third = (self.rest[self._at[bone]] for bone in bones)
        lengths = (float(np.linalg.norm(second - first)), float(np.linalg.norm(third - second)))
        return reach(lengths, np.asarray(target, np.float64) - self.joint(bones[0]), pole)

    def _limb(
        self, bones: tuple[str, str, str], parent: str, upper: ArrayLike, lower: ArrayLike, bends_to: Vector
    ) -> None:
        """Turns a limb's two halves along directions; bends_to: where its joint bends to in the rest pose."""
        first, second, third = (self.rest[self._at[bone]] for bone in bones)
        upper_rest, lower_rest = unit(second - first), unit(third - second)
        hinge = cross(upper_rest, bends_to)
        hinge = unit(hinge - upper_rest * (hinge @ upper_rest))
        ahead, after = unit(upper), unit(lower)
        carried = self.rotation_of(parent)
        natural = arc(carried @ upper_rest, ahead) @ carried @ hinge
        axis = cross(ahead, after)
        bent = math.sqrt(float(axis @ axis))
        sure = min(1.0, max(0.0, (bent - 0.1) / 0.3))  # of a straight limb the hinge cannot be seen
        axis = unit(axis / (bent + 1e-9) * sure + natural * (1 - sure))
        if axis @ natural < -0.2 and sure < 1:
            axis = natural
        self._set(bones[0], _frame(ahead, axis) @ _frame(upper_rest, hinge).T)
        self._set(bones[1], _frame(after, axis) @ _frame(lower_rest, hinge).T)
        self.update(bones[0])

    def _raise_shoulder(self, side: str, upper: ArrayLike) -> None:
        """The collarbone goes up and forwards with a raised arm."""
        trunk = self.rotation_of("spine_03")
        local = trunk.T @ unit(upper)
        sign = 1 if side == "l" else -1
        lifted = rotation(_Z, sign * 0.45 * max(0.0, float(local[1]) + 0.15))
        self._set(f"clavicle_{side}", trunk @ lifted @ rotation(_Y, -sign * 0.22 * max(0.0, float(local[2]))))
        self.update(f"clavicle_{side}")

    def palm(self, side: str) -> Vector:
        """Where the palm looks in the rest pose."""
        return self._hands[side].palm

    def _hand_axes(self, side: str) -> tuple[Vector, Vector, dict[str, Vector]]:
        def at(bone: str) -> Vector:
            return np.asarray(self.rest[self._at[f"{bone}_{side}"]])

        hand = at("hand")
        palm = unit(cross(at("index_01") - hand, at("pinky_01") - hand)) * (-1 if side == "l" else 1)
        bones = [f"{finger}_{number}_{side}" for finger in FINGERS for number in _JOINTS]
        numbers = [self._at[bone] for bone in bones]
        fingers = {bone: unit(cross(unit(self._tails[at] - self.rest[at]), palm)) for bone, at in zip(bones, numbers)}
        return palm, unit(cross(unit(at("middle_01") - hand), palm)), fingers

    def _hand(self, side: str, turned: Matrix, grip: Grip) -> None:
        hand = self._hands[side]
        turned = turned @ rotation(hand.wrist, grip.bend)
        self._set(f"hand_{side}", turned)
        for finger in FINGERS:
            joint = turned
            for number in _JOINTS:
                bone = f"{finger}_{number}_{side}"
                curl = grip.curl * (0.35 if finger == "thumb" else 1.0) * (0.8 if number == "01" else 1.0)
                joint = joint @ rotation(hand.fingers[bone], curl)
                self._set(bone, joint)


def _frame(along: ArrayLike, aside: Vector) -> Matrix:
    """The rotation that brings x to a direction and y as near as it can to another."""
    first = unit(along)
    second = unit(aside - first * (first @ aside))
    return np.stack([first, second, cross(first, second)], axis=1)
