"""Words on the picture in the window; nothing that is recorded or published has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Picture

FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTER_SHARE = 1 / 28
"""Height of a capital letter, of the picture's."""
MIN_LETTER_PX, MAX_LETTER_PX = 9, 40
MIN_SCALE = 0.3
"""Smaller letters cannot be read: what is still too long is cut."""
GROUND = 0.65
"""Opacity of the dark ground."""

_PX_AT_SCALE_1 = 22
"""Height of FONT's capitals."""


class Tone(Enum):
    """BGR."""

    PLAIN = (255, 255, 255)
    GOOD = (120, 230, 120)
    WARNING = (60, 190, 255)
    ALARM = (90, 90, 255)


@dataclass(frozen=True, slots=True)
class Word:
    """One line on the picture."""

    text: str
    tone: Tone = Tone.PLAIN


def with_words(picture: Picture, words: Sequence[Word], panel: Sequence[Word] = ()) -> Picture:
    """The picture, uint8 (H, W, 3): words are drawn into its lower left, and a panel of others into its middle."""
    height, width = picture.shape[:2]
    if words:
        block = _block(tuple(words), width, height)
        _lay(picture, block, left=0, top=height - block.shape[0])
    if panel:
        block = _block(tuple(panel), width, height)
        _lay(picture, block, left=(width - block.shape[1]) // 2, top=max(0, (height - block.shape[0]) // 2))
    return picture


@lru_cache(maxsize=8)
def _block(words: tuple[Word, ...], width: int, height: int) -> Picture:
    """The lines on black, no larger than the picture: smaller where there are many or where one is long."""
    letter_px = min(MAX_LETTER_PX, max(MIN_LETTER_PX, LETTER_SHARE * height))
    scale = letter_px / _PX_AT_SCALE_1
    widest = max(_width(word.text, 1.0) for word in words)
    room = (width - 2 * letter_px) / max(1.0, widest)
    scale = max(MIN_SCALE, min(scale, room, height / (len(words) + 1) / (2 * _PX_AT_SCALE_1)))
    line = round(2 * scale * _PX_AT_SCALE_1)
    margin = line // 2
    texts = [_cut(word.text, scale, width - 2 * margin) for word in words]
    wide = min(width, 2 * margin + max(_width(text, scale) for text in texts))
    block = np.zeros((min(height, line * len(words) + margin), wide, 3), np.uint8)
    for number, (word, text) in enumerate(zip(words, texts), start=1):
        stroke = max(1, round(2 * scale))
        cv2.putText(block, text, (margin, line * number), FONT, scale, word.tone.value, stroke, cv2.LINE_AA)
    block.setflags(write=False)
    return block


def _width(text: str, scale: float) -> int:
    (width, _), _ = cv2.getTextSize(text, FONT, scale, max(1, round(2 * scale)))
    return int(width)


def _cut(text: str, scale: float, width: int) -> str:
    if _width(text, scale) <= width:
        return text
    while text and _width(text + "...", scale) > width:
        text = text[:-1]
    return text + "..."


def _lay(picture: Picture, block: NDArray[np.uint8], left: int, top: int) -> None:
    """Letters in full, the ground so dark that they can be read on anything."""
    under = picture[top : top + block.shape[0], left : left + block.shape[1]]
    dark = cv2.addWeighted(under, 1.0 - GROUND, block, GROUND, 0.0)
    np.maximum(dark, block, out=under)
