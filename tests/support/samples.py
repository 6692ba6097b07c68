"""Some frames of the bundled clips."""

from itertools import islice
from pathlib import Path

from streamer import open_source
from streamer.sources.open import sample
from tests.support.media import Clip

PATTERN = "pattern.mp4"
FOUR = ("street.mp4", "people.mp4", "portrait.mp4", PATTERN)
"""Clips that differ: many small people, one or two, a face, and nobody."""


def clip_of(name: str, folder: Path, frames: int) -> Path:
    """Writes the first frames of a bundled clip, or of a pattern, into a file of its name."""
    ticks = range(0, frames * 512, 512)
    if name == PATTERN:
        return Clip(ticks=ticks).make(folder / name)
    with open_source(sample(name)) as source:
        shots = [frame.bgr for frame in islice(source, frames)]
    return Clip(size=shots[0].shape[:2], ticks=ticks).make(folder / name, shots)
