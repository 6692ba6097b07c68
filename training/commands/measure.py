"""The scoreboard: what network files of the bundled parser score, side by side.

    python -m training measure --pack PACK --external SETS pipeline/lite/lite.onnx OTHER.onnx

Of a pack its validation photos and crowds made of them; of a folder of sets (`training.external`) each, and how well
outlines of people are seen at equal false alarms on the sets without people.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.errors import PipelineError
from pipeline.evaluation.evaluate import Evaluation, evaluate
from pipeline.labels import CIHP
from training.external import External, external_sets
from training.false_alarms import CAPPED_RATE, RATES, OddsCounts, counting
from training.measure import measure, validation_crowds
from training.pack import UNKNOWN_SIDES, Photo, read_pack
from training.parsing import StillParser, parser_of

Rows = dict[str, str]
"""What is printed of one network: a figure by its name, in order."""


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    cv2.setNumThreads(1)
    console = Console()
    try:
        photos = read_pack(options.pack).validation if options.pack else ()
        crowds = validation_crowds(photos)
        photos = tuple(without_sides(photo) if photo.name in options.wrong_sides else photo for photo in photos)
        sets = external_sets(options.external) if options.external else []
        columns = []
        for path in track(options.networks, "measuring", console=console):
            parser = parser_of(path, options.precision, options.times)
            rows: Rows = {}
            if photos:
                figures = measure(parser, photos, crowds)
                rows |= _on_photos("photos", figures.photos)
                rows |= _on_photos("crowds", figures.crowds) if figures.crowds else {}
            columns.append(rows | dict(_on_sets(parser, sets)))
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    console.print(_table([str(path) for path in options.networks], columns))
    return 0


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m training measure", description="Scores of network files, side by side.")
    parser.add_argument("--pack", type=Path, help="folder of parts, whose validation photos are measured")
    parser.add_argument("--external", type=Path, help="folder of sets with images/ and labels/ or instances/")
    parser.add_argument("--precision", default="f32", help="f32, bf16, int8 or auto")
    parser.add_argument(
        "--wrong-sides", nargs="+", default=[], metavar="NAME", help="photos whose legs' and shoes' sides do not count"
    )
    parser.add_argument(
        "--times",
        type=float,
        help="show every picture with so many times the usual rows and columns",
    )
    parser.add_argument("networks", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    if options.pack is None and options.external is None:
        parser.error("name what to measure on: --pack, --external or both")
    return options


def without_sides(photo: Photo) -> Photo:
    """The photo with legs and shoes of no known side."""
    labels = photo.labels.copy()
    for code, names in UNKNOWN_SIDES.items():
        if "Left-arm" not in names:
            labels[np.isin(labels, [CIHP.id_of(name) for name in names])] = code
    return replace(photo, labels=labels)


def _on_photos(name: str, result: Evaluation) -> Rows:
    rows = _classes(name, result) | _outlines(name, result)
    for class_name, share in result.per_class.items() if name == "photos" else ():
        rows[f"{name}: {class_name}"] = f"{share:.3f}"
    return rows


def _on_sets(parser: StillParser, sets: Sequence[External]) -> Iterator[tuple[str, str]]:
    odds = {each.name: OddsCounts() for each in sets}
    for each in sets:
        result = evaluate(parser, CIHP, counting(parser, each.pictures(), odds[each.name]))
        if len(result.per_class) > 1:
            yield from _classes(each.name, result).items()
        yield from _outlines(each.name, result).items()
    empty = [odds[each.name] for each in sets if each.nobody]
    for each in sets:
        if empty and not each.nobody:
            yield from _at_equal_false_alarms(each.name, odds[each.name], empty[0]).items()


def _classes(name: str, result: Evaluation) -> Rows:
    rows = {f"{name}: mIoU": f"{result.miou:.3f}", f"{name}: merged": f"{result.merged_miou:.3f}"}
    if result.swapped:
        rows[f"{name}: swapped {' '.join(result.swapped)}"] = " ".join(f"{s:.3f}" for s in result.swapped.values())
    return rows


def _outlines(name: str, result: Evaluation) -> Rows:
    rows: Rows = {}
    if result.person_pictures:
        rows[f"{name}: person IoU"] = f"{result.person_iou:.3f}"
        rows[f"{name}: hardly seen"] = f"{result.hardly_seen:.0%} of {result.person_pictures}"
    if result.persons:
        rows[f"{name}: persons P R"] = f"{result.persons.precision:.2f} {result.persons.recall:.2f}"
    for group in result.seen:
        rows[f"{name}: seen, height {group.min_height:g}+"] = f"{group.seen:.2f} of {group.people}"
    if result.person_free_pictures:
        rows[f"{name}: false alarms"] = f"{result.person_free_foreground:.4f}"
        rows[f"{name}: capped at 2% each"] = f"{result.person_free_capped:.4f}"
        rows[f"{name}: pictures above 1%"] = f"{result.person_free_wrong:.0%} of {result.person_free_pictures}"
    return rows


def _at_equal_false_alarms(name: str, people: OddsCounts, empty: OddsCounts) -> Rows:
    rates = " ".join(f"{100 * rate:g}" for rate in RATES)
    ious = [people.person_iou(empty.threshold(rate)) for rate in RATES]
    capped = people.person_iou(empty.capped_threshold(CAPPED_RATE))
    return {
        f"{name}: person IoU at {rates} % false alarms": " ".join(f"{iou:.3f}" for iou in ious),
        f"{name}: the same at {100 * CAPPED_RATE:g} % capped": f"{capped:.3f}",
    }


def _table(names: Sequence[str], columns: Sequence[Rows]) -> Table:
    table = Table()
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name)
    for row in dict.fromkeys(row for column in columns for row in column):
        table.add_row(row, *(column.get(row, "-") for column in columns))
    return table
