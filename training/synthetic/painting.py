"""A synthetic picture and its labels."""

from dataclasses import dataclass

from pipeline.types import LabelMap, Picture


@dataclass(frozen=True, slots=True)
class Painting:
    """A picture and all that is known of it."""

    bgr: Picture
    labels: LabelMap
    """Classes and a pack's codes: 253 what is carried, 254 somebody of no sure class."""
    persons: LabelMap
    """0 is nobody, k the k-th person."""
