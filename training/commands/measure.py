"""What network files of the bundled parser score on a pack's validation photos, and on crowds made of them.

python -m training measure --pack PACK pipeline/lite/lite.onnx OTHER.onnx
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.errors import PipelineError
from pipeline.geometry import Size
from pipeline.labels import CIHP
from pipeline.lite.model import compile_file
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Network
from pipeline.types import Picture
from training.measure import Answers, Figures, measure, validation_crowds
from training.pack import UNKNOWN_SIDES, Photo, read_pack


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m training measure", description="Scores of network files, side by side.")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--precision", default="f32", help="f32, bf16, int8 or auto")
    parser.add_argument(
        "--wrong-sides", nargs="+", default=[], metavar="NAME", help="photos whose legs' and shoes' sides do not count"
    )
    parser.add_argument(
        "--times",
        type=float,
        help="show every picture with so many times the usual rows and columns, and none by its people",
    )
    parser.add_argument("networks", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    try:
        photos = read_pack(options.pack).validation
        crowds = validation_crowds(photos)
        photos = tuple(without_sides(photo) if photo.name in options.wrong_sides else photo for photo in photos)
        scores = [
            measure(answers_of(path, options.precision), photos, crowds, options.times) for path in options.networks
        ]
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    Console().print(_table([str(path) for path in options.networks], scores))
    return 0


def without_sides(photo: Photo) -> Photo:
    """The photo with legs and shoes of no known side."""
    labels = photo.labels.copy()
    for code, names in UNKNOWN_SIDES.items():
        if "Left-arm" not in names:
            labels[np.isin(labels, [CIHP.id_of(name) for name in names])] = code
    return replace(photo, labels=labels)


def answers_of(path: Path, precision: str) -> Answers:
    compiled: dict[Size, Network] = {}

    def answer(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = Size(*bgr.shape[:2])
        if size not in compiled:
            compiled[size] = compile_file(path, size, RunOptions(precision=precision))
        scores, people = compiled[size].start(bgr).result().outputs
        return scores, people

    return answer


def _table(names: list[str], scores: list[Figures]) -> Table:
    table = Table("", *names)
    for field in fields(Figures):
        if field.name != "per_class":
            table.add_row(field.name, *(f"{getattr(each, field.name):.4f}" for each in scores))
    for name in scores[0].per_class:
        table.add_row(name, *(f"{each.per_class[name]:.3f}" for each in scores))
    return table
