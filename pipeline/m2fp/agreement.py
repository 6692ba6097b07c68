"""How far an exported network is from the original, and how far it may be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ExportMismatch

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Class logits (Q, C + 1) and mask logits (Q, h, w)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two networks on one picture."""

    typical: float
    """The largest difference of a mask's logits, of the middle query, in standard deviations of all masks' logits.

    Not of the worst query: where a mask's logit is zero but for rounding, either network may let a query look at
    that cell or not.
    """
    correlation: float
    """Of all mask logits."""
    same_class: float
    """Share of the queries for which both think of the same class first."""
    mask_iou: float
    """Of the masks, intersection over union; the mean over the queries that have any."""

    @classmethod
    def between(cls, ours: Outputs, theirs: Outputs) -> "Agreement":
        """Of outputs of the same shapes."""
        (our_logits, our_masks), (logits, masks) = ours, theirs
        apart = np.abs(our_masks - masks).max(axis=(1, 2)) / max(float(masks.std()), 1e-12)
        one, other = our_masks > 0, masks > 0
        union = (one | other).sum(axis=(1, 2))
        iou = (one & other).sum(axis=(1, 2))[union > 0] / union[union > 0]
        return cls(
            typical=float(np.median(apart)),
            correlation=_correlation(our_masks, masks),
            same_class=float((our_logits.argmax(1) == logits.argmax(1)).mean()),
            mask_iou=float(iou.mean()) if iou.size else 1.0,
        )

    def __str__(self) -> str:
        return (
            f"mask logits differ by {self.typical:.2g} of their deviation and correlate {self.correlation:.4f};"
            f" masks overlap {self.mask_iou:.3f}; same class {self.same_class:.0%}"
        )


TYPICAL_MOST = {"f32": 2e-3, "bf16": 1.0, "int8": 2.0}
"""float32 differs by the order of its sums alone; bf16 keeps 8 bits of a number, int8 a 256th of a tensor's range."""
CORRELATION_LEAST = {"f32": 0.9999, "bf16": 0.98, "int8": 0.95}


def check(agreement: Agreement, precision: str, name: str) -> None:
    """Raises ExportMismatch if a network at this precision is further from the original than it should be."""
    # Asked in this direction NaN, from weights that are none, fails too.
    fine = agreement.typical <= TYPICAL_MOST[precision] and agreement.correlation >= CORRELATION_LEAST[precision]
    if not fine:
        cure = "the weights may be damaged" if precision == "f32" else "--precision f32 does without rounding"
        raise ExportMismatch(f"{name} exported at {precision} answers otherwise than in torch: {agreement}; {cure}")


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    # numpy's corrcoef warns of, and answers NaN for, what does not vary.
    one, other = (each.astype(np.float64).ravel() - each.mean(dtype=np.float64) for each in (one, other))
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else float(np.array_equal(one, other))
