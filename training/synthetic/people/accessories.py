"""What is worn beside clothes and moves with the body: glasses, scarves, bags on straps."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from training.pack import BAG, SOMEBODY
from training.synthetic.geometry.mesh import Points, Shape, box, ellipsoid, joined, sheet, vector
from training.synthetic.geometry.skinning import Binding
from training.synthetic.people.body import SIDES
from training.synthetic.people.tailor import Tailor
from training.synthetic.rendering.materials import some_colour

SUNGLASSES, SCARF = CIHP.id_of("Sunglasses"), CIHP.id_of("Scarf")
_STRAP_OUT_DM, _STRAP_HALF_DM = 0.3, 0.16


def put_on_glasses(tailor: Tailor) -> None:
    """Dark ones are sunglasses; of clear ones only the rims are seen, and are somebody's, of no sure class."""
    rng, body, vertices = tailor.rng, tailor.body, tailor.build.vertices
    dark = rng.random() < 0.5
    colour = np.array([0.01, 0.01, 0.012]) * rng.uniform(0.5, 4) + rng.uniform(0, 0.03, 3) * (rng.random() < 0.4)
    material = tailor.materials.plain(rng, colour, specular=0.6, gloss=80)
    eyes = {side: body.eye_of(vertices, side) for side in SIDES}
    front = float(max(eye[:, 2].max() for eye in eyes.values())) + 0.15
    apart = float(abs(eyes["l"][:, 0].mean() - eyes["r"][:, 0].mean()))
    wide = apart * rng.uniform(0.40, 0.47)
    high = wide * rng.uniform(0.55, 0.95)
    at_eyes = (body.head > 0.5) & body.is_skin & (np.abs(body.y - body.eye["l"][1]) < 0.2)
    temple = float(np.abs(vertices[at_eyes if at_eyes.any() else body.is_skin][:, 0]).max())
    pieces = []
    for side, sign in (("l", 1), ("r", -1)):
        middle = eyes[side].mean(axis=0) * [1.08, 1, 0] + vector(0, -0.02, front)
        pieces.append(_lens(middle, wide, high, dark))
        hinge = np.array([middle[0] + sign * wide * 0.95, middle[1] + high * 0.45, front - 0.08])
        ear = np.array([sign * temple * 0.99, hinge[1], front - 1.2])
        pieces.append(sheet(np.stack([[hinge, hinge + vector(0, 0.07, 0)], [ear, ear + vector(0, 0.07, 0)]])))
    bridge = float(eyes["l"][:, 1].mean()) + high * 0.45
    pieces.append(
        sheet(
            np.array(
                [
                    [[-0.2, bridge, front], [0.2, bridge, front]],
                    [[-0.2, bridge + 0.06, front], [0.2, bridge + 0.06, front]],
                ]
            )
        )
    )
    tailor.attach(joined(pieces), material, SUNGLASSES if dark else SOMEBODY, "head")


def _lens(middle: NDArray[np.float64], wide: float, high: float, dark: bool) -> Shape:
    """A rounded pane, or the rim around one."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    x, y = (np.sign(each) * np.abs(each) ** 0.8 for each in (np.cos(angle), np.sin(angle)))
    rim = np.stack([wide * x, high * y, -0.1 * np.cos(angle) ** 2], axis=1)
    inner = rim * (0.0 if dark else 0.84)
    return sheet(np.stack([middle + rim, middle + inner]), closed=(False, True))


def put_on_scarf(tailor: Tailor) -> None:
    """A thick uneven ring around the neck, with an end that hangs down in front in most cases."""
    rng, body, build = tailor.rng, tailor.body, tailor.build
    material = tailor.materials.cloth(rng, 0.5, bump=(0.8, 0.8))
    around = (body.neck > 0.5) & body.is_skin & (np.abs(body.y - body.levels.neck - 0.35) < 0.35)
    points = build.vertices[around if around.any() else (body.neck > 0.2) & body.is_skin]
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2 + 0.12
    thick = rng.uniform(0.22, 0.42)
    along = np.linspace(0, 2 * np.pi, 28, endpoint=False)[:, None]
    across = np.linspace(0, 2 * np.pi, 12, endpoint=False)[None]
    thickness = thick * (1 + 0.15 * np.sin(3 * along + rng.uniform(0, 6)) + 0.12 * np.sin(2 * across + 5 * along))
    out = thickness * (0.7 + np.cos(across))
    rows = np.stack(
        [
            middle[0] + np.sin(along) * (half[0] + out),
            middle[1] - 0.15 + 1.35 * thickness * np.sin(across) - 0.22 * np.cos(along),
            middle[2] + np.cos(along) * (half[2] + out),
        ],
        axis=-1,
    )
    ring = sheet(rows, closed=(True, True))
    share = np.full(len(ring.vertices), 0.5, np.float32)
    tailor.attach(ring, material, SCARF, _between(tailor, "neck_01", "spine_03", share))
    if rng.random() < 0.7:
        _scarf_end(tailor, material, float(middle[1]))


def _scarf_end(tailor: Tailor, material: int, top: float) -> None:
    rng, body = tailor.rng, tailor.body
    beside, half, length = rng.uniform(-0.5, 0.5), rng.uniform(0.3, 0.55), rng.uniform(1.5, 4)
    trunk = tailor.build.vertices[body.is_tights & (body.arms < 0.3)]
    across = np.linspace(-half, half, 5)
    rows = []
    for number, y in enumerate(np.linspace(top - 0.2, top - length, 12)):
        near = (np.abs(trunk[:, 0] - beside) < 0.7) & (np.abs(trunk[:, 1] - y) < 0.5)
        ahead = float(trunk[near, 2].max()) if near.any() else 0.8
        wave = 0.05 * np.sin((beside + across) * 9 + number)
        rows.append(np.stack([beside + across, np.full(5, y), ahead + 0.42 + wave], axis=1))
    shape = sheet(np.stack(rows))
    share = np.clip((shape.vertices[:, 1] - body.levels.waist * tailor.build.scale) / 2, 0, 1)
    tailor.attach(shape, material, SCARF, _between(tailor, "spine_03", "spine_01", share))


def _between(tailor: Tailor, first: str, second: str, share: Points) -> Binding:
    """Vertices that two bones move, the first with this share."""
    bones = np.zeros((len(share), 4), np.int32)
    weights = np.zeros((len(share), 4), np.float32)
    bones[:, 0], bones[:, 1] = tailor.body.index[first], tailor.body.index[second]
    weights[:, 0], weights[:, 1] = share, 1 - share
    return Binding(bones, weights)


def put_on_backpack(tailor: Tailor) -> None:
    """A pack on the back and a strap over each shoulder."""
    rng, build = tailor.rng, tailor.build
    back = build.vertices[tailor.body.landmarks["back"]].astype(np.float64)
    scale = build.scale
    high, wide, deep = rng.uniform(3.5, 5.2) * scale, rng.uniform(1.1, 1.5) * scale, rng.uniform(0.5, 0.9) * scale
    middle = back + vector(0, -0.9 * scale, -deep - 0.3)
    material = tailor.materials.cloth(rng, 0.25, bump=(0.2, 0.5))
    tailor.attach(ellipsoid(middle, (wide, high / 2, deep)), material, BAG, "spine_02")
    tailor.attach(
        box(middle - vector(wide * 0.7, high * 0.42, deep * 0.9), middle + vector(wide * 0.7, high * 0.2, deep * 1.2)),
        material,
        BAG,
        "spine_02",
    )
    for sign in (1, -1):
        aside = np.array([sign * 0.85 * scale, back[1], 0.0])
        _strap(tailor, aside, np.array([0.0, 1.0, 0.0]), material, lowest=back[1] - 2.2 * scale)


def put_on_shoulder_bag(tailor: Tailor) -> None:
    """A bag at one hip, its strap over the other shoulder."""
    rng, build, body = tailor.rng, tailor.build, tailor.body
    scale, side = build.scale, "l" if rng.random() < 0.5 else "r"
    other, sign = ("r", 1) if side == "l" else ("l", -1)
    hip = build.vertices[body.landmarks["hip" + side]].astype(np.float64)
    shoulder = build.vertices[body.landmarks["shoulder" + other]].astype(np.float64)
    colour = some_colour(rng)
    material = tailor.materials.plain(rng, colour, specular=float(rng.choice([0.02, 0.2])), bump=0.1, bump_frequency=2)
    half = np.array([rng.uniform(0.3, 0.5), rng.uniform(0.8, 1.4), rng.uniform(1.0, 1.6)]) * scale
    middle = hip + vector(sign * (half[0] + 0.35), -0.6 * scale, 0.3)
    tailor.attach(box(middle - half, middle + half), material, BAG, "pelvis")
    slope = (shoulder - hip) * [1, 1, 0]
    _strap(tailor, hip, slope / np.linalg.norm(slope), material, lowest=float(hip[1]))


def _strap(
    tailor: Tailor, through: NDArray[np.float64], along: NDArray[np.float64], material: int, lowest: float
) -> None:
    """A taut strap around the trunk: the hull of what a plane through a point, along a direction and z, cuts."""
    body, vertices = tailor.body, tailor.build.vertices
    trunk = (body.is_tights | body.is_skin) & (body.arms < 0.5) & (body.head < 0.3) & (body.neck < 0.5)
    trunk &= vertices[:, 1] > lowest
    aside = np.cross(along, [0, 0, 1])
    near = np.flatnonzero(trunk & (np.abs((vertices - through) @ aside) < 0.3 * tailor.build.scale))
    if len(near) < 3:
        return
    flat = np.stack([(vertices[near] - through) @ along, vertices[near, 2]], axis=1).astype(np.float32)
    hull = near[cv2.convexHull(flat, returnPoints=False).ravel()]
    points = vertices[hull].astype(np.float64)
    points -= ((points - through) @ aside)[:, None] * aside
    middle = points.mean(axis=0)
    out = points - middle
    points = middle + out * (1 + _STRAP_OUT_DM / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 0.3))
    rows = np.stack([points - aside * _STRAP_HALF_DM, points + aside * _STRAP_HALF_DM])
    binding = body.binding.rows(np.tile(hull, 2))
    tailor.attach(sheet(rows, closed=(False, True)), material, BAG, binding)
