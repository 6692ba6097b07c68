"""Of which class somebody's pixels are: the selfie network's coarse ones, split by bones and by the bundled network.

Skin is of the nearest bone; a garment has a type where the bundled network is sure of it over some width, and else a
code of what it may be, by its height on the body. Limbs have no side here: `training.sides` gives them one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CIHP
from pipeline.types import LabelMap
from training.labelling.bones import ARM, FOOT, KINDS, LEG, NECK, Body, distance
from training.pack import IGNORED, SOMEBODY, UNKNOWN_GARMENTS
from training.teachers.selfie import BODY_SKIN, CLOTHES, FACE_SKIN, HAIR, OTHERS

HAT, HAIR_ID, GLASSES, FACE, TORSO = (CIHP.id_of(name) for name in ("Hat", "Hair", "Sunglasses", "Face", "Torso-skin"))
ARMS, LEGS, SHOES = 247, 248, 249
UPPER, LOWER, GARMENT = 250, 251, 252
"""Codes of `training.pack`."""
_UPPER, _LOWER, _GARMENTS = ([CIHP.id_of(name) for name in UNKNOWN_GARMENTS[code]] for code in (UPPER, LOWER, GARMENT))
_BELOW = [CIHP.id_of(name) for name in ("Socks", "Pants", "Skirt")]
"""Garments that nobody has above the waist."""
_LIMB_IDS = {
    ARM: [CIHP.id_of(name) for name in ("Left-arm", "Right-arm")],
    LEG: [CIHP.id_of(name) for name in ("Left-leg", "Right-leg")],
    FOOT: [CIHP.id_of(name) for name in ("Left-shoe", "Right-shoe")],
}
_CERTAIN = 0.65
"""Of a coarse class."""
_WIDTH = (21, 21)
"""Pixels over which a garment is one."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Somebody's pixels of skin, clothes and things."""

    coarse: NDArray[np.intp]
    """(n,), classes of the selfie network."""
    ours: NDArray[np.float32]
    """(20, n), probabilities of the bundled network; garments' averaged over their width."""
    rows: NDArray[np.intp]
    far: dict[str, NDArray[np.float64]]
    """From the nearest bone of each of `KINDS`: (n,), in torsos."""
    owner: NDArray[np.intp]
    """(n,), index of the body whose bone is nearest; -1 if there is none."""


def parts(
    somebody: NDArray[np.bool_], coarse: NDArray[np.float32], ours: NDArray[np.float32], bodies: Sequence[Body]
) -> LabelMap:
    """Classes and codes of `training.pack`, uint8 (H, W), 0 where nobody is.

    Args:
        somebody: bool (H, W).
        coarse: float32 (6, H, W), probabilities of the selfie network.
        ours: float32 (20, H, W), of the bundled one.
        bodies: of those in the picture.
    """
    among = coarse[1:] / np.maximum(coarse[1:].sum(axis=0), 1e-6)
    kind, sure = among.argmax(axis=0) + 1, somebody & (among.max(axis=0) > _CERTAIN)
    labels = np.where(somebody, np.uint8(SOMEBODY), np.uint8(0))
    labels[sure & (kind == HAIR) & (ours[HAT] < 0.4)] = HAIR_ID
    face = sure & (kind == FACE_SKIN)
    labels[face] = FACE
    labels[face & (ours[GLASSES] > 0.4)] = SOMEBODY
    labels[face & (ours[GLASSES] > 0.85)] = GLASSES
    rows, columns = np.nonzero(sure & np.isin(kind, (BODY_SKIN, CLOTHES, OTHERS)))
    if len(rows):
        own = _over_garments(ours, sure & (kind == CLOTHES))[:, rows, columns]
        labels[rows, columns] = _codes(_pixels(kind[rows, columns], own, rows, columns, bodies), bodies)
    return labels


def _over_garments(ours: NDArray[np.float32], worn: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The same probabilities, those of garments averaged over the cloth around."""
    averaged = ours.copy()
    cloth = worn.astype(np.float32)
    around = np.maximum(cv2.blur(cloth, _WIDTH), 1e-3)
    for each in _GARMENTS:
        averaged[each] = cv2.blur(ours[each] * cloth, _WIDTH) / around
    return averaged


def _pixels(
    coarse: NDArray[np.intp],
    ours: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    bodies: Sequence[Body],
) -> Pixels:
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    far = {kind: np.full(len(rows), np.inf) for kind in KINDS}
    owner, nearest = np.full(len(rows), -1), np.full(len(rows), np.inf)
    for index, body in enumerate(bodies):
        for bone in body.bones:
            away = distance(points, bone) / max(body.torso, 1.0)
            far[bone.kind] = np.minimum(far[bone.kind], away)
            closer = away < nearest
            owner[closer], nearest[closer] = index, away[closer]
    return Pixels(coarse, ours, rows, far, owner)


def _codes(pixels: Pixels, bodies: Sequence[Body]) -> NDArray[np.uint8]:
    codes = np.where(pixels.coarse == BODY_SKIN, _skin(pixels), _cloth(pixels, bodies))
    shoes = pixels.ours[_LIMB_IDS[FOOT]].sum(axis=0)
    worn = (pixels.coarse == CLOTHES) | (pixels.coarse == OTHERS)
    shod = worn & ((shoes > 0.6) | ((pixels.far[FOOT] < 0.12) & (shoes > 0.1)))
    codes[pixels.coarse == OTHERS] = IGNORED
    codes[shod] = SHOES
    return np.asarray(codes, np.uint8)


def _skin(pixels: Pixels) -> NDArray[np.uint8]:
    """Arms, legs or the torso, by bones and, where none is near, by the bundled network; SOMEBODY where they differ."""
    far, ours = pixels.far, pixels.ours
    leg = np.minimum(far[LEG], far[FOOT])
    armed, legged = (ours[_LIMB_IDS[kind]].sum(axis=0) for kind in (ARM, LEG))
    is_arm = (far[ARM] < 0.4) & (far[ARM] < 0.7 * leg) & (far[ARM] < 0.8 * far[NECK])
    is_leg = (leg < 0.4) & (leg < 0.7 * far[ARM])
    is_neck = (far[NECK] < 0.3) & (far[NECK] < 0.6 * far[ARM])
    codes = np.full(len(pixels.rows), SOMEBODY, np.uint8)
    codes[armed > 0.7], codes[legged > 0.7], codes[ours[TORSO] > 0.7] = ARMS, LEGS, TORSO
    codes[is_arm], codes[is_leg], codes[is_neck] = ARMS, LEGS, TORSO
    denied = (is_neck & (armed > 0.6)) | (is_arm & ((ours[TORSO] > 0.6) | (legged > 0.6))) | (is_leg & (armed > 0.6))
    codes[denied] = SOMEBODY
    return codes


def _cloth(pixels: Pixels, bodies: Sequence[Body]) -> NDArray[np.uint8]:
    """The type of a garment, or what it may be."""
    garments = pixels.ours[_GARMENTS]
    total = garments.sum(axis=0)
    share = garments / np.maximum(total, 1e-6)
    upper, lower, below = (pixels.ours[ids].sum(axis=0) / np.maximum(total, 1e-6) for ids in (_UPPER, _LOWER, _BELOW))
    codes = np.full(len(pixels.rows), GARMENT, np.uint8)
    codes[(upper > 0.85) & (total > 0.6)] = UPPER
    codes[(lower > 0.9) & (below > 0.5) & (total > 0.6)] = LOWER
    for index, body in enumerate(bodies):
        mine = pixels.owner == index
        above_waist, below_waist = _halves(body, pixels.rows)
        codes[mine & above_waist & ((below < 0.3) | (total < 0.2))] = UPPER
        codes[mine & below_waist & (pixels.far[LEG] < 0.3) & (upper < 0.6)] = LOWER
    known = (share.max(axis=0) > 0.8) & (total > 0.7)
    codes[known] = np.array(_GARMENTS, np.uint8)[share.argmax(axis=0)][known]
    return codes


def _halves(body: Body, rows: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether rows are certainly above, and certainly below, somebody's waist."""
    never = np.zeros(len(rows), np.bool_)
    shoulders, hips, knees, torso = body.shoulders, body.hips, body.knees, body.torso
    if shoulders is None:
        return never, never
    if hips is None or hips - shoulders <= 0.5 * torso:
        lying = hips is not None
        return (never if lying else (rows > shoulders + 0.1 * torso) & (rows < shoulders + 0.8 * torso)), never
    above = (rows > shoulders) & (rows < shoulders + 0.65 * (hips - shoulders))
    return above, (rows > hips + 0.6 * (knees - hips)) if knees is not None and knees > hips else never
