"""Still pictures on disk: reading, writing, and pairing them with their label maps."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline import BadPicture, Labelled, pictures
from pipeline.types import LabelMap, Picture
from streamer.errors import CannotOpen, SinkError, SourceError
from streamer.media.paths import partial_name

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is a still picture; `._a.jpg`, which a Mac puts beside `a.jpg`, is none."""
    return not path.name.startswith("._") and path.suffix.lower() in PICTURE_SUFFIXES


def list_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, in the order of their names; numbers in names count as numbers."""
    return sorted((path for path in folder.iterdir() if is_picture(path)), key=natural_order)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A sorting key: frame2 comes before frame10."""
    digits, parts = "", []
    for character in path.name:
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((0, character))
    if digits:
        parts.append((int(digits), ""))
    return parts


def read_picture(path: Path) -> Picture:
    """As `pipeline.pictures.read_picture`, for a source.

    Returns:
        uint8 (H, W, 3), BGR.

    Raises:
        CannotOpen: missing, or not a picture.
    """
    try:
        return pictures.read_picture(path)
    except BadPicture as exc:
        raise CannotOpen(str(exc)) from exc


def read_label_map(path: Path) -> LabelMap:
    """Ids as they are stored.

    Returns:
        uint8 (H, W).

    Raises:
        CannotOpen: missing, or not an 8-bit picture of one channel.
    """
    try:
        labels = pictures.decoded(pictures.bytes_of(path), cv2.IMREAD_UNCHANGED)
    except BadPicture as exc:
        raise CannotOpen(str(exc)) from exc
    if labels is None:
        raise CannotOpen(f"{path} is not a picture that can be read")
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise CannotOpen(f"{path} is {labels.dtype} {labels.shape}; a map is an 8-bit grey PNG whose pixels are ids")
    return labels


def write_picture(path: Path, bgr: Picture) -> None:
    """Writes a picture whole or not at all; the format is the suffix's.

    Raises:
        SinkError: no such format, or it cannot be written.
    """
    try:
        coded, data = cv2.imencode(path.suffix, bgr)
    except cv2.error as exc:
        raise SinkError(f"pictures cannot be written as {path.suffix!r}; {path}") from exc
    if not coded:
        raise SinkError(f"this picture of {bgr.shape[0]}x{bgr.shape[1]} cannot be written as {path.suffix!r}; {path}")
    partial = partial_name(path)
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise SinkError(f"cannot write {path}: {exc.strerror}") from exc


def labelled_pictures(images: Path, labels: Path | None, instances: Path | None = None) -> Iterator[Labelled]:
    """The pictures of one folder with the maps of the same stem in others, one at a time.

    Args:
        images: of pictures.
        labels: of PNGs of class ids; None is where no classes are known.
        instances: of PNGs of persons' numbers. Without `labels` they are the silhouettes of everybody.

    Without either, nobody is in any of the pictures.

    Raises:
        SourceError: a folder is missing or empty, or pictures have no map.
    """
    for folder in (images, labels, instances):
        if folder is not None and not folder.is_dir():
            raise SourceError(f"no folder {folder}")
    pictures = list_pictures(images)
    if not pictures:
        raise SourceError(f"no pictures in {images}")
    label_maps = None if labels is None else _maps_of(pictures, labels, "label map")
    instance_maps = None if instances is None else _maps_of(pictures, instances, "instance map")
    for index, path in enumerate(pictures):
        bgr = read_picture(path)
        persons = None if instance_maps is None else read_label_map(instance_maps[index])
        truth = None if label_maps is None else read_label_map(label_maps[index])
        yield Labelled.of(path.name, bgr, truth, persons)


def _maps_of(pictures: list[Path], folder: Path, kind: str) -> list[Path]:
    """The map of each picture."""
    maps = {path.stem: path for path in folder.iterdir() if path.suffix.lower() == ".png"}
    lacking = [path.name for path in pictures if path.stem not in maps]
    if lacking:
        raise SourceError(f"{len(lacking)} pictures have no {kind} of the same stem in {folder}, {lacking[0]} first")
    return [maps[path.stem] for path in pictures]
