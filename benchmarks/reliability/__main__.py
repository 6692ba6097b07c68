"""What becomes of a stream when something goes wrong: each fault is made, on loopback, with real processes.

    python -m benchmarks.reliability                  all of it, half an hour; writes docs/reliability.md
    python -m benchmarks.reliability --table cameras  one table of it, and writes that alone
    python -m benchmarks.reliability --short          under a minute: fewer kinds, shorter silences; writes nothing

Ends with 1 if a promise was not kept. The short form allows 3 s more for each, since it runs beside other things.
"""

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability import cameras, clocks, hopeless, parts, servers, several, windows
from benchmarks.reliability.measure import Place, Row
from benchmarks.reliability.soak import soak

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
PLOT = ROOT / "docs" / "reliability.png"
SOAK_FRAMES = 20_000

TABLES = {
    "faults": ("What fails", (cameras, servers, parts)),
    "cameras": ("Cameras and machines as they are", (clocks, hopeless, windows, several)),
}
"""The heading of each, and the faults in it."""
TEXT = """# What becomes of a stream when something goes wrong

Printed by `python -m benchmarks.reliability`, which makes each fault on loopback with real processes and writes this
page. A camera here is a process that sends H.264 over RTSP or MPEG-TS over TCP, JPEGs over HTTP, or live HLS with
pieces of a second; one is GStreamer's RTSP server. Cameras with a wrong clock or a bad network flash and sound once a
second: what is seen and heard of that is found in the recording. The network's input is 96x128: these are not its
speeds.
"""
SECTION = """
## {heading}

By `python -m benchmarks.reliability --table {name}`, in {minutes:.0f} minutes on {cores} cores of {machine}, while
{load:.1f} programs wanted to run on average.

| fault | promised | measured | |
|---|---|---|---|
{rows}
"""
PLOTTED = """
![Memory over the frames of the last run in the table](reliability.png)
"""


def measured(place: Place, table: str, only: str, plot: Path | None) -> Iterator[Row]:
    for fault in (each for room in TABLES[table][1] for each in room.FAULTS):
        if only in fault.__name__:
            yield from fault(place)
    if table == "faults" and not place.short and only in "soak":
        yield from soak(place, SOAK_FRAMES, plot)


def section(table: str, rows: list[Row], minutes: float) -> str:
    heading, load = TABLES[table][0], os.getloadavg()[2]
    cells = "\n".join(map(_cell, rows))
    text = SECTION.format(
        heading=heading,
        name=table,
        minutes=minutes,
        cores=os.cpu_count(),
        machine=platform.machine(),
        load=load,
        rows=cells,
    )
    return text + (PLOTTED if table == "faults" else "")


def write(made: dict[str, str]) -> None:
    """The page with these sections; those that were not made stay as they are."""
    was = PAGE.read_text() if PAGE.exists() else ""
    for table, (heading, _) in TABLES.items():
        found = re.search(rf"\n## {re.escape(heading)}\n.*?(?=\n## |\Z)", was, re.DOTALL)
        made.setdefault(table, found[0] if found else "")
    PAGE.write_text(TEXT + "".join(made[table] for table in TABLES))


def _cell(row: Row) -> str:
    return f"| {row.fault} | {row.promised} | {row.measured} | {'kept' if row.held else '**not kept**'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=TABLES, help="this one alone")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="", help="faults whose name has this in it; writes nothing")
    parser.add_argument("--dry", action="store_true", help="writes nothing")
    given = parser.parse_args()
    writes = not (given.short or given.only or given.dry)
    rows, made = list[Row](), dict[str, str]()
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), given.short)
        for table in [given.table] if given.table else TABLES:
            began_s, first = time.monotonic(), len(rows)
            for row in measured(place, table, given.only, PLOT if writes else None):
                print(_cell(row), flush=True)
                rows.append(row)
            made[table] = section(table, rows[first:], (time.monotonic() - began_s) / 60)
    if writes:
        write(made)
    if not all(row.held for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
