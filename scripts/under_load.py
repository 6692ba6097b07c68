"""Runs a command while other programs want the processor: what passes here does not hang on a quiet machine.

    python scripts/under_load.py --load 10 --times 2 python -m pytest

Ends with the command's first exit status that is not 0.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "while True: pass"


@contextmanager
def load(programs: int) -> Iterator[None]:
    """So many programs that compute without end."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(programs)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", type=int, default=10, help="programs that compute without end (default: 10)")
    parser.add_argument("--times", type=int, default=2, help="how often the command runs (default: 2)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("give the command to run")
    with load(given.load):
        for number in range(1, given.times + 1):
            began_s = time.monotonic()
            status = subprocess.run(given.command, check=False).returncode
            print(f"run {number} of {given.times}: exit status {status} after {time.monotonic() - began_s:.0f} s")
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
