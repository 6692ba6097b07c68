"""A colour descriptor of each person, for re-identification."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import PART_GROUPS, LabelSet
from pipeline.network.letterbox import Letterbox
from pipeline.types import LabelMap, Picture

Appearance = NDArray[np.float32]
"""The shares of a person's colours in each of `PARTS`, as roots: float32 (`BINS`,), of length 1."""

PARTS = (
    PART_GROUPS["head"],
    (*PART_GROUPS["upper"], *PART_GROUPS["arms"], "Torso-skin"),
    (*PART_GROUPS["lower"], *PART_GROUPS["legs"], *PART_GROUPS["shoes"]),
)
"""Head, upper and lower body: a white shirt over black trousers is not a black shirt over white ones."""

_STEP = 2
"""The step, in pixels of the network's input, at which colours are sampled."""
_HUES, _GREYS = 12, 6
_COLOURS = _HUES + _GREYS
_PALE = 50
"""Saturation below this, of 255, is grey: its hue is noise."""
_DARK = 40
"""So is that of what is darker than this."""
BINS = len(PARTS) * _COLOURS


def appearances(
    picture: Picture, labels: LabelMap, instances: LabelMap, people: int, label_set: LabelSet, fit: Letterbox
) -> NDArray[np.float32]:
    """An `Appearance` of each person: float32 (people, BINS).

    Args:
        picture: the network's input.
        labels, instances: what was seen in it, of the fit's content.
        people: how many there are.
        label_set: of the labels.
        fit: how the frame went into the network.
    """
    there = _around(instances)
    if there is None:
        return np.zeros((people, BINS), np.float32)
    shrunk = cv2.resize(picture[fit.content][there], None, fx=1 / _STEP, fy=1 / _STEP, interpolation=cv2.INTER_NEAREST)
    owners, classes = (np.ascontiguousarray(each[there][::_STEP, ::_STEP]) for each in (instances, labels))
    bins = cv2.LUT(classes, _first_bins(label_set)) + _colours(np.asarray(shrunk, np.uint8))
    pixels = cv2.calcHist([owners, bins], [0, 1], None, [people + 1, BINS], [0, people + 1, 0, BINS])[1:]
    counts = (pixels.reshape(people, len(PARTS), _COLOURS) @ _NEAR).reshape(people, BINS)
    return np.asarray(np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)), np.float32)


def likeness(one: Appearance, other: Appearance) -> float:
    """The similarity of two descriptors, in [0, 1]: the Bhattacharyya coefficient."""
    return float(one @ other)


def _colours(bgr: Picture) -> NDArray[np.uint8]:
    """The bin of each pixel: hues first, then greys from dark to light."""
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    hues = cv2.extractChannel(hsv, 0) // np.uint8(180 // _HUES)
    greys = cv2.extractChannel(hsv, 2) // np.uint8(-(-256 // _GREYS)) + np.uint8(_HUES)
    coloured = cv2.inRange(hsv, (0, _PALE, _DARK), (255, 255, 255))
    return np.asarray(cv2.copyTo(hues, coloured, greys), np.uint8)


def _smoothed(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some of each bin given to its neighbours, so that a little more light does not make somebody another."""
    hues, greys = counts[..., :_HUES], counts[..., _HUES:]
    around = np.concatenate([hues[..., -1:], hues, hues[..., :1]], axis=-1)
    between = np.concatenate([greys[..., :1], greys, greys[..., -1:]], axis=-1)
    smoothed = [(each[..., :-2] + 2 * each[..., 1:-1] + each[..., 2:]) / 4 for each in (around, between)]
    return np.asarray(np.concatenate(smoothed, axis=-1), np.float32)


_NEAR = _smoothed(np.eye(_COLOURS, dtype=np.float32))


def _around(instances: LabelMap) -> tuple[slice, slice] | None:
    """Rows and columns in which there is anybody: from one that is looked at, as many as make whole steps."""
    box = cv2.boundingRect(instances)
    starts = [start // _STEP * _STEP for start in box[1::-1]]
    ends = [-(-(start + side) // _STEP) * _STEP for start, side in zip(box[1::-1], box[:1:-1])]
    rows, columns = (
        slice(start, min(end, side // _STEP * _STEP)) for start, end, side in zip(starts, ends, instances.shape)
    )
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


@lru_cache(maxsize=8)
def _first_bins(label_set: LabelSet) -> NDArray[np.uint8]:
    """The first bin of the part that each class is of: uint8 (256,). What is of none counts as upper body."""
    parts = [next((at for at, names in enumerate(PARTS) if name in names), 1) for name in label_set.names]
    return np.resize(np.array(parts, np.uint8) * np.uint8(_COLOURS), 256)
