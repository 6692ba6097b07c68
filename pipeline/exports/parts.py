"""The parts of each person in a picture: boxes, areas and masks in the pixels of the picture.

A map has fewer cells than the picture has pixels. Every pixel belongs to the cell that its centre lies in, so that a
part's box, area and mask agree to the pixel, and the parts of a picture never overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Point, Size
from pipeline.types import Face, LabelMap, Parsing, Person

Cells = NDArray[np.intp]
"""The row, or column, of the map for each row, or column, of the picture: ascending, (n,)."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one person shows of one class; or what is shown of a class and belongs to nobody."""

    person: Person | None
    label: int
    """A class id, never 0."""
    box: Box
    """The rectangle around it, in pixels of the picture."""
    area_px: int
    """Its pixels in the picture."""
    cells: NDArray[np.bool_]
    """Its cells inside the box: bool (h, w), at the size of the map."""
    rows: Cells
    columns: Cells
    """For each row and column of the box, the row and column of `cells`."""

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """Its pixels inside the box: uint8 of the box's height and width, 1 or 0."""
        return self.cells.view(np.uint8)[self.rows[:, None], self.columns[None, :]]


def parts(parsing: Parsing, only: frozenset[int] | None = None) -> Iterator[Part]:
    """The parts of each person, in the order of people and class ids, and last those that belong to nobody.

    Args:
        only: class ids; None is all.
    """
    rows, columns = (cells_of(*sides) for sides in zip(parsing.map_size, parsing.frame_size))
    people: list[Person | None] = [*parsing.people, None]
    for number, person in enumerate(people, start=1):
        owned = parsing.instances == (number if person is not None else 0)
        yield from _parts(person, parsing.labels, owned, rows, columns, only)


def person_mask(parsing: Parsing, number: int) -> Part | None:
    """All of a person, as a part of class 0; None if no pixel of the picture shows it.

    Args:
        number: from 1, the place in `parsing.people`.
    """
    rows, columns = (cells_of(*sides) for sides in zip(parsing.map_size, parsing.frame_size))
    return _part(parsing.people[number - 1], 0, parsing.instances == number, rows, columns)


def cells_of(cells: int, pixels: int) -> Cells:
    """For each of so many pixels the cell, of so many, that its centre lies in; as `Parsing.mask` has them."""
    index = np.arange(cells, dtype=np.float32)[None]
    return np.asarray(cv2.resize(index, (pixels, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0], np.intp)


def _parts(
    person: Person | None,
    labels: LabelMap,
    owned: NDArray[np.bool_],
    rows: Cells,
    columns: Cells,
    only: frozenset[int] | None,
) -> Iterator[Part]:
    there = np.flatnonzero(np.bincount(labels[owned], minlength=1))
    for label in map(int, there):
        if label and (only is None or label in only):
            part = _part(person, label, owned & (labels == label), rows, columns)
            if part is not None:
                yield part


def _part(person: Person | None, label: int, cells: NDArray[np.bool_], rows: Cells, columns: Cells) -> Part | None:
    down, across = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    if not len(down):
        return None
    top, bottom = np.searchsorted(rows, (down[0], down[-1] + 1))
    left, right = np.searchsorted(columns, (across[0], across[-1] + 1))
    inside = np.ascontiguousarray(cells[down[0] : down[-1] + 1, across[0] : across[-1] + 1])
    own_rows, own_columns = rows[top:bottom] - down[0], columns[left:right] - across[0]
    heights = np.bincount(own_rows, minlength=inside.shape[0])
    widths = np.bincount(own_columns, minlength=inside.shape[1])
    area = int(heights @ inside @ widths)
    if not area:  # a picture smaller than its map need not show every cell
        return None
    return Part(person, label, Box(int(left), int(top), int(right), int(bottom)), area, inside, own_rows, own_columns)


def shares(parsing: Parsing) -> dict[int, float]:
    """The share of the picture that each class covers, in [0, 1], of those that are there; never of the background."""
    counts = np.bincount(parsing.labels.ravel(), minlength=len(parsing.label_set))
    return {label: int(count) / parsing.labels.size for label, count in enumerate(counts) if label and count}


def full_size(parsing: Parsing, size: Size) -> Parsing:
    """The same parsing of a larger or smaller copy of the picture: boxes are scaled, maps stay as they are."""
    people = tuple(replace(each, box=each.box.scaled(parsing.frame_size, size)) for each in parsing.people)
    faces = parsing.faces and tuple(_scaled(each, parsing.frame_size, size) for each in parsing.faces)
    return replace(parsing, people=people, faces=faces, frame_size=size)


def _scaled(face: Face, of: Size, size: Size) -> Face:
    down, across = size.height / of.height, size.width / of.width
    points = tuple(Point(point.x * across, point.y * down) for point in face.points)
    return replace(face, box=face.box.scaled(of, size), points=points)
