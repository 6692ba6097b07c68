"""A folder rendered by several processes, beside the same folder by one process with a thread a core.

    python -m benchmarks.workers

Both render the same copies of a bundled clip, in turn. Printed for each round: processor time and time by the clock of
each, with all that its processes took, and the ratio of the one process to the several; the clock says little on a
machine that has other work. Starting the processes is in it, so that short clips are to the disadvantage of several.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from streamer.processes.cores import cores
from streamer.sources.open import sample


def measured(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of the processor and by the clock."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "streamer", "render", "in", "out", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after, took_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began_s
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="people", help="people, portrait or street")
    parser.add_argument("--copies", type=int, default=4, help="files in the folder")
    parser.add_argument("--workers", type=int, default=cores(), help="processes")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is run")
    given = parser.parse_args()
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(given.copies):
            shutil.copy(sample(f"{given.clip}.mp4"), folder / "in" / f"{number}.mp4")
        print(f"{given.copies} copies of {given.clip}, {given.workers} processes, {cores()} cores")
        for number in range(1, given.rounds + 1):
            one, several = measured([], folder), measured(["--workers", str(given.workers)], folder)
            ratios.append((one[0] / several[0], one[1] / several[1]))
            print(
                f"round {number}: one {one[0]:.1f} s of processor, {one[1]:.1f} s;"
                f" several {several[0]:.1f} s, {several[1]:.1f} s;"
                f" ratios {ratios[-1][0]:.2f}, {ratios[-1][1]:.2f}",
                flush=True,
            )
    processor, clock = (statistics.median(each) for each in zip(*ratios))
    print(f"median ratio of processor time {processor:.2f}, by the clock {clock:.2f}")


if __name__ == "__main__":
    main()
