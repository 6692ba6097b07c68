"""Every place that may show a face, for effects that hide faces: a face that is missed by one look is found by another.

Hidden is the union of what a detector takes for faces, sure or not so sure; of the parser's classes Face, Hair and
Sunglasses; of all that is around a small head on which the detector sees no face, for it may be turned; and of the top
of a person of whom neither sees a head. Where all of them lose a face for some frames, it stays hidden by
`pipeline.motion.linger`, which carries what was sure by its place, and what was not by its path.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.faces.detector import FaceDetector
from pipeline.geometry import Box, Size
from pipeline.labels import LabelSet
from pipeline.network.options import RunOptions
from pipeline.types import Face, Frame, LabelMap, Parsing

FACE = "Face"
HEAD = frozenset({FACE, "Hair", "Sunglasses"})
"""Classes that are hidden with a face: most of a head that is turned away is hair, until it turns."""
WITH_HAT = HEAD | {"Hat"}
PIXELS = 736 * 1280
"""Of the detector's input: half of the faces of 1/45 of the height of the picture are seen, and all of 1/22."""
MIN_SCORES = ((1 / 12, 0.05), (1 / 6, 0.1), (1 / 3, 0.3), (1.0, 0.7))
"""Minimum scores of faces up to a height, of the picture's: small ones are hidden that may well be none, sooner than
one is missed; large ones are seen clearly, and to hide what is none would hide much. In the dark, turned and tilted,
a face of 16 px scores 0.05 to 0.3."""
ALONE_SCORES = ((1 / 12, 0.3), (1 / 6, 0.45), (1 / 3, 0.6), (1.0, 0.8))
"""The same where the parser sees nobody, and no face is sure: leaves and shelves have doubtful faces, too."""
PERSON_SCORE = 0.02
"""The same of a face of the smallest kind where the parser sees somebody: mostly they are tilted, or seen from the
side."""
LIVE_PERSON_SCORE = 0.012
"""The same live, where no later frame tells of a face that is missed."""
NEAR_CELLS = 8
"""Cells to each side of the middle of a face in which there may be somebody."""
SURE_SCORE = 0.7
"""Minimum score of a face that shows that somebody is in the picture, and that stays hidden by its place."""
SEEN_SCORE = 0.4
"""Minimum score of a face with which its person's head is seen: a doubtful one may be their hand."""
MARGIN = 32
"""Mirrored pixels around the picture, for faces that its edges cut: of those that show half, 95 % are found in place
of 88 %, of those that show a third, 77 % in place of 26 %."""
GROWN = 1.35
"""A face's box goes from the brows to the chin: hidden is an ellipse in a box so many times as large."""
TOP_SHARE = 0.2
"""Of the height of a person without a head, the part at the top where the head may be."""
MAX_TURNED = 1 / 6
"""Of the height of the picture: of a larger head the parser sees well which part is face."""
MIN_HEAD_SHARE = 0.01
"""Of a person's pixels; with fewer pixels of a head, a person is one that is seen without it."""


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What is to be hidden in a frame, as labels: nothing of it is to be shown."""

    parsing: Parsing
    """With all that may be a face labelled as Face."""
    lasting: Parsing
    """The same without doubtful faces: what stays hidden by its place, where later frames miss it."""
    faces: tuple[Face, ...]
    """Those found, doubtful ones too: they stay hidden by their paths."""


class FaceCover:
    """Labels as Face all that may be one. For one thread at a time."""

    def __init__(
        self,
        options: RunOptions | None = None,
        *,
        pixels: int = PIXELS,
        enlarges: bool = True,
        person_score: float = PERSON_SCORE,
    ) -> None:
        """
        Args:
            options: of the parser's network; the runtime and the precision count.
            pixels: height times width of the detector's input.
            enlarges: whether frames with fewer pixels are enlarged: smaller faces are found, and it takes longer.
            person_score: minimum score of a small face where the parser sees somebody.
        """
        options = replace(options, threads=1, in_flight=1) if options else None
        self._person_score = person_score
        self._detector = FaceDetector(
            pixels=pixels, min_score=person_score, margin=MARGIN, enlarges=enlarges, options=options
        )

    def __call__(self, frame: Frame, parsing: Parsing) -> Cover:
        """What is to be hidden in a frame.

        Args:
            parsing: of this frame, or carried to it.

        Raises:
            UnknownName: the label set has no class Face.
            WeightsError, RuntimeUnavailable: see `pipeline.network.runtime.compile_network`. Nothing is known of the
                frame then, and all of it has to be hidden.
        """
        return covered(parsing, likely(self._detector(frame), parsing, self._person_score))


def likely(found: Sequence[Face], parsing: Parsing, person_score: float = PERSON_SCORE) -> list[Face]:
    """Those of the faces found in a frame that are to be hidden."""
    somebody = bool(parsing.people) or any(each.score >= SURE_SCORE for each in found)
    min_scores = MIN_SCORES if somebody else ALONE_SCORES
    return [
        each
        for each in found
        if _may_be(each, parsing.frame_size, min_scores) or _is_on_person(each, parsing, person_score)
    ]


def covered(parsing: Parsing, faces: Sequence[Face]) -> Cover:
    """These faces, the heads, and the places of heads that nobody saw, labelled as Face.

    Raises:
        UnknownName: the label set has no class Face.
    """
    face = parsing.label_set.id_of(FACE)
    labels = np.asarray(cv2.LUT(parsing.labels, _as_face(parsing.label_set)), np.uint8)
    hidden = np.zeros_like(labels)
    for each in faces:
        if each.score >= SEEN_SCORE:
            _draw_face(hidden, each, parsing.frame_size)
    heads, tops = _heads_unseen(parsing, hidden)
    hidden[:] = 0
    for each in faces:
        if each.score >= SURE_SCORE:
            _draw_face(hidden, each, parsing.frame_size)
    for head in heads:
        _draw_around(hidden, *head)
    for top in tops:
        hidden[top] = 255
    lasting = replace(parsing, labels=_labelled(labels, hidden, face))
    for each in faces:
        if each.score < SURE_SCORE:
            _draw_face(hidden, each, parsing.frame_size)
    return Cover(replace(parsing, labels=_labelled(labels, hidden, face)), lasting, tuple(faces))


def _labelled(labels: LabelMap, hidden: LabelMap, face: int) -> LabelMap:
    done = labels.copy()
    done[hidden > 0] = face
    return done


def _may_be(face: Face, size: Size, min_scores: Sequence[tuple[float, float]]) -> bool:
    return face.score >= next(score for limit, score in min_scores if _tall(face, size) <= limit)


def _is_on_person(face: Face, parsing: Parsing, min_score: float) -> bool:
    """Whether a small face that is very doubtful is where the parser sees somebody."""
    if face.score < min_score or _tall(face, parsing.frame_size) > MIN_SCORES[0][0]:
        return False
    left, top, right, bottom = face.box
    height, width = parsing.map_size
    row = (top + bottom) * height // (2 * parsing.frame_size.height)
    column = (left + right) * width // (2 * parsing.frame_size.width)
    around = np.s_[
        max(0, row - NEAR_CELLS) : row + NEAR_CELLS + 1, max(0, column - NEAR_CELLS) : column + NEAR_CELLS + 1
    ]
    return bool(parsing.instances[around].any())


def _tall(face: Face, size: Size) -> float:
    """The height of a face, of the picture's."""
    return (face.box.bottom - face.box.top) / size.height


def _draw_face(hidden: LabelMap, face: Face, size: Size) -> None:
    down, across = hidden.shape[0] / size.height, hidden.shape[1] / size.width
    left, top, right, bottom = face.box
    _draw_around(hidden, left * across, top * down, right * across, bottom * down)


def _draw_around(hidden: LabelMap, left: float, top: float, right: float, bottom: float) -> None:
    # Cells are covered that it only touches; the middle of the first cell is 0.
    middle = (left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5
    sides = (right - left) * GROWN + 1, (bottom - top) * GROWN + 1
    cv2.ellipse(hidden, (middle, sides, 0.0), (255,), cv2.FILLED)


def _heads_unseen(parsing: Parsing, hidden: LabelMap) -> tuple[list[Box], list[tuple[slice, slice]]]:
    """In cells: the boxes of small heads without a face of those hidden, and the top of each person without a head."""
    on_head = np.asarray(cv2.LUT(parsing.labels, _heads(parsing.label_set)), np.uint8)
    heads, tops = [], []
    for number in range(1, len(parsing.people) + 1):
        person = np.asarray(cv2.inRange(parsing.instances, number, number), np.uint8)
        left, top, width, height = cv2.boundingRect(person)
        if not width:
            continue
        area = np.s_[top : top + height, left : left + width]
        own = np.asarray(cv2.bitwise_and(person[area], on_head[area]), np.uint8)
        seen = cv2.countNonZero(cv2.bitwise_and(person[area], hidden[area]))
        if seen + cv2.countNonZero(own) < MIN_HEAD_SHARE * cv2.countNonZero(person[area]):
            tall = max(1, round(TOP_SHARE * height))
            tops.append(np.s_[max(0, top - tall // 2) : top + tall, left : left + width])
        elif not seen:
            x, y, wide, high = cv2.boundingRect(own)
            if high <= MAX_TURNED * hidden.shape[0]:
                heads.append(Box(left + x, top + y, left + x + wide, top + y + high))
    return heads, tops


@lru_cache(maxsize=8)
def _as_face(label_set: LabelSet) -> NDArray[np.uint8]:
    """Of each of 256 ids, that of Face where it is one of a head."""
    table = np.arange(256, dtype=np.uint8)
    table[[index for index, name in enumerate(label_set.names) if name in HEAD]] = label_set.id_of(FACE)
    return table


@lru_cache(maxsize=8)
def _heads(label_set: LabelSet) -> NDArray[np.uint8]:
    """255 for the ids of a head's classes, of all 256 ids."""
    table = np.zeros(256, np.uint8)
    table[[index for index, name in enumerate(label_set.names) if name in WITH_HAT]] = 255
    return table
