"""The areas of parts and persons in a parsing."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline import Parsing, Person


class PartOf(NamedTuple):
    """A part of a person, or of nobody whom the parser found."""

    person: Person | None
    part: str
    share: float
    """Of the picture, in [0, 1]."""


def parts_of(parsing: Parsing) -> Iterator[PartOf]:
    """The parts of each person that are in the picture, in the order of `people`; at last those of nobody."""
    classes = len(parsing.label_set)
    both = parsing.instances.astype(np.intp) * classes + parsing.labels
    counts = np.bincount(both.ravel(), minlength=(len(parsing.people) + 1) * classes).reshape(-1, classes)
    for number in (*range(1, len(parsing.people) + 1), 0):
        person = parsing.people[number - 1] if number else None
        for index in np.flatnonzero(counts[number]):
            if index:
                yield PartOf(person, parsing.label_set.names[index], float(counts[number, index] / parsing.labels.size))
