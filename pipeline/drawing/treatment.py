"""The effects that a look names, one after the other, and how they are written: `blur`, `fill=#404040`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from pipeline.drawing import effects
from pipeline.drawing.effects import AnyForm
from pipeline.drawing.film import SUFFIXES as FILM_SUFFIXES
from pipeline.drawing.film import Film
from pipeline.drawing.layers import Colour
from pipeline.drawing.selection import Mask, On, selected
from pipeline.errors import BadPicture, PipelineError
from pipeline.pictures import read_picture
from pipeline.types import Parsing, Picture
from pipeline.yuv import Yuv420

COVERS = ("blur", "pixelate", "fill")
"""Effects that hide what they are on; without a parsing they hide all of the picture."""
KEEPS = ("background", "blur-background")
"""Effects that keep what they are on and change the rest; without a parsing they keep nothing."""
CUTS = ("cut",)
"""Effects that keep what they are on and leave the rest transparent; without a parsing they keep nothing."""
_WITH_VALUE = ("fill", "background")
COLOURS: dict[str, Colour] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "gray": (128, 128, 128),
    "red": (0, 0, 255),
    "green": (0, 255, 0),
    "blue": (255, 0, 0),
}
"""Colours that have a name, BGR; any other is written #rrggbb."""
_FORMS = "blur, pixelate, fill=COLOUR, cut, background=COLOUR, background=PICTURE or VIDEO, or blur-background"


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect and what it is made with."""

    kind: str
    """Of `COVERS`, `KEEPS` or `CUTS`."""
    value: str = ""
    """A colour, or the path of a picture or video."""
    on: On | None = None
    """Its own selection; None is that of the look."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From `kind` or `kind=value`; what hides may have a selection of its own behind it: `blur@Face+Hair`.

        Raises:
            PipelineError: no such effect; or a value that is missing, too many, or no colour.
        """
        kind, given, value = text.strip().partition("=")
        on = None
        if kind.partition("@")[0] in COVERS and "@" in text:
            whole, _, names = text.strip().rpartition("@")
            on = On.read(names.replace("+", ","))
            kind, given, value = whole.partition("=")
        if kind not in COVERS + KEEPS + CUTS:
            raise PipelineError(f"there is no effect {text!r}: {_FORMS}")
        if bool(value) != (kind in _WITH_VALUE) or bool(given) != bool(value):
            raise PipelineError(f"effect {text!r}: {_FORMS}")
        if kind == "fill" and colour_of(value) is None:
            raise PipelineError(f"{value!r} is no colour: write #rrggbb, or {', '.join(COLOURS)}")
        return cls(kind, value, on)

    def check(self) -> None:
        """Raises BadPicture where the picture or video that it takes cannot be read."""
        if self.kind != "background" or colour_of(self.value) is not None:
            return
        if _is_film(self.value):
            Film(Path(self.value)).close()
        else:
            _still(self.value)

    def apply(self, picture: AnyForm, knowledge: "Knowledge", on: On) -> AnyForm | Picture:
        """A new picture. Raises BadPicture and UnknownName."""
        parsing, lingering = knowledge.parsing, knowledge.lingering
        on = self.on or on
        match self.kind:
            case "blur":
                return effects.blur(picture, parsing, on, lingering)
            case "pixelate":
                return effects.pixelate(picture, parsing, on, lingering)
            case "fill":
                return effects.fill(picture, parsing, on, colour_of(self.value) or COLOURS["black"], lingering)
            case "background":
                return effects.replace_background(picture, parsing, on, self._backdrop(knowledge, picture), lingering)
            case "cut":
                return effects.cut(picture, parsing, on, lingering)
        return effects.blur_background(picture, parsing, on, lingering)

    def _backdrop(self, knowledge: "Knowledge", picture: Picture | Yuv420) -> Picture | Yuv420 | Colour:
        if _is_film(self.value):
            return knowledge.backdrops.film(self.value, knowledge.pts_s)
        return colour_of(self.value) or knowledge.backdrops.still(self.value, picture)


class Backdrops:
    """The pictures and videos that are backgrounds of one stream. For one thread at a time."""

    def __init__(self) -> None:
        self._films: dict[str, Film] = {}
        self._stills: dict[str, Picture | Yuv420] = {}

    def film(self, path: str, time_s: float) -> Picture:
        """The picture that a video shows. Raises BadPicture."""
        if path not in self._films:
            self._films[path] = Film(Path(path))
        return self._films[path].at(time_s)

    def still(self, path: str, picture: Picture | Yuv420) -> Picture | Yuv420:
        """A picture as `effects.fitted` makes it fit another; of a stream it is made once. Raises BadPicture."""
        known = self._stills.get(path)
        if known is None or not effects.fits(known, picture):
            known = self._stills[path] = effects.fitted(_still(path), picture)
        return known

    def close(self) -> None:
        """Safe to call twice."""
        while self._films:
            self._films.popitem()[1].close()


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What is known of a frame."""

    parsing: Parsing | None
    """None is no knowledge of who is where; what hides people then hides everything."""
    pts_s: float = 0.0
    lingering: Mask | None = None
    """What is hidden, or where nothing hides is kept, beside the selection: see `pipeline.motion.linger`."""
    backdrops: Backdrops = field(default_factory=Backdrops)


def colour_of(text: str) -> Colour | None:
    """BGR of a name or #rrggbb; None where it is neither."""
    named = COLOURS.get(text.casefold())
    digits = text.removeprefix("#")
    if named is not None or not text.startswith("#") or len(digits) != 6:
        return named
    try:
        value = int(digits, 16)
    except ValueError:
        return None
    return (value & 255, value >> 8 & 255, value >> 16)


def treated(picture: AnyForm, knowledge: Knowledge, wanted: Sequence[Effect], on: On) -> AnyForm | Picture:
    """The picture after all effects, in the form that it has, or uint8 (H, W, 4) BGRA after `cut`; new unless there is
    none."""
    # What keeps people comes first, or what hides them would be undone at their edges; what cuts them out comes last.
    covers = any(each.kind in COVERS for each in wanted)
    done: AnyForm | Picture = picture
    for effect in sorted(wanted, key=lambda each: (each.kind in CUTS, each.kind in COVERS)):
        # What lingers is of those that hide, if there are any: to keep it would show it.
        known = replace(knowledge, lingering=None) if covers and effect.kind not in COVERS else knowledge
        done = effect.apply(done, known, on)
    return done


def lasting(parsing: Parsing, wanted: Sequence[Effect], on: On) -> Mask:
    """What lingers, of the parsing's size: what effects hide, or if none hides what they keep. Raises UnknownName."""
    masks = [selected(parsing, each.on or on) for each in wanted if each.kind in COVERS] or [selected(parsing, on)]
    return reduce(lambda one, other: np.asarray(cv2.bitwise_or(one, other), np.uint8), masks)


def _is_film(value: str) -> bool:
    return colour_of(value) is None and Path(value).suffix.lower() in FILM_SUFFIXES


@lru_cache(maxsize=4)
def _still(value: str) -> Picture:
    try:
        return read_picture(Path(value))
    except BadPicture as exc:
        raise BadPicture(
            f"background {value!r} is no colour, and no picture that can be read: {exc}; colours are #rrggbb, or"
            f" {', '.join(COLOURS)}"
        ) from exc
