"""Linear blend skinning: the vertices of a mesh follow the bones that they are bound to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BONES_A_VERTEX = 4


@dataclass(frozen=True, slots=True)
class Binding:
    """The bones that move each vertex."""

    bones: NDArray[np.int32]
    """(n, 4)."""
    weights: NDArray[np.float32]
    """(n, 4); they add up to 1."""

    def __post_init__(self) -> None:
        if self.bones.shape != self.weights.shape or self.bones.ndim != 2:
            raise ValueError(f"bones {self.bones.shape} and weights {self.weights.shape} must be of one shape (n, k)")

    def rows(self, index: NDArray[np.integer[Any]]) -> "Binding":
        """That of some of the vertices."""
        return Binding(self.bones[index], self.weights[index])


def binding_of(weights: NDArray[np.float32]) -> Binding:
    """The strongest four bones of each vertex, from weights (n, b)."""
    bones = np.argsort(-weights, axis=1)[:, :_BONES_A_VERTEX].astype(np.int32)
    strongest = np.take_along_axis(weights, bones, 1).astype(np.float32)
    return Binding(bones, strongest / np.maximum(strongest.sum(axis=1, keepdims=True), 1e-9))


def rigid(count: int, bone: int) -> Binding:
    """Vertices that one bone moves."""
    weights = np.zeros((count, _BONES_A_VERTEX), np.float32)
    weights[:, 0] = 1
    return Binding(np.full((count, _BONES_A_VERTEX), bone, np.int32), weights)


def skin(
    vertices: NDArray[np.float32],
    binding: Binding,
    rotations: NDArray[np.float64],
    rest: NDArray[np.float64],
    posed: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The posed vertices, float32 (n, 3).

    Args:
        vertices: (n, 3), in the rest pose.
        rotations: (b, 3, 3), of each bone, from the rest pose, in the world's axes.
        rest, posed: (b, 3), where each bone begins in the rest pose and in this one.
    """
    motion = np.concatenate([rotations, (posed - np.einsum("bij,bj->bi", rotations, rest))[..., None]], axis=2)
    blended = np.einsum("nk,nkij->nij", binding.weights, motion.astype(np.float32)[binding.bones])
    return np.asarray(np.einsum("nij,nj->ni", blended[..., :3], vertices) + blended[..., 3], np.float32)
