"""int8 for what of M2FP bears it: convolutions, and the feed-forward layers of the pixel decoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.network.quantize import convolutions, has_weights, in_int8, ranges_of

_FEED_FORWARD = ("encoder.layers.", ".linear")


def quantised(graph: Any, pictures: Sequence[NDArray[np.float32]]) -> Any:
    """A graph whose heavy operations run on int8.

    Args:
        graph: what `trace` gave; it stays as it is.
        pictures: float32 (1, 3, H, W) each, of what the network is for; the scales are taken from them.
    """
    return in_int8(graph, ranges_of(graph, pictures, _heavy), _heavy)


def _heavy(graph: Any) -> list[Any]:
    return [*convolutions(graph), *(node for node in graph.get_ordered_ops() if _is_feed_forward(node))]


def _is_feed_forward(node: Any) -> bool:
    named = all(part in node.get_friendly_name() for part in _FEED_FORWARD)
    return bool(node.get_type_name() == "MatMul" and named and has_weights(node))
