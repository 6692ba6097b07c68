"""Outlines of people at equal false alarms, from a network's scores before anything is decided.

A network that is surer of people, and of things too, has a higher recall and is no better. So networks are compared
where each takes as many pixels of pictures without people for somebody: at the threshold on the odds of somebody
against background at which that is so.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.confusion import BAG, IGNORED, MAX_FALSE_ALARM
from pipeline.evaluation.evaluate import Labelled
from pipeline.network.letterbox import Letterbox
from training.parsing import StillParser

RATES = (0.002, 0.005, 0.01, 0.02)
"""False alarms at which networks are compared: shares of the pixels of pictures without people."""
CAPPED_RATE = 0.002
"""The same as a mean over pictures of which each is capped, so that a single picture does not decide."""
_EDGES = np.linspace(-24, 24, 2401)
"""Of the bins that odds (their logarithm) are counted in."""
_BINS = len(_EDGES) + 1


def somebody_odds(scores: NDArray[np.float32], fit: Letterbox) -> NDArray[np.float32]:
    """The logarithm of the odds of somebody against background, at each pixel of the frame: float32 (H, W).

    Args:
        scores: float32 (20, h, w), logits of classes.
        fit: how the frame went into the network.
    """
    highest = scores[1:].max(axis=0)
    odds = highest + np.log(np.exp(scores[1:] - highest).sum(axis=0)) - scores[0]
    whole = cv2.resize(odds, fit.input_size[::-1], interpolation=cv2.INTER_LINEAR)
    content = np.ascontiguousarray(whole[fit.content])
    return np.asarray(cv2.resize(content, fit.frame_size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


class OddsCounts:
    """How often which odds stand at people's pixels and at the others, over many pictures."""

    def __init__(self) -> None:
        self.somebody = np.zeros(_BINS, np.int64)
        self.nobody = np.zeros(_BINS, np.int64)
        self.pictures: list[NDArray[np.float64]] = []
        """Of each picture without people, the share of its pixels with odds above each bin."""

    def add(self, picture: Labelled, odds: NDArray[np.float32]) -> None:
        bins = np.digitize(odds, _EDGES)
        there = (picture.truth > 0) & (picture.truth != IGNORED) & (picture.truth != BAG)
        clear = (picture.truth == 0) | (picture.truth == BAG)
        self.somebody += np.bincount(bins[there], minlength=_BINS)
        elsewhere = np.bincount(bins[clear], minlength=_BINS)
        self.nobody += elsewhere
        if not there.any():
            self.pictures.append(_above(elsewhere) / max(1, elsewhere.sum()))

    def threshold(self, rate: float) -> int:
        """The first bin above which no more than this share of the pixels without people is."""
        return int(np.argmax(_above(self.nobody) <= rate * self.nobody.sum()))

    def capped_threshold(self, rate: float) -> int:
        """The same of the mean over pictures of that share, each picture's capped."""
        capped = np.minimum(self.pictures, MAX_FALSE_ALARM).mean(axis=0)
        return int(np.argmax(capped <= rate))

    def person_iou(self, threshold: int) -> float:
        """Intersection over union of everybody against background when all above a bin is somebody."""
        hits, false = _above(self.somebody)[threshold], _above(self.nobody)[threshold]
        return float(hits / max(1, self.somebody.sum() + false))


def counting(parser: StillParser, pictures: Iterable[Labelled], counts: OddsCounts) -> Iterator[Labelled]:
    """The same pictures; what the parser's network answered to each is counted when the next one is asked for."""
    for picture in pictures:
        yield picture
        counts.add(picture, somebody_odds(*parser.scores()))


def _above(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are in later bins than each."""
    return np.asarray(bins.sum() - bins.cumsum(), np.int64)
