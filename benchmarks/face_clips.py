"""Faces in real clips: how many stay uncovered by `--on Face`, of those marked by hand and of a second detector's.

`marked_faces.csv` has the faces of 16 px and more in the bundled clips, all 267 frames of them: boxes from the brows
(or the fringe) to the chin, drawn while looking at enlarged frames, every tenth or fifth frame where somebody moves
slowly, and in between by straight lines. Nobody's face in the street clip is 16 px high.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.blazeface import BlazeFace, Found
from pipeline import Frame, Look, load_parser
from pipeline.drawing.overlay import draw
from pipeline.faces.cover import FaceCover
from pipeline.motion.linger import covered_both_ways
from pipeline.types import Picture
from streamer import open_source
from streamer.parsings.looked import looked
from streamer.sources.open import sample

MARKED = Path(__file__).parent / "marked_faces.csv"
CLIPS = ("people.mp4", "portrait.mp4", "street.mp4")
PINK = (255, 0, 255)
LOOK = Look(effect=("fill=#ff00ff",), on="Face")
COVERED = 0.8
MIN_PX = 16

Faces = Callable[[Frame, Picture], list[Found]]
"""The faces of a frame."""


def covered_clip(path: str, every: int) -> Iterator[tuple[Frame, Picture]]:
    """The frames of a clip, and each as `streamer render --on Face --effect fill` shows it."""
    parser, cover = load_parser("lite"), FaceCover()
    with open_source(path) as source:
        seen = (looked(frame, parser(frame), LOOK, cover) for frame in source if frame.index % every == 0)
        for each in covered_both_ways(seen):
            assert each.parsing is not None
            # Painted in BGR, in which the pixels that are hidden are known again.
            bgr = Frame(each.frame.bgr, each.frame.index, each.frame.pts_s, each.frame.captured_s)
            yield each.frame, np.asarray(draw(bgr, each.parsing, LOOK, None, each.lingering), np.uint8)


def share_hidden(pink: NDArray[np.uint8], face: Found) -> float:
    """Of the ellipse in a box, as far as it is in the picture."""
    left, top, right, bottom = face
    inside = np.zeros_like(pink)
    cv2.ellipse(inside, (((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top), 0), (255,), cv2.FILLED)
    return cv2.countNonZero(cv2.bitwise_and(inside, pink)) / max(1, cv2.countNonZero(inside))


def count(name: str, path: str, faces_of: Faces, given: argparse.Namespace) -> tuple[int, int]:
    """Prints the line of one clip. Returns the faces that are uncovered, and all."""
    total = bare = frames = 0
    hidden = 0.0
    for frame, drawn in covered_clip(path, given.every):
        pink = np.asarray(cv2.inRange(drawn, PINK, PINK), np.uint8)
        faces = [each for each in faces_of(frame, frame.bgr) if each[3] - each[1] >= MIN_PX]
        uncovered = [each for each in faces if share_hidden(pink, each) < COVERED]
        frames, hidden = frames + 1, hidden + cv2.countNonZero(pink) / pink.size
        total, bare = total + len(faces), bare + len(uncovered)
        if given.save and uncovered:
            _save(given.save / f"{Path(name).stem}-{frame.index:05}.png", frame.bgr, drawn, uncovered)
    print(
        f"{name:>34}: {bare:4} of {total:5} faces uncovered, {frames} frames, hidden {hidden / frames:.1%}", flush=True
    )
    return bare, total


def _save(path: Path, bgr: Picture, drawn: Picture, faces: list[Found]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    marked = bgr.copy()
    for left, top, right, bottom in faces:
        cv2.rectangle(marked, (round(left), round(top)), (round(right), round(bottom)), (0, 255, 0), 2)
    cv2.imwrite(str(path), cv2.hconcat([marked, drawn]))


def by_hand(table: Path) -> dict[tuple[str, int], list[Found]]:
    """The marked faces of each clip and frame."""
    marked = defaultdict(list)
    with table.open(newline="") as lines:
        for row in csv.DictReader(lines):
            left, top, right, bottom = (float(row[name]) for name in ("left", "top", "right", "bottom"))
            marked[row["clip"], int(row["frame"])].append((left, top, right, bottom))
    return dict(marked)


def marked(given: argparse.Namespace) -> None:
    boxes = by_hand(MARKED)
    for name in CLIPS:
        of_clip = {frame: faces for (clip, frame), faces in boxes.items() if clip == name}
        count(name, str(sample(name)), partial(_of_frame, of_clip), given)


def _of_frame(faces: dict[int, list[Found]], frame: Frame, _: Picture) -> list[Found]:
    return faces.get(frame.index, [])


def second(given: argparse.Namespace) -> None:
    detector = BlazeFace(given.network)
    clips = [(path.name, str(path)) for path in given.clips] or [(name, str(sample(name))) for name in CLIPS]
    for name, path in clips:
        count(name, path, lambda frame, bgr: detector(bgr), given)


def add_tasks(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    hand = tasks.add_parser("marked", help="uncovered faces of those marked by hand in the bundled clips")
    hand.set_defaults(task=marked)
    other = tasks.add_parser("second", help="uncovered faces of those that BlazeFace finds in clips")
    other.set_defaults(task=second)
    other.add_argument("network", type=Path, help="face_detection_short_range.tflite")
    other.add_argument("clips", type=Path, nargs="*", help="by default the bundled ones")
    for each in (hand, other):
        each.add_argument("--every", type=int, default=1, help="of so many frames one")
        each.add_argument("--save", type=Path, help="a folder for pictures with uncovered faces")
