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
    """The labels and persons of one answer of a network."""

    labels: LabelMap
    instances: LabelMap
    people: tuple[Person, ...]
    garments: Garments | None = None
    """The logits of the types of garments; None where the labels stay as they are."""


class ClassMask(NamedTuple):
    """One mask as ModelScope's pipeline returns it."""

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
    decode: Callable[[Answer, Letterbox, Picture | None], Decoded]
    """Decodes an answer, given the letterbox and the network's input; None is for who wants to know where people are,
    and not their outlines."""
    weights: Callable[[], str] = str
    """A digest of the weights, in hex digits; empty for weights that have none. Raises WeightsError."""
    reading: int = 1
    """The version of how answers become labels and persons: another one makes other masks of the same weights."""
    fit: Callable[[Size, Size, float], Letterbox] = Letterbox.into
    """Makes the letterbox of frames of one size into an input of another, given the shape of the frames' pixels."""
    compile_any: Callable[[RunOptions], Network] | None = None
    """Makes it ready for pictures of all sizes, at nearly the same speed; None is for one that must know the size.
    Raises as `compile`."""
    both_ways: Callable[[Answer, Answer], Answer] | None = None
    """Makes one answer of those to a picture by itself and to its mirror image; None has one look alone."""
    smoothed: bool = False
    """True if answers are class logits and other planes, to be averaged by `pipeline.motion.smoothing`."""
    compiles_at_once: bool = False
    """True if the network compiles for another input size in less than a second."""
    masks: Callable[[Answer, Letterbox], Iterator[ClassMask]] | None = None
    """The masks that ModelScope's pipeline makes of the same answer, for a network of theirs."""
