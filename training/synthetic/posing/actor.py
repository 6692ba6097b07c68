"""Somebody in a pose: how they stand, sit or crouch, what their arms do, and that hands lie on things, not in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from training.synthetic.geometry.mesh import Points, Surface, vector
from training.synthetic.people.body import SIDES, Body
from training.synthetic.people.person import Person
from training.synthetic.posing.pose import Grip, Pose, Vector
from training.synthetic.posing.postures import Posture, sample_posture

_CLEARANCE_DM = 0.16
"""Between a hand's skin and another's, for what is worn between them."""
_REACH_DM = 1.6
"""Whatever is farther from the nearest probe is not inside a body."""
_PUSHES = 5
_BENDS = (-0.6, -0.2, 0.2, 0.6)
"""Of the wrist, tried to lay a hand flat."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Samples of a body's posed surface, without its arms."""

    points: Points
    normals: Points

    def depth(self, points: Points) -> tuple[NDArray[np.float32], Points]:
        """How far inside each point is, dm, negative outside; and the way out, a unit vector."""
        away = points[:, None] - self.points[None]
        nearest = np.argmin(np.einsum("kmi,kmi->km", away, away), axis=1)
        rows = np.arange(len(points))
        out = self.normals[nearest]
        offset = away[rows, nearest]
        depth = -np.einsum("ki,ki->k", offset, out)
        far = np.linalg.norm(offset, axis=1) > _REACH_DM
        return np.where(far, -_REACH_DM, depth).astype(np.float32), out


def obstacle_of(obstacles: Sequence[Obstacle]) -> Obstacle:
    """One of several."""
    return Obstacle(
        np.concatenate([each.points for each in obstacles]), np.concatenate([each.normals for each in obstacles])
    )


class Actor:
    """A person who stands at (x, z), dm, and looks along a yaw; 0 is along z."""

    def __init__(
        self, body: Body, person: Person, rng: Generator, legs: str, yaw: float = 0.0, x: float = 0.0, z: float = 0.0
    ) -> None:
        self.body, self.person, self.legs, self.yaw = body, person, legs, yaw
        self.rng = rng
        self.scale = person.build.scale
        self.holding: list[str] = []
        posture = sample_posture(legs, rng)
        self.pose = Pose(body, person.build.vertices, yaw, posture.tilt, posture.side)
        self.pose.bend_trunk(posture.bend, rng.normal(0, 0.1), rng.normal(0, 0.06), _look(rng))
        self._place_legs(posture)
        self.seat = 0.0
        self._stand_at(x, z)
        self._obstacle: Obstacle | None = None
        for side in SIDES:
            self.hang(side)

    @property
    def x(self) -> float:
        return float(self.pose.joint("pelvis")[0])

    @property
    def z(self) -> float:
        return float(self.pose.joint("pelvis")[2])

    def point(self, landmark: str, out_dm: float = 0.0) -> Vector:
        """Where a landmark of the skin is, or a point so far above it."""
        index = self.body.landmarks[landmark]
        build = self.person.build
        where = self.pose.apply(build.vertices[index : index + 1], self.body.binding.rows(np.array([index])))[0]
        turned = self.pose.rotations[self.body.binding.bones[index, 0]]
        return np.asarray(where + turned @ build.normals[index] * out_dm, np.float64)

    def ahead(self, direction: ArrayLike) -> Vector:
        """A direction of the chest (left, up, ahead) in the world."""
        return np.asarray(self.pose.rotation_of("spine_03") @ np.asarray(direction, np.float64))

    def move(self, offset: ArrayLike) -> None:
        """Moves all of them, dm."""
        by = np.asarray(offset, np.float64)
        self.pose.origin = self.pose.origin + by
        self.pose.update()
        self.seat += float(by[1])
        self._obstacle = None

    def surfaces(self) -> list[tuple[Surface, Points]]:
        """Each surface and where its vertices are."""
        return [
            (surface, self.pose.apply(surface.vertices, surface.binding))
            for surface in self.person.surfaces
            if len(surface.triangles)
        ]

    @property
    def obstacle(self) -> Obstacle:
        if self._obstacle is None:
            index = self.body.probes
            binding = self.body.binding.rows(index)
            points = self.pose.apply(self.person.build.vertices[index], binding)
            turned = self.pose.rotations[binding.bones[:, 0]]
            normals = np.einsum("nij,nj->ni", turned, self.person.build.normals[index])
            self._obstacle = Obstacle(points, normals.astype(np.float32))
        return self._obstacle

    def hang(self, side: str) -> None:
        """Lets an arm hang."""
        rng, sign = self.rng, 1 if side == "l" else -1
        upper = self.ahead([sign * abs(rng.normal(0.2, 0.12)), -1, rng.normal(0, 0.18)])
        lower = self.ahead([sign * rng.normal(0.08, 0.1), -1, abs(rng.normal(0.25, 0.2))])
        self.swing(side, upper, lower, Grip(rng.normal(0, 0.3), abs(rng.normal(0.35, 0.2))))

    def swing(self, side: str, upper: ArrayLike, lower: ArrayLike, grip: Grip) -> None:
        """Points an arm along directions of the world, kept out of the own body."""
        self.pose.arm(side, upper, lower, grip)
        self._clear(side, self.obstacle, grip, self._elbow_pole(side))

    def touch(
        self, side: str, target: ArrayLike, pole: ArrayLike | None = None, grip: Grip | None = None,
        others: Sequence["Actor"] = (), flat: bool = True,
    ) -> None:  # fmt: skip
        """Brings a wrist to a target; the hand is laid on whatever is there, and kept out of all bodies.

        Args:
            target: dm, in the world.
            pole: where the elbow points to, of the chest: left, up, ahead.
            others: who may be in the way beside the own body.
            flat: whether the wrist is bent so that the hand lies on what it touches.
        """
        rng, sign = self.rng, 1 if side == "l" else -1
        elbow = self.ahead([sign * 0.6, -0.7, -0.3] if pole is None else pole)
        grip = Grip(rng.normal(0, 0.4), abs(rng.normal(0.35, 0.2)), rng.normal(0, 0.2)) if grip is None else grip
        bodies = obstacle_of([self.obstacle, *(other.obstacle for other in others)])
        self.pose.arm_to(side, target, elbow, grip)
        self._clear(side, bodies, grip, elbow)
        if flat:
            self._flatten(side, bodies, grip, elbow)

    def _elbow_pole(self, side: str) -> Vector:
        shoulder, elbow, wrist = (self.pose.joint(f"{bone}_{side}") for bone in ("upperarm", "lowerarm", "hand"))
        out = elbow - (shoulder + wrist) / 2
        sign = 1 if side == "l" else -1
        return np.asarray(out + self.ahead([sign * 0.1, -0.05, -0.1]), np.float64)

    def _clear(self, side: str, bodies: Obstacle, grip: Grip, pole: Vector) -> None:
        """Moves a wrist until nothing of its hand and forearm is inside a body."""
        for _ in range(_PUSHES):
            depth, out = bodies.depth(self._hand(side))
            deepest = int(np.argmax(depth))
            inside = float(depth[deepest]) + _CLEARANCE_DM * self.scale
            if inside < 0.03:
                return
            target = self.pose.joint(f"hand_{side}") + out[deepest] * inside * 1.05
            self.pose.arm_to(side, target, pole, grip)

    def _flatten(self, side: str, bodies: Obstacle, grip: Grip, pole: Vector) -> None:
        """Bends the wrist so that the hand is near what it touches, and not in it."""
        wrist = self.pose.joint(f"hand_{side}").copy()
        costs = []
        for bend in _BENDS:
            self.pose.arm_to(side, wrist, pole, replace(grip, bend=bend))
            above = -bodies.depth(self._hand(side))[0] - _CLEARANCE_DM * self.scale
            costs.append(float(np.mean(np.where(above < 0, -6 * above, np.minimum(above, 1.0)))))
        best = replace(grip, bend=_BENDS[int(np.argmin(costs))])
        self.pose.arm_to(side, wrist, pole, best)
        self._clear(side, bodies, best, pole)

    def _hand(self, side: str) -> Points:
        index = self.body.hand_probes[side]
        return self.pose.apply(self.person.build.vertices[index], self.body.binding.rows(index))

    def _place_legs(self, posture: Posture) -> None:
        for side, leg in zip(SIDES, posture.legs):
            self.pose.leg(side, leg.flex, leg.spread, leg.knee, leg.turn, leg.heel, leg.flat)

    def _stand_at(self, x: float, z: float) -> None:
        """Puts the lowest of feet, knees and seat on the ground."""
        pose, rest, at = self.pose, self.pose.rest, self.body.index
        floor = float(self.person.build.vertices[self.body.is_skin, 1].min())
        sole = float(rest[at["ball_l"], 1]) - floor
        below = {"ball": sole, "foot": sole * 1.9, "calf": 0.6 * self.scale, "thigh": 1.05 * self.scale}
        lowest = min(float(pose.joint(f"{bone}_{side}")[1]) - depth for bone, depth in below.items() for side in SIDES)
        pelvis = pose.joint("pelvis")
        pose.origin = pose.origin + vector(x - pelvis[0], -lowest, z - pelvis[2])
        pose.update()
        self.seat = min(float(pose.joint(f"thigh_{side}")[1]) for side in SIDES) - self.scale


def _look(rng: Generator) -> tuple[float, float, float]:
    return float(rng.normal(0.05, 0.14)), float(rng.normal(0, 0.28)), float(rng.normal(0, 0.1))
