"""What people wear from the neck down: 12 of the classes, grown or fitted, in combinations that are worn."""

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from training.synthetic.geometry.mesh import Points, vector
from training.synthetic.people.body import SIDES, Body
from training.synthetic.people.tailor import FAR, Field, Labels, Tailor
from training.synthetic.rendering.materials import Material, Pattern, denim, some_colour

GLOVES, UPPER, DRESS, COAT, SOCKS, PANTS, SKIRT = (
    CIHP.id_of(name) for name in ("Gloves", "UpperClothes", "Dress", "Coat", "Socks", "Pants", "Skirt")
)
LEFT_SHOE, RIGHT_SHOE = CIHP.id_of("Left-shoe"), CIHP.id_of("Right-shoe")
_SLEEVES, _SLEEVE_CHANCES = [0.1, 0.45, 0.6, 0.95, 1.5, 1.93, 1.95], [0.09, 0.16, 0.15, 0.06, 0.06, 0.33, 0.15]
"""How far along the arm sleeves go (2 is the wrist), and how often."""
_WOMENS_SUITS = ("female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01")
_MENS_SUITS = (
    "male_casualsuit02",
    "male_casualsuit03",
    "male_casualsuit04",
    "male_casualsuit06",
    "male_elegantsuit01",
    "male_casualsuit05",
)
_JACKET, _OPEN_JACKET, _SKIRT_SUIT, _SHORTS_SUIT = (
    "male_elegantsuit01",
    "male_casualsuit05",
    "female_elegantsuit01",
    "female_casualsuit02",
)
_SHOES = tuple(f"shoes0{number}" for number in range(1, 7))
_SOCK_VERTICES = 144
"""A component of shoes with so many vertices is the sock in it."""


def top_field(
    body: Body,
    sleeve: float,
    hem: float,
    neck: str = "crew",
    opening: float = 0.8,
    front: tuple[float, float] | None = None,
    depth: float = 1.4,
) -> Field:
    """Where a garment of the upper body is.

    Args:
        sleeve: how far along the arm, 1 is the elbow, 2 the wrist.
        hem: height of its lower edge, dm.
        neck: crew, scoop, v or high.
        opening: radius of the neckline, dm.
        front: half the width, dm, and how it grows with height, of what an open front leaves bare.
        depth: of a v-neck, dm.
    """
    along = (sleeve - body.along_arm) * 2.6 + FAR * (1 - body.in_arm)
    field = np.minimum(along, (body.y - hem) + FAR * body.in_arm)
    if neck == "high":
        field = np.minimum(field, body.levels.neck + 0.75 - body.y)
    else:
        throat = body.joints[body.index["neck_01"]] + vector(0, 0.15, 0.1)
        field = np.minimum(field, np.linalg.norm((body.rest - throat) * [1, 1.1, 0.9], axis=1) - opening)
    if neck == "v":
        wedge = np.abs(body.x) - (body.y - (body.levels.neck - depth)) * 0.55
        field = np.minimum(field, np.where(body.z > 0.2, wedge, FAR))
    if front is not None:
        bare = np.abs(body.x) - front[0] - front[1] * np.maximum(0, body.y - 1.5)
        field = np.minimum(field, np.where(body.z > 0.1, bare, FAR))
    return np.asarray(np.minimum(field, (0.35 - body.head) * 3), np.float32)


def between_field(body: Body, high: float, low: float) -> Field:
    """Where the trunk and the legs are between two heights, dm."""
    return np.asarray(np.minimum(high - body.y, body.y - low) - FAR * body.in_arm, np.float32)


class Wardrobe:
    """Dresses one person, from the feet to the neck."""

    def __init__(self, tailor: Tailor) -> None:
        self._tailor = tailor
        self._body, self._build, self._rng = tailor.body, tailor.build, tailor.rng
        self._bare_legs = False
        self.coat = False

    def dress(self) -> None:
        rng, build = self._rng, self._build
        style, cold = rng.random(), rng.random() < 0.3
        suit = self._suit(style) if build.adult else ""
        if suit:
            self._wear_suit(suit)
        elif build.female and style < 0.5:
            self._dress_or_skirt()
        else:
            self._top_and_bottom()
        if rng.random() < (0.55 if cold else 0.3) and suit not in (_JACKET, _OPEN_JACKET):
            self._coat()
        self._socks_and_shoes()
        if rng.random() < (0.22 if self.coat else 0.05):
            self._gloves()

    def _suit(self, style: float) -> str:
        suits = self._tailor.assets.there(_WOMENS_SUITS if self._build.female else _MENS_SUITS)
        wanted = suits and style < (0.22 if self._build.female else 0.4)
        return suits[int(self._rng.integers(len(suits)))] if wanted else ""

    def _wear_suit(self, name: str) -> None:
        rng, tailor = self._rng, self._tailor
        wear = tailor.assets.wear(name)
        parts = range(int(wear.component.max()) + 1)
        heights = {part: wear.fit(self._body.rest)[wear.component == part, 1].mean() for part in parts}
        tops = [part for part in parts if heights[part] > 1.6]
        lows = [part for part in parts if part not in tops]
        jacket = name in (_JACKET, _OPEN_JACKET)
        cloth = tailor.materials.cloth(rng, 0.15 if jacket else 0.4, some_colour(rng, 0.65) if jacket else None)
        below = tailor.materials.cloth(rng, 0.1, denim(rng) if rng.random() < 0.4 else some_colour(rng, 0.5))
        if name == _JACKET:
            shirt = np.full(3, rng.uniform(0.4, 0.8)) if rng.random() < 0.7 else some_colour(rng)
            tailor.fitted(name, cloth, COAT, tops, where=lambda middle: ~_lapels(middle))
            tailor.fitted(name, tailor.materials.plain(rng, shirt), UPPER, tops, where=_lapels)
        elif name == _OPEN_JACKET:
            large = [part for part in tops if (wear.component == part).sum() > 300]
            tailor.fitted(name, cloth, COAT, large)
            tailor.fitted(name, tailor.materials.cloth(rng, 0.4), UPPER, [part for part in tops if part not in large])
        else:
            tailor.fitted(name, cloth, UPPER, tops)
        matches = jacket and rng.random() < 0.7
        tailor.fitted(name, cloth if matches else below, SKIRT if name == _SKIRT_SUIT else PANTS, lows)
        self._bare_legs = name in (_SKIRT_SUIT, _SHORTS_SUIT)
        if not self._bare_legs:
            tailor.hide_under_suit(name)

    def _top(self, label: int, height: float, hem: float, loose: float | None = None) -> None:
        rng, body = self._rng, self._body
        neck = str(rng.choice(["crew", "v", "scoop", "high"], p=[0.5, 0.2, 0.2, 0.1]))
        opening = {"crew": 0.78, "v": 0.85, "scoop": rng.uniform(0.95, 1.3), "high": 0.7}[neck]
        field = top_field(body, self._sleeve(), hem, neck, opening, None, rng.uniform(0.9, 2.0))
        if loose is None:
            loose = float(rng.choice([0, 0.06, 0.15, 0.3], p=[0.35, 0.3, 0.25, 0.1]))
        heights = height + loose * self._from_neck() * (1 - body.in_arm)
        heights = heights + loose * 0.7 * body.in_arm * np.clip(body.along_arm, 0, 1)
        self._tailor.shell(body.tights, field, heights, self._tailor.materials.cloth(rng, coarse=height > 0.15), label)

    def _sleeve(self) -> float:
        return float(self._rng.choice(_SLEEVES, p=_SLEEVE_CHANCES))

    def _from_neck(self) -> Points:
        return np.clip((self._body.levels.neck - self._body.y) / 3, 0, 1)

    def _top_and_bottom(self) -> None:
        rng, body, levels = self._rng, self._body, self._body.levels
        long = rng.random() < 0.75
        ankle, knee = levels.ankle, levels.knee
        low = rng.uniform(ankle - 0.1, ankle + 0.6) if long else rng.uniform(knee - 0.4, knee + 1.8)
        self._bare_legs = not long
        loose = float(rng.choice([0, 0.08, 0.2, 0.45], p=[0.3, 0.35, 0.25, 0.1]))
        heights = 0.05 + loose * np.clip((levels.hip - body.y) / 3, 0, 1)
        colour = denim(rng) if rng.random() < 0.4 else some_colour(rng, 0.5)
        cloth = self._tailor.materials.cloth(rng, 0.12, colour, bump=(0.25, 0.7))
        self._tailor.shell(body.tights, between_field(body, rng.uniform(0.7, 1.7), low), heights, cloth, PANTS)
        self._top(UPPER, 0.09, rng.uniform(-0.6, 1.2))

    def _dress_or_skirt(self) -> None:
        rng, body, levels = self._rng, self._body, self._body.levels
        cloth = self._tailor.materials.cloth(rng, 0.55)
        flare = rng.uniform(-0.2, 0.35) * np.clip((1 - body.y) / 5, 0, 1)
        self._bare_legs = True
        if rng.random() < 0.55:
            neck = "crew" if rng.random() < 0.5 else "v"
            field = top_field(body, self._sleeve(), 1.2, neck, rng.uniform(0.8, 1.4))
            self._tailor.shell(body.tights, field, 0.05 + rng.uniform(0, 0.12) * self._from_neck(), cloth, DRESS)
            low, label, high = rng.uniform(levels.ankle + 1.0, levels.hip - 1.6), DRESS, body.skirt_top + 1
        else:
            tucked = rng.random() < 0.6
            hem = 1.2 if tucked else rng.uniform(0.2, 1.2)
            self._top(UPPER, 0.04 if tucked else 0.1, hem, 0.0 if tucked else None)
            low, label, high = rng.uniform(levels.ankle + 1.2, levels.hip - 1.4), SKIRT, 1.75
        self._tailor.shell(body.skirt, between_field(body, high, low), 0.05 + flare, cloth, label, margin=1.2)

    def _coat(self) -> None:
        rng, body, levels, tailor = self._rng, self._body, self._body.levels, self._tailor
        self.coat = True
        front = None if rng.random() < 0.45 else (rng.uniform(0.1, 0.9), rng.uniform(-0.05, 0.2))
        long = rng.random() < 0.25
        low = rng.uniform(levels.knee, levels.hip - 1) if long else rng.uniform(-0.9, 1.0)
        cloth = tailor.materials.cloth(rng, 0.18, some_colour(rng, 0.5), bump=(0.3, 0.9), coarse=True)
        height = rng.uniform(0.2, 0.34)
        neck = "crew" if rng.random() < 0.6 else "high"
        field = top_field(
            body, float(rng.choice([1.9, 1.96])), 0.8 if long else low, neck, rng.uniform(0.7, 0.9), front
        )
        padded = float(rng.choice([0, 0.12])) * (1 - body.in_arm * 0.6)
        tailor.shell(body.tights, field, height + padded, cloth, COAT, margin=0.3)
        if long:
            tails = between_field(body, body.skirt_top + 1, low)
            if front is not None:
                bare = np.abs(body.x) - front[0] - 0.1 * np.maximum(0, 1 - body.y)
                tails = np.minimum(tails, np.where(body.z > 0.1, bare, FAR)).astype(np.float32)
            flare = -0.1 * np.clip((1 - body.y) / 5, 0, 1)
            tailor.shell(body.skirt, tails, height * 0.8 + flare, cloth, COAT, margin=1.5)

    def _socks_and_shoes(self) -> None:
        rng, body, levels, tailor = self._rng, self._body, self._body.levels, self._tailor
        barefoot = rng.random() < 0.1
        if self._bare_legs and self._build.female and rng.random() < 0.3:  # tights are labelled as trousers
            cloth = tailor.materials.plain(rng, some_colour(rng, 0.7), specular=0.05, gloss=15)
            tailor.shell(body.skin, between_field(body, 1.0, -99), 0.015, cloth, PANTS, margin=-0.02)
        elif rng.random() < (0.25 if barefoot else 0.55):
            tops = [levels.ankle + 0.7, levels.ankle + 1.4, levels.knee - 0.5, levels.knee + 0.7]
            high = float(rng.choice(tops, p=[0.35, 0.35, 0.2, 0.1]))
            tailor.shell(body.skin, between_field(body, high, -99), 0.03, self._sock_cloth(), SOCKS, margin=0.05)
        if not barefoot:
            self._shoes()

    def _sock_cloth(self) -> int:
        rng = self._rng
        striped = Pattern.STRIPES_ACROSS if rng.random() < 0.25 else Pattern.PLAIN
        colour, second = some_colour(rng, 0.3), some_colour(rng)
        material = Material(striped, colour, second, rng.uniform(1, 6), bump=0.1, bump_frequency=3)
        return self._tailor.materials.add(rng, material)

    def _shoes(self) -> None:
        rng, body, tailor = self._rng, self._body, self._tailor
        pattern = Pattern.BLOBS if rng.random() < 0.25 else Pattern.PLAIN
        specular, gloss = float(rng.choice([0.05, 0.15, 0.4])), rng.uniform(10, 60)
        leather = tailor.materials.add(
            rng,
            Material(
                pattern, some_colour(rng, 0.5), some_colour(rng), rng.uniform(1, 4), 0.1, 2.0, specular, gloss, 0.12
            ),
        )
        made = tailor.assets.there(_SHOES)
        if made and (rng.random() < 0.5 or (not self._build.child and rng.random() < 0.7)):
            name = made[int(rng.integers(len(made)))]
            sizes = np.bincount(tailor.assets.wear(name).component)
            socks = np.flatnonzero(sizes == _SOCK_VERTICES).tolist()
            tailor.fitted(
                name, leather, _by_side(LEFT_SHOE, RIGHT_SHOE), np.flatnonzero(sizes != _SOCK_VERTICES).tolist()
            )
            if socks and (self._bare_legs or rng.random() < 0.6):
                tailor.fitted(name, self._sock_cloth(), SOCKS, socks, hides=False)
            return
        high = body.levels.ankle + float(rng.choice([0.1, 0.35, 1.0, 2.4], p=[0.35, 0.3, 0.2, 0.15]))
        field = between_field(body, high, -99)
        if high < body.levels.ankle + 0.2 and rng.random() < 0.4:  # sandals: the instep stays bare
            instep = np.where(body.y > body.levels.ankle - 0.25, -1, 1)
            field = np.minimum(field, np.where(body.z < 1.1, FAR, instep)).astype(np.float32)
        tailor.shell(body.skin, field, 0.11, leather, _by_side(LEFT_SHOE, RIGHT_SHOE), margin=0.05)

    def _gloves(self) -> None:
        rng, body, tailor = self._rng, self._body, self._tailor
        material = tailor.materials.plain(rng, some_colour(rng, 0.5), float(rng.choice([0, 0.2])), 15, 0.2, 2)
        start = float(rng.choice([1.85, 1.9, 1.98, 1.6]))
        for side in SIDES:
            beyond = (body.along_arm - start) * 2.6 - FAR * (1 - np.clip(body.arm[side] * 2, 0, 1))
            height = 0.12 if self.coat else 0.05
            tailor.shell(body.skin, beyond.astype(np.float32), height, material, GLOVES, margin=0.04)


def _lapels(middle: Points) -> NDArray[np.bool_]:
    """Where the shirt is seen between a jacket's lapels."""
    high = middle[:, 1] > 3.0
    return np.asarray(
        high & (np.abs(middle[:, 0]) < 0.03 + np.clip(middle[:, 1] - 3.0, 0, 9) * 0.2) & (middle[:, 2] > 0.25)
    )


def _by_side(left: int, right: int) -> Labels:
    """The class of the left where x is positive, else of the right."""

    def labels(middle: Points) -> NDArray[np.uint8]:
        return np.where(middle[:, 0] > 0, left, right).astype(np.uint8)

    return labels
