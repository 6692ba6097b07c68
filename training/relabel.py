"""A second look at a pack's labels, by a network that was trained on them.

Two networks said which limb is the left one and which the right, and were wrong in about every tenth photo; most
garments outside the annotated photos have no type. A network that saw a hundred thousand scenes does not repeat the
mistakes of single photos: what it is sure of, against their labels, is mostly right ("Pseudo-Label", Lee 2013).
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.types import LabelMap, Picture
from training.pack import ALLOWED, IGNORED, PERSON, UNKNOWN_GARMENTS, UNKNOWN_SIDES, Photo
from training.parsing import PIXELS, Answers

_SURE = 0.8
"""Of a side or a garment: a smaller share of what is possible decides nothing."""
_HARDLY, _LIKELY = 0.1, 0.25
"""Of somebody who was labelled background: how far they reach, and how sure of some of them the network has to be."""
_OUTLINE_PX, _AROUND_PX = 25, 11
"""So near to what was labelled it is an outline that is in doubt; so much around somebody is in doubt with them."""
_ZOOMS = (1.0, 2.0)
"""Of the default input's pixels."""


def relabel(photo: Photo, answers: Answers) -> Photo:
    """The same photo, with sides and garments as the network sees them where it is sure.

    Whom people labelled is somebody, and whom they did not may be; other networks' labels are doubted both ways.
    Rendered pictures, whose labels are exact, stay as they are.
    """
    if photo.synthetic:
        return photo
    shares = class_shares(answers, photo.bgr)
    labels = name_garments(settle_sides(photo.labels, shares), shares)
    labels = labels if photo.annotated else doubt(labels, shares)
    return replace(photo, labels=leave_passers_by_open(labels, shares) if photo.anybody else labels)


def class_shares(answers: Answers, bgr: Picture) -> NDArray[np.float32]:
    """Of each pixel the probability of each class, float32 (20, H, W): a mean over sizes and the mirrored picture."""
    views = [_shares(answers, bgr, round(PIXELS * zoom)) for zoom in _ZOOMS]
    mirrored = [_shares(answers, np.ascontiguousarray(bgr[:, ::-1]), round(PIXELS * zoom)) for zoom in _ZOOMS]
    views += [each[list(CIHP.mirrored), :, ::-1] for each in mirrored]
    return np.asarray(np.mean(views, axis=0), np.float32)


def settle_sides(labels: LabelMap, shares: NDArray[np.float32]) -> LabelMap:
    """Gives limbs and shoes to the side that the network is sure of; to neither where it doubts the label.

    What nobody could name becomes a limb, too, where the network is sure that it is one.
    """
    settled = labels.copy()
    for code, (left_name, right_name) in UNKNOWN_SIDES.items():
        left, right = CIHP.id_of(left_name), CIHP.id_of(right_name)
        either = shares[left] + shares[right]
        of_left = shares[left] / np.maximum(either, 1e-6)
        limb = np.isin(labels, (left, right, code)) | ((labels == IGNORED) & (either > _SURE))
        agrees = ((labels == left) & (of_left >= 0.5)) | ((labels == right) & (of_left <= 0.5))
        settled[limb & ~agrees] = code
        settled[limb & (of_left > _SURE)] = left
        settled[limb & (of_left < 1 - _SURE)] = right
    return settled


def name_garments(labels: LabelMap, shares: NDArray[np.float32]) -> LabelMap:
    """Names garments of unknown type: a region as a whole where its mean is sure, else those pixels that are."""
    named = labels.copy()
    for code in UNKNOWN_GARMENTS:
        possible = np.flatnonzero(ALLOWED[code])
        among = shares[possible]
        among = among / np.maximum(among.sum(axis=0), 1e-6)
        count, regions = cv2.connectedComponents((labels == code).view(np.uint8))
        for region in range(1, count):
            inside = regions == region
            mean = among[:, inside].mean(axis=1)
            of_pixels = among[:, inside]
            best = possible[of_pixels.argmax(axis=0)]
            chosen = np.where(of_pixels.max(axis=0) > _SURE, best, code)
            named[inside] = possible[mean.argmax()] if mean.max() > _SURE else chosen
    return named


def doubt(labels: LabelMap, shares: NDArray[np.float32]) -> LabelMap:
    """Leaves open who is somebody where the network is sure of the opposite: a chair, a dark sleeve."""
    nobody_surely, somebody_surely = shares[0] > _SURE, shares[0] < 1 - _SURE
    contested = (PERSON[labels] & nobody_surely) | ((labels == 0) & somebody_surely)
    return np.asarray(np.where(contested, IGNORED, labels), np.uint8)


def leave_passers_by_open(labels: LabelMap, shares: NDArray[np.float32]) -> LabelMap:
    """Takes who passes by behind out of the background.

    People labelled whom a photo is of, and nobody else in it. A network that is told that the others are background
    learns not to see people far away, and is less sure of them than it should be.
    """
    known = cv2.dilate((labels != 0).view(np.uint8), np.ones((_OUTLINE_PX, _OUTLINE_PX), np.uint8)) > 0
    somebody = np.where(known, 0, 1 - shares[0])
    count, blobs = cv2.connectedComponents((somebody > _HARDLY).view(np.uint8))
    surest = np.zeros(count, np.float32)
    np.maximum.at(surest, np.asarray(blobs, np.intp), somebody)
    likely = (surest > _LIKELY)[blobs] & (blobs > 0)
    around = cv2.dilate(likely.view(np.uint8), np.ones((_AROUND_PX, _AROUND_PX), np.uint8)) > 0
    return np.asarray(np.where((labels == 0) & around & ~known, IGNORED, labels), np.uint8)


def _shares(answers: Answers, bgr: Picture, pixels: int) -> NDArray[np.float32]:
    size = Size(*bgr.shape[:2])
    fit = Letterbox.into(size, network_size(size, pixels))
    scores, _ = answers(fit.shrink(bgr))
    odds = np.exp(scores - scores.max(axis=0))
    return np.stack([_enlarged(plane, fit) for plane in odds / odds.sum(axis=0)])


def _enlarged(plane: NDArray[np.float32], fit: Letterbox) -> NDArray[np.float32]:
    """A plane of the network's answer, as large as the picture."""
    whole = cv2.resize(plane, fit.input_size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(whole[fit.content], fit.frame_size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
