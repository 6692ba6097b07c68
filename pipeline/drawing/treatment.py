"""The effects that a look names, one after the other, and how they are written: `blur`, `fill=#404040`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from pipeline.drawing import effects
from pipeline.drawing.canvas import Colour
from pipeline.drawing.selection import Mask, On
from pipeline.errors import PipelineError
from pipeline.pictures import read_picture
from pipeline.types import Parsing, Picture

COVERS = ("blur", "pixelate", "fill")
"""Effects that hide what they are on; without a parsing they hide all of the picture."""
KEEPS = ("background", "blur-background")
"""Effects that keep what they are on and change the rest; without a parsing they keep nothing."""
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
_FORMS = "blur, pixelate, fill=COLOUR, background=COLOUR, background=PICTURE or blur-background"


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect and what it is made with."""

    kind: str
    """Of `COVERS` or `KEEPS`."""
    value: str = ""
    """A colour, or a picture's path."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From `kind` or `kind=value`.

        Raises:
            PipelineError: no such effect; or a value that is missing, too many, or no colour.
        """
        kind, given, value = text.strip().partition("=")
        if kind not in COVERS + KEEPS:
            raise PipelineError(f"there is no effect {text!r}: {_FORMS}")
        if bool(value) != (kind in _WITH_VALUE) or bool(given) != bool(value):
            raise PipelineError(f"effect {text!r}: {_FORMS}")
        if kind == "fill" and colour_of(value) is None:
            raise PipelineError(f"{value!r} is no colour: write #rrggbb, or {', '.join(COLOURS)}")
        return cls(kind, value)

    def check(self) -> None:
        """Raises BadPicture where the picture that it takes cannot be read."""
        if self.kind == "background":
            _backdrop(self.value)

    def apply(self, bgr: Picture, parsing: Parsing | None, on: On, lingering: Mask | None = None) -> Picture:
        """A new picture. Raises BadPicture and UnknownName."""
        match self.kind:
            case "blur":
                return effects.blur(bgr, parsing, on, lingering)
            case "pixelate":
                return effects.pixelate(bgr, parsing, on, lingering)
            case "fill":
                return effects.fill(bgr, parsing, on, colour_of(self.value) or COLOURS["black"], lingering)
            case "background":
                return effects.replace_background(bgr, parsing, on, _backdrop(self.value))
        return effects.blur_background(bgr, parsing, on)


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


def treated(
    bgr: Picture, parsing: Parsing | None, wanted: Sequence[Effect], on: On, lingering: Mask | None = None
) -> Picture:
    """The picture after all effects, in their order: uint8 (H, W, 3), new unless there is none.

    Args:
        parsing: None is no knowledge of who is where; what hides people then hides everything.
        lingering: what is hidden beside the selection: see `pipeline.motion.linger`.
    """
    # What keeps people comes first, or what hides them would be undone at their edges.
    for effect in sorted(wanted, key=lambda each: each.kind in COVERS):
        bgr = effect.apply(bgr, parsing, on, lingering)
    return bgr


@lru_cache(maxsize=4)
def _backdrop(value: str) -> Picture | Colour:
    colour = colour_of(value)
    return colour if colour is not None else read_picture(Path(value))
