"""Run lengths of masks, as COCO writes them: down the columns of the whole picture, first what is outside.

The format is that of pycocotools' `maskApi.c`: counts in groups of five bits with a sign, each from the third on as
the difference from the count before the last one.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.geometry import Box, Size

Mask = NDArray[np.uint8]


def counts_of(mask: Mask, box: Box, size: Size) -> list[int]:
    """Pixels outside, inside, outside and so on, down the columns of a picture.

    Args:
        mask: uint8 of the box's height and width, 1 inside.
        box: where it is in the picture.
        size: the picture's.
    """
    padded = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
    padded[:, 1:-1] = mask.T
    change = np.diff(padded, axis=1)
    columns, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    base = (columns + box.left) * size.height + box.top
    first, last = base + starts, base + ends
    # A run that goes to the bottom goes on at the top of the next column.
    joined = first[1:] == last[:-1]
    first = first[np.concatenate(([True], ~joined))] if len(first) else first
    last = last[np.concatenate((~joined, [True]))] if len(last) else last
    edges = np.empty(2 * len(first) + 2, np.int64)
    edges[0], edges[-1] = 0, size.area
    edges[1:-1:2], edges[2:-1:2] = first, last
    counts = [int(each) for each in np.diff(edges)]
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def encoded(counts: list[int]) -> str:
    """Counts as COCO's compressed string."""
    text = bytearray()
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append((bits | 0x20 if more else bits) + 48)
    return text.decode("ascii")


def decoded(text: str) -> list[int]:
    """Counts from COCO's compressed string. Raises PipelineError."""
    counts: list[int] = []
    value = shift = 0
    for character in text.encode():
        bits = character - 48
        if not 0 <= bits < 64:
            raise PipelineError(f"{chr(character)!r} is no character of a compressed mask")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise PipelineError("a compressed mask ends within a count")
    return counts


def mask_of(counts: list[int], size: Size) -> Mask:
    """The mask of counts: uint8 (H, W), 1 inside. Raises PipelineError if they are not those of this size."""
    if sum(counts) != size.area or min(counts, default=0) < 0:
        raise PipelineError(f"run lengths of {sum(counts)} pixels are not those of a picture of {size}")
    inside = np.arange(len(counts), dtype=np.uint8) & 1
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(size.width, size.height).T)
