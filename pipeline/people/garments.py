"""The garments of each person: one type for each, over its whole area and over time.

A network takes each pixel by itself, so that a coat comes out mottled with dress and shirt, and changes from frame to
frame. Here the types of garments are compared over all pixels that a person has of any, averaged over time, and the
outcome is one more say at each pixel: what somebody hardly has any of is believed where it is evident, and what they
were seen in is believed on. A shirt in an open coat stays, for at its pixels nothing else is likely.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import BOTTOMS, TOPS
from pipeline.network.letterbox import Letterbox
from pipeline.network.upsampling import best_enlarged, box_of, highest
from pipeline.types import LabelMap, Person

GARMENTS = ("UpperClothes", "Dress", "Coat", "Pants", "Skirt")
"""Types that networks confuse with each other."""
_DRESS = GARMENTS.index("Dress")
_ABOVE, _BELOW = ([at for at, name in enumerate(GARMENTS) if name in worn] for worn in (TOPS, BOTTOMS))
"""Indices into `GARMENTS`."""

MEMORY_S = 1.0
"""Time constant of the average of a person's garments."""
RAREST = 0.02
"""A type that has less than this share of somebody is not held against: what they have most of can hide it."""
RIVALRY = 1.0
"""How much more often two types of one half of somebody hide each other than their shares alone say: T-shirts come out
with patches of coat, and few people show much of a shirt and of a coat. An exponent of the shares in that half, as far
as `RAREST` goes."""
WORN_BONUS = 2.0
"""Bonus, in logits, of the type shown before, above and below the waist."""
MIN_SHARE = 0.1
"""Minimum share of a person's garments for those above, or below, the waist to decide anything."""
FORGET_S = 5.0
"""A person unseen for this long is forgotten."""


@dataclass(frozen=True, slots=True)
class Garments:
    """The logits of the types of garments in one picture."""

    classes: tuple[int, ...]
    """Ids of `GARMENTS` in the parser's label set."""
    logits: NDArray[np.float32]
    """(5, h, w) over the whole input of the network, at a fraction of its size. Only differences mean anything."""


@dataclass(slots=True)
class _Worn:
    shares: NDArray[np.floating]
    """The share of each of `GARMENTS`, averaged over time; they add up to 1."""
    seen_s: float
    above: int | None = None
    """Index into `GARMENTS` of the type shown last above, and below, the waist."""
    below: int | None = None

    def note(self, shares: NDArray[np.floating]) -> None:
        """Remembers what each type was shown as, as shares of all."""
        self.above, self.below = (_most(shares, half) for half in (_ABOVE, _BELOW))
        if self.below == _DRESS and self.above is not None and self.above != _DRESS:
            # Else coat and dress, half of somebody each, would be the greater in turn.
            self.below = None


@dataclass(slots=True)
class GarmentVote:
    """The vote on what each person of one stream wears, by `track_id`."""

    _worn: dict[int, _Worn] = field(default_factory=dict)
    _pts_s: float = 0.0

    def decide(
        self,
        labels: LabelMap,
        instances: LabelMap,
        people: Sequence[Person],
        garments: Garments,
        fit: Letterbox,
        pts_s: float,
    ) -> LabelMap:
        """The labels with the type of each garment decided anew: uint8 of the same shape.

        Args:
            labels, instances, people: of one parsing; persons numbered over time.
            garments: of the same.
            fit: how the frame went into the network.
            pts_s: the parsing's time. Going back in time means another stream.
        """
        self._forget(pts_s)
        scale = fit.input_size.height // garments.logits.shape[1]
        is_garment = np.zeros(256, np.uint8)
        is_garment[list(garments.classes)] = 255
        worn = cv2.LUT(fit.on_grid(labels, scale), is_garment) > 0
        cells = box_of(worn)
        if cells is None:
            return labels
        owners = fit.on_grid(instances, scale)
        logits = garments.logits[:, *cells].copy()
        inner, theirs = worn[cells], owners[cells]
        at = np.flatnonzero(inner)
        whose = theirs.take(at)
        self._see(logits.reshape(len(logits), -1).take(at, axis=1), whose, people, pts_s)
        # Of cells where a dress is likeliest it says whether a skirt would be likelier than a shirt.
        below = np.maximum(logits[3], logits[4]) > np.maximum(logits[0], logits[2])
        # Around somebody's cells too: half of what an edge's pixels are made of comes from there.
        near = np.where(theirs, theirs, cv2.dilate(theirs, np.ones((3, 3), np.uint8)))
        logits += self._bias(people).T.take(near.astype(np.intp) * 2 + below, axis=1)
        best = highest(logits)
        around = cv2.dilate(inner.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        possible = np.flatnonzero(np.bincount(best[around]))
        self._note(best.take(at), whose, people)
        dressed = np.zeros(fit.input_size, np.uint8)
        dressed[fit.content] = labels
        there = dressed[tuple(slice(each.start * scale, each.stop * scale) for each in cells)]
        types = np.array(garments.classes, np.uint8)[possible]
        wanted = np.asarray(cv2.LUT(there, is_garment), np.uint8)
        cv2.copyTo(best_enlarged(logits[possible], types, scale, wanted), wanted, there)
        return np.ascontiguousarray(dressed[fit.content])

    def _forget(self, pts_s: float) -> None:
        if pts_s < self._pts_s:
            self._worn = {}
        self._pts_s = pts_s
        self._worn = {key: worn for key, worn in self._worn.items() if pts_s - worn.seen_s <= FORGET_S}

    def _see(
        self, logits: NDArray[np.float32], owners: NDArray[np.uint8], people: Sequence[Person], pts_s: float
    ) -> None:
        """Averages what is seen now into what was.

        Args:
            logits: float32 (5, n) of cells with a garment.
            owners: (n,) the number of whose each is.
        """
        likely = np.exp(logits - logits.max(axis=0))
        likely /= likely.sum(axis=0)
        cells = np.bincount(owners, minlength=len(people) + 1)
        sums = likely @ (owners[:, None] == np.arange(len(people) + 1)).astype(np.float32)
        for number, person in enumerate(people, start=1):
            if not cells[number]:
                continue
            shares = sums[:, number] / cells[number]
            worn = self._worn.get(person.track_id)
            if worn is None:
                self._worn[person.track_id] = _Worn(shares, pts_s)
                continue
            fresh = 1 - np.exp((worn.seen_s - pts_s) / MEMORY_S)
            worn.shares = worn.shares + fresh * (shares - worn.shares)
            worn.seen_s = pts_s

    def _bias(self, people: Sequence[Person]) -> NDArray[np.float32]:
        """The bias of the logits of each person's garments: (2 * (persons + 1), 5), 0 for nobody.

        One row above and one below for each.
        """
        bias = np.zeros((len(people) + 1, 2, len(GARMENTS)), np.float32)
        for number, person in enumerate(people, start=1):
            worn = self._worn.get(person.track_id)
            if worn is not None:
                shares = np.maximum(worn.shares, RAREST)
                bias[number] = np.log(shares / worn.shares.max())
                for half, (among, seen) in enumerate(((_ABOVE, worn.above), (_BELOW, worn.below))):
                    bias[number, half, among] += RIVALRY * np.log(shares[among] / shares[among].max())
                    np.maximum(bias[number, half], np.log(RAREST), out=bias[number, half])
                    if seen is not None:
                        bias[number, half, seen] += WORN_BONUS
        return bias.reshape(-1, len(GARMENTS))

    def _note(self, types: NDArray[np.uint8], owners: NDArray[np.uint8], people: Sequence[Person]) -> None:
        """Remembers what each person is shown in, of cells with a garment: its type, and whose."""
        kinds = len(GARMENTS)
        counts = np.bincount(owners * np.intp(kinds) + types, minlength=(len(people) + 1) * kinds).reshape(-1, kinds)
        for number, person in enumerate(people, start=1):
            worn = self._worn.get(person.track_id)
            if worn is not None and counts[number].any():
                worn.note(counts[number] / counts[number].sum())


def _most(shares: NDArray[np.floating], among: list[int]) -> int | None:
    """The type with the greatest share among some; None where they have hardly any."""
    return among[int(shares[among].argmax())] if shares[among].sum() > MIN_SHARE else None
