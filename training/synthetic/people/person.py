"""One dressed person in the rest pose."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipeline.labels import CIHP
from training.synthetic.assets import Assets
from training.synthetic.geometry.mesh import Surface
from training.synthetic.people.accessories import put_on_backpack, put_on_glasses, put_on_scarf, put_on_shoulder_bag
from training.synthetic.people.body import Body
from training.synthetic.people.clothes import Wardrobe
from training.synthetic.people.complexion import Complexion, sample_complexion
from training.synthetic.people.hair import dress_head
from training.synthetic.people.shape import Build, sample_build
from training.synthetic.people.tailor import Tailor
from training.synthetic.rendering.materials import Material, Materials

FACE = CIHP.id_of("Face")


@dataclass(frozen=True, slots=True)
class Person:
    build: Build
    surfaces: tuple[Surface, ...]


def sample_person(body: Body, assets: Assets, materials: Materials, rng: Generator, age: float | None = None) -> Person:
    """Somebody, dressed from head to foot; of this age if one is given."""
    build = sample_build(body, rng, age)
    tailor = Tailor(body, assets, build, materials, rng)
    complexion = sample_complexion(body, build, rng)
    tailor.surfaces.append(_eyes(tailor, complexion))
    wardrobe = Wardrobe(tailor)
    wardrobe.dress()
    dress_head(tailor, complexion.hair, 0.3 if wardrobe.coat else 0.13)
    if rng.random() < 0.2 and build.age > 0.2:
        put_on_glasses(tailor)
    if rng.random() < (0.3 if wardrobe.coat else 0.04):
        put_on_scarf(tailor)
    carries = rng.random()
    if carries < 0.08:
        put_on_backpack(tailor)
    elif carries < 0.18:
        put_on_shoulder_bag(tailor)
    skin = Material(
        colour=complexion.skin,
        own_colours=True,
        specular=0.09,
        gloss=rng.uniform(6, 22),
        wrap=0.32,
        bump=0.03,
        bump_frequency=3,
    )
    return Person(build, tailor.finish(complexion.colours, materials.add(rng, skin)))


def _eyes(tailor: Tailor, complexion: Complexion) -> Surface:
    body = tailor.body
    index, inverse = np.unique(body.eyes, return_inverse=True)
    return Surface(
        vertices=tailor.build.vertices[index],
        triangles=inverse.reshape(-1, 3).astype(np.int32),
        binding=body.binding.rows(index),
        texture=body.rest[index],
        material=tailor.materials.add(tailor.rng, Material(own_colours=True, specular=0.3, gloss=60)),
        labels=np.full(len(body.eyes), FACE, np.uint8),
        cut=np.ones(len(index), np.float32),
        colours=complexion.colours[index],
    )
