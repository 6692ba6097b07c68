"""How somebody gets dressed: garments grown out of the body's surface, fitted assets, and things strapped on.

A grown garment is a shell around faces of the base mesh where a field over its vertices is positive ("cut" of
`Surface`): hems and necklines are the field's zeros, and are smooth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from training.synthetic.assets import Assets
from training.synthetic.geometry.mesh import Points, Shape, Surface, Triangles, normals_of
from training.synthetic.geometry.skinning import Binding, binding_of, rigid
from training.synthetic.people.body import Body
from training.synthetic.people.shape import Build
from training.synthetic.rendering.materials import Materials

FAR = 20.0
"""A field's value deep inside or far outside, dm."""
Field = NDArray[np.float32]
"""(n,) over the base mesh's vertices: positive where something is, about in dm."""
Labels = int | Callable[[Points], NDArray[np.uint8]]
"""One class, or that of each triangle by its middle in the base mesh's rest pose, (t, 3)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A grown garment and where it lies over others."""

    surface: int
    """Its number among the surfaces."""
    height: float
    """Its mean distance from the skin, dm."""
    field: Field
    vertices: NDArray[np.integer[Any]]
    """Those of the base mesh that it has."""
    margin: float
    """How far inside of its hem what is below it is hidden."""


class Tailor:
    """Collects the surfaces of one person."""

    def __init__(self, body: Body, assets: Assets, build: Build, materials: Materials, rng: Generator) -> None:
        self.body, self.assets, self.build = body, assets, build
        self.materials, self.rng = materials, rng
        self.surfaces: list[Surface] = []
        self._layers: list[Layer] = []
        self._bare = np.full(body.count, FAR, np.float32)
        self._under_suit: NDArray[np.bool_] | None = None

    def shell(
        self,
        faces: Triangles,
        field: Field,
        height: ArrayLike,
        material: int,
        labels: Labels,
        margin: float | None = 0.12,
        fray: float = 0.0,
        texture: Points | None = None,
    ) -> None:
        """Grows a garment on some faces; `height` over the skin in dm, (n,) or one; no margin hides nothing."""
        kept = faces[(field[faces] >= 0).any(axis=1)]
        if not len(kept):
            return
        index, inverse = np.unique(kept, return_inverse=True)
        triangles = inverse.reshape(-1, 3).astype(np.int32)
        heights = np.broadcast_to(np.asarray(height, np.float32), self.body.count)[index]
        out = self.build.normals[index] * (heights * self.build.scale**0.5)[:, None]
        rest = self.body.rest[index]
        surface = Surface(
            vertices=self.build.vertices[index] + out,
            triangles=triangles,
            binding=self.body.binding.rows(index),
            texture=rest if texture is None else texture[index],
            material=material,
            labels=_labels_of(labels, rest[triangles].mean(axis=1)),
            cut=field[index].astype(np.float32),
            colours=np.zeros_like(rest),
            fray=fray,
        )
        if margin is not None:
            self._layers.append(Layer(len(self.surfaces), float(heights.mean()), field, index, margin))
            self._bare = np.minimum(self._bare, margin - field).astype(np.float32)
        self.surfaces.append(surface)

    def fitted(
        self,
        name: str,
        material: int,
        labels: Labels,
        components: Sequence[int] | None = None,
        where: Callable[[Points], NDArray[np.bool_]] | None = None,
        hides: bool = True,
        grow: float = 0.0,
        fray: float = 0.0,
    ) -> None:
        """Puts on an asset, or the components of it and the triangles whose middles in the rest pose are wanted."""
        wear = self.assets.wear(name)
        vertices, rest = wear.fit(self.build.vertices), wear.fit(self.body.rest)
        triangles = wear.triangles
        if components is not None:
            triangles = triangles[np.isin(wear.component[triangles[:, 0]], components)]
        if where is not None:
            triangles = triangles[where(rest[triangles].mean(axis=1))]
        if grow:
            vertices = vertices + normals_of(vertices, wear.triangles) * np.float32(grow)
        hair = wear.kind == "hair"
        weights = np.einsum("nk,nkb->nb", wear.barycentric, self.body.base.weights[wear.reference])
        surface = Surface(
            vertices=vertices,
            triangles=triangles,
            binding=rigid(len(vertices), self.body.index["head"]) if hair else binding_of(np.maximum(weights, 0)),
            texture=rest,
            material=material,
            labels=_labels_of(labels, rest[triangles].mean(axis=1)),
            cut=np.ones(len(vertices), np.float32),
            colours=np.zeros_like(vertices),
            fray=fray,
        )
        self.surfaces.append(surface)
        if hides:
            self._bare[wear.hidden] = -1

    def hide_under_suit(self, name: str) -> None:
        """Leaves nothing grown in sight where a fitted suit covers the body."""
        self._under_suit = np.zeros(self.body.count, bool)
        self._under_suit[self.assets.wear(name).hidden] = True

    def attach(self, shape: Shape, material: int, label: int, binding: Binding | str) -> None:
        """Fastens a mesh of the shaped body's rest pose to one bone, or to what a binding says."""
        count = len(shape.vertices)
        bound = rigid(count, self.body.index[binding]) if isinstance(binding, str) else binding
        self.surfaces.append(
            Surface(
                vertices=shape.vertices,
                triangles=shape.triangles,
                binding=bound,
                texture=shape.texture,
                material=material,
                labels=np.full(len(shape.triangles), label, np.uint8),
                cut=np.ones(count, np.float32),
                colours=np.zeros_like(shape.vertices),
            )
        )

    def finish(self, colours: Points, material: int) -> tuple[Surface, ...]:
        """All surfaces: garments where no other lies over them, and the skin where nothing covers it."""
        for layer in self._layers:
            self.surfaces[layer.surface] = replace(self.surfaces[layer.surface], cut=self._cut_of(layer))
        faces = self.body.skin[(self._bare[self.body.skin] >= 0).any(axis=1)]
        index, inverse = np.unique(faces, return_inverse=True)
        skin = Surface(
            vertices=self.build.vertices[index],
            triangles=inverse.reshape(-1, 3).astype(np.int32),
            binding=self.body.binding.rows(index),
            texture=self.body.rest[index],
            material=material,
            labels=self.body.labels_of(faces),
            cut=self._bare[index],
            colours=colours[index],
        )
        return (*self.surfaces, skin)

    def _cut_of(self, layer: Layer) -> Field:
        surface = self.surfaces[layer.surface]
        cut = surface.cut
        for other in self._layers:
            if other.height > layer.height and self.surfaces[other.surface].labels[0] != surface.labels[0]:
                cut = np.minimum(cut, max(other.margin, 0.15) - other.field[layer.vertices])
        if self._under_suit is not None:
            cut = np.where(self._under_suit[layer.vertices], -1, cut)
        return np.asarray(cut, np.float32)


def _labels_of(labels: Labels, middles: Points) -> NDArray[np.uint8]:
    return np.full(len(middles), labels, np.uint8) if isinstance(labels, int) else labels(middles)
