"""Faces: how many stay uncovered where they are to be hidden, and what it takes to find them.

    python -m benchmarks.faces cover FOLDER --seconds 60
    python -m benchmarks.faces speed
    python -m benchmarks.faces labelled FOLDER

`cover` hides the faces of made-up crowds (see `benchmarks.crowds`, which says what the folder has in it) as `streamer
render --effect fill --on Face` does, and as `streamer run` does with `--live`, and compares the picture with where the
faces are. A face is uncovered if less than `COVERED` of what is to be seen of it is hidden; faces of which less than
`MIN_SHOWN` is in the picture and before everybody else do not count. Needless is what is hidden beyond a box twice as
large as a face that is to be seen.

`speed` is processor time a frame of 720p (the bundled street clip, enlarged) on one thread, in turns: OpenCV's
`FaceDetectorYN` and our detector on the same input, and ours as `--faces` and `--on Face` use it.

`labelled` is recall by the height of faces, and how far guesses of age and gender are off by age, gender and group, on
pictures with labels: see `benchmarks.labelled_faces`.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.crowds import FRAME, RATE, Shot, Truth, backgrounds, cut_outs, scenes
from benchmarks.labelled_faces import add_arguments, measure
from pipeline import FaceDetector, Frame, Look, Parser, Parsing, load_parser
from pipeline.drawing.overlay import draw
from pipeline.drawing.selection import selected
from pipeline.faces.cover import PIXELS, FaceCover
from pipeline.faces.detector import FILE, MIN_SCORE
from pipeline.motion.carry import Motion
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Covered, Lingering, covered_both_ways
from pipeline.network.options import RunOptions
from streamer import open_source
from streamer.sources.open import sample

COVERED = 0.8
MIN_SHOWN = 0.4
HEIGHTS = (16, 24, 32, 48, 64, 1000)
LOOK = Look(effect=("fill=#ff00ff",), on="Face")
PINK = (255, 0, 255)
NEAR = 2.0
"""Times the sides of a face, within which hiding it is not needless."""


@dataclass(slots=True)
class Tally:
    """The faces and pixels of a video."""

    faces: Counter[str] = field(default_factory=Counter)
    uncovered: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    hidden: float = 0.0
    needless: float = 0.0
    worst: list[tuple[float, int, Truth]] = field(default_factory=list)

    def add(self, index: int, shot: Shot, drawn: NDArray[np.uint8]) -> None:
        pink = np.asarray(cv2.inRange(drawn, PINK, PINK), np.uint8)
        near = np.zeros(FRAME, np.uint8)
        for face, visible in zip(shot.faces, shot.visible):
            near |= _larger(face).mask(FRAME)
            pixels = cv2.countNonZero(visible)
            if face.height < HEIGHTS[0] or face.shown < MIN_SHOWN or not pixels:
                continue
            key = _size(face)
            self.faces[key] += 1
            share = cv2.countNonZero(cv2.bitwise_and(visible, pink)) / pixels
            if share < COVERED:
                self.uncovered[key] += 1
                self.worst.append((share, index, face))
        self.frames += 1
        self.hidden += cv2.countNonZero(pink) / pink.size
        self.needless += cv2.countNonZero(cv2.bitwise_and(pink, cv2.bitwise_not(near))) / pink.size

    def lines(self) -> Iterator[str]:
        for key in self.faces:
            yield f"{key:>8} px: {self.uncovered[key]:5} of {self.faces[key]:6} faces uncovered"
        total, bare = self.faces.total(), self.uncovered.total()
        yield f"     all: {bare:5} of {total:6} faces uncovered ({bare / max(1, total):.3%}), {self.frames} frames"
        yield f"hidden {self.hidden / self.frames:.1%} of the pixels, without need {self.needless / self.frames:.1%}"


def _size(face: Truth) -> str:
    upper = next(each for each in HEIGHTS if each > face.height)
    return f"{HEIGHTS[HEIGHTS.index(upper) - 1]}-{upper}" if upper != HEIGHTS[-1] else f"{HEIGHTS[-2]}+"


def _larger(face: Truth) -> Truth:
    return Truth(face.x, face.y, NEAR * face.width, NEAR * face.height, face.angle, 1.0)


def offline(parser: Parser, cover: FaceCover | None, shots: Iterable[tuple[Frame, Shot]]) -> Iterator[Covered]:
    """As `streamer render`: every frame parsed, and looked at in both directions of time."""
    parsed = ((frame, hidden(parser(frame), frame, cover)) for frame, _ in shots)
    return covered_both_ways(parsed, lambda parsing: selected(parsing, LOOK.selection))


def live(parser: Parser, cover: FaceCover | None, shots: Iterable[tuple[Frame, Shot]], every: int) -> Iterator[Covered]:
    """As `streamer run`: every few frames one is parsed, known a frame later, and carried to those after it."""
    motion, lingering = Motion(), Lingering()
    newest: Parsing | None = None
    coming: Parsing | None = None
    for count, (frame, _) in enumerate(shots):
        grey = Grey.of(frame)
        motion.add(grey)
        newest, coming = coming or newest, parser(frame) if count % every == 0 else None
        parsing = newest and motion.carry(newest)
        if parsing is None:
            lingering.add(grey, None)
            continue  # the whole picture is hidden
        parsing = hidden(parsing, frame, cover)
        yield Covered(frame, parsing, lingering.add(grey, selected(parsing, LOOK.selection)))


def hidden(parsing: Parsing, frame: Frame, cover: FaceCover | None) -> Parsing:
    return parsing if cover is None else cover(frame, parsing)


def cover_crowds(given: argparse.Namespace) -> None:
    people, empty = cut_outs(given.folder, given.people), backgrounds(given.folder)
    print(f"{len(people)} people with a face, {len(empty)} pictures without anybody")
    cover = None if given.parser_only else FaceCover(pixels=given.pixels)
    parser = load_parser("lite")
    kept: dict[int, Shot] = {}

    def shots() -> Iterator[tuple[Frame, Shot]]:
        for index, shot in enumerate(scenes(people, empty, given.seconds, given.seed)):
            kept[index] = shot
            yield Frame(shot.bgr, index, index / RATE, index / RATE), shot

    began = time.process_time()
    done = live(parser, cover, shots(), given.every) if given.live else offline(parser, cover, shots())
    tally = Tally()
    for each in done:
        index = each.frame.index
        for old in [old for old in kept if old < index]:
            del kept[old]
        assert each.parsing is not None
        picture = draw(each.frame, each.parsing, LOOK, None, each.lingering)
        drawn = np.asarray(picture, np.uint8)
        before = len(tally.worst)
        tally.add(index, kept[index], drawn)
        if given.save and len(tally.worst) > before:
            _save(given.save, index, drawn, kept[index].bgr, [face for _, _, face in tally.worst[before:]])
    print("\n".join(tally.lines()))
    took_ms = (time.process_time() - began) / max(1, tally.frames) * 1e3
    print(f"{took_ms:.0f} ms of processor time a frame, the making of the crowds included")


def _save(folder: Path, index: int, drawn: NDArray[np.uint8], bgr: NDArray[np.uint8], faces: list[Truth]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    both = cv2.hconcat([drawn, bgr])
    for face in faces:
        cv2.circle(both, (round(face.x) + FRAME.width, round(face.y)), round(face.height), (0, 255, 0), 2)
    cv2.imwrite(str(folder / f"{index:06}.jpg"), both)


def speed(given: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    with open_source(sample("street.mp4")) as source:
        shots = [cv2.resize(each.bgr[100:532], FRAME[::-1]) for each, _ in zip(source, range(given.frames))]
    small = [cv2.resize(each, (640, 384), interpolation=cv2.INTER_AREA) for each in shots]
    theirs = cv2.FaceDetectorYN.create(str(FILE), "", (640, 384), MIN_SCORE)
    f32, auto = RunOptions(precision="f32", threads=1), RunOptions(threads=1)
    ours, usual, cover = FaceDetector(options=f32), FaceDetector(options=auto), FaceCover(auto)
    parsing = load_parser("lite")(Frame.still(shots[0]))
    tasks: dict[str, Callable[[int], object]] = {
        "OpenCV, 384x640, f32": lambda index: theirs.detect(small[index]),
        "ours, 384x640, f32": lambda index: ours(small[index]),
        "ours, 720p at 384x640, auto": lambda index: usual(shots[index]),
        "--on Face, 720p, auto": lambda index: cover(Frame.still(shots[index]), parsing),
    }
    took: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(len(shots)):
        for name, task in tasks.items():
            began = time.process_time()
            task(index)
            took[name].append(time.process_time() - began)
    first = float(np.median(took["OpenCV, 384x640, f32"]))
    for name, seconds in took.items():
        print(f"{name:30} {np.median(seconds) * 1e3:6.1f} ms, {np.median(seconds) / first:5.2f} of OpenCV's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(required=True)
    cover = tasks.add_parser("cover", help="uncovered faces of made-up crowds")
    cover.set_defaults(task=cover_crowds)
    cover.add_argument("folder", type=Path)
    cover.add_argument("--seconds", type=float, default=60.0)
    cover.add_argument("--people", type=int, default=150, help="cut-out people to draw from")
    cover.add_argument("--seed", type=int, default=1)
    cover.add_argument("--pixels", type=int, default=PIXELS, help="of the detector's input")
    cover.add_argument("--live", action="store_true", help="look only back, and parse every few frames")
    cover.add_argument("--every", type=int, default=3, help="frames from one parsed one to the next, live")
    cover.add_argument("--parser-only", action="store_true", help="hide the parser's class Face alone")
    cover.add_argument("--save", type=Path, help="a folder for pictures with uncovered faces")
    timed = tasks.add_parser("speed", help="processor time a frame")
    timed.set_defaults(task=speed)
    timed.add_argument("--frames", type=int, default=40)
    labelled = tasks.add_parser("labelled", help="recall, and guesses of age and gender, on labelled pictures")
    labelled.set_defaults(task=measure)
    add_arguments(labelled)
    given = parser.parse_args()
    given.task(given)


if __name__ == "__main__":
    main()
