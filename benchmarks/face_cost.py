"""The processor time of `--faces`, and of `--age-gender` beside it, in 720p at 25 frames a second with two people.

Each round renders two clips of the two people, one twice as long as the other, without and with each of them, every
frame parsed; a second of video is what the second half of the longer one cost. The rest is printed as the median of the
differences within the rounds, in cores: processor seconds a second of video.
"""

import argparse
import statistics
import sys
import tempfile
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.cost import cost_of
from benchmarks.render import HEIGHT, WIDTH, write_to_and_fro
from streamer import open_source
from streamer.sources.open import sample

RATE = 25
FRAMES = {"portrait.mp4": slice(0, 50), "people.mp4": slice(25, 75)}
"""Of the bundled clips, those with somebody before the camera."""
OPTIONS = {"streamer render": [], "--faces": ["--faces"], "--faces --age-gender": ["--faces", "--age-gender"]}


def make_clip(path: Path, frames: int) -> None:
    """The two people beside each other, played there and back."""
    shots = [np.hstack(pair) for pair in zip(*(_half(name, part) for name, part in FRAMES.items()))]
    write_to_and_fro(path, shots, frames, RATE)


def _half(name: str, part: slice) -> list[NDArray[np.uint8]]:
    with open_source(sample(name)) as source:
        frames = [each.bgr for each in islice(source, part.start, part.stop)]
    side = frames[0].shape[0]
    left = (frames[0].shape[1] - side * WIDTH // 2 // HEIGHT) // 2 + (60 if name == "people.mp4" else 0)
    wide = side * WIDTH // 2 // HEIGHT
    size = (WIDTH // 2, HEIGHT)
    return [np.asarray(cv2.resize(each[:, left : left + wide], size), np.uint8) for each in frames]


def cores(clips: list[Path], out: Path, options: list[str], seconds: float) -> float:
    """Processor seconds a second of video."""
    command = [sys.executable, "-m", "streamer", "render", "IN", str(out), "--force", *options]
    short, long = (cost_of([str(clip) if each == "IN" else each for each in command]) for clip in clips)
    return (long.cpu_s - short.cpu_s) / seconds


def measure(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        clips = [Path(name) / f"{times}.mp4" for times in (1, 2)]
        for times, clip in enumerate(clips, start=1):
            make_clip(clip, times * given.frames)
        rounds = [
            {each: cores(clips, Path(name) / "out.mp4", more, given.frames / RATE) for each, more in OPTIONS.items()}
            for _ in range(given.rounds)
        ]
    first = next(iter(OPTIONS))
    for each in OPTIONS:
        used = statistics.median(row[each] for row in rounds)
        more = [row[each] - row[first] for row in rounds]
        print(f"{each:22} {used:5.2f} of a core", end="")
        print("" if each == first else f", {statistics.median(more):.3f} more ({min(more):.3f} to {max(more):.3f})")


def add_task(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cost = tasks.add_parser("cost", help="processor time of --faces and --age-gender")
    cost.set_defaults(task=measure)
    cost.add_argument("--frames", type=int, default=100, help="of the shorter clip")
    cost.add_argument("--rounds", type=int, default=3)
