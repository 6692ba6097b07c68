"""The settings of drawing: what is drawn over a picture, and how."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.selection import On
from pipeline.drawing.treatment import COVERS, CUTS, KEEPS, Effect
from pipeline.errors import PipelineError
from pipeline.labels import LabelSet

LegendPlace = Literal["off", "auto", "left", "right", "below"]
"""Where the legend is: the corner with the fewest people of all four (`auto`) or of one side's two, or a band that is
added below the picture."""

View = Literal["overlay", "masks", "side-by-side", "original"]
"""The frame with its masks, the masks alone on black, the frame beside the overlay, or the frame as it is."""

Colours = Literal["class", "person", "merged"]
"""What has a colour of its own: each class, each person, or each of hair, face, skin, upper, lower and shoes."""

LEGEND_PLACES: tuple[str, ...] = get_args(LegendPlace)


@dataclass(frozen=True, slots=True)
class Look:
    """How a parsing is drawn."""

    opacity: float = 0.5
    """Opacity of the colours: 0 shows none of them, 1 nothing of the picture beneath. Faces are drawn fainter."""
    outline: bool = True
    """Draw a white line around each person."""
    legend: LegendPlace = "off"
    """Place of the legend, which names the classes in the picture; `below` makes the picture higher."""
    tags: bool = True
    """Draw each person's number above its head."""
    hidden: frozenset[str] = frozenset()
    """Classes, or groups of them, that are not drawn."""
    only: frozenset[str] = frozenset()
    """The only classes, or groups of them, that are drawn; all by default."""
    view: View = "overlay"
    """What is shown: the frame with its masks, the masks alone, both side by side, or the frame as it is."""
    colours: Colours = "class"
    """What has a colour of its own: each class, each person, or merged: hair, face, skin, upper, lower, shoes."""
    effect: tuple[str, ...] = ()
    """Effects in place of colours: blur, pixelate, fill=COLOUR, cut, blur-background, background=COLOUR, PICTURE or
    VIDEO. Those that hide take a selection of their own: blur@Face+Hair."""
    on: str = "all"
    """Selection that effects hide or keep: classes (Face,Hair), a person (person:3), all, or not: and the others."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity <= 1.0:
            raise PipelineError(f"opacity is between 0 and 1, not {self.opacity}")
        if self.legend not in LEGEND_PLACES:
            raise PipelineError(f"legend is one of {', '.join(LEGEND_PLACES)}, not {self.legend!r}")
        if self.on != "all" and not self.effect:
            raise PipelineError(f"on {self.on!r} says where an effect is, and there is none; name one, such as blur")
        for name, value, kind in (("view", self.view, View), ("colours", self.colours, Colours)):
            if value not in get_args(kind):
                raise PipelineError(f"{name} is one of {', '.join(get_args(kind))}, not {value!r}")
        if self.legend != "off" and self.colours == "person":
            raise PipelineError("a legend names classes, and colours=person shows none: leave one of them out")
        if self.effect and self.view != "overlay":
            raise PipelineError(
                f"view {self.view!r} would show what effects are to hide or cut off: leave one of them out"
            )
        kinds = {each.kind for each in self.effects}
        if kinds & {*CUTS} and kinds & {*KEEPS}:
            raise PipelineError("cut leaves no background that another effect could replace or blur: name one of them")
        self.selection  # noqa: B018  (refuse what cannot be read)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What `effect` names. Raises PipelineError."""
        return tuple(Effect.read(each) for each in self.effect)

    @property
    def selection(self) -> On:
        """What `on` names. Raises PipelineError."""
        return On.read(self.on)

    @property
    def hides(self) -> bool:
        """Whether any effect covers what is selected."""
        return any(each.kind in COVERS for each in self.effects)

    @property
    def people(self) -> frozenset[int]:
        """The numbers of the people that selections name."""
        return self.selection.people.union(*(each.on.people for each in self.effects if each.on is not None))

    @property
    def is_cut(self) -> bool:
        """Whether what is drawn has transparency: pictures are then uint8 (H, W, 4)."""
        return any(each.kind in CUTS for each in self.effects)

    def hides_faces(self, label_set: LabelSet) -> bool:
        """Whether effects cover faces, by their name: then those that the parser does not see have to be covered, too.

        Raises:
            UnknownName: a class or group that the label set lacks.
        """
        covered = [each.on or self.selection for each in self.effects if each.kind in COVERS]
        return any(not on.inverse and label_set.id_of("Face") in on.ids(label_set) for on in covered)

    def check(self, label_set: LabelSet) -> None:
        """Refuses what could fail only when a picture is drawn.

        Raises:
            UnknownName: a class or group that the label set lacks.
            BadPicture: a background that cannot be read.
        """
        self.shown(label_set)
        self.selection.ids(label_set)
        for each in self.effects:
            each.check()
            if each.on is not None:
                each.on.ids(label_set)

    def shown(self, label_set: LabelSet) -> NDArray[np.bool_]:
        """Whether each class is drawn: bool (n,); never class 0, the background.

        Raises:
            UnknownName: a class or group that the label set lacks; the message lists those it has.
        """
        drawn = np.full(len(label_set), not self.only)
        drawn[[index for name in self.only for index in label_set.ids_of(name)]] = True
        drawn[[index for name in self.hidden for index in label_set.ids_of(name)]] = False
        drawn[0] = False
        return drawn
