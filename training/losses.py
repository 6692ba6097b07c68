"""How wrong an answer is.

The classes of cells, by cross entropy where the truth may leave several open (minus the logarithm of what all
open ones got together) and by overlap, which is what mIoU counts; whole regions of a person, whose pooled
evidence must name what is worn; centres and the ways to them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.labels import CIHP
from training.pack import ALLOWED, BAG, IGNORED

_OUTLINE_WEIGHT = 1.5
"""Of a cell that has another class beside it; of the others, 1."""
_REGION_CELLS = 4
"""Smaller regions are not judged as a whole."""
_CLASSES = len(CIHP)


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the losses in their sum."""

    cells: float = 1.0
    overlap: float = 0.75
    somebody: float = 0.4
    regions: float = 0.3
    centre: float = 0.5
    offset: float = 0.5


@dataclass(frozen=True, slots=True)
class Truth:
    """`Targets` of a batch as tensors."""

    labels: Tensor
    """int64 (n, h, w)."""
    persons: Tensor
    """int64 (n, h, w)."""
    centre: Tensor
    """float32 (n, h, w)."""
    centre_known: Tensor
    """bool (n, h, w)."""
    offset: Tensor
    """float32 (n, 2, h, w)."""


class Losses:
    """The sum of all losses, on one device."""

    def __init__(self, class_weights: NDArray[np.float32], weights: Weights, device: torch.device) -> None:
        self.weights = weights
        self._allowed = torch.from_numpy(ALLOWED).to(device)
        code_weights = np.ones(256, np.float32)
        code_weights[:_CLASSES] = class_weights
        self._code_weights = torch.from_numpy(code_weights).to(device)

    def __call__(self, scores: Tensor, people: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Each loss, not yet weighted; `total` is their weighted sum.

        Args:
            scores: (n, 20, h, w), logits.
            people: (n, 3, h, w), as `pipeline.lite.decode` reads them.
            truth: of the same pictures.
        """
        planes = scores.float().permute(0, 2, 3, 1)  # (n, h, w, 20)
        likely = torch.log_softmax(planes, -1)
        parts = {
            "cells": self.cells(likely, truth.labels),
            "overlap": overlap(likely.exp(), truth.labels),
            "somebody": somebody(1 - likely[..., 0].exp(), truth.labels),
            "regions": self.regions(planes, truth),
            "centre": centre(people[:, 0].float(), truth),
            "offset": offset(people[:, 1:].float(), truth),
        }
        total = torch.stack([getattr(self.weights, name) * value for name, value in parts.items()]).sum()
        return {**parts, "total": total}

    def cells(self, likely: Tensor, labels: Tensor) -> Tensor:
        """Mean over cells of minus the log of what the allowed classes got together.

        Args:
            likely: (n, h, w, 20), log of probabilities.
            labels: int64 (n, h, w), classes and codes.
        """
        missed = -partial_log_likelihood(likely, self._allowed[labels])
        weight = self._code_weights[labels] * (labels != IGNORED)
        weight = weight * torch.where(outlines(labels), _OUTLINE_WEIGHT, 1.0)
        return (missed * weight).sum() / weight.sum().clamp_min(1.0)

    def regions(self, planes: Tensor, truth: Truth) -> Tensor:
        """The mean logits of each person's cells of one label must name that label among what is worn or is skin.

        A garment that is half coat and half dress is two halves right to the loss of its cells; here it is one
        region that says neither. Small regions count less than large ones, but far more than by their cells.
        """
        inside = (truth.persons > 0) & (truth.labels != IGNORED) & (truth.labels > 0)
        picture, row, column = torch.nonzero(inside, as_tuple=True)
        if not len(picture):
            return planes.sum() * 0.0
        label = truth.labels[picture, row, column]
        key = (picture * 256 + truth.persons[picture, row, column]) * 256 + label
        keys, region = torch.unique(key, return_inverse=True)
        cells = torch.bincount(region, minlength=len(keys)).to(planes.dtype)
        pooled = torch.zeros(len(keys), _CLASSES, dtype=planes.dtype, device=planes.device)
        pooled = pooled.index_add(0, region, planes[picture, row, column]) / cells[:, None]
        likely = torch.log_softmax(pooled[:, 1:], -1)
        missed = -partial_log_likelihood(likely, self._allowed[keys % 256][:, 1:])
        weight = (cells >= _REGION_CELLS) * cells.clamp_max(400).pow(0.25) * self._code_weights[keys % 256]
        return (missed * weight).sum() / weight.sum().clamp_min(1.0)


def partial_log_likelihood(likely: Tensor, allowed: Tensor) -> Tensor:
    """Log of the probability of all allowed classes together, from logs of the classes' own; the last axis goes."""
    return torch.logsumexp(likely.masked_fill(~allowed, -torch.inf), -1).clamp_min(-30.0)


def outlines(labels: Tensor) -> Tensor:
    """Where a cell's neighbour has another label: bool, as `labels` (n, h, w)."""
    found = torch.zeros_like(labels, dtype=torch.bool)
    down, across = labels[:, 1:] != labels[:, :-1], labels[:, :, 1:] != labels[:, :, :-1]
    found[:, 1:] |= down
    found[:, :-1] |= down
    found[:, :, 1:] |= across
    found[:, :, :-1] |= across
    return found


def overlap(shares: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over the classes in the batch.

    Args:
        shares: (n, h, w, 20), probabilities.
        labels: int64 (n, h, w); cells with codes are left out.
    """
    known = labels < _CLASSES
    said, truth = shares[known], labels[known]
    cells = torch.bincount(truth, minlength=_CLASSES).to(said.dtype)
    hits = torch.zeros(_CLASSES, dtype=said.dtype, device=said.device).index_add(
        0, truth, said.gather(1, truth[:, None])[:, 0]
    )
    present = cells > 0
    union = cells + said.sum(0) - hits
    return 1 - (hits[present] / union[present]).mean() if present.any() else shares.sum() * 0.0


def somebody(shares: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft intersection over union of everybody against background.

    Args:
        shares: (n, h, w), probabilities that somebody is there.
        labels: int64 (n, h, w), classes and codes: somebody of no known class counts, too.
    """
    known = (labels != IGNORED).to(shares.dtype)
    there = known * ((labels != 0) & (labels != BAG))
    said = shares * known
    hits = (said * there).sum()
    return 1 - (hits + 1) / (said.sum() + there.sum() - hits + 1)


def centre(logits: Tensor, truth: Truth) -> Tensor:
    """Cross entropy with the hills around the centres, over what a perfect answer would have left."""
    missed = functional.binary_cross_entropy_with_logits(logits, truth.centre, reduction="none")
    weight = truth.centre_known * (1 + 10 * truth.centre)
    return (missed * weight).sum() / weight.sum().clamp_min(1.0) * 10


def offset(ways: Tensor, truth: Truth) -> Tensor:
    """Mean length by which the ways to the centres are off, over persons' cells."""
    inside = (truth.persons > 0)[:, None]
    return ((ways - truth.offset).abs() * inside).sum() / inside.sum().clamp_min(1.0)
