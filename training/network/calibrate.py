"""A last touch: a number added to each class's score, so that rare classes are called as often as pays.

Training weighs classes, and weighing shifts where one class ends and the next begins. The shifts that give the
highest mIoU on pictures that were trained on are found one class at a time and put into the last layer.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.network.letterbox import Letterbox, network_size
from training.measure import CROWD_SIZE
from training.network.lite_net import STRIDE, LiteNet
from training.parsing import PIXELS, Answers
from training.scenes.compose import Scene
from training.scenes.painter import Painter
from training.scenes.stock import Stock

BACKGROUND = -0.75
"""What is added to the background's score in the end. Photos that were trained on do not say how unsure the network is
of dark sleeves, small people and other cameras: more of them are seen, for .002 of mIoU, and hardly more of what is
nobody."""
_STEPS = (0.5, 0.25)
_MOST = 1.5
"""No shift is larger. What the network is sure of is not turned around by this; outlines and doubts are."""
_PHOTOS, _CROWDS = 240, 80
_CELLS = 4_000_000
"""As many as are kept in memory, of all scenes together."""


def scenes_for(stock: Stock) -> list[Scene]:
    """Photos that were trained on and labelled by people, as they are, and crowds."""
    photos = [photo for photo in stock.photos if photo.annotated and photo.anybody and not photo.synthetic]
    photos = photos[:: 1 + len(photos) // _PHOTOS]
    crowds = [Painter(stock, CROWD_SIZE, np.random.default_rng([_CROWDS, index])).crowd() for index in range(_CROWDS)]
    return [Scene(photo.bgr, photo.labels, np.zeros_like(photo.labels), 0) for photo in photos] + crowds


def shifts(answers: Answers, scenes: Sequence[Scene]) -> NDArray[np.float32]:
    """What to add to each class's score for what `_worth` counts on some scenes: float32 (20,)."""
    scores, truth = _cells(answers, scenes)
    found = np.zeros(len(CIHP), np.float32)
    best = _worth(scores, truth)
    for step in _STEPS:
        for index in range(1, len(CIHP)):  # background's is not searched for: on it depends who is seen at all
            for change in (step, -step):
                while abs(found[index] + change) <= _MOST:
                    scores[:, index] += change
                    now = _worth(scores, truth)
                    if now <= best:
                        scores[:, index] -= change
                        break
                    best = now
                    found[index] += change
    found[0] = BACKGROUND
    return found


def add_shifts(network: LiteNet, found: NDArray[np.float32]) -> None:
    """Puts shifts into a network's last layer."""
    last = network.parts[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias += torch.from_numpy(found).to(last.bias.device)


def _cells(answers: Answers, scenes: Sequence[Scene]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores (n, 20) and classes (n,) of all cells whose class is known."""
    scores, truth = [], []
    most = _CELLS // max(1, len(scenes))
    for scene in scenes:
        size = Size(*scene.labels.shape)
        fit = Letterbox.into(size, network_size(size, PIXELS))
        planes, _ = answers(fit.shrink(scene.bgr))
        # The pixel of the picture under the middle of each cell.
        rows, columns = (
            np.minimum(((np.arange(cells) + 0.5) * STRIDE * whole / part).astype(int), whole - 1)[: -(-part // STRIDE)]
            for cells, whole, part in zip(planes.shape[1:], size, fit.content_size)
        )
        labels = scene.labels[np.ix_(rows, columns)]
        known = np.flatnonzero(labels.ravel() < len(CIHP))
        known = known[:: 1 + len(known) // most]
        part = planes[:, : len(rows), : len(columns)].reshape(len(CIHP), -1)
        scores.append(part[:, known].T)
        truth.append(labels.ravel()[known].astype(np.int64))
    return np.concatenate(scores), np.concatenate(truth)


def _worth(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Mean intersection over union of the classes, and that of all persons together, added up.

    Without the second, thin limbs are given away for a cleaner background, which is but one class of twenty.
    """
    classes = len(CIHP)
    pairs = truth * classes + scores.argmax(axis=1)
    counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    there = counts.sum(axis=1) > 0
    hits = counts.diagonal()
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    return float((hits[there] / union[there]).mean() + counts[1:, 1:].sum() / max(1, counts.sum() - counts[0, 0]))
