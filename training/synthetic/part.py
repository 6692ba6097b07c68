"""A part of a pack made of synthetic pictures: written one by one, so that it can be stopped and gone on with.

`img/NUMBER.jpg`, `lab/NUMBER.png` and `inst/NUMBER.png`; `made.json` says of what. A picture is there when its
`img/` file is: that is written last, and every file under another name first, which nothing reads.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from training.synthetic.painting import Painting

RECORD = "made.json"
JPEG_QUALITY = 90


class OtherPart(PipelineError):
    """Raised when a folder holds a part that was made in another way, or cannot hold one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the pictures of a part depend on, beside their numbers."""

    seed: int
    assets: str
    """The fingerprint of the assets."""
    backgrounds: str
    """That of the backgrounds' names."""


class Part:
    """A part that pictures are written into."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        """Raises:
        OtherPart: the folder holds a part of another recipe, or cannot be written.
        """
        self.folder = folder
        try:
            for name in ("img", "lab", "inst"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            _agree(folder / RECORD, recipe)
        except OSError as exc:
            raise OtherPart(f"cannot write a part into {folder}: {exc}") from exc

    def missing(self, count: int) -> Iterator[int]:
        """The numbers below a count of which there is no picture yet."""
        return (number for number in range(count) if not self._path("img", number).is_file())

    def write(self, number: int, painting: Painting) -> None:
        """Raises:
        OtherPart: a file cannot be written.
        """
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        try:
            write_whole(self._path("lab", number), painting.labels)
            write_whole(self._path("inst", number), painting.persons)
            write_whole(self._path("img", number), painting.bgr, quality)
        except OSError as exc:
            raise OtherPart(f"cannot write picture {number} into {self.folder}: {exc}") from exc

    def read(self, number: int) -> Painting:
        """Raises:
        OtherPart: a file is missing or damaged.
        """
        bgr = cv2.imread(str(self._path("img", number)), cv2.IMREAD_COLOR)
        labels, persons = (cv2.imread(str(self._path(name, number)), cv2.IMREAD_GRAYSCALE) for name in ("lab", "inst"))
        if bgr is None or labels is None or persons is None:
            raise OtherPart(f"cannot read picture {number} of {self.folder}")
        return Painting(*(np.asarray(each, np.uint8) for each in (bgr, labels, persons)))

    def _path(self, folder: str, number: int) -> Path:
        return self.folder / folder / f"{number:06d}.{'jpg' if folder == 'img' else 'png'}"


def fill(
    part: Part, count: int, paint: Callable[[int], Painting], stopped: Callable[[], bool], advance: Callable[[], None]
) -> int:
    """Writes the pictures that are missing until all are there or it is stopped; gives how many it wrote."""
    written = 0
    for number in part.missing(count):
        if stopped():
            break
        part.write(number, paint(number))
        written += 1
        advance()
    return written


def write_whole(path: Path, picture: NDArray[np.uint8], options: list[int] | None = None) -> None:
    """Writes a picture so that at no moment a part of it has this name.

    Raises:
        OSError: it cannot be written.
    """
    done, data = cv2.imencode(path.suffix, picture, options or [])
    if not done:
        raise OSError(f"cannot encode {path}")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _agree(path: Path, recipe: Recipe) -> None:
    made = asdict(recipe)
    if not path.is_file():
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(made, indent=1) + "\n")
        partial.replace(path)
        return
    try:
        found = json.loads(path.read_text())
    except ValueError as exc:
        raise OtherPart(f"{path} is damaged: {exc}; name a new folder with --out") from exc
    differing = [name for name, value in made.items() if not isinstance(found, dict) or found.get(name) != value]
    if differing:
        raise OtherPart(
            f"{path.parent} was made with another {' and another '.join(differing)}:"
            " give the same again to go on with it, or name a new folder with --out"
        )
