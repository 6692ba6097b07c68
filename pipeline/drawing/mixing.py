"""One picture laid over another, and the memory in which that is done.

Fresh memory of a picture's size costs more than what is done in it: the system hands it out page by page, each cleared.
"""

import threading
from math import prod
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

_BGR = np.dtype((np.void, 3))


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.pieces: dict[str, NDArray[np.uint8]] = {}


_scratch = _Scratch()


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Memory of this thread, of any content: its own until the same name is asked for again. Never to be returned."""
    kind = np.dtype(dtype)
    needed = prod(shape) * kind.itemsize
    piece = _scratch.pieces.get(name)
    if piece is None or piece.size < needed:
        piece = _scratch.pieces[name] = np.empty(needed, np.uint8)
    return piece[:needed].view(kind).reshape(shape)


def copied(name: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy in scratch memory."""
    copy = scratch(name, pixels.shape)
    np.copyto(copy, pixels)
    return copy


def lay(under: NDArray[np.uint8], over: NDArray[np.uint8], share: NDArray[np.uint8]) -> None:
    """Of `over` its share of 255, of `under` the rest: written to `under`.

    Args:
        under, over: uint8 (h, w) or (h, w, 3); `over` is contiguous, and used up.
        share: uint8 (h, w).
    """
    if under.ndim == 3:
        _lay_bgr(under, over, share)
        return
    cv2.multiply(over, share, dst=over, scale=1 / 255)
    cv2.multiply(under, cv2.bitwise_not(share, dst=scratch("rest", share.shape)), dst=under, scale=1 / 255)
    cv2.add(under, over, dst=under)


def _lay_bgr(under: NDArray[np.uint8], over: NDArray[np.uint8], share: NDArray[np.uint8]) -> None:
    """Mixes edges alone: three channels take half of the time when they are copied where nothing is to be mixed."""
    soft = cv2.inRange(share, 1, 254, dst=scratch("soft", share.shape))
    at = np.flatnonzero(soft.view(np.bool_))
    if at.size:
        below, above = (_pixels(each).take(at).view(np.uint8).reshape(-1, 1, 3) for each in (copied("u", under), over))
        lay_each = np.ascontiguousarray(share).reshape(-1).take(at)
        weights = np.asarray(cv2.merge([lay_each] * 3), np.uint8).reshape(-1, 1, 3)
        cv2.multiply(above, weights, dst=above, scale=1 / 255)
        cv2.multiply(below, cv2.bitwise_not(weights), dst=below, scale=1 / 255)
        cv2.add(below, above, dst=below)
        _pixels(over)[at] = below.reshape(-1, 3).view(_BGR).reshape(-1)
    cv2.copyTo(over, share, under)


def _pixels(bgr: NDArray[np.uint8]) -> NDArray[np.void]:
    """Each pixel as one value of three bytes."""
    return bgr.reshape(-1, 3).view(_BGR).reshape(-1)
