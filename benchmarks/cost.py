"""The processor time and memory of rendering a 720p file, beside ffmpeg that only encodes it, or an earlier version.

    python -m benchmarks.cost
    python -m benchmarks.cost --before CHECKOUT

Each round runs all of them in turn, each command in a process of its own, on the same clips, of a length and of twice
that. "All" is the whole command with its start; "a frame" is what the second half cost. Printed are medians of the
rounds and of the ratios within them, to `ffmpeg -preset veryfast` and, where a checkout of an earlier version is named,
to that. The clips are made of the bundled ones: people as large as usual, and a street whose people are small, for
which the network sees more; the street at the usual size, too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.render import HEIGHT, SIZE, WIDTH, make_clip
from tests.support.paths import ROOT

TOPS = {"people.mp4": 60, "street.mp4": 100}
"""The bundled clips, and their first row that is shown."""
FFMPEG = "ffmpeg -preset veryfast"
MINE, BEFORE = "streamer render", "the earlier version"


@dataclass(frozen=True)
class Cost:
    """Of a command, from its start to its end."""

    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Pair:
    """Of a clip, and of one twice as long."""

    short: Cost
    long: Cost
    frames: int
    """Of the first."""

    @property
    def frame_ms(self) -> float:
        """Processor time of a further frame, in milliseconds."""
        return 1000 * (self.long.cpu_s - self.short.cpu_s) / self.frames


def cost_of(command: list[str], tree: Path = ROOT) -> Cost:
    """Runs a command of a checkout. Raises CalledProcessError."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.stderr.write(said.read().decode(errors="replace"))
            raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def commands(size: str | None, before: Path | None) -> dict[str, tuple[list[str], Path]]:
    """Each contender, without the clip and the result, and the checkout that it is of."""
    render = [sys.executable, "-m", "streamer", "render", "IN", "OUT", "--force", *(["--size", size] if size else [])]
    encode = ["ffmpeg", "-v", "error", "-y", "-i", "IN", "-c:v", "libx264", "-preset", "veryfast", "OUT"]
    found = {FFMPEG: (encode, ROOT), MINE: (render, ROOT)}
    return found if before is None else {**found, BEFORE: (render, before.resolve())}


def measured(name: str, folder: Path, size: str | None, rounds: int, frames: int, before: Path | None) -> None:
    """Prints the table of one clip."""
    clips = [folder / f"{name}{times}.mp4" for times in (1, 2)]
    done: dict[str, list[Pair]] = {each: [] for each in commands(size, before)}
    for _ in range(rounds):
        for each, (command, tree) in commands(size, before).items():
            short, long = (_run(command, clip, folder / "out.mp4", tree) for clip in clips)
            done[each].append(Pair(short, long, frames))
    for each, pairs in done.items():
        print(f"  {each:24} {_figures(pairs)}")
        for other in (FFMPEG, BEFORE) if each == MINE else ():
            if other in done:
                print(f"    {'times ' + other:22} {_ratios(pairs, done[other])}")


def _run(command: list[str], clip: Path, out: Path, tree: Path) -> Cost:
    return cost_of([{"IN": str(clip), "OUT": str(out)}.get(each, each) for each in command], tree)


def _figures(pairs: list[Pair]) -> str:
    all_s, frame_ms, peak, longer = (
        statistics.median(each)
        for each in zip(*((pair.long.cpu_s, pair.frame_ms, pair.short.peak_mb, pair.long.peak_mb) for pair in pairs))
    )
    return f"all {all_s:6.1f} s, a frame {frame_ms:5.1f} ms, {peak:4.0f} MB peak, {longer:4.0f} MB of the longer clip"


def _ratios(mine: list[Pair], theirs: list[Pair]) -> str:
    found = {
        "all": [a.long.cpu_s / b.long.cpu_s for a, b in zip(mine, theirs)],
        "a frame": [a.frame_ms / b.frame_ms for a, b in zip(mine, theirs)],
        "memory": [a.long.peak_mb / b.long.peak_mb for a, b in zip(mine, theirs)],
    }
    return ", ".join(
        f"{name} {statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})" for name, each in found.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300, help="of the shorter clips")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    given = parser.parse_args()
    usual = f"{SIZE.height}x{SIZE.width}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: what is started from here is taken to need as much memory as this process has.
        with ProcessPoolExecutor(1, get_context("spawn")) as maker:
            for clip, top in TOPS.items():
                for times in (1, 2):
                    maker.submit(make_clip, folder / f"{clip}{times}.mp4", times * given.frames, clip, top).result()
        print(f"{WIDTH}x{HEIGHT}, every frame parsed; medians of {given.rounds} rounds of {given.frames} frames")
        for clip, size in (("people.mp4", None), ("street.mp4", None), ("street.mp4", usual)):
            print(f"{clip}, the network sees {size or 'as much as its people ask for'}")
            measured(clip, folder, size, given.rounds, given.frames, given.before)


if __name__ == "__main__":
    main()
