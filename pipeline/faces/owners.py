"""Whose a face is: the person whose pixels are under it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.types import Face, Parsing

MIDDLE = 0.25
"""Of the width and height of a face, at each side, what is not looked at: other people may be there."""
MIN_SHARE = 0.3
"""Minimum share of the middle of a face that must be the person's."""


def owned(faces: Sequence[Face], parsing: Parsing) -> tuple[Face, ...]:
    """The same faces, each with the person whose it is. A person has one face at most: the one that is most theirs.

    Args:
        faces: in pixels of the parsing's frame.
    """
    shares = np.array([_shares(face, parsing) for face in faces]).reshape(len(faces), len(parsing.people) + 1)
    shares[:, 0] = 0
    owners: dict[int, int] = {}
    while shares.size and shares.max() >= MIN_SHARE:
        face, number = np.unravel_index(int(shares.argmax()), shares.shape)
        owners[int(face)] = parsing.people[number - 1].track_id
        shares[face], shares[:, number] = 0, 0
    return tuple(replace(face, person=owners.get(index)) for index, face in enumerate(faces))


def _shares(face: Face, parsing: Parsing) -> NDArray[np.float64]:
    """The share of the middle of a face that is each person's, nobody's first."""
    left, top, right, bottom = face.box
    across, down = MIDDLE * (right - left), MIDDLE * (bottom - top)
    middle = Box(int(left + across), int(top + down), int(right - across), int(bottom - down))
    box = middle.scaled(parsing.frame_size, parsing.map_size)
    height, width = parsing.map_size
    row, column = min(box.top, height - 1), min(box.left, width - 1)
    seen = parsing.instances[row : max(box.bottom, row + 1), column : max(box.right, column + 1)]
    return np.bincount(seen.ravel(), minlength=len(parsing.people) + 1) / seen.size
