"""Still pictures on disk: reading, writing, and pairing them with their label maps."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np

from pipeline import BadPicture, Labelled, pictures
from pipeline.types import LabelMap, Picture
from streamer.errors import CannotOpen, SinkError, SourceError
from streamer.media.paths import partial_name

_LOG = logging.getLogger(__name__)

PICTURE_SUFFIXES = frozenset({".avif", ".bmp", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
ONLY_READ = frozenset({".heic", ".heif"})
"""Those of which none is written."""
_QUALITY = 95
"""Of what loses some of it."""
_KEEPS_PROFILE = frozenset({".avif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_ORIENTATION = 0x0112
"""EXIF's number: a drawn picture is upright."""
_STORAGE = frozenset(
    {*range(0x00FE, 0x0108), 0x0109, 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, *range(0x0120, 0x0126), 0x012D}
    | {0x013D, *range(0x013F, 0x0148), *range(0x014A, 0x0154), *range(0x0154, 0x015C), *range(0x0200, 0x020A)}
    | {*range(0x0211, 0x0215), 0x8649, 0x8773, 0x935C}
)
"""The numbers of TIFF, whose directory EXIF shares, that say how a file stores its pixels: in another file they are
wrong, and readers refuse it."""


_MEGAPIXELS = pictures.MAX_PIXELS // 1_000_000
ANIMATED_SUFFIXES = frozenset({".avif", ".png", ".tif", ".tiff", ".webp"})
_READ_AS_VIDEOS = frozenset({".apng", ".gif"})


@dataclass(frozen=True, slots=True)
class PictureTags:
    """What a picture's file says beside its pixels."""

    profile: bytes = b""
    """Its ICC profile: what its colours are."""
    exif: bytes = b""
    """When, where and by what it was taken."""


NO_TAGS = PictureTags()


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
        if (times := pictures.reduction_of(pictures.bytes_of(path))) > 1:
            _LOG.warning("%s has more than %d megapixels: read at 1/%d of its width", path, _MEGAPIXELS, times)
        return pictures.read_picture(path)
    except BadPicture as exc:
        raise CannotOpen(str(exc)) from exc


def tags_of(path: Path) -> PictureTags:
    """The profile and EXIF of a picture; nothing of one that cannot be read for them."""
    try:
        with pictures.opened(path) as image:
            profile = image.info.get("icc_profile") or b""
            exif = image.getexif()
    except BadPicture:
        return PictureTags()
    for number in (_ORIENTATION, *_STORAGE):
        exif.pop(number, None)
    # Greys and inks became colours.
    return PictureTags(profile if profile[16:20] == b"RGB " else b"", exif.tobytes() if len(exif) else b"")


def is_animated(path: Path) -> bool:
    """Whether a picture is several, one after the other: animated WebP, PNG or AVIF, or TIFF with pages."""
    return path.suffix.lower() in ANIMATED_SUFFIXES and _count(path) > 1


def is_single(path: Path) -> bool:
    """Whether a GIF or APNG, which are read as videos, is one picture."""
    return path.suffix.lower() in _READ_AS_VIDEOS and _count(path) == 1


def _count(path: Path) -> int:
    """The number of pictures in a file; 0 if it cannot be read."""
    try:
        with pictures.opened(path) as image:
            return int(getattr(image, "n_frames", 1))
    except BadPicture:
        return 0


def read_label_map(path: Path) -> LabelMap:
    """Ids as they are stored.

    Returns:
        uint8 (H, W).

    Raises:
        CannotOpen: missing, or not an 8-bit picture of one channel.
    """
    try:
        labels = _indices(path)
        if labels is None:
            labels = pictures.decoded(pictures.bytes_of(path), cv2.IMREAD_UNCHANGED)
    except BadPicture as exc:
        raise CannotOpen(str(exc)) from exc
    if labels is None:
        raise CannotOpen(f"{path} is not a picture that can be read")
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise CannotOpen(
            f"{path} is {labels.dtype} {labels.shape}; a map is an 8-bit PNG of ids, grey or with a palette"
        )
    return labels


def write_picture(path: Path, bgr: Picture, tags: PictureTags = NO_TAGS) -> None:
    """Writes a picture whole or not at all; the format is the suffix's.

    Raises:
        SinkError: no such format, or it cannot be written.
    """
    suffix = path.suffix.lower()
    coded = _coded_with_tags(path, bgr, tags) if tags != NO_TAGS or suffix == ".avif" else _coded(path, bgr)
    partial = partial_name(path)
    try:
        partial.write_bytes(coded)
        partial.replace(path)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise SinkError(f"cannot write {path}: {exc.strerror}") from exc


def _coded(path: Path, bgr: Picture) -> bytes:
    try:
        coded, data = cv2.imencode(path.suffix, bgr)
    except cv2.error as exc:
        raise SinkError(f"pictures cannot be written as {path.suffix!r}; {path}") from exc
    if not coded:
        raise SinkError(f"this picture of {bgr.shape[0]}x{bgr.shape[1]} cannot be written as {path.suffix!r}; {path}")
    return data.tobytes()


def _coded_with_tags(path: Path, bgr: Picture, tags: PictureTags) -> bytes:
    file = io.BytesIO()
    kept = {name: text for name, text in (("icc_profile", tags.profile), ("exif", tags.exif)) if text}
    # Others than TIFF have a part of their own for EXIF, and BMP none at all.
    more = kept if path.suffix.lower() in _KEEPS_PROFILE else {}
    image = import_module("PIL.Image")
    rgb = bgr[..., [2, 1, 0, 3]] if bgr.shape[2] == 4 else bgr[..., ::-1]
    try:
        kind = image.registered_extensions()[path.suffix.lower()]
        image.fromarray(np.ascontiguousarray(rgb)).save(file, kind, quality=_QUALITY, **more)
    except (KeyError, OSError, ValueError) as exc:
        raise SinkError(f"this picture cannot be written as {path.suffix!r}; {path}") from exc
    return file.getvalue()


def _indices(path: Path) -> LabelMap | None:
    """The pixels of a picture with a palette; None of others."""
    try:
        with pictures.opened(path) as image:
            return np.asarray(image, np.uint8) if image.mode == "P" else None
    except BadPicture:
        return None


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
