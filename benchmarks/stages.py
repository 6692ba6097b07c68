"""Whose processor time the rendering of a 720p file is, stage by stage. On Linux, which says what each thread used.

    python -m benchmarks.stages
    python -m benchmarks.stages --clip street.mp4 --top 100

The clip is made of a bundled one. Printed is the processor time of a frame, without the first ones and the start, by
thread and, of the thread that does everything else, by stage. The clock of the stages is part of what it measures:
the sum is some percent more than `benchmarks.cost` has it.
"""

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from pathlib import Path

from benchmarks.render import HEIGHT, SIZE, WIDTH, make_clip
from pipeline import ParserSettings, load_parser
from streamer import Progress, Rendering, open_source, render_file
from streamer.parsings.threads import threads_beside
from streamer.units import read_size

WARM = 60
"""Frames before those that are measured: encoders fill up."""
MAIN = "the main thread"
LEFT = 20
"""Frames after them: what is held back would be encoded without its picture's other stages."""
STAGES = {
    "decode, hand on packets": (("sources/video.py", "__iter__"),),
    "shrink for the network": (("network/letterbox.py", "shrink"),),
    "labels and persons of its answer": (("lite/decode.py", "decode"),),
    "average along the motion": (("motion/smoothing.py", "__call__"),),
    "tell people and garments": (
        ("people/garments.py", "decide"),
        ("people/tracking.py", "update"),
        ("people/appearance.py", "appearances"),
    ),
    "draw": (("drawing/overlay.py", "draw"),),
    "hand on to the encoder, write": (("recording/file.py", "write"),),
}
"""The functions of each stage; none calls another one."""


class Watch:
    """Measures between two frames."""

    def __init__(self) -> None:
        self._before, self._began = _threads(), time.process_time()
        self.start_s = 0.0
        self.profile = cProfile.Profile(time.thread_time)
        self.threads: dict[str, float] = {}
        self.frames = 0

    def __call__(self, so_far: Progress) -> bool:
        if so_far.done == WARM:
            self.start_s = time.process_time() - self._began
            self._first, self._main_s = _threads(), time.thread_time()
            self.profile.enable()
        elif so_far.done == (so_far.total or 0) - LEFT:
            self.profile.disable()
            self.frames = so_far.done - WARM
            self.threads[MAIN] = time.thread_time() - self._main_s
            for thread, (name, used_s) in _threads().items():
                whose = self._whose(thread, name)
                before_s = self._first.get(thread, ("", 0.0))[1]
                if thread != os.getpid():
                    self.threads[whose] = self.threads.get(whose, 0.0) + used_s - before_s
        return True

    def _whose(self, thread: int, name: str) -> str:
        if name.startswith("av:"):
            return "decoder's threads"
        return "network's threads, and OpenCV's" if thread in self._before else "encoder's threads"


def _threads() -> dict[int, tuple[str, float]]:
    """The name and seconds of each."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        used = rest.split()[11:13]
        found[int(task.name)] = (name, sum(map(int, used)) / os.sysconf("SC_CLK_TCK"))
    return found


def _stage_s(stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]], stage: str) -> float:
    return sum(
        figures[3]
        for (file, _, function), figures in stats.items()
        if any(file.endswith(where) and function == name for where, name in STAGES[stage])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="people.mp4", help="a bundled one")
    parser.add_argument("--top", type=int, default=60, help="its first row that is shown")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", type=read_size, default=SIZE, help="of the network's input, height x width")
    given = parser.parse_args()
    loaded = load_parser(threads_beside(ParserSettings(size=given.size)))
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, given.frames, given.clip, given.top)
        with open_source(clip) as source:
            loaded(next(iter(source)))  # its threads are there before those of the encoder
        watch = Watch()
        render_file(clip, Path(folder) / "out.mp4", Rendering(), watch, loaded)
    frame_ms = 1000 / watch.frames
    total_s = sum(watch.threads.values())
    print(f"{given.clip} at {WIDTH}x{HEIGHT}, parsed at {given.size}, {watch.frames} frames")
    print(f"  {'all of a frame':34} {frame_ms * total_s:5.1f} ms")
    for whose, used_s in sorted(watch.threads.items(), key=lambda each: (each[0] == MAIN, -each[1])):
        print(f"  {whose:34} {frame_ms * used_s:5.1f} ms")
    stats = pstats.Stats(watch.profile).stats  # type: ignore[attr-defined]
    rest_s = watch.threads[MAIN]
    for stage in STAGES:
        rest_s -= _stage_s(stats, stage)
        print(f"    {stage:32} {frame_ms * _stage_s(stats, stage):5.1f} ms")
    print(f"    {'the rest':32} {frame_ms * rest_s:5.1f} ms")
    print(f"  before: {watch.start_s:.1f} s for the first {WARM} frames, opening included")


if __name__ == "__main__":
    main()
