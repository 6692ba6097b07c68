"""The outputs of M2FP's queries as probabilities."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.network.blas import ONE_THREAD


class Queries(NamedTuple):
    """Q things that the network saw in one picture."""

    likely: NDArray[np.float32]
    """(Q, C + 1): of which class each is; the last is "no object"."""
    inside: NDArray[np.float32]
    """(Q, h, w): which cells are in its mask."""

    @classmethod
    def of(cls, logits: NDArray[np.float32], masks: NDArray[np.float32]) -> Self:
        """From float32 logits (Q, C + 1) of classes and (Q, h, w) of masks."""
        return cls(softmax(logits), sigmoid(masks))

    def scores(self, classes: int) -> NDArray[np.float32]:
        """The scores of the first classes at each cell, summed over all queries: float32 (classes, h, w)."""
        likely, inside = self.likely[:, :classes].T, self.inside.reshape(len(self.inside), -1)
        cells = max(1, ONE_THREAD // max(1, likely.size))
        scores = np.empty((classes, inside.shape[1]), np.float32)
        for start in range(0, inside.shape[1], cells):
            scores[:, start : start + cells] = likely @ inside[:, start : start + cells]
        return scores.reshape(classes, *self.inside.shape[1:])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-x)), by way of tanh: in half the time, and without overflow."""
    likely = logits * np.float32(0.5)
    np.tanh(likely, out=likely)
    likely *= np.float32(0.5)
    likely += np.float32(0.5)
    return likely
