"""Labelled pictures to train on, and which of them are never trained on.

A pack is a folder of parts; a part is a folder with `img/NAME.jpg` and `lab/NAME.png` of the same size. Label
maps hold CIHP's classes and, where the truth is not fully known, the codes below. A part in which no picture
has a garment of unknown type was labelled by people: some of its pictures are kept for validation.

A part with `inst/NAME.png`, persons' numbers, shows ordinary life: groups, work, children, whoever stands before a
camera. A part without `lab/` shows nobody. Of both, some pictures are kept to look at, and never trained on.
"""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.labels import CIHP, PART_GROUPS
from pipeline.types import LabelMap, Picture

UNKNOWN_GARMENTS = {
    250: ("UpperClothes", "Dress", "Coat", "Scarf"),
    251: ("Dress", "Coat", "Socks", "Pants", "Skirt"),
    252: ("Hat", "Gloves", "Sunglasses", "UpperClothes", "Dress", "Coat", "Socks", "Pants", "Scarf", "Skirt"),
}
"""Codes of garments whose type is not known, and what they may be."""
UNKNOWN_SIDES = {
    247: PART_GROUPS["arms"],
    248: PART_GROUPS["legs"],
    249: PART_GROUPS["shoes"],
}
"""Codes of limbs and shoes of which it is not known whose side they are on."""
SOMEBODY = 254
"""A person, of whatever class: any but background."""
BAG = 253
"""Carried by a person, part of no class: background, but it goes where the person goes."""
IGNORED = 255
"""Nobody knows."""
SYNTHETIC = "synthetic"
"""The part of pictures that were rendered."""
HEADS = ("Hat", "Hair", "Face")

_SHORT_SIDE = 384
_SCRAP, _ANOTHER = 0.02, 0.25
"""Of the largest person's pixels: what is smaller is a scrap of it; what is larger is a person beside it."""
_HELD_OUT_EVERY, _HELD_OUT = 10, 3
_KEPT_EVERY = 20
"""Of ordinary pictures: there are few of each kind, and they are kept to look at, not to measure on."""


def _allowed() -> NDArray[np.bool_]:
    table = np.zeros((256, len(CIHP)), np.bool_)
    table[np.arange(len(CIHP)), np.arange(len(CIHP))] = True
    table[BAG, 0] = True
    table[IGNORED] = True
    table[SOMEBODY, 1:] = True
    for code, names in (UNKNOWN_GARMENTS | UNKNOWN_SIDES).items():
        table[code, [CIHP.id_of(name) for name in names]] = True
    return table


def _mirrored() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[: len(CIHP)] = CIHP.mirrored
    return table


ALLOWED = _allowed()
"""Which classes each code may be: bool (256, 20). All of them where nobody knows, none for codes that do not exist."""
MIRRORED = _mirrored()
"""What each code becomes in a mirror: uint8 (256,)."""
PERSON = ALLOWED.any(axis=1) & ~ALLOWED[:, 0]
"""Codes that are certainly of a person: bool (256,)."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture, its labels, and which of its pixels move with the person in it."""

    name: str
    """Of its part and file, as in "ccp/0004"."""
    bgr: Picture
    labels: LabelMap
    """uint8 of the picture's size: classes and codes."""
    person: LabelMap
    """255 where a pixel belongs to the person's cut-out, bag and belt too; else 0."""
    persons: LabelMap
    """uint8 of the same size: 0 is nobody, k the k-th person; IGNORED where it is somebody, but who is not known."""
    annotated: bool
    """By people, not by networks."""
    ordinary: bool = False
    """Whether it shows ordinary life, in which people were told apart: not one person who poses."""

    def __post_init__(self) -> None:
        if self.bgr.shape[:2] != self.labels.shape:
            raise BadPicture(f"{self.name}: the picture is {self.bgr.shape[:2]}, its label map {self.labels.shape}")
        strange = np.unique(self.labels)[~ALLOWED[np.unique(self.labels)].any(axis=1)]
        if strange.size:
            raise BadPicture(f"{self.name}: no class and no code: {', '.join(map(str, strange))}")

    @property
    def synthetic(self) -> bool:
        """Whether nobody photographed it: of the part that `training.commands.synthesize` makes."""
        return self.name.startswith(f"{SYNTHETIC}/")

    @property
    def anybody(self) -> bool:
        return bool(self.persons.any())

    @property
    def alone(self) -> bool:
        """Whether one person is there and nobody else."""
        return bool(self.persons.max() == 1)

    @property
    def classes(self) -> NDArray[np.int64]:
        """Pixels of each code: (256,)."""
        return np.bincount(self.labels.ravel(), minlength=256)


@dataclass(frozen=True, slots=True)
class Pack:
    training: tuple[Photo, ...]
    validation: tuple[Photo, ...]
    """Never trained on: annotated persons, and pictures without anybody."""
    kept: tuple[Photo, ...] = ()
    """Never trained on nor measured on: ordinary pictures to look at."""


def is_kept(stem: str) -> bool:
    """Whether an ordinary picture of this name, or one of a part without labels, is kept to look at."""
    return crc32(stem.encode()) % _KEPT_EVERY == _HELD_OUT


def is_held_out(stem: str) -> bool:
    """Whether a picture of this name is kept for validation: every tenth, for ever the same."""
    return crc32(stem.encode()) % _HELD_OUT_EVERY == _HELD_OUT


def read_pack(folder: Path) -> Pack:
    """All parts of a pack, in memory.

    Raises:
        BadPicture: there is none, a file is missing or unreadable, or a label map holds something else.
    """
    parts = [each for each in (folder, *sorted(folder.glob("*"))) if (each / "img").is_dir()]
    photos = [photo for part in parts for photo in _read_part(part)]
    if not photos:
        raise BadPicture(f"no pictures in {folder}; a part of a pack is a folder with img/NAME.jpg and lab/NAME.png")
    kept = {photo.name for photo in photos if photo.ordinary and is_kept(Path(photo.name).name)}
    held = {photo.name for photo in photos if not photo.ordinary and _is_measured_on(photo)}
    return Pack(
        training=tuple(photo for photo in photos if photo.name not in held | kept),
        validation=tuple(photo for photo in photos if photo.name in held),
        kept=tuple(photo for photo in photos if photo.name in kept),
    )


def _is_measured_on(photo: Photo) -> bool:
    return is_held_out(Path(photo.name).name) and (photo.annotated or not photo.anybody)


def _read_part(part: Path) -> list[Photo]:
    files = sorted((part / "img").glob("*.jpg"))
    names = [f"{part.name}/{file.stem}" for file in files]
    pictures = [_read(file, cv2.IMREAD_COLOR) for file in files]
    if not (part / "lab").is_dir():
        return [_without_anybody(name, bgr) for name, bgr in zip(names, pictures)]
    maps = [_read(part / "lab" / f"{file.stem}.png", cv2.IMREAD_GRAYSCALE) for file in files]
    annotated = not any(np.isin(labels, list(UNKNOWN_GARMENTS)).any() for labels in maps)
    if not (part / "inst").is_dir():
        return [make_photo(name, bgr, labels, annotated) for name, bgr, labels in zip(names, pictures, maps)]
    persons = [_read(part / "inst" / f"{file.stem}.png", cv2.IMREAD_GRAYSCALE) for file in files]
    return [
        make_photo(name, bgr, labels, annotated, who) for name, bgr, labels, who in zip(names, pictures, maps, persons)
    ]


def _without_anybody(name: str, bgr: Picture) -> Photo:
    labels = np.zeros(bgr.shape[:2], np.uint8)
    return make_photo(name, bgr, labels, annotated=True, persons=labels)


def make_photo(name: str, bgr: Picture, labels: LabelMap, annotated: bool, persons: LabelMap | None = None) -> Photo:
    """A photo from a picture and its label map, reduced to what training needs of it.

    Args:
        name, bgr, labels, annotated: as `Photo` has them.
        persons: uint8 of the picture's size, a number for each person; somebody with no number or 255 is of unknown
            number. None is for photos of one person, where others are told apart as far as that can be seen.
    """
    scale = _SHORT_SIDE / min(labels.shape)
    if scale < 1 and bgr.shape[:2] == labels.shape:
        size = (round(labels.shape[1] * scale), round(labels.shape[0] * scale))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
        labels = _reduced(labels, size)
        persons = None if persons is None else _reduced(persons, size)
    owners = _persons(labels) if persons is None else _known_persons(labels, persons)
    return Photo(name, bgr, labels, _cut_out(labels), owners, annotated, ordinary=persons is not None)


def _reduced(ids: LabelMap, size: tuple[int, int]) -> LabelMap:
    return np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _known_persons(labels: LabelMap, persons: LabelMap) -> LabelMap:
    numbered = np.where(persons == 0, np.uint8(IGNORED), persons)
    return np.where(PERSON[labels], numbered, np.uint8(0))


def _read(path: Path, how: int) -> NDArray[np.uint8]:
    found = cv2.imread(str(path), how)
    if found is None:
        raise BadPicture(f"cannot read {path}")
    return np.asarray(found, np.uint8)


def _cut_out(labels: LabelMap) -> LabelMap:
    """The person, what they carry, and what nobody could name but most of whose surroundings are the person."""
    inside = PERSON[labels].view(np.uint8)
    carried = ((labels == BAG) | (labels == IGNORED)).view(np.uint8)
    count, blobs, stats, _ = cv2.connectedComponentsWithStats(carried)
    for blob in range(1, count):
        left, top, width, height, area = stats[blob]
        around = np.s_[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        it = (blobs[around] == blob).view(np.uint8)
        ring = cv2.dilate(it, np.ones((5, 5), np.uint8)) > it
        is_bag = labels[around][it > 0].min() == BAG
        if area <= 0.3 * inside.sum() and inside[around][ring].mean() > (0.1 if is_bag else 0.5):
            inside[around] |= it
    return np.asarray(inside * 255, np.uint8)


def _persons(labels: LabelMap) -> LabelMap:
    """Whose each pixel is, as far as it can be seen from what hangs together.

    What stands apart from the largest person, and not above or below it, is another one; who is too small beside it to
    be sure of, and whoever shows more than one head, is somebody unknown.
    """
    inside = PERSON[labels]
    whole = cv2.morphologyEx(inside.view(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, blobs, stats, _ = cv2.connectedComponentsWithStats(whole)
    owners = np.zeros(count, np.uint8)
    by_size = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA])
    for blob in by_size:
        share = stats[blob, cv2.CC_STAT_AREA] / stats[by_size[0], cv2.CC_STAT_AREA]
        if blob != by_size[0] and (share < _SCRAP or _above_or_below(stats[blob], stats[by_size[0]])):
            owners[blob] = owners[by_size[0]]
        elif share >= _ANOTHER and _heads(np.where(blobs == blob, labels, 0)) < 2:
            owners[blob] = np.max(owners, where=owners != IGNORED, initial=0) + 1
        else:
            owners[blob] = IGNORED
    return np.asarray(owners[blobs] * inside, np.uint8)


def _above_or_below(part: NDArray[np.int32], of: NDArray[np.int32]) -> bool:
    """Whether most of one blob's columns are the other's, too: as legs are under a bag."""
    left, right = max(part[0], of[0]), min(part[0] + part[2], of[0] + of[2])
    return bool(right - left >= 0.5 * part[2])


def _heads(labels: LabelMap) -> int:
    head = np.isin(labels, [CIHP.id_of(name) for name in HEADS]).view(np.uint8)
    whole = cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(whole)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    return int((areas > 0.25 * areas.max(initial=0)).sum())
