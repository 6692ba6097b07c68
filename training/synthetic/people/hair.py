"""Hair and hats. Hair is drawn as strands: a shell on the scalp, and cards whose tips are cut into points."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from training.synthetic.geometry.mesh import Points, Surface, Values, sheet, vector
from training.synthetic.people.shape import head_box
from training.synthetic.people.tailor import FAR, Field, Tailor
from training.synthetic.rendering.materials import Colour, Material, Pattern

HAIR, HAT = CIHP.id_of("Hair"), CIHP.id_of("Hat")
_WOMEN = {
    "long01": 0.27, "ponytail01": 0.23, "bob02": 0.13, "braid01": 0.11, "bob01": 0.07, "afro01": 0.07, "short03": 0.05,
    "grown": 0.07,
}  # fmt: skip
_MEN = {
    "short02": 0.19, "short04": 0.15, "short01": 0.13, "afro01": 0.05, "short03": 0.03, "long01": 0.03,
    "grown": 0.25, "balding": 0.11, "bald": 0.06,
}  # fmt: skip
_GROWN = ("grown", "balding", "bald")
"""Styles that need no asset."""
_FELT = ("fedora", "fedora_cocked")
_CROWN_RADIUS_DM = 0.25
"""Strands spread from the crown; nearer to it they run side by side."""


def dress_head(tailor: Tailor, colour: Colour, hat_chance: float) -> None:
    """Gives somebody hair, and by chance a hat on it."""
    rng, build = tailor.rng, tailor.build
    style = _style(tailor)
    hat = rng.random() < hat_chance
    first = len(tailor.surfaces)
    if style != "bald":
        _grow(tailor, colour, style)
    if style not in _GROWN:
        _put_on_hair(tailor, colour, style)
    if hat:
        line = float(tailor.body.eye["l"][1]) + rng.uniform(0.32, 0.68)
        felt = tailor.assets.there(_FELT) if build.adult and rng.random() < 0.25 else []
        _tuck_hair(tailor, first, line + (-0.125 if felt else 0.05))
        _put_on_hat(tailor, line, felt)


def _style(tailor: Tailor) -> str:
    rng, build = tailor.rng, tailor.build
    chances = dict(_WOMEN if build.female else _MEN)
    if build.child:
        chances = {name: chance for name, chance in chances.items() if name not in ("bald", "balding")}
    there = [name for name in chances if name in _GROWN or tailor.assets.there([name])]
    weights = np.array([chances[name] for name in there])
    return there[int(rng.choice(len(there), p=weights / weights.sum()))]


def strand_texture(tailor: Tailor, rest: Points) -> Points:
    """Where strands are looked up so that they spread from the crown and run down, (n, 3)."""
    middle = tailor.body.joints[tailor.body.index["head"]] + vector(0, 1.0, 0.25)
    out = rest - middle.astype(np.float32)
    radius = np.maximum(np.hypot(out[:, 0], out[:, 2]), _CROWN_RADIUS_DM)
    texture = np.stack([out[:, 0] / radius, rest[:, 1], out[:, 2] / radius], axis=1)
    return np.asarray(texture, np.float32)


def _material(tailor: Tailor, colour: Colour) -> int:
    return tailor.materials.add(
        tailor.rng,
        Material(
            pattern=Pattern.HAIR,
            colour=colour * 0.5,
            second=colour * 1.7,
            bump=0.07,
            bump_frequency=2.5,
            specular=0.12,
            gloss=12,
            wrap=0.2,
        ),
    )


def _grow(tailor: Tailor, colour: Colour, style: str) -> None:
    """Short hair on the scalp: what is seen of it, or what is seen between the cards of an asset."""
    body, rng = tailor.body, tailor.rng
    field = body.scalp + np.float32(rng.normal(0, 0.05))
    alone = style in ("grown", "balding")
    if style == "balding":
        bare_above = body.eye["l"][1] + 0.62 - 0.25 * np.clip(body.z, 0, 1)
        field = np.minimum(field, bare_above - body.y).astype(np.float32)
    texture = strand_texture(tailor, body.rest)
    height = rng.uniform(0.05, 0.2) if alone else 0.03
    tailor.shell(body.skin, field, 0.02, _material(tailor, colour * 0.8), HAIR, None, 0.12, texture)
    if alone:  # ever more open layers above it, so that its outline is not a line
        cover = _material(tailor, colour)
        for share, fray in ((0.4, 0.3), (0.75, 0.4), (1.0, 0.5)):
            open_ = np.minimum(field, fray * (1.25 - 0.8 * share)).astype(np.float32)
            tailor.shell(body.skin, open_, height * share, cover, HAIR, None, fray, texture)


def _put_on_hair(tailor: Tailor, colour: Colour, style: str) -> None:
    wear = tailor.assets.wear(style)
    tailor.fitted(style, _material(tailor, colour), HAIR, hides=False, fray=1.25)
    surface = tailor.surfaces[-1]
    tips = _from_tips(wear.lengthwise, wear.component)
    texture = strand_texture(tailor, surface.texture)
    texture[:, 1] += 3.7 * wear.component  # no two cards have the same gaps
    tailor.surfaces[-1] = replace(surface, cut=(0.3 + 0.6 * tips).astype(np.float32), texture=texture)


def _from_tips(lengthwise: Values, component: NDArray[np.int32]) -> Values:
    """How far from the tips of its card each vertex is: 0 there, 1 from a third of the card on, (n,)."""
    count = int(component.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, component, lengthwise)
    np.maximum.at(high, component, lengthwise)
    along = (lengthwise - low[component]) / np.maximum(high - low, 1e-6)[component]
    return np.asarray(np.clip(along * 3, 0, 1))


def _tuck_hair(tailor: Tailor, first: int, line: float) -> None:
    """Hides hair above a hat's rim, dm in the rest pose."""
    for number in range(first, len(tailor.surfaces)):
        surface = tailor.surfaces[number]
        level = _levels_of(surface, tailor)
        tailor.surfaces[number] = replace(surface, cut=np.minimum(surface.cut, (line - level) * 2).astype(np.float32))


def _levels_of(surface: Surface, tailor: Tailor) -> Points:
    """Heights of hair's vertices as they would be on the base mesh, dm: its head's height decides."""
    top, ours = tailor.body.y[tailor.body.landmarks["head"]], tailor.build.vertices[tailor.body.landmarks["head"], 1]
    eyes, our_eyes = tailor.body.eye["l"][1], tailor.body.eye_of(tailor.build.vertices, "l")[:, 1].mean()
    return np.asarray(eyes + (surface.vertices[:, 1] - our_eyes) * (top - eyes) / max(0.1, ours - our_eyes))


def _put_on_hat(tailor: Tailor, line: float, felt: list[str]) -> None:
    rng, body = tailor.rng, tailor.body
    cloth = tailor.materials.cloth(rng, 0.3)
    if felt:
        tailor.fitted(felt[int(rng.integers(len(felt)))], cloth, HAT, hides=False, grow=0.06)
        return
    dome: Field = np.where((body.head > 0.5) & (body.neck < 0.3), body.y - line + 0.1, -1).astype(np.float32)
    dome[(np.abs(body.x) > 0.72) & (body.y < body.eye["l"][1] + 0.35)] = -1  # the ears stay out
    dome = np.minimum(dome, FAR).astype(np.float32)
    tailor.shell(body.skin, dome, rng.uniform(0.2, 0.32), cloth, HAT, margin=None)
    kind = rng.random()
    if kind > 0.45:
        _brim(tailor, cloth, line, all_round=kind > 0.85)


def _brim(tailor: Tailor, cloth: int, line: float, all_round: bool) -> None:
    rng = tailor.rng
    low, high = head_box(tailor.body, tailor.build, line)
    middle, half = (low + high) / 2, (high - low) / 2 + 0.12
    angle = np.linspace(-np.pi, np.pi, 41) if all_round else np.linspace(-1.15, 1.15, 24)
    width = rng.uniform(0.5, 1.1) if all_round else rng.uniform(0.55, 0.85)
    rows = []
    for out in np.linspace(-0.4, 1, 4):
        wide = width * out * (1 if all_round else np.maximum(0.02, np.cos(angle * 1.15)))
        falls = 0.18 * out**2 * (0.3 if all_round else 1) + 0.1 * np.abs(np.sin(angle)) * out
        rows.append(
            np.stack(
                [
                    middle[0] + (half[0] + wide) * np.sin(angle),
                    middle[1] - 0.02 - falls,
                    middle[2] + (half[2] + wide) * np.cos(angle),
                ],
                axis=1,
            )
        )
    tailor.attach(sheet(np.stack(rows)), cloth, HAT, "head")
