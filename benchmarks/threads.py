"""What a second thread of OpenCV costs and gains where a 720p file is rendered, in one run: ten frames with one
thread, twenty with two, ten with one, and so on, so that what else the machine does falls on both alike. With
`--network` the same of a second thread of the network, by whole renderings of the clip in that order.

    python -m benchmarks.threads
    python -m benchmarks.threads --network
    python -m benchmarks.threads --clip street.mp4 --top 100 --frames 300
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2

from benchmarks.render import SIZE, make_clip
from pipeline import ParserSettings, Size, load_parser
from streamer import Progress, Rendering, render_file
from streamer.units import read_size

WARM = 20
"""Frames before those that are measured: encoders fill up."""
EACH = 10
"""Frames between two looks at the clocks."""
ORDER = (1, 2, 2, 1)
"""The number of threads, turn by turn."""


class Turns:
    """Sets the number of threads, and measures."""

    def __init__(self) -> None:
        self.used: dict[int, list[float]] = {number: [0.0, 0.0, 0.0] for number in ORDER}
        """Seconds of all processors, of the main thread, and of the clock on the wall, by the number of threads."""
        self.frames = dict.fromkeys(ORDER, 0)
        self._now = 0
        self._began: list[float] = []

    def __call__(self, so_far: Progress) -> bool:
        if so_far.done < WARM or so_far.done % EACH:
            return True
        if self._began:
            self.add(EACH)
        number = ORDER[so_far.done // EACH % len(ORDER)]
        cv2.setNumThreads(number)
        self.begin(number)
        return True

    def begin(self, number: int) -> None:
        """From now on there are so many threads."""
        self._now = number
        self._began = [time.process_time(), time.thread_time(), time.perf_counter()]

    def add(self, frames: int) -> None:
        """So many frames were rendered since then."""
        clocks = [time.process_time(), time.thread_time(), time.perf_counter()]
        used = self.used[self._now]
        self.used[self._now] = [total + end - begin for total, end, begin in zip(used, clocks, self._began)]
        self.frames[self._now] += frames


def of_opencv(clip: Path, out: Path, size: Size) -> Turns:
    turns = Turns()
    render_file(clip, out, Rendering(), turns, load_parser(ParserSettings(size=size)))
    return turns


def of_network(clip: Path, out: Path, size: Size) -> Turns:
    turns = Turns()
    parsers = {number: load_parser(ParserSettings(size=size, threads=number)) for number in ORDER}
    for parser in parsers.values():
        render_file(clip, out, Rendering(force=True), parser=parser)  # compiles
    for number in ORDER:
        turns.begin(number)
        turns.add(render_file(clip, out, Rendering(force=True), parser=parsers[number]).frames)
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="people.mp4", help="a bundled one")
    parser.add_argument("--top", type=int, default=60, help="its first row that is shown")
    parser.add_argument("--frames", type=int, default=140)
    parser.add_argument("--size", type=read_size, default=SIZE, help="of the network's input, height x width")
    parser.add_argument("--network", action="store_true", help="threads of the network, not of OpenCV")
    given = parser.parse_args()
    whose, measured = ("the network", of_network) if given.network else ("OpenCV", of_opencv)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, given.frames, given.clip, given.top)
        turns = measured(clip, Path(folder) / "out.mp4", given.size)
    for number in sorted(turns.used):
        total, own, wall = (1000 * each / turns.frames[number] for each in turns.used[number])
        print(f"{whose} with {number}: {total:6.1f} ms of all, {own:6.1f} of the main thread, {wall:6.1f} by the clock")


if __name__ == "__main__":
    main()
