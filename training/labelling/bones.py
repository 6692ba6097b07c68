"""Bones of a person from points of joints, and how far pixels are from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.teachers.blazepose import LEFT_INDEX, LEFT_TOE, Pose
from training.teachers.movenet import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NOSE,
    Found,
)

ARM, LEG, FOOT, NECK = "arm", "leg", "foot", "neck"
KINDS = (ARM, LEG, FOOT, NECK)
_LIMBS = (
    (ARM, LEFT_SHOULDER, LEFT_ELBOW),
    (ARM, LEFT_ELBOW, LEFT_WRIST),
    (LEG, LEFT_HIP, LEFT_KNEE),
    (LEG, LEFT_KNEE, LEFT_ANKLE),
)
_CERTAIN = 0.6
"""Of a pose whose hands and feet are believed."""
_HAND = 0.35
"""Of a forearm's length, from the wrist on, where no pose says where the hand is."""
_NECK_UP, _NECK_DOWN = 0.35, 0.25
"""Of the way from the shoulders' middle to the nose: how far up and down the neck's bone goes."""
_TORSO_OF_HEIGHT = 0.25
"""A torso's length as a share of the box, of whom shoulders and hips are not seen."""
_LEAST_TORSO = 0.3
"""No torso is shorter than this share of what the box says: of somebody who bends to the camera."""

Point = NDArray[np.float64]
"""x, y in pixels."""


@dataclass(frozen=True, slots=True)
class Bone:
    """A limb's axis."""

    kind: str
    """One of `KINDS`."""
    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class Body:
    """What is known of how somebody stands."""

    bones: tuple[Bone, ...]
    torso: float
    """Pixels from shoulders to hips, about: what lengths are measured by."""
    shoulders: float | None
    """Row of the shoulders' middle; None where they are not seen."""
    hips: float | None
    knees: float | None


def body_of(found: Found, pose: Pose | None = None) -> Body:
    """The bones of somebody.

    Args:
        found: boxes and points.
        pose: of the same person, for hands and feet; None if they are too small for one.
    """
    sure = pose if pose is not None and pose.certainty >= _CERTAIN else None
    bones = [bone for side in (0, 1) for bone in _of_side(found, sure, side)]
    shoulders, hips, knees = (_middle(found, joint) for joint in (LEFT_SHOULDER, LEFT_HIP, LEFT_KNEE))
    nose = found.point(NOSE)
    if shoulders is not None and nose is not None:
        up = nose - shoulders
        bones.append(Bone(NECK, shoulders + _NECK_UP * up, shoulders - _NECK_DOWN * up))
    rows = tuple(None if each is None else float(each[1]) for each in (shoulders, hips, knees))
    return Body(tuple(bones), _torso(found, shoulders, hips), *rows)


def distance(points: NDArray[np.float64], bone: Bone) -> NDArray[np.float64]:
    """Pixels from each point to a bone: (n,) of (n, 2)."""
    along = bone.end - bone.start
    share = np.clip((points - bone.start) @ along / max(float(along @ along), 1e-6), 0, 1)
    away = points - (bone.start + share[:, None] * along)
    return np.asarray(np.hypot(away[:, 0], away[:, 1]), np.float64)


def _of_side(found: Found, pose: Pose | None, side: int) -> list[Bone]:
    bones = []
    for kind, first, second in _LIMBS:
        start, end = found.point(first + side), found.point(second + side)
        if start is not None and end is not None:
            bones.append(Bone(kind, start, end))
    elbow, wrist = found.point(LEFT_ELBOW + side), found.point(LEFT_WRIST + side)
    if wrist is not None:
        hand = pose.points[LEFT_INDEX + side] if pose else None
        if hand is None and elbow is not None:
            hand = wrist + _HAND * (wrist - elbow)
        if hand is not None:
            bones.append(Bone(ARM, wrist, hand))
    ankle = found.point(LEFT_ANKLE + side)
    if ankle is not None and pose is not None:
        bones.append(Bone(FOOT, ankle, pose.points[LEFT_TOE + side]))
    return bones


def _middle(found: Found, joint: int) -> Point | None:
    left, right = found.point(joint), found.point(joint + 1)
    return None if left is None or right is None else (left + right) / 2


def _torso(found: Found, shoulders: Point | None, hips: Point | None) -> float:
    by_height = _TORSO_OF_HEIGHT * found.height
    if shoulders is None:
        return by_height
    if hips is not None:
        return max(float(np.hypot(*(shoulders - hips))), _LEAST_TORSO * by_height)
    left, right = found.point(LEFT_SHOULDER), found.point(LEFT_SHOULDER + 1)
    return by_height if left is None or right is None else max(by_height, float(np.hypot(*(left - right))))
