"""Guesses of the same person averaged over time, and whom to look at next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.faces.attributes import Guess
from pipeline.types import Estimate, Face, Gender

MIN_FACE_PX = 24
"""The minimum height of a face of which anything is said: of smaller ones guesses are twice as often wrong."""
FACES_A_FRAME = 2
LOOK_EVERY_S = 0.5
"""Time between two looks at the same person."""
MIN_LOOKS = 3
"""Looks in a video after which an average is told."""
FORGET_AFTER_S = 60.0
"""A person that was not looked at for this long is forgotten."""
MIN_GENDER_YEARS = 15.0
FEMALE_BELOW, MALE_ABOVE = 0.5, 0.8
"""Between them `p_male` says too little: the best threshold is 0.70, since women are taken for men at 0.5."""


@dataclass(slots=True)
class Average:
    """The guesses about one person."""

    weight: float = 0.0
    years: float = 0.0
    """Sum of ages, weighted."""
    male: float = 0.0
    """Sum of `p_male`, weighted."""
    looks: int = 0
    looked_s: float = -math.inf
    """Time in the stream of the last look."""

    def add(self, guess: Guess, height_px: int, pts_s: float) -> None:
        weight = math.sqrt(height_px)
        self.weight += weight
        self.years += weight * guess.age_years
        self.male += weight * guess.p_male
        self.looks += 1
        self.looked_s = pts_s

    @property
    def estimate(self) -> Estimate:
        return estimate_of(Guess(self.years / self.weight, self.male / self.weight), self.looks)


@dataclass(slots=True)
class Averages:
    """The guesses about the people of a stream, by `track_id`."""

    people: dict[int, Average] = field(default_factory=dict)

    def due(self, faces: Sequence[Face], pts_s: float) -> list[Face]:
        """The faces to look at now, at most two: of those that are large enough, the longest not looked at."""
        theirs = [each for each in faces if each.person is not None and is_large(each)]
        waiting = [each for each in theirs if not 0 <= pts_s - self._looked_s(each) < LOOK_EVERY_S]
        return sorted(waiting, key=self._looked_s)[:FACES_A_FRAME]

    def add(self, face: Face, guess: Guess, pts_s: float) -> None:
        """A look at the face of somebody."""
        for person in [each for each, average in self.people.items() if pts_s - average.looked_s > FORGET_AFTER_S]:
            del self.people[person]
        assert face.person is not None
        self.people.setdefault(face.person, Average()).add(guess, face.box.bottom - face.box.top, pts_s)

    def estimate(self, face: Face) -> Estimate | None:
        """What is told of a face: None for nobody's, and after fewer than three looks."""
        average = None if face.person is None else self.people.get(face.person)
        return average.estimate if average is not None and average.looks >= MIN_LOOKS else None

    def _looked_s(self, face: Face) -> float:
        average = None if face.person is None else self.people.get(face.person)
        return -math.inf if average is None else average.looked_s


def is_large(face: Face) -> bool:
    """Whether anything is said of a face of this size."""
    return face.box.bottom - face.box.top >= MIN_FACE_PX


def estimate_of(guess: Guess, looks: int) -> Estimate:
    """What is told of a guess, or of an average of several."""
    gender: Gender | None = None
    if guess.age_years >= MIN_GENDER_YEARS:
        gender = "female" if guess.p_male < FEMALE_BELOW else "male" if guess.p_male > MALE_ABOVE else "unsure"
    around = range_years(guess.age_years)
    span = max(0.0, guess.age_years - around), guess.age_years + around
    return Estimate(guess.age_years, span, guess.p_male, gender, looks)


def range_years(age_years: float) -> float:
    """Years on both sides of an estimate within which two thirds are: more for the old."""
    return 3.0 + 0.15 * age_years
