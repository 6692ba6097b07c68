"""Sets of pictures that nobody trained on: a folder each, with what people said of them.

A set has `images/`, and `labels/` of classes, `instances/` of persons' numbers, both, or neither where nobody is in any
of its pictures. Of those with labels, persons need not be known in all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.evaluation.evaluate import Labelled


@dataclass(frozen=True, slots=True)
class External:
    """A set, whose pictures are read when they are asked for."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def nobody(self) -> bool:
        """Whether its pictures are of anything but people."""
        return not (self.folder / "labels").is_dir() and not (self.folder / "instances").is_dir()

    def pictures(self) -> Iterator[Labelled]:
        """Raises BadPicture for a file that is missing or cannot be read."""
        for path in sorted((self.folder / "images").iterdir()):
            labels, instances = (self._map(kind, path.stem) for kind in ("labels", "instances"))
            if labels is None and instances is None and not self.nobody:
                raise BadPicture(f"{path} has no map of the same stem in labels/ or instances/")
            yield Labelled.of(path.name, _read(path, cv2.IMREAD_COLOR), labels, instances)

    def _map(self, kind: str, stem: str) -> NDArray[np.uint8] | None:
        path = self.folder / kind / f"{stem}.png"
        return _read(path, cv2.IMREAD_UNCHANGED) if path.exists() else None


def external_sets(folder: Path) -> list[External]:
    """The sets in a folder. Raises BadPicture if there are none."""
    sets = [External(images.parent) for images in sorted(folder.glob("*/images"))]
    if not sets:
        raise BadPicture(f"no sets in {folder}; a set is a folder with images/ and what is known of them")
    return sets


def _read(path: Path, how: int) -> NDArray[np.uint8]:
    found = cv2.imread(str(path), how)
    if found is None:
        raise BadPicture(f"cannot read {path}")
    return np.asarray(found, np.uint8)
