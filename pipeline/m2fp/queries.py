"""The answer of M2FP's queries as probabilities."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


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
