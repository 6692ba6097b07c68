"""What becomes of a stream when something goes wrong: each fault is made, on loopback, with real processes.

    python -m benchmarks.reliability            all of it, twenty minutes; writes docs/reliability.md
    python -m benchmarks.reliability --short    under a minute: fewer kinds, shorter silences; writes nothing

Ends with 1 if a promise was not kept. The short form allows 3 s more for each, since it runs beside other things.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability import cameras, clocks, hopeless, parts, servers, several, windows
from benchmarks.reliability.measure import Place, Row
from benchmarks.reliability.soak import soak

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
PLOT = ROOT / "docs" / "reliability.png"
SOAK_FRAMES = 20_000

TEXT = """# What becomes of a stream when something goes wrong

Printed by `python -m benchmarks.reliability`, which makes each fault on loopback with real processes and writes this
page; on {cores} cores of {machine}. A camera here is a process that sends H.264 over RTSP or MPEG-TS over TCP, JPEGs
over HTTP, or live HLS with pieces of a second; one is GStreamer's RTSP server. Cameras with a wrong clock or a bad
network flash and sound once a second: what is seen and heard of that is found in the recording. The network's input is
96x128: these are not its speeds.

| fault | promised | measured | |
|---|---|---|---|
{rows}

![Memory over the frames of the last run in the table](reliability.png)
"""


def measured(place: Place, only: str, plot: Path | None) -> Iterator[Row]:
    rooms = (cameras, clocks, servers, hopeless, parts, windows, several)
    for fault in (each for room in rooms for each in room.FAULTS):
        if only in fault.__name__:
            yield from fault(place)
    if not place.short and only in "soak":
        yield from soak(place, SOAK_FRAMES, plot)


def _cell(row: Row) -> str:
    return f"| {row.fault} | {row.promised} | {row.measured} | {'kept' if row.held else '**not kept**'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="", help="faults whose name has this in it; writes nothing")
    parser.add_argument("--dry", action="store_true", help="writes nothing")
    given = parser.parse_args()
    writes = not (given.short or given.only or given.dry)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for row in measured(Place(Path(name), given.short), given.only, PLOT if writes else None):
            print(_cell(row), flush=True)
            rows.append(row)
    if writes:
        lines = "\n".join(map(_cell, rows))
        PAGE.write_text(TEXT.format(rows=lines, cores=os.cpu_count(), machine=platform.machine()))
    if not all(row.held for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
