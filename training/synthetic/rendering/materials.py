"""Materials: colours, patterns, relief and gloss, a row of numbers each, as the shading kernel reads them."""

import colorsys
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Colour = NDArray[np.float64]
"""(3,), linear red, green, blue."""
GAMMA = 2.2


class Pattern(IntEnum):
    PLAIN = 0
    STRIPES_ACROSS = 1
    STRIPES_ALONG = 2
    PLAID = 3
    DOTS = 4
    BLOBS = 5
    FLOWERS = 6
    GRADIENT = 7
    MOTTLED = 8
    HAIR = 9
    TILES = 10
    PLANKS = 11


class Column(IntEnum):
    """What each number of a material's row is."""

    PATTERN = 0
    COLOUR = 1  # and the two after it
    SECOND = 4  # and the two after it
    FREQUENCY = 7
    BUMP = 8
    BUMP_FREQUENCY = 9
    SPECULAR = 10
    GLOSS = 11
    WRAP = 12
    SEED = 13  # and the two after it
    PICTURE = 16
    OWN_COLOURS = 17
    PRINT_SIZE = 18
    PRINT_Y = 19
    DUTY = 20
    THIRD = 21
    COUNT = 22


@dataclass(frozen=True, slots=True)
class Material:
    pattern: Pattern = Pattern.PLAIN
    colour: ArrayLike = (0.5, 0.5, 0.5)
    second: ArrayLike | None = None
    """The pattern's other colour; None is the first."""
    frequency: float = 1.0
    """Of the pattern, 1/dm."""
    bump: float = 0.0
    """How deep folds are."""
    bump_frequency: float = 1.0
    specular: float = 0.0
    gloss: float = 20.0
    """Exponent of the highlight."""
    wrap: float = 0.15
    """How far light goes round, as it does in skin."""
    picture: int = -1
    """Number of a picture whose colours it has; -1 for none."""
    own_colours: bool = False
    """Whether the vertices' colours count."""
    print_size_dm: float = 0.0
    """Of a print on the chest; 0 for none."""
    print_y_dm: float = 0.0
    duty: float = 0.5
    """The share of the second colour."""


@dataclass(frozen=True, slots=True)
class Materials:
    """The materials of a scene, by their numbers."""

    pictures: int
    """How many pictures there are whose colours cloth and walls can have."""
    rows: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, rng: Generator, material: Material) -> int:
        """Keeps a material and gives its number; its pattern's offset is random."""
        row = np.zeros(Column.COUNT)
        second = material.colour if material.second is None else material.second
        row[Column.PATTERN] = material.pattern
        row[Column.COLOUR : Column.COLOUR + 3] = material.colour
        row[Column.SECOND : Column.SECOND + 3] = second
        row[Column.FREQUENCY : Column.SEED] = (
            material.frequency,
            material.bump,
            material.bump_frequency,
            material.specular,
            material.gloss,
            material.wrap,
        )
        row[Column.SEED : Column.SEED + 3] = rng.uniform(0, 50, 3)
        row[Column.PICTURE : Column.COUNT] = (
            material.picture,
            material.own_colours,
            material.print_size_dm,
            material.print_y_dm,
            material.duty,
            rng.random(),
        )
        self.rows.append(row)
        return len(self.rows) - 1

    def plain(
        self,
        rng: Generator,
        colour: ArrayLike,
        specular: float = 0.0,
        gloss: float = 20.0,
        bump: float = 0.0,
        bump_frequency: float = 1.0,
    ) -> int:
        return self.add(
            rng,
            Material(
                colour=colour, specular=specular, gloss=gloss, bump=bump, bump_frequency=bump_frequency, wrap=0.12
            ),
        )

    def cloth(
        self,
        rng: Generator,
        patterned: float = 0.42,
        colour: ArrayLike | None = None,
        bump: tuple[float, float] = (0.25, 0.8),
        coarse: bool = False,
    ) -> int:
        """Cloth: one colour, a print on the chest, or a pattern, in this share of cases."""
        colour = some_colour(rng) if colour is None else colour
        pattern, frequency, picture, size = Pattern.PLAIN, 1.0, -1, 0.0
        if rng.random() < patterned:
            pattern, frequency = _some_pattern(rng)
            if self.pictures and rng.random() < 0.12:
                picture, frequency = int(rng.integers(self.pictures)), rng.uniform(0.3, 1.2)
        elif rng.random() < 0.25:
            size = rng.uniform(0.4, 1.1)
        return self.add(
            rng,
            Material(
                pattern=pattern,
                colour=colour,
                second=some_colour(rng, 0.2),
                frequency=frequency,
                bump=rng.uniform(*bump),
                bump_frequency=rng.uniform(0.5, 1.3) * (0.7 if coarse else 1.0),
                specular=float(rng.choice([0, 0.02, 0.05, 0.15], p=[0.55, 0.25, 0.13, 0.07])),
                gloss=rng.uniform(5, 40),
                wrap=0.12,
                picture=picture,
                print_size_dm=size,
                print_y_dm=rng.uniform(2.6, 3.8),
                duty=rng.uniform(0.15, 0.7),
            ),
        )

    @property
    def table(self) -> NDArray[np.float64]:
        """All rows, (m, `Column.COUNT`)."""
        return np.stack(self.rows)


_FREQUENCIES = {
    Pattern.STRIPES_ACROSS: (0.5, 4.0),
    Pattern.STRIPES_ALONG: (0.8, 5.0),
    Pattern.PLAID: (0.5, 2.5),
    Pattern.DOTS: (1.0, 5.0),
    Pattern.BLOBS: (0.6, 3.0),
    Pattern.FLOWERS: (1.0, 4.0),
    Pattern.GRADIENT: (1.0, 1.0),
    Pattern.MOTTLED: (2.0, 8.0),
}
_OFTEN = (Pattern.STRIPES_ACROSS, Pattern.PLAID, Pattern.FLOWERS)


def _some_pattern(rng: Generator) -> tuple[Pattern, float]:
    among = [*_FREQUENCIES, *_OFTEN]
    pattern = among[int(rng.integers(len(among)))]
    return pattern, float(rng.uniform(*_FREQUENCIES[pattern]))


def linear(srgb: ArrayLike) -> Colour:
    """Linear light of a colour as screens have it, 0 to 1."""
    return np.asarray(np.asarray(srgb, np.float64) ** GAMMA)


def some_colour(rng: Generator, dark: float = 0.35) -> Colour:
    """A colour of clothes: nearly black in this share, white, grey, or any."""
    kind = rng.random()
    if kind < dark:
        return np.clip(rng.uniform(0.01, 0.09) * (1 + rng.normal(0, 0.25, 3)), 0.004, 1)
    if kind < dark + 0.17:
        return np.asarray(rng.uniform(0.5, 0.85) * (1 + rng.normal(0, 0.04, 3)))
    if kind < dark + 0.3:
        return np.asarray(rng.uniform(0.08, 0.4) * (1 + rng.normal(0, 0.05, 3)))
    return linear(colorsys.hsv_to_rgb(rng.random(), rng.beta(2, 2), rng.uniform(0.25, 0.95)))


def denim(rng: Generator) -> Colour:
    return np.array([0.10, 0.16, 0.30]) * rng.uniform(0.15, 0.9)


def muted(rng: Generator) -> Colour:
    """A colour of walls and floors."""
    colour = some_colour(rng, 0.12)
    share = rng.uniform(0.1, 0.5)
    return np.asarray(colour.mean() * (1 - share) + colour * share)
