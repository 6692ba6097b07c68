"""A network and how to read it: what a parser is made with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.labels import LabelSet
from pipeline.network.letterbox import Letterbox
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Answer, Network
from pipeline.people.garments import Garments
from pipeline.types import LabelMap, Person, Picture


class Decoded(NamedTuple):
    """Who and what is where, as far as one answer tells."""

    labels: LabelMap
    instances: LabelMap
    people: tuple[Person, ...]
    garments: Garments | None = None
    """How the types of garments compare; None where they stay as the labels have them."""


class ClassMask(NamedTuple):
    """Where one thing is, as ModelScope's pipeline says it."""

    label: str
    score: float
    mask: NDArray[np.bool_]
    """(H, W) of the frame. ModelScope has the same as 0.0 and 1.0."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network that parses people."""

    name: str
    about: str
    label_set: LabelSet
    pixels: int
    """Height times width of the input that it was trained for; the default size is chosen by it."""
    compile: Callable[[Size, RunOptions], Network]
    """Makes it ready for pictures of one size. Raises what `load_parser` says."""
    decode: Callable[[Answer, Letterbox, Picture], Decoded]
    """Of an answer, how the frame went into the network, and what went in."""
    fit: Callable[[Size, Size], Letterbox] = Letterbox.into
    """How frames of one size go into an input of another."""
    smoothed: bool = False
    """Whether answers are logits of classes, and what else is said of each cell, for `pipeline.motion.smoothing`."""
    compiles_at_once: bool = False
    """Whether another input size is ready in less than a second."""
    masks: Callable[[Answer, Letterbox], Iterator[ClassMask]] | None = None
    """What ModelScope's pipeline returns for the same answer, where it is a network of theirs."""
