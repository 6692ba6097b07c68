"""The settings of drawing: what is drawn over a picture, and how."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.labels import LabelSet

LegendPlace = Literal["off", "auto", "left", "right", "below"]
"""Where the legend is: the corner with the fewest people of all four (`auto`) or of one side's two, or a band that is
added below the picture."""

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
    """Names of classes that are not drawn."""
    only: frozenset[str] = frozenset()
    """Names of the only classes that are drawn; empty is all of them."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity <= 1.0:
            raise PipelineError(f"opacity is between 0 and 1, not {self.opacity}")
        if self.legend not in LEGEND_PLACES:
            raise PipelineError(f"legend is one of {', '.join(LEGEND_PLACES)}, not {self.legend!r}")

    def shown(self, label_set: LabelSet) -> NDArray[np.bool_]:
        """Whether each class is drawn: bool (n,); never class 0, the background.

        Raises:
            UnknownName: `hidden` or `only` names a class that the label set lacks; the message lists those it has.
        """
        drawn = np.full(len(label_set), not self.only)
        drawn[[label_set.id_of(name) for name in self.only]] = True
        drawn[[label_set.id_of(name) for name in self.hidden]] = False
        drawn[0] = False
        return drawn
