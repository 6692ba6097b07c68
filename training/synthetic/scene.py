"""Everything that a picture is rendered from: people, what they hold and sit on, floor and walls, as one mesh."""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.pack import BAG
from training.synthetic.geometry.mesh import Points, Shape, Triangles, box, normals_of, plane, vector
from training.synthetic.posing.groups import Stage
from training.synthetic.posing.props import props_of
from training.synthetic.rendering.camera import Camera
from training.synthetic.rendering.materials import Material, Materials, Pattern, muted, some_colour

_WALL_HALF_DM = (60.0, 70.0)
"""Half of its height and of its width."""


@dataclass
class Scene:
    """A mesh that grows; each triangle has a material, a label and the number of its person."""

    materials: Materials
    points: list[Points] = field(default_factory=list)
    triangles: list[Triangles] = field(default_factory=list)
    texture: list[Points] = field(default_factory=list)
    colours: list[Points] = field(default_factory=list)
    cuts: list[NDArray[np.float32]] = field(default_factory=list)
    frays: list[NDArray[np.float32]] = field(default_factory=list)
    used: list[NDArray[np.int32]] = field(default_factory=list)
    labels: list[NDArray[np.uint8]] = field(default_factory=list)
    persons: list[NDArray[np.uint8]] = field(default_factory=list)
    size: int = 0
    """Vertices so far."""

    def add(self, shape: Shape, material: int, label: int = 0) -> None:
        """A thing that is nobody's."""
        count, faces = len(shape.vertices), len(shape.triangles)
        self._add(
            shape.vertices,
            shape.triangles,
            shape.texture,
            np.zeros((count, 3), np.float32),
            np.ones(count, np.float32),
            0.0,
            material,
            np.full(faces, label, np.uint8),
            0,
        )

    def add_people(self, stage: Stage) -> None:
        """Everybody on a stage, by their numbers from 1, and what they hold."""
        props = [props_of(actor, self.materials) for actor in stage.actors]  # they pose arms, too
        for number, actor in enumerate(stage.actors, start=1):
            for surface, points in actor.surfaces():
                self._add(
                    points,
                    surface.triangles,
                    surface.texture,
                    surface.colours,
                    surface.cut,
                    surface.fray,
                    surface.material,
                    surface.labels,
                    number,
                )
        for prop in (each for theirs in props for each in theirs):
            self.add(prop.shape, prop.material, BAG)

    def _add(
        self,
        points: Points,
        triangles: Triangles,
        texture: Points,
        colours: Points,
        cut: NDArray[np.float32],
        fray: float,
        material: int,
        labels: NDArray[np.uint8],
        person: int,
    ) -> None:
        faces = len(triangles)
        self.points.append(points)
        self.triangles.append(triangles + np.int32(self.size))
        self.texture.append(texture)
        self.colours.append(colours)
        self.cuts.append(cut)
        self.frays.append(np.full(faces, fray, np.float32))
        self.used.append(np.full(faces, material, np.int32))
        self.labels.append(labels)
        self.persons.append(np.where(labels == BAG, 0, person).astype(np.uint8))
        self.size += len(points)

    def whole(self) -> "Whole":
        """One mesh of all of it."""
        points, triangles = np.concatenate(self.points), np.concatenate(self.triangles)
        return Whole(
            points=np.ascontiguousarray(points, np.float32),
            triangles=np.ascontiguousarray(triangles, np.int32),
            normals=normals_of(points, triangles),
            texture=np.concatenate(self.texture).astype(np.float32),
            colours=np.concatenate(self.colours).astype(np.float32),
            cut=np.concatenate(self.cuts).astype(np.float32),
            fray=np.concatenate(self.frays),
            materials=np.concatenate(self.used),
            labels=np.concatenate(self.labels),
            persons=np.concatenate(self.persons),
        )


@dataclass(frozen=True, slots=True)
class Whole:
    """A finished scene; n vertices, t triangles."""

    points: Points
    triangles: Triangles
    normals: Points
    texture: Points
    colours: Points
    cut: NDArray[np.float32]
    fray: NDArray[np.float32]
    materials: NDArray[np.int32]
    labels: NDArray[np.uint8]
    persons: NDArray[np.uint8]


def furnish(scene: Scene, stage: Stage) -> None:
    """The furniture that a group sits on and at."""
    rng = stage.rng
    common = _upholstery(scene.materials, rng)
    for block in stage.blocks:
        material = common if rng.random() < 0.7 else _upholstery(scene.materials, rng)
        scene.add(box(block.low, block.high), material)


def _upholstery(materials: Materials, rng: Generator) -> int:
    kind = rng.random()
    if kind < 0.15 and materials.pictures:
        picture = int(rng.integers(materials.pictures))
        return materials.add(rng, Material(picture=picture, frequency=rng.uniform(0.1, 0.5), specular=0.05))
    if kind < 0.4:
        return materials.add(rng, _wood(rng, rng.uniform(0.5, 2)))
    pattern = Pattern(int(rng.choice([0, 0, 1, 3, 8])))
    return materials.add(
        rng,
        Material(
            pattern,
            some_colour(rng, 0.3),
            some_colour(rng),
            frequency=rng.uniform(0.3, 2),
            bump=rng.uniform(0, 0.3),
            specular=float(rng.choice([0, 0.1, 0.3])),
        ),
    )


def _wood(rng: Generator, frequency: float, pattern: Pattern = Pattern.MOTTLED) -> Material:
    tone = rng.uniform(0.4, 1.8)
    return Material(
        pattern, np.array([0.22, 0.12, 0.06]) * tone, np.array([0.1, 0.05, 0.025]) * tone, frequency, specular=0.1
    )


def add_floor(scene: Scene, rng: Generator, middle: NDArray[np.float64], half_dm: float, plain: bool) -> None:
    """A floor under everybody: planks, tiles, carpet or stone; a plain grey one to catch shadows."""
    kind = rng.random()
    if plain:
        material = Material(colour=(0.4, 0.4, 0.4))
    elif kind < 0.35:
        material = _wood(rng, rng.uniform(0.6, 1.2), Pattern.PLANKS)
    elif kind < 0.6:
        joint = muted(rng)
        material = Material(Pattern.TILES, muted(rng), joint * 0.5, rng.uniform(0.15, 0.5), specular=0.08, gloss=30)
    elif kind < 0.85:
        colour = muted(rng)
        material = Material(Pattern.MOTTLED, colour, colour * rng.uniform(0.6, 0.9), rng.uniform(1, 8))
    else:
        material = Material(Pattern.FLOWERS, muted(rng), muted(rng), rng.uniform(0.1, 0.5))
    number = scene.materials.add(rng, material)
    scene.add(plane([middle[0], 0, middle[2]], [0, 0, half_dm], [half_dm, 0, 0]), number)


def add_wall(scene: Scene, rng: Generator, camera: Camera, low: Points, high: Points) -> None:
    """A wall behind everybody, as the camera sees them."""
    to_camera = np.array([np.sin(camera.yaw), 0, np.cos(camera.yaw)])
    behind = rng.uniform(0.5, 5) + float(np.linalg.norm((high - low)[[0, 2]])) / 2
    foot = (low + high) / 2 * [1, 0, 1] - to_camera * behind
    turned = rng.normal(0, 0.25)
    along = np.cross([0, 1, 0], to_camera) * np.cos(turned) + to_camera * np.sin(turned)
    half_height, half_width = _WALL_HALF_DM
    wall = plane(foot + vector(0, half_height - 0.01, 0), [0, half_height, 0], along * half_width)
    # Its texture runs along the ground first, as that of bodies does.
    texture = np.ascontiguousarray(wall.texture[:, [1, 0, 2]])
    scene.add(
        Shape(wall.vertices, texture, wall.triangles), scene.materials.add(rng, _wall_paint(scene.materials, rng))
    )


def _wall_paint(materials: Materials, rng: Generator) -> Material:
    kind = rng.random()
    if kind < 0.25 and materials.pictures:
        picture = int(rng.integers(materials.pictures))
        return Material(picture=picture, frequency=rng.uniform(0.04, 0.15))
    colour = muted(rng)
    if kind < 0.65:
        return Material(Pattern.MOTTLED, colour, colour * rng.uniform(0.8, 0.97), rng.uniform(0.05, 0.4))
    if kind < 0.8:
        return Material(Pattern.TILES, colour, colour * rng.uniform(0.5, 0.9), rng.uniform(0.3, 1.2), specular=0.1)
    stripes = Pattern.STRIPES_ALONG if rng.random() < 0.7 else Pattern.PLANKS
    return Material(stripes, colour, colour * rng.uniform(0.7, 0.95), rng.uniform(0.15, 0.8))
