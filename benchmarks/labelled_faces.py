"""How well faces are found, and how good guesses of age and gender are, on a folder of labelled pictures.

    python -m benchmarks.faces labelled FOLDER [--csv FILE] [--size 600] [--face-model hse]

A picture's name is `AGE_GENDER_GROUP_...` as in UTKFace (gender 0 male, 1 female; groups 0 to 4), or a CSV has columns
`file`, `age`, `gender` and maybe `group`: the age in years, or a range such as 20-29 or 70+. A guess's error is how
many years it lies outside the range of its label, which is one year in UTKFace.

Recall is of the faces found on the pictures as they are: each is shrunk so that its face has a height, and pasted on
grey with others, ten in a frame of 720p, where the detector looks at it as `--faces` does, with and without zoom.
"""

import argparse
import csv
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline import Box, FaceDetector
from pipeline.faces.attributes import FaceAttributes, Guess
from pipeline.faces.averages import FEMALE_BELOW, MALE_ABOVE, MIN_GENDER_YEARS
from pipeline.types import Face, Picture

HEIGHTS = (8, 12, 16, 24, 32, 48, 64, 96)
LOOKS = {"384x640": 384 * 640, "736x1280": 736 * 1280}
"""Pixels of the detector's input: as usual, and while the parser's zoom says that people are small."""
MALE_FROM = 0.70
GROUPS = ("White", "Black", "Asian", "Indian", "other")
SUFFIXES = {".jpg", ".jpeg", ".png"}
FRAME = (720, 1280)
COLUMNS, ROWS = 5, 2
MIN_IOU = 0.3
GREY = 128


@dataclass(frozen=True, slots=True)
class Label:
    path: Path
    youngest: float
    oldest: float
    """The range of ages, whole years: 20-29 is [20, 30)."""
    is_male: bool
    group: str

    @property
    def decade(self) -> str:
        return f"{int(self.youngest) // 10 * 10:2}s"


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A labelled picture and the largest face that was found in it."""

    label: Label
    picture: Picture
    face: Face


def labels_of(folder: Path, table: Path | None) -> list[Label]:
    """Raises SystemExit where there are none."""
    found = list(_by_table(folder, table) if table else _by_name(folder))
    if not found:
        raise SystemExit(f"{folder}: no pictures named AGE_GENDER_GROUP_...; --csv FILE names others")
    return found


def _by_name(folder: Path) -> Iterator[Label]:
    for path in sorted(folder.rglob("*")):
        age, gender, group, *_ = [*path.name.split("_"), "", "", ""]
        if path.suffix.lower() in SUFFIXES and age.isdecimal() and gender in ("0", "1") and group in "01234" and group:
            yield Label(path, float(age), float(age) + 1, gender == "0", GROUPS[int(group)])


def _by_table(folder: Path, table: Path) -> Iterator[Label]:
    with table.open(newline="") as lines:
        for row in csv.DictReader(lines):
            low, _, high = row["age"].rstrip("+").partition("-")
            oldest = 120.0 if row["age"].endswith("+") else float(high or low) + 1
            is_male = row["gender"].casefold() in ("male", "m", "0")
            yield Label(folder / row["file"], float(low), oldest, is_male, row.get("group") or "")


def seen(labels: list[Label], detector: FaceDetector) -> list[Known]:
    known = []
    for label in labels:
        picture = cv2.imread(str(label.path))
        if picture is None:
            raise SystemExit(f"{label.path}: no picture")
        faces = detector(np.asarray(picture, np.uint8))
        if faces:
            known.append(Known(label, np.asarray(picture, np.uint8), max(faces, key=lambda each: each.box.area)))
    return known


def recall(known: list[Known], height: int, pixels: int, detector: FaceDetector) -> float:
    """The share of faces that are found when they have this height, in frames of `COLUMNS` times `ROWS`."""
    found = total = 0
    for at in range(0, len(known), COLUMNS * ROWS):
        frame = np.full((*FRAME, 3), GREY, np.uint8)
        boxes = [_paste(frame, each, place, height) for place, each in enumerate(known[at : at + COLUMNS * ROWS])]
        faces = detector(frame, pixels=pixels)
        found += sum(any(box.iou(face.box) > MIN_IOU for face in faces) for box in boxes)
        total += len(boxes)
    return found / total


def _paste(frame: Picture, known: Known, place: int, height: int) -> Box:
    """Puts a picture in its place, and tells where its face is then."""
    face = known.face.box
    scale = height / (face.bottom - face.top)
    high, wide = (max(1, round(side * scale)) for side in known.picture.shape[:2])
    small = cv2.resize(known.picture, (wide, high), interpolation=cv2.INTER_AREA)
    room_high, room_wide = FRAME[0] // ROWS, FRAME[1] // COLUMNS
    high, wide = min(high, room_high), min(wide, room_wide)
    top, left = place // COLUMNS * room_high, place % COLUMNS * room_wide
    frame[top : top + high, left : left + wide] = small[:high, :wide]
    around = Box(*(round(side * scale) for side in face))
    return Box(left + around.left, top + around.top, left + around.right, top + around.bottom)


def off_years(label: Label, guess: Guess) -> float:
    return max(0.0, label.youngest - guess.age_years, guess.age_years - label.oldest)


def table(title: str, guesses: dict[str, list[tuple[Label, Guess]]]) -> Iterator[str]:
    yield f"{title:10}{'faces':>7}{'years off':>11}{'median':>8}{'gender':>8}{'told':>7}{'of those':>10}"
    for name in sorted(guesses):
        rows = guesses[name]
        off = [off_years(label, guess) for label, guess in rows]
        right = [(guess.p_male > MALE_FROM) == label.is_male for label, guess in rows]
        told = [
            (guess.p_male > MALE_ABOVE) == label.is_male
            for label, guess in rows
            if guess.age_years >= MIN_GENDER_YEARS and not FEMALE_BELOW <= guess.p_male <= MALE_ABOVE
        ]
        of_told = f"{np.mean(told):10.3f}" if told else f"{'-':>10}"
        yield (
            f"{name:10}{len(rows):7}{np.mean(off):11.1f}{np.median(off):8.1f}{np.mean(right):8.3f}"
            f"{len(told) / len(rows):7.2f}{of_told}"
        )


def estimates(known: list[Known], model: str) -> Iterator[str]:
    attributes = FaceAttributes(model)
    rows: dict[str, dict[str, list[tuple[Label, Guess]]]] = {
        key: defaultdict(list) for key in ("all", "age", "gender", "group")
    }
    took_s = []
    for each in known:
        began_s = time.process_time()
        guess = attributes(each.picture, each.face)
        took_s.append(time.process_time() - began_s)
        label = each.label
        keys = {"all": "all", "age": label.decade, "gender": "male" if label.is_male else "female"}
        for key, value in (keys | ({"group": label.group} if label.group else {})).items():
            rows[key][value].append((label, guess))
    for title, guesses in rows.items():
        if guesses:
            yield from table(title, guesses)
    yield f"{np.median(took_s) * 1e3:.1f} ms of processor time a face"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--csv", type=Path, help="labels of pictures that have other names")
    parser.add_argument("--size", type=int, default=600, help="pictures to draw by chance")
    parser.add_argument("--recall-size", type=int, default=200, help="of these for recall; 0 leaves it out")
    parser.add_argument("--face-model", default="hse")


def measure(given: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    labels = labels_of(given.folder, given.csv)
    labels = random.Random(1).sample(labels, min(given.size, len(labels)))
    detector = FaceDetector()
    known = seen(labels, detector)
    print(f"{len(known)} of {len(labels)} pictures have a face that is found as they are")
    if given.recall_size:
        print("recall by height of the face in 720p, px:", *(f"{height:>5}" for height in HEIGHTS))
        for name, pixels in LOOKS.items():
            shares = [recall(known[: given.recall_size], height, pixels, detector) for height in HEIGHTS]
            print(f"{name:>41}", *(f"{share:5.2f}" for share in shares), flush=True)
    print("\n".join(estimates(known, given.face_model)))
