"""How somebody looks: by which colours to know a person again."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.fit import Fit
from pipeline.labels import LabelSet
from pipeline.types import LabelMap, Picture

Appearance = NDArray[np.float32]
"""The shares of a person's colours in each of `PARTS`, as roots: float32 (`BINS`,), of length 1."""

PARTS = (
    ("Hair", "Hat", "Face", "Sunglasses"),
    ("UpperClothes", "Coat", "Dress", "Scarf", "Gloves", "Left-arm", "Right-arm", "Torso-skin", "Jumpsuits"),
    ("Pants", "Skirt", "Socks", "Left-leg", "Right-leg", "Left-shoe", "Right-shoe"),
)
"""Head, upper and lower body: a white shirt over black trousers is not a black shirt over white ones."""

_STEP = 2
"""Every so many pixels of the network's input down and across are looked at."""
_HUES, _GREYS = 12, 6
_COLOURS = _HUES + _GREYS
_PALE = 50
"""Saturation below this, of 255, is grey: its hue is noise."""
_DARK = 40
"""So is that of what is darker than this."""
BINS = len(PARTS) * _COLOURS


def appearances(
    picture: Picture, labels: LabelMap, instances: LabelMap, people: int, label_set: LabelSet, fit: Fit
) -> NDArray[np.float32]:
    """An `Appearance` of each person: float32 (people, BINS).

    Args:
        picture: the network's input.
        labels, instances: what was seen in it, of the fit's content.
        people: how many there are.
        label_set: of the labels.
        fit: how the frame went into the network.
    """
    sample = np.s_[::_STEP, ::_STEP]
    owners = instances[sample]
    where = owners > 0
    colours = _colours(np.ascontiguousarray(picture[fit.content][sample]))[where]
    parts = _part_of(label_set)[labels[sample][where]]
    bins = (owners[where].astype(np.intp) * len(PARTS) + parts) * _COLOURS + colours
    pixels = np.bincount(bins, minlength=(people + 1) * BINS).reshape(people + 1, len(PARTS), _COLOURS)
    counts = _smoothed(pixels[1:].astype(np.float32)).reshape(people, BINS)
    return np.asarray(np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)), np.float32)


def likeness(one: Appearance, other: Appearance) -> float:
    """How alike two look, in [0, 1]: the Bhattacharyya coefficient."""
    return float(one @ other)


def _colours(bgr: Picture) -> NDArray[np.uint8]:
    """The bin of each pixel: hues first, then greys from dark to light."""
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    hue, saturation, value = cv2.split(hsv)
    hues = hue // np.uint8(180 // _HUES)
    greys = np.uint8(_HUES) + (value // np.uint8(-(-256 // _GREYS)))
    return np.where((saturation < _PALE) | (value < _DARK), greys, hues)


def _smoothed(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some of each bin given to its neighbours, so that a little more light does not make somebody another."""
    hues, greys = counts[..., :_HUES], counts[..., _HUES:]
    around = np.concatenate([hues[..., -1:], hues, hues[..., :1]], axis=-1)
    between = np.concatenate([greys[..., :1], greys, greys[..., -1:]], axis=-1)
    smoothed = [(each[..., :-2] + 2 * each[..., 1:-1] + each[..., 2:]) / 4 for each in (around, between)]
    return np.asarray(np.concatenate(smoothed, axis=-1), np.float32)


def _part_of(label_set: LabelSet) -> NDArray[np.intp]:
    """The part that each class is of; what is of none counts as upper body."""
    parts = [next((at for at, names in enumerate(PARTS) if name in names), 1) for name in label_set.names]
    return np.array(parts, np.intp)
