"""What network files of the bundled parser score on a pack's validation photos, and on crowds made of them.

python scripts/measure_lite.py --pack PACK pipeline/lite/lite.onnx OTHER.onnx
"""

import sys
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.errors import PipelineError
from pipeline.lite.training.measure import Answers, Figures, measure, validation_crowds
from pipeline.lite.training.pack import read_pack
from pipeline.runtime import Network, RunOptions, compile_network
from pipeline.types import Picture, Size


def main() -> int:
    parser = ArgumentParser(description="Scores of network files, side by side.")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--precision", default="f32", help="f32, bf16 or auto")
    parser.add_argument("networks", type=Path, nargs="+")
    options = parser.parse_args()
    try:
        photos = read_pack(options.pack).validation
        crowds = validation_crowds(photos)
        scores = [measure(answers_of(path, options.precision), photos, crowds) for path in options.networks]
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    Console().print(_table([str(path) for path in options.networks], scores))
    return 0


def answers_of(path: Path, precision: str) -> Answers:
    compiled: dict[Size, Network] = {}

    def answer(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = Size(*bgr.shape[:2])
        if size not in compiled:
            compiled[size] = compile_network(path, size, RunOptions(precision=precision))
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


if __name__ == "__main__":
    sys.exit(main())
