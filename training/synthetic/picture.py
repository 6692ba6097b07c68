"""One synthetic picture: a group before a photo or in a room, rendered, and what each pixel shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.types import LabelMap, Picture
from training.pack import PERSON
from training.synthetic.assets import Assets
from training.synthetic.geometry.mesh import Points
from training.synthetic.painting import Painting
from training.synthetic.people.body import Body
from training.synthetic.posing.groups import sample_group
from training.synthetic.rendering.camera import sample_camera
from training.synthetic.rendering.lighting import Bounds, ambient_light, light_of, sample_mood, tint
from training.synthetic.rendering.materials import GAMMA, Materials
from training.synthetic.rendering.rasterizer import Hits, rasterize
from training.synthetic.rendering.shading import PICTURE_SIDE, Mesh, shade
from training.synthetic.scene import Scene, Whole, add_floor, add_wall, furnish

SIZES = ((512, 512), (432, 576), (576, 432))
"""(height, width) of pictures, and how often."""
_SIZE_CHANCES = (0.4, 0.4, 0.2)
_OVERSAMPLED = 1.5
_MIN_SOMEBODY = 0.025
"""Of a picture: with less of people in it, it is drawn again."""
_ATTEMPTS = 20
_CLOTH_PICTURES = 3
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Studio:
    """What pictures are made of."""

    assets: Assets
    body: Body
    backgrounds: tuple[Path, ...]
    """Pictures without people."""


def open_studio(assets: Path, backgrounds: Sequence[Path]) -> Studio:
    """The assets of one folder and the pictures of others.

    Raises:
        BadAssets: the assets are not what their manifest says.
        BadPicture: a folder of backgrounds is missing or holds no picture.
    """
    found = [path for folder in backgrounds for path in _pictures_in(folder)]
    read = Assets(assets)
    return Studio(read, Body(read.base), tuple(found))


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadPicture(f"{folder} is no folder; --backgrounds names folders of pictures without people")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise BadPicture(f"no pictures ({', '.join(PICTURE_SUFFIXES)}) in {folder}, which --backgrounds names")
    return found


def paint(studio: Studio, seed: int, number: int, kind: str = "") -> Painting:
    """The picture of a seed and a number: the same whenever it is asked for.

    Args:
        kind: of group; any if empty.

    Raises:
        BadPicture: a background cannot be read.
    """
    for attempt in range(_ATTEMPTS):
        painting = _paint(studio, np.random.default_rng([seed, number, attempt]), kind)
        if np.count_nonzero(PERSON[painting.labels]) > _MIN_SOMEBODY * painting.labels.size:
            break
    return painting


def _paint(studio: Studio, rng: Generator, kind: str) -> Painting:
    size = SIZES[int(rng.choice(len(SIZES), p=_SIZE_CHANCES))]
    backdrop = _background(studio, rng)
    pictures = np.stack([_texture(_background(studio, rng)) for _ in range(_CLOTH_PICTURES)])
    materials = Materials(len(pictures))
    stage = sample_group(studio.body, studio.assets, materials, rng, kind)
    scene = Scene(materials)
    scene.add_people(stage)
    people = np.concatenate(scene.points)
    low, high = people.min(axis=0), people.max(axis=0)
    heads = np.stack([actor.pose.joint("head") for actor in stage.actors])
    camera = sample_camera(rng, people, heads, stage.view, size[1] / size[0])
    in_room = rng.random() < (0.7 if stage.blocks else 0.42)
    furnish(scene, stage)
    casting = sum(map(len, scene.triangles))
    half = float(max((high - low)[[0, 2]])) / 2 + (60 if in_room else 14)
    add_floor(scene, rng, ((low + high) / 2).astype(np.float64), half, plain=not in_room)
    floor = range(casting, sum(map(len, scene.triangles)))
    if in_room:
        add_wall(scene, rng, camera, low, high)
    whole = scene.whole()
    mood = sample_mood(rng, camera.yaw, backdrop)
    bounds = Bounds(((low + high) / 2).astype(np.float64), float(np.linalg.norm(high - low)) / 2 + 2)
    casters = np.ascontiguousarray(whole.triangles[:casting])
    ambient = ambient_light(mood, rng, bounds, whole.points, whole.normals, casters, whole.cut)
    light = light_of(mood, rng, camera.eye, bounds, whole.points, casters, whole.cut)
    fine = (round(size[0] * _OVERSAMPLED), round(size[1] * _OVERSAMPLED))
    projected = camera.project(whole.points, fine)
    hits = rasterize(projected, whole.triangles, fine, whole.cut, whole.fray, whole.texture)
    mesh = Mesh(whole.points, whole.triangles, whole.normals, whole.texture, whole.colours, ambient, whole.materials)
    drawn = shade(hits, mesh, materials.table, pictures, light)
    linear = _in_room(drawn, hits, backdrop, rng) if in_room else _on_photo(drawn, hits, whole, floor, backdrop, rng)
    labels, persons = (_seen(values, hits, size) for values in (whole.labels, whole.persons))
    return Painting(_develop(linear, size, rng), labels, persons)


def _background(studio: Studio, rng: Generator) -> Picture:
    path = studio.backgrounds[int(rng.integers(len(studio.backgrounds)))]
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise BadPicture(f"cannot read the background {path}")
    return np.asarray(found, np.uint8)


def _texture(bgr: Picture) -> Points:
    """A square of a picture as cloth and walls have it, linear, red first."""
    side = min(bgr.shape[:2])
    square = cv2.resize(bgr[:side, :side], (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_AREA)
    return _linear(np.asarray(square, np.uint8))


def _linear(bgr: Picture) -> Points:
    return np.asarray((bgr[..., ::-1].astype(np.float32) / 255) ** np.float32(GAMMA), np.float32)


def _seen(values: NDArray[np.uint8], hits: Hits, size: tuple[int, int]) -> LabelMap:
    """Of each pixel of the reduced picture what its middle shows, uint8 (H, W)."""
    fine = np.where(hits.triangle >= 0, values[np.maximum(hits.triangle, 0)], 0).astype(np.uint8)
    return np.asarray(cv2.resize(fine, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _cover(backdrop: Picture, size: tuple[int, int], rng: Generator) -> Points:
    """The photo behind, linear: it covers the frame, out of focus in a third of cases."""
    height, width = backdrop.shape[:2]
    scale = max(size[1] / width, size[0] / height) * rng.uniform(1, 1.5)
    x, y = (full / 2 - scale * own * rng.uniform(0.4, 0.6) for full, own in ((size[1], width), (size[0], height)))
    affine = np.array([[scale, 0, x], [0, scale, y]])
    placed = cv2.warpAffine(backdrop, affine, size[::-1], borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.35:
        placed = cv2.GaussianBlur(placed, (0, 0), rng.uniform(1, 6))
    return _linear(np.asarray(placed, np.uint8))


def _in_room(drawn: Points, hits: Hits, backdrop: Picture, rng: Generator) -> Points:
    """A room, with the photo behind its wall's edges, exposed as cameras do."""
    nothing = hits.triangle < 0
    bright = float(np.quantile(drawn[~nothing].mean(axis=1), 0.7)) if (~nothing).any() else 1.0
    exposed = drawn * np.float32(np.exp(rng.normal(np.log(0.32), 0.35)) / max(bright, 0.02))
    return np.where(nothing[..., None], _cover(backdrop, hits.triangle.shape, rng), exposed)


def _on_photo(drawn: Points, hits: Hits, whole: Whole, floor: range, backdrop: Picture, rng: Generator) -> Points:
    """People before a photo: the floor is the photo's, with their shadows on it; exposed to match it."""
    behind = _cover(backdrop, hits.triangle.shape, rng)
    on_floor = (hits.triangle >= floor.start) & (hits.triangle < floor.stop)
    backlit = np.float32(behind.mean())
    if rng.random() < 0.8 and np.count_nonzero(on_floor) > 500:
        bright = drawn.mean(axis=2)
        lit = max(float(np.quantile(bright[on_floor], 0.9)), 1e-3)
        shade_ = cv2.GaussianBlur(np.clip(bright / lit, 0.15, 1).astype(np.float32), (0, 0), 2.0)
        behind = np.where(on_floor[..., None], behind * (0.35 + 0.65 * shade_[..., None]), behind)
    front = ~on_floor & (hits.triangle >= 0)
    people = front & (whole.persons[np.maximum(hits.triangle, 0)] > 0)
    gain = 1.0
    if np.count_nonzero(people) > 200:
        bright_people = float(np.quantile(drawn[people].mean(axis=1), 0.75))
        wanted = np.sqrt(max(float(backlit), 0.04) * 0.3) * np.exp(rng.normal(0.1, 0.35))
        gain = float(np.clip(wanted / max(bright_people, 0.01), 0.25, 4))
    return np.where(front[..., None], drawn * np.float32(gain), behind)


def _develop(linear: Points, size: tuple[int, int], rng: Generator) -> Picture:
    """What a camera makes of it: its white balance, shoulder, blur, noise; now and then no colour."""
    if rng.random() < 0.25:
        linear = linear * tint(rng, 0.0, 0.2).astype(np.float32)
    picture = cv2.resize(linear.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    picture = np.where(picture > 0.7, 0.7 + 0.3 * np.tanh((picture - 0.7) / 0.3), picture)
    picture = np.clip(picture, 0, 1) ** np.float32(1 / GAMMA)
    how = rng.random()
    if how < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    elif how < 0.38:
        picture = cv2.filter2D(picture, -1, _shake(rng))
    channels = 1 if rng.random() < 0.5 else 3
    noise = rng.normal(0, 1, (*size, channels)).astype(np.float32)
    picture = picture + noise * np.float32(rng.uniform(0.002, 0.03))
    if rng.random() < 0.06:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    return np.ascontiguousarray(np.clip(picture * 255, 0, 255).astype(np.uint8)[..., ::-1])


def _shake(rng: Generator) -> NDArray[np.float32]:
    """The kernel of a camera that moved along a line."""
    kernel = np.zeros((9, 9), np.float32)
    kernel[4] = 1
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((4, 4), rng.uniform(0, 180), 1), (9, 9))
    return np.asarray(turned / turned.sum(), np.float32)
