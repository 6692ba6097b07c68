"""Label maps by networks tidied: one type for one garment, and eyes that are no sunglasses."""

import cv2
import numpy as np

from pipeline.labels import CIHP
from pipeline.types import LabelMap, Picture
from training.labelling.parts import FACE, GLASSES, LOWER, UPPER
from training.pack import SOMEBODY

_TYPES = {
    UPPER: [CIHP.id_of(name) for name in ("UpperClothes", "Dress", "Coat")],
    LOWER: [CIHP.id_of(name) for name in ("Pants", "Skirt")],
}
_ONE_VOICE, _KNOWN = 0.8, 0.5
"""A garment has a type if this share of what is known of it says so, and this share of it is known."""
_DARK = 0.5
"""Sunglasses are darker than this share of the face around."""
_AROUND = np.ones((31, 31), np.uint8)


def tidy(bgr: Picture, labels: LabelMap) -> LabelMap:
    """The same label map, uint8 (H, W), garments of one type each and glasses where they are dark."""
    tidied = labels.copy()
    _doubt_light_glasses(bgr, tidied)
    for code, types in _TYPES.items():
        worn = np.isin(tidied, [*types, code])
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(worn.view(np.uint8))
        for piece in range(1, count):
            here = pieces == piece
            known = np.bincount(tidied[here], minlength=256)[types]
            if not known.any():
                continue
            sure = known.max() > _ONE_VOICE * known.sum() and known.sum() > _KNOWN * stats[piece, cv2.CC_STAT_AREA]
            tidied[here] = types[int(known.argmax())] if sure else code
    return tidied


def _doubt_light_glasses(bgr: Picture, labels: LabelMap) -> None:
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    count, pieces, _, _ = cv2.connectedComponentsWithStats((labels == GLASSES).view(np.uint8))
    for piece in range(1, count):
        here = pieces == piece
        skin = (cv2.dilate(here.view(np.uint8), _AROUND) > 0) & (labels == FACE)
        if skin.any() and grey[here].mean() > _DARK * grey[skin].mean():
            labels[here] = SOMEBODY
