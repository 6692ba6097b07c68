"""Which limb is the left one, by a pose: two networks that never saw a whole person were wrong in every fifth photo.

A pose knows a person's sides from the face, the shoulders and the feet together. Where limbs are apart its word
stands where it denies nearly all of a label or nearly none; elsewhere sides stay open unless both agree.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.types import LabelMap, Picture
from training.pack import IGNORED, UNKNOWN_SIDES, Photo
from training.teachers.blazepose import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HEEL,
    LEFT_HIP,
    LEFT_INDEX,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_TOE,
    LEFT_WRIST,
    Pose,
)

FindPose = Callable[[Picture, tuple[int, int, int, int]], Pose]
_BONES = {
    247: ((LEFT_SHOULDER, LEFT_ELBOW), (LEFT_ELBOW, LEFT_WRIST), (LEFT_WRIST, LEFT_INDEX)),
    248: ((LEFT_HIP, LEFT_KNEE), (LEFT_KNEE, LEFT_ANKLE), (LEFT_ANKLE, LEFT_TOE)),
    249: ((LEFT_ANKLE, LEFT_HEEL), (LEFT_HEEL, LEFT_TOE), (LEFT_ANKLE, LEFT_TOE)),
}
"""What each code of two sides hangs on: the left one's bones."""
_MIN_HEIGHT = 64
"""Pixels of a person whose pose is asked for."""
_CERTAIN = 0.8
"""Of a pose that is believed at all."""
_NEARER = 1.5
"""A limb belongs to a bone that is so many times nearer than its twin."""
_FAR = 0.7
"""Torsos: what is farther from both bones is of neither."""
_AGREES, _DENIES = 0.85, 0.2
"""Share of a person's sure pixels of a kind at which labels are kept where the pose is not sure, or none is."""
_MIN_PIXELS = 30


def settle_sides_by_pose(photo: Photo, find_pose: FindPose) -> Photo:
    """The same photo, its limbs and shoes given to the sides that a pose says, or to neither.

    Rendered pictures, whose labels are exact, stay as they are.
    """
    if photo.synthetic:
        return photo
    labels = photo.labels.copy()
    for number in np.unique(photo.persons):
        if number in (0, IGNORED):
            continue
        mine = photo.persons == number
        box = cv2.boundingRect(mine.view(np.uint8))
        if box[3] < _MIN_HEIGHT:
            continue
        pose = find_pose(photo.bgr, (box[0], box[1], box[2], box[3]))
        if pose.certainty >= _CERTAIN:
            labels[mine] = sides_of_person(photo.labels, mine, pose)[mine]
    return replace(photo, labels=labels)


def sides_of_person(labels: LabelMap, mine: NDArray[np.bool_], pose: Pose) -> LabelMap:
    """A label map with one person's sides as the pose has them.

    Args:
        labels: uint8 (H, W), classes and codes.
        mine: bool (H, W), the person's pixels.
        pose: of this person.
    """
    settled = labels.copy()
    for code, (left_name, right_name) in UNKNOWN_SIDES.items():
        left, right = CIHP.id_of(left_name), CIHP.id_of(right_name)
        rows, columns = np.nonzero(mine & np.isin(labels, (left, right, code)))
        if len(rows) < _MIN_PIXELS:
            continue
        said = labels[rows, columns]
        meant = _by_bones(np.stack([columns, rows], axis=1).astype(np.float64), pose, code)
        sided = said != code
        compared = sided & (meant != 0)
        agreement = float(np.mean((said == left)[compared] == (meant[compared] > 0))) if compared.any() else 1.0
        by_pose = np.where(meant > 0, left, np.where(meant < 0, right, code))
        if agreement >= _AGREES:
            kept = np.where((meant == 0) | (by_pose == said), said, code)
            settled[rows, columns] = np.where(sided, kept, by_pose)
        elif agreement <= _DENIES:
            settled[rows, columns] = by_pose
        else:
            settled[rows, columns] = np.where(by_pose == said, said, code)
    return settled


def _by_bones(points: NDArray[np.float64], pose: Pose, code: int) -> NDArray[np.int8]:
    """Of each point 1 for the left limb, -1 for the right one, 0 where that cannot be said: int8 (n,)."""
    left, right = (
        np.min([_distance(points, pose, first + side, second + side) for first, second in _BONES[code]], axis=0)
        for side in (0, 1)
    )
    near = np.minimum(left, right) < _FAR * pose.torso
    sides = np.where(left * _NEARER < right, 1, np.where(right * _NEARER < left, -1, 0))
    return np.asarray(np.where(near, sides, 0), np.int8)


def _distance(points: NDArray[np.float64], pose: Pose, first: int, second: int) -> NDArray[np.float64]:
    """Pixels from each point to a bone."""
    start, end = pose.points[first], pose.points[second]
    along = end - start
    share = np.clip((points - start) @ along / max(float(along @ along), 1e-6), 0, 1)
    away = points - (start + share[:, None] * along)
    return np.asarray(np.hypot(away[:, 0], away[:, 1]), np.float64)
