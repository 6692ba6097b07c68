"""Faces: how many stay uncovered where they are to be hidden, and what it takes to find them.

    python -m benchmarks.faces cover FOLDER --seconds 60
    python -m benchmarks.faces empty FOLDER
    python -m benchmarks.faces marked
    python -m benchmarks.faces second face_detection_short_range.tflite
    python -m benchmarks.faces speed
    python -m benchmarks.faces cost
    python -m benchmarks.faces labelled FOLDER

`cover` hides the faces of made-up crowds (see `benchmarks.crowds`, which says what the folder has in it) as `streamer
render --effect fill --on Face` does, and as `streamer run` does with `--live`, and compares the picture with where the
faces are; with `--killed` the worker that parses dies in the middle of each scene. A face is uncovered if less than
`COVERED` of what is to be seen of it is hidden; faces of which less than `MIN_SHOWN` is in the picture and before
everybody else do not count. Needless is what is hidden beyond a box twice as large as a face that is to be seen. Frames
that are hidden whole, since nothing is known of them, count apart.

`marked` and `second` do the same with real clips: see `benchmarks.face_clips`.

`speed` is processor time a frame of 720p (the bundled street clip, enlarged) on one thread, in turns: OpenCV's
`FaceDetectorYN` and our detector on the same input, and ours as `--faces` and `--on Face` use it.

`cost` is what `--faces` takes beside the parser: see `benchmarks.face_cost`.

`labelled` is recall by the height of faces, and how far guesses of age and gender are off by age, gender and group, on
pictures with labels: see `benchmarks.labelled_faces`.
"""

import argparse
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.crowds import FRAME, RATE, SCENE_S, Shot, Truth, backgrounds, cut_outs, scenes
from benchmarks.face_clips import add_tasks
from benchmarks.face_cost import add_task
from benchmarks.labelled_faces import add_arguments, measure
from pipeline import FaceDetector, Frame, Look, Parser, Parsing, load_parser
from pipeline.drawing.overlay import Memory, draw, undrawn
from pipeline.drawing.selection import selected
from pipeline.faces.cover import LIVE_PERSON_SCORE, PERSON_SCORE, PIXELS, FaceCover
from pipeline.faces.detector import FILE, MIN_SCORE
from pipeline.labels import LabelSet
from pipeline.motion.carry import Motion
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Covered, Lingering, covered_both_ways
from pipeline.network.options import RunOptions
from streamer import open_source
from streamer.live.config import MaskSettings
from streamer.parsings.looked import looked
from streamer.sources.open import sample

COVERED = 0.8
MIN_SHOWN = 0.4
HEIGHTS = (16, 24, 32, 48, 64, 1000)
LOOK = Look(effect=("fill=#ff00ff",), on="Face")
PINK = (255, 0, 255)
KILLED = range(30, 80)
"""With `--killed` the frames of each scene without a worker, from its death until another one is ready."""
MASK_TTL_S = MaskSettings().mask_ttl_s
"""Older masks are not used, live."""
SHOWN_PX = 320
"""Side of what is saved around an uncovered face."""
NEAR = 2.0
"""Times the sides of a face, within which hiding it is not needless."""


@dataclass(frozen=True, slots=True)
class Live:
    """How a live stream is parsed."""

    every: int
    """Frames from one parsed one to the next."""
    killed: bool
    """Whether the worker dies in each scene."""


@dataclass(slots=True)
class Tally:
    """The faces and pixels of a video. A face counts once by its size, and once for each kind that it is of."""

    faces: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    uncovered_kinds: Counter[str] = field(default_factory=Counter)
    uncovered: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    whole: int = 0
    """Frames that are hidden whole."""
    hidden: float = 0.0
    needless: float = 0.0
    worst: list[tuple[float, int, Truth]] = field(default_factory=list)

    def add(self, index: int, shot: Shot, drawn: NDArray[np.uint8]) -> None:
        pink = np.asarray(cv2.inRange(drawn, PINK, PINK), np.uint8)
        self.frames += 1
        is_whole = cv2.countNonZero(pink) == pink.size
        self.whole += is_whole
        near = np.zeros(FRAME, np.uint8)
        for face, visible in zip(shot.faces, shot.visible):
            near |= _larger(face).mask(FRAME)
            pixels = cv2.countNonZero(visible)
            if face.height < HEIGHTS[0] or face.shown < MIN_SHOWN or not pixels:
                continue
            key = _size(face)
            self.faces[key] += 1
            self.kinds.update(face.kinds)
            share = cv2.countNonZero(cv2.bitwise_and(visible, pink)) / pixels
            if share < COVERED:
                self.uncovered[key] += 1
                self.uncovered_kinds.update(face.kinds)
                self.worst.append((share, index, face))
        if is_whole:
            return
        self.hidden += cv2.countNonZero(pink) / pink.size
        self.needless += cv2.countNonZero(cv2.bitwise_and(pink, cv2.bitwise_not(near))) / pink.size

    def lines(self) -> Iterator[str]:
        for key in sorted(self.faces):
            yield f"{key + ' px':>24}: {self.uncovered[key]:5} of {self.faces[key]:6} faces uncovered"
        for key in sorted(self.kinds):
            yield f"{key:>24}: {self.uncovered_kinds[key]:5} of {self.kinds[key]:6}"
        total, bare, rest = self.faces.total(), self.uncovered.total(), max(1, self.frames - self.whole)
        yield f"{'all':>24}: {bare:5} of {total:6} ({bare / max(1, total):.3%}), {self.frames} frames"
        yield f"{self.whole} frames hidden whole; of the others' pixels hidden {self.hidden / rest:.1%},"
        yield f"    without need {self.needless / rest:.1%}"


def _size(face: Truth) -> str:
    upper = next(each for each in HEIGHTS if each > face.height)
    return f"{HEIGHTS[HEIGHTS.index(upper) - 1]}-{upper}" if upper != HEIGHTS[-1] else f"{HEIGHTS[-2]}+"


def _larger(face: Truth) -> Truth:
    return Truth(face.x, face.y, NEAR * face.width, NEAR * face.height, face.angle, 1.0)


def offline(parser: Parser, cover: FaceCover | None, shots: Iterable[tuple[Frame, Shot]]) -> Iterator[Covered]:
    """As `streamer render`: every frame parsed, and looked at in both directions of time."""
    return covered_both_ways(looked(frame, parser(frame), LOOK, cover) for frame, _ in shots)


def live(
    parser: Parser, cover: FaceCover | None, shots: Iterable[tuple[Frame, Shot]], given: Live
) -> Iterator[Covered]:
    """As `streamer run`: every few frames one is parsed, known a frame later, and carried to those after it."""
    motion, lingering = Motion(), Lingering()
    newest: Parsing | None = None
    coming: Parsing | None = None
    for count, (frame, _) in enumerate(shots):
        grey = Grey.of(frame)
        motion.add(grey)
        is_dead = given.killed and count % int(SCENE_S * RATE) in KILLED
        # What a dead worker had begun is lost.
        newest, coming = (newest if is_dead else coming or newest), None
        if not is_dead and count % given.every == 0:
            coming = parser(frame)
        is_fresh = newest is not None and frame.pts_s - newest.pts_s <= MASK_TTL_S
        parsing = motion.carry(newest) if newest is not None and is_fresh else None
        if parsing is None:
            yield Covered(frame, None, lingering.add(grey, None))
            continue
        known = looked(frame, parsing, LOOK, cover)
        yield Covered(frame, known.parsing, known.into(lingering, grey))


def cover_crowds(given: argparse.Namespace) -> None:
    people, empty = cut_outs(given.folder, given.people), backgrounds(given.folder)
    print(f"{len(people)} people with a face, {len(empty)} pictures without anybody")
    person_score = LIVE_PERSON_SCORE if given.live else PERSON_SCORE
    cover = None if given.parser_only else FaceCover(pixels=given.pixels, person_score=person_score)
    parser = load_parser("lite")
    kept: dict[int, Shot] = {}

    def shots() -> Iterator[tuple[Frame, Shot]]:
        for index, shot in enumerate(scenes(people, empty, given.seconds, given.seed)):
            kept[index] = shot
            yield Frame(shot.bgr, index, index / RATE, index / RATE), shot

    began = time.process_time()
    is_live = Live(given.every, given.killed) if given.live else None
    done = live(parser, cover, shots(), is_live) if is_live else offline(parser, cover, shots())
    tally = Tally()
    with contextlib.suppress(KeyboardInterrupt):  # it may take hours: what was counted until then is printed
        count(done, kept, parser.label_set, tally, given.save)
    print("\n".join(tally.lines()))
    took_ms = (time.process_time() - began) / max(1, tally.frames) * 1e3
    print(f"{took_ms:.0f} ms of processor time a frame, the making of the crowds included")


def count(done: Iterable[Covered], kept: dict[int, Shot], label_set: LabelSet, tally: Tally, save: Path | None) -> None:
    """Adds each frame, as it is shown."""
    memory = Memory()
    for each in done:
        index = each.frame.index
        for old in [old for old in kept if old < index]:
            del kept[old]
        if each.parsing is None:
            picture = undrawn(each.frame, LOOK, label_set, memory)
        else:
            picture = draw(each.frame, each.parsing, LOOK, memory, each.lingering)
        drawn = np.asarray(picture, np.uint8)
        before = len(tally.worst)
        tally.add(index, kept[index], drawn)
        if save:
            _save(save, index, drawn, kept[index].bgr, [face for _, _, face in tally.worst[before:]])


def touched(given: argparse.Namespace) -> None:
    """Of pictures without anybody, how many have something hidden, each by itself."""
    parser, cover = load_parser("lite"), FaceCover()
    shares = []
    for bgr in backgrounds(given.folder)[: given.most]:
        still = Frame.still(bgr)
        mask = selected(cover(still, parser.still(still)).parsing, LOOK.selection)
        shares.append(cv2.countNonZero(mask) / mask.size)
    some = [each for each in shares if each]
    print(f"{len(some)} of {len(shares)} pictures without anybody have something hidden,", end=" ")
    print(f"in the mean {np.mean(some):.1%} of their pixels" if some else "none of their pixels")


def _save(folder: Path, index: int, drawn: NDArray[np.uint8], bgr: NDArray[np.uint8], faces: list[Truth]) -> None:
    """A picture for each uncovered face: what is shown around it, and what there is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(faces):
        left = min(max(round(face.x) - SHOWN_PX // 2, 0), FRAME.width - SHOWN_PX)
        top = min(max(round(face.y) - SHOWN_PX // 2, 0), FRAME.height - SHOWN_PX)
        around = np.s_[top : top + SHOWN_PX, left : left + SHOWN_PX]
        marked = bgr.copy()
        cv2.ellipse(marked, ((face.x, face.y), (face.width, face.height), face.angle), (0, 255, 0), 1)
        cv2.imwrite(str(folder / f"{index:06}-{number}.png"), cv2.hconcat([drawn[around], bgr[around], marked[around]]))


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
    cover.add_argument("--killed", action="store_true", help="live, the worker dies in the middle of each scene")
    cover.add_argument("--parser-only", action="store_true", help="hide the parser's class Face alone")
    cover.add_argument("--save", type=Path, help="a folder for pictures with uncovered faces")
    empty = tasks.add_parser("empty", help="what is hidden of pictures without anybody")
    empty.set_defaults(task=touched)
    empty.add_argument("folder", type=Path)
    empty.add_argument("--most", type=int, default=60, help="pictures")
    timed = tasks.add_parser("speed", help="processor time a frame")
    timed.set_defaults(task=speed)
    timed.add_argument("--frames", type=int, default=40)
    labelled = tasks.add_parser("labelled", help="recall, and guesses of age and gender, on labelled pictures")
    labelled.set_defaults(task=measure)
    add_arguments(labelled)
    add_tasks(tasks)
    add_task(tasks)
    given = parser.parse_args()
    given.task(given)


if __name__ == "__main__":
    main()
