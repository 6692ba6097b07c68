"""A picture of ordinary life labelled by networks that have to agree."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Size
from pipeline.network.letterbox import network_size
from pipeline.types import LabelMap, Picture
from training.labelling.agreement import SURE_PERSON, Opinions, presence, presence_by_masks
from training.labelling.bones import Body, body_of
from training.labelling.parts import parts
from training.labelling.persons import persons_apart
from training.labelling.tidy import tidy
from training.pack import IGNORED, SOMEBODY, Photo
from training.parsing import PIXELS, Answers
from training.sides import FindPose, settle_sides_by_pose
from training.teachers.movenet import Found, MoveNet, tiles
from training.teachers.selfie import SelfieNetwork, View, somebody

MAX_PEOPLE = 14
"""People in a picture whose windows are looked at."""
_GROWN, _SLIM = 1.35, 0.6
"""A window's size for its person's box, and the least of its sides as a share of the other."""
_MIN_HEIGHT, _MIN_WIDTH = 10, 6
_POSED = 64
"""Pixels of a person whose pose is asked for."""
_CLOSE = 0.7
"""Weight of the windows' view for the classes; the rest is the whole picture's."""
_AT_TIMES = (1.0, 2.0)
"""Areas at which the bundled network is asked, as multiples of the usual one."""


@dataclass(frozen=True, slots=True)
class Teachers:
    """The networks that are asked."""

    selfie: SelfieNetwork
    movenet: MoveNet
    pose: FindPose
    ours: Answers


def label_picture(name: str, bgr: Picture, teachers: Teachers, masks: LabelMap | None = None) -> Photo:
    """A picture with labels, persons' numbers, and what nobody knows.

    Args:
        name: of its part and file.
        bgr: uint8 (H, W, 3).
        teachers: the networks.
        masks: uint8 (H, W), persons as people outlined them, IGNORED where it is unknown; None if nobody did.
    """
    size = Size(*bgr.shape[:2])
    found = [each for each in teachers.movenet(bgr) if each.width > _MIN_WIDTH and each.height > _MIN_HEIGHT]
    found = found[:MAX_PEOPLE]
    boxes = _boxes(masks) if masks is not None else [_box(each) for each in found]
    whole = teachers.selfie.view(bgr, [Box(0, 0, size.width, size.height)])
    tiled = teachers.selfie.view(bgr, tiles(size))
    windows = teachers.selfie.view(bgr, map(_window, boxes))
    ours = np.mean([_probabilities(teachers.ours, bgr, times) for times in _AT_TIMES], axis=0)
    opinions = Opinions(somebody(whole), somebody(tiled), somebody(windows), 1 - ours[0])
    where = presence(opinions, found) if masks is None else presence_by_masks(opinions, masks)
    bodies = [_body(bgr, each, teachers.pose) for each in found if masks is not None or each.score >= SURE_PERSON]
    coarse = _coarse(whole, windows, tiled if masks is None else None)
    labels = tidy(bgr, parts(where == SOMEBODY, coarse, ours, bodies))
    labels[where == IGNORED] = IGNORED
    there = (where == SOMEBODY) & (labels != IGNORED)
    persons = persons_apart(there, found) if masks is None else np.where(there, masks, np.uint8(0))
    cutout = np.where(there, np.uint8(255), np.uint8(0))
    photo = Photo(name, bgr, labels, cutout, np.asarray(persons, np.uint8), annotated=False, ordinary=True)
    return settle_sides_by_pose(photo, teachers.pose)


def probabilities_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of classes: float32 (classes, h, w) of logits of the same shape."""
    likely = np.exp(scores - scores.max(axis=0))
    return np.asarray(likely / likely.sum(axis=0), np.float32)


def _probabilities(answers: Answers, bgr: Picture, times: float) -> NDArray[np.float32]:
    """What the bundled network says, at the picture's size: float32 (20, H, W)."""
    size = network_size(Size(*bgr.shape[:2]), round(times * PIXELS))
    shrinks = size.height < bgr.shape[0]
    small = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    likely = probabilities_of(answers(np.asarray(small, np.uint8))[0])
    return np.stack([cv2.resize(each, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR) for each in likely])


def _coarse(whole: View, windows: View, tiled: View | None) -> View:
    """The selfie network's classes: mostly from somebody's own window; from tiles where nothing else sees anybody."""
    close = np.where(windows.any(axis=0), np.float32(_CLOSE), np.float32(0))
    mixed = close * windows + (1 - close) * whole
    if tiled is not None:
        mixed = np.where((somebody(whole) < 0.3) & ~windows.any(axis=0), tiled, mixed)
    return np.asarray(mixed, np.float32)


def _body(bgr: Picture, found: Found, find_pose: FindPose) -> Body:
    if found.height <= _POSED:
        return body_of(found)
    pose = find_pose(bgr, (round(found.left), round(found.top), round(found.width), round(found.height)))
    return body_of(found, pose)


def _box(found: Found) -> Box:
    return Box(round(found.left), round(found.top), round(found.right), round(found.bottom))


def _boxes(masks: LabelMap) -> list[Box]:
    """Around each person whom people outlined."""
    boxes = []
    for number in np.unique(masks[(masks > 0) & (masks != IGNORED)]):
        left, top, width, height = cv2.boundingRect((masks == number).view(np.uint8))
        boxes.append(Box(left, top, left + width, top + height))
    return boxes


def _window(box: Box) -> Box:
    """Around a person, larger by a third, and never slim."""
    width, height = _GROWN * (box.right - box.left), _GROWN * (box.bottom - box.top)
    width, height = max(width, _SLIM * height), max(height, _SLIM * width)
    across, down = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return Box(round(across - width / 2), round(down - height / 2), round(across + width / 2), round(down + height / 2))
