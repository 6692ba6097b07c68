"""Figures of a video's parsings: the area of parts and persons over time, who was there and for how long, in what."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline import Parsing
from pipeline.labels import BOTTOMS, TOPS
from streamer.errors import SinkError
from streamer.export.areas import parts_of
from streamer.export.colours import Colours

MAX_STEP_S = 1.0
"""A parsing stands for the time until the next one, but not for longer than this."""
GONE_AFTER_S = 1.0
"""Somebody who is not seen for longer has left, and comes again."""
GARMENTS = frozenset({*TOPS, *BOTTOMS})
COLUMNS = ("pts_s", "kind", "name", "share")


@dataclass(slots=True)
class Visit:
    """A time in which a person was there."""

    from_s: float
    until_s: float


@dataclass(slots=True)
class PersonStats:
    """One person."""

    id: int
    visits: list[Visit] = field(default_factory=list)
    seen_s: float = 0.0
    """Presence: time in which they were in the picture."""
    area_s: float = 0.0
    garments_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    colours: dict[str, str] = field(default_factory=dict)
    """The colour of each garment, as in `navy #1f2a44`; empty without the video."""

    @property
    def dwell_s(self) -> float:
        """From each coming to each going, in all."""
        return sum(visit.until_s - visit.from_s for visit in self.visits)

    @property
    def area(self) -> float:
        """The share of the picture that they take while they are in it, on average."""
        return self.area_s / self.seen_s if self.seen_s else 0.0

    def see(self, from_s: float, until_s: float, share: float) -> None:
        """Counts them as there for a time."""
        if not self.visits or from_s - self.visits[-1].until_s > GONE_AFTER_S:
            self.visits.append(Visit(from_s, until_s))
        self.visits[-1].until_s = until_s
        self.seen_s += until_s - from_s
        self.area_s += share * (until_s - from_s)


@dataclass(slots=True)
class PartStats:
    """One part, of everybody."""

    seen_s: float = 0.0
    area_s: float = 0.0
    max_share: float = 0.0

    @property
    def area(self) -> float:
        """The share of the picture that it takes while it is in it, on average."""
        return self.area_s / self.seen_s if self.seen_s else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The areas of one parsing, as shares of the picture."""

    pts_s: float
    parts: dict[str, float]
    people: dict[int, float]


@dataclass(slots=True)
class Figures:
    """Figures of all parsings."""

    duration_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    parts: dict[str, PartStats] = field(default_factory=dict)
    people: dict[int, PersonStats] = field(default_factory=dict)

    @property
    def most_at_once(self) -> int:
        """The largest number of people in the picture."""
        return max((len(sample.people) for sample in self.samples), default=0)

    def as_json(self) -> dict[str, object]:
        """Plain numbers, lists and texts."""
        return {
            "duration_s": self.duration_s,
            "parsings": len(self.samples),
            "most_at_once": self.most_at_once,
            "parts": {
                name: {"seen_s": each.seen_s, "mean_share": each.area, "max_share": each.max_share}
                for name, each in self.parts.items()
            },
            "people": [
                {
                    "id": each.id,
                    "present_s": each.seen_s,
                    "dwell_s": each.dwell_s,
                    "visits": [[visit.from_s, visit.until_s] for visit in each.visits],
                    "mean_share": each.area,
                    "garments_s": dict(each.garments_s),
                    "colours": each.colours,
                }
                for each in self.people.values()
            ],
        }


def figures_of(parsings: Iterable[Parsing], colours: Colours | None = None) -> Figures:
    """Figures of parsings in the order of time.

    Args:
        colours: measures those of the garments; None for none.
    """
    figures = Figures()
    previous: Parsing | None = None
    step_s = 0.0
    for parsing in parsings:
        if previous is not None:
            step_s = min(MAX_STEP_S, max(0.0, parsing.pts_s - previous.pts_s))
            _count(figures, previous, step_s)
        if colours is not None:
            colours.see(parsing)
        previous = parsing
    if previous is not None:
        _count(figures, previous, step_s)  # the last one is there for as long as the one before it
    if colours is not None:
        for each in figures.people.values():
            each.colours = colours.of(each.id)
    return figures


def _count(figures: Figures, parsing: Parsing, step_s: float) -> None:
    begin_s, end_s = parsing.pts_s, parsing.pts_s + step_s
    figures.duration_s += step_s
    parts: dict[str, float] = defaultdict(float)
    people: dict[int, float] = {person.track_id: 0.0 for person in parsing.people}
    worn: dict[int, set[str]] = defaultdict(set)
    for person, part, share in parts_of(parsing):
        parts[part] += share
        if person is not None:
            people[person.track_id] += share
            worn[person.track_id] |= {part} & GARMENTS
    for name, share in parts.items():
        each = figures.parts.setdefault(name, PartStats())
        each.seen_s += step_s
        each.area_s += share * step_s
        each.max_share = max(each.max_share, share)
    for number, share in people.items():
        who = figures.people.setdefault(number, PersonStats(number))
        who.see(begin_s, end_s, share)
        for garment in worn[number]:
            who.garments_s[garment] += step_s
    figures.samples.append(Sample(begin_s, dict(parts), people))


def write_samples(figures: Figures, out: Path) -> None:
    """Writes CSV: a row for each part and each person at each time, with the share of the picture. Raises SinkError."""
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for sample in figures.samples:
                named = [("part", name, share) for name, share in sample.parts.items()]
                named += [("person", str(number), share) for number, share in sample.people.items()]
                writer.writerows((f"{sample.pts_s:.6f}", kind, name, f"{share:.8f}") for kind, name, share in named)
    except OSError as exc:
        raise SinkError(f"cannot write {out}: {exc.strerror}") from exc


def shares_over_time(figures: Figures, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The share of the picture that a part takes, at each sample."""
    return np.array([sample.parts.get(name, 0.0) for sample in figures.samples])
