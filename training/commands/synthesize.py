"""Makes a part of a pack of synthetic people: exact classes, sides and persons.

    python -m training synthesize --assets ASSETS --backgrounds ROOMS STREETS --out PACK/synthetic --count 600

ASSETS holds a base mesh and what people wear, with a manifest (`training.synthetic.assets`); the backgrounds are
folders of pictures without people. Of the same seed, assets, backgrounds and number comes the same picture. Ctrl-C ends
it after the picture at hand, and the same line goes on from there. `sheet.jpg` in the part shows what was made.
"""

import hashlib
import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import PipelineError, installs
from training.synthetic.contact_sheet import contact_sheet
from training.synthetic.part import Part, Recipe, fill, write_whole

SHEET = "sheet.jpg"
SHEET_PICTURES = 40


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    console = Console()
    cv2.setNumThreads(1)
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        _synthesize(options, console, stop)
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, before)
    return 130 if stop.is_set() else 0


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m training synthesize",
        description="A part of a pack: pictures of synthetic people with exact classes, sides and persons.",
    )
    parser.add_argument("--assets", type=Path, required=True, help="folder with MANIFEST.json, base.npz and wear/")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="folders of pictures without people")
    parser.add_argument("--out", type=Path, required=True, help="folder of the part; one begun before is gone on with")
    parser.add_argument("--count", type=_positive, required=True, help="pictures that the part holds at the end")
    parser.add_argument("--seed", type=_natural, default=1, help="another one makes other pictures")
    return parser.parse_args(arguments)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    if not _natural(text):
        raise ArgumentTypeError("give 1 or more")
    return int(text)


def _synthesize(options: Namespace, console: Console, stop: threading.Event) -> None:
    try:
        from training.synthetic.picture import open_studio, paint  # numba takes a second
    except ModuleNotFoundError as exc:
        raise PipelineError(f"{exc.name} is not installed: {installs('train')}") from exc
    with console.status("reading the assets"):
        studio = open_studio(options.assets, options.backgrounds)
        names = "\n".join(f"{path.parent.name}/{path.name}" for path in studio.backgrounds)
        recipe = Recipe(options.seed, studio.assets.fingerprint, hashlib.sha256(names.encode()).hexdigest()[:16])
        part = Part(options.out, recipe)
    left = len(list(part.missing(options.count)))
    console.print(
        f"{len(studio.backgrounds)} backgrounds; {options.count - left} of {options.count} pictures are there"
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("painting", total=options.count, completed=options.count - left)
        written = fill(
            part,
            options.count,
            lambda number: paint(studio, options.seed, number),
            stop.is_set,
            lambda: progress.advance(task),
        )
    there = sorted(set(range(options.count)) - set(part.missing(options.count)))[:SHEET_PICTURES]
    if there:
        write_whole(options.out / SHEET, contact_sheet([part.read(number) for number in there]))
    console.print(f"wrote {written} pictures into {options.out}; {SHEET} shows {len(there)} of them")
