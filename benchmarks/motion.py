"""How well masks move with the picture, and what it costs.

    python -m benchmarks.motion [--clip FILE]... [--labels FOLDER]

Every frame of a clip is parsed; that is the truth. The same parser, anew, is shown every tenth frame only; its masks
are held, or carried, to the frames 1, 3, 5 and 10 later, and carried to 1, 3 and 5 from this one and the tenth both.
Printed, of each clip at its own speed and with frames left out: the mean intersection over union of the classes but
background, of those of them that have 1 % of the people's pixels in the clip, of the five that any parser knows (hair,
skin, upper and lower garments, shoes), and that of everybody's silhouette, of all pairs together; and how much of the
gap that holding leaves to perfect, which is 1, is closed.

No way of carrying comes to 1, because the parser does not agree with itself: `itself` is what it scores against the
truth on the same frame when all of the picture is moved by a few pixels and the masks are moved back. How much of the
gap that holding leaves to that is closed stands in brackets.

With `--labels`, clips are measured against truth from elsewhere, too: FOLDER has label maps CLIP_INDEX.png of some of
their frames (`pipeline.evaluation.confusion` says which codes are known). There, perfect is to parse the
frame itself, and each before it.

The cost is the time of one core that one more frame takes, to remember it and to carry to it.
"""

import argparse
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from time import thread_time

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import CIHP, Frame, Parser, Parsing, Size, load_parser
from pipeline.evaluation.confusion import Confusion
from pipeline.motion.carry import Motion, between, carry
from pipeline.motion.flow import Follower, Grey
from pipeline.types import LabelMap
from pipeline.yuv import Yuv420
from streamer import open_source
from streamer.sources.open import sample

DISTANCES = (1, 3, 5, 10)
PERIOD = 10
START_EVERY = 2
MOVED_PX = (8, 6)
"""Across and down, in pixels of the label map: whole ones, so that moving back loses nothing."""
SMALL_PEOPLE = {"street.mp4": Size(576, 768)}
"""Clips that the demo, too, shows to the network unreduced."""
SIZES = {"480p": Size(480, 854), "720p": Size(720, 1280), "1080p": Size(1080, 1920), "4K": Size(2160, 3840)}
COST_MOST_MS = 4.0
MIN_LARGER = 0.01
"""Of the people's pixels in the clip."""
MIN_GAP = 0.02
"""Of a smaller one it says nothing how much is closed."""


Scores = dict[tuple[str, int], Confusion]
"""Of each way and distance; `itself` has distance 0."""


def _mean_iou(ious: dict[str, float]) -> float:
    return float(np.mean([iou for name, iou in ious.items() if name.lower() != "background"]))


def _larger(counted: Confusion) -> dict[str, float]:
    """Of classes that flicker up in a few pixels only the mean over all classes says most, and nobody sees them."""
    pixels = counted.counts[1:].sum(axis=1)
    larger = {CIHP.names[1 + at] for at in np.flatnonzero(pixels >= MIN_LARGER * pixels.sum())}
    return {name: iou for name, iou in counted.ious.items() if name in larger}


FIGURES: dict[str, Callable[[Confusion], float]] = {
    "classes": lambda counted: _mean_iou(counted.ious),
    "larger classes": lambda counted: _mean_iou(_larger(counted)),
    "five merged classes": lambda counted: _mean_iou(counted.merged_ious),
    "silhouettes": lambda counted: counted.person_iou,
}


LABELLED_FIGURES = ("five merged classes", "silhouettes")
"""Labels from elsewhere may not know a garment's type."""


def frames_of(clip: Path, most: int, every: int) -> list[Frame]:
    with open_source(clip) as source:
        return list(islice(source, 0, most, every))


def scores_of(parser: Parser, frames: Sequence[Frame]) -> Scores:
    parsed = _stream(parser, frames)
    seldom = _seldom(parser, frames)
    greys = [Grey.of(frame) for frame in frames]
    scores: Scores = {("itself", 0): Confusion(CIHP)}
    scores |= {(way, distance): Confusion(CIHP) for way in ("held", "carried", "both sides") for distance in DISTANCES}
    for start in range(0, len(frames) - PERIOD, START_EVERY):
        follower = Follower(greys[start])
        carried = [carry(seldom[start], follower.follow(grey)) for grey in greys[start + 1 : start + PERIOD + 1]]
        both = _between(seldom, greys, start)
        for distance in DISTANCES:
            truth = parsed[start + distance].labels
            scores["held", distance].add(truth, seldom[start].labels)
            scores["carried", distance].add(truth, carried[distance - 1].labels)
            if distance < PERIOD:
                scores["both sides", distance].add(truth, both[distance - 1].labels)
        scores["itself", 0].add(*_moved_and_back(parser, frames[start], parsed[start].labels))
    return scores


def _stream(parser: Parser, frames: Sequence[Frame]) -> list[Parsing]:
    parser.reset()
    return [parser(frame) for frame in frames]


def _seldom(parser: Parser, frames: Sequence[Frame]) -> dict[int, Parsing]:
    """Each frame from which masks are carried, as parsed in a stream of every tenth frame."""
    starts = range(0, min(PERIOD, len(frames)), START_EVERY)
    streams = {first: _stream(parser, frames[first::PERIOD]) for first in starts}
    return {first + PERIOD * at: parsing for first, stream in streams.items() for at, parsing in enumerate(stream)}


def _between(parsed: dict[int, Parsing], greys: Sequence[Grey], start: int) -> list[Parsing]:
    end = start + PERIOD
    followers = Follower(greys[start]), Follower(greys[end])
    return list(between(parsed[start], followers[0], greys[start + 1 : end], followers[1], parsed[end]))


def _moved_and_back(parser: Parser, frame: Frame, truth: LabelMap) -> tuple[LabelMap, LabelMap]:
    """What is seen both in the frame and in the one moved: the truth, and the labels of the moved one."""
    size = frame.size
    across, down = (round(place * whole / part) for place, whole, part in zip(MOVED_PX, size[::-1], truth.shape[::-1]))
    moved = np.roll(frame.bgr, (down, across), (0, 1))
    labels = parser(Frame.still(moved)).labels
    right, below = MOVED_PX
    return truth[:-below, :-right], np.ascontiguousarray(labels[below:, right:])


def labelled_scores(parser: Parser, clip: Path, labels: Path, every: int) -> Scores:
    """Against label maps of some of the clip's frames; of those too near to its beginning nothing is counted."""
    truths = {int(path.stem.rpartition("_")[2]): path for path in labels.glob(f"{clip.stem}_[0-9]*.png")}
    ways = ("held", "carried", "parsed")
    scores = {(way, distance): Confusion(CIHP) for way in ways for distance in DISTANCES}
    recent: deque[Frame] = deque(maxlen=PERIOD * every + 1)
    with open_source(clip) as source:
        for frame in source:
            recent.append(frame)
            if frame.index in truths and len(recent) == recent.maxlen:
                truth = cv2.imread(str(truths[frame.index]), cv2.IMREAD_GRAYSCALE)
                _add_labelled(scores, parser, list(recent)[::every], np.asarray(truth, np.uint8))
    return scores if any(counted.counts.any() for counted in scores.values()) else {}


def _add_labelled(scores: Scores, parser: Parser, frames: Sequence[Frame], truth: LabelMap) -> None:
    greys = [Grey.of(frame) for frame in frames]
    parsed = _stream(parser, frames)
    for distance in DISTANCES:
        earlier, follower = parsed[-1 - distance], Follower(greys[-1 - distance])
        for grey in greys[-distance:]:
            follower.follow(grey)
        for way, parsing in (("held", earlier), ("carried", carry(earlier, follower.flow)), ("parsed", parsed[-1])):
            scores[way, distance].add(truth, parsing.labels)


def report(name: str, scores: Sequence[Scores], figures: Sequence[str] = tuple(FIGURES)) -> None:
    """The mean over clips."""
    for what in figures:

        def mean(way: str, distance: int, figure: Callable[[Confusion], float] = FIGURES[what]) -> float:
            return float(np.mean([figure(one[way, distance]) for one in scores]))

        itself = mean("itself", 0) if ("itself", 0) in scores[0] else None
        print(f"{name}, {what}:" + ("" if itself is None else f" itself {itself:.3f}"))
        for way in dict.fromkeys(way for way, distance in scores[0] if distance):
            print(f"  {way:10}", end="")
            for distance in DISTANCES:
                if way == "both sides" and distance == PERIOD:
                    continue
                held, value = mean("held", distance), mean(way, distance)
                perfect = mean("parsed", distance) if itself is None else 1.0
                closed = "" if way in ("held", "parsed") else f"{(value - held) / (perfect - held):.0%}"
                if closed and itself is not None and itself - held > MIN_GAP:
                    closed += f" ({(value - held) / (itself - held):.0%})"
                print(f"  {distance:2}: {value:.3f} {closed:10}", end="")
            print()


def cost_ms(frames: Iterable[Frame], parser: Parser) -> list[float]:
    """Of remembering each frame but the first, and carrying to it what was parsed in that."""
    motion = Motion()
    times: list[float] = []
    parsing: Parsing | None = None
    for frame in frames:
        began = thread_time()
        motion.add(Grey.of(frame))
        if parsing is None:
            parsing = parser(frame)
        elif motion.carry(parsing) is not None:
            times.append((thread_time() - began) * 1e3)
    return times


def enlarged(frames: Sequence[Frame], size: Size, yuv: bool) -> Iterable[Frame]:
    for frame in frames:
        bgr: NDArray[np.uint8] = np.asarray(cv2.resize(frame.bgr, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        video = av.VideoFrame.from_ndarray(bgr, format="bgr24")
        even = (size.width // 2 * 2, size.height // 2 * 2)
        picture = Yuv420(video.reformat(*even, format="yuv420p")) if yuv else bgr
        yield Frame(picture, frame.index, frame.pts_s, frame.captured_s)


def report_cost(clip: Path, rounds: int) -> None:
    cv2.setNumThreads(1)
    frames = frames_of(clip, PERIOD + 1, 1)
    for name, size in SIZES.items():
        for form in ("YUV", "BGR"):
            parser = load_parser("lite")
            times = [each for _ in range(rounds) for each in cost_ms(enlarged(frames, size, form == "YUV"), parser)]
            p50, p95 = np.percentile(times, [50, 95])
            verdict = "" if p50 < COST_MOST_MS else f"  MORE THAN {COST_MOST_MS} ms"
            print(f"{name:5} {form}: {p50:.2f} ms a frame on one core (p95 {p95:.2f}){verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, action="append", help="in place of the bundled street")
    parser.add_argument("--most", type=int, default=240, help="frames of a clip")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3], help="speeds: every so many frames is taken")
    parser.add_argument("--each", action="store_true", help="of each clip, not only the mean")
    parser.add_argument("--rounds", type=int, default=5, help="of the cost")
    parser.add_argument("--labels", type=Path, metavar="FOLDER", help="truth from elsewhere, of some frames")
    given = parser.parse_args()
    clips = given.clip or [sample("street.mp4")]
    for every in given.every if given.labels else ():
        found = [labelled_scores(load_parser("lite"), clip, given.labels, every) for clip in clips]
        if labelled := [each for each in found if each]:
            report(f"{len(labelled)} clips against labels from elsewhere, every {every}", labelled, LABELLED_FIGURES)
    for every in given.every:
        scores: list[Scores] = []
        for clip in clips:
            frames = frames_of(clip, given.most, every)
            if len(frames) <= PERIOD:
                print(f"{clip.name} has too few frames to take every {every}")
                continue
            scores.append(scores_of(load_parser("lite", size=SMALL_PEOPLE.get(clip.name)), frames))
            if given.each:
                report(f"{clip.name}, every {every}", scores[-1:])
        if scores:
            report(f"{len(scores)} clips, every {every}" if len(scores) > 1 else f"{clip.name}, every {every}", scores)
    report_cost(clips[0], given.rounds)


if __name__ == "__main__":
    main()
