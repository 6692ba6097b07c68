"""Writes a pack again with labels that a trained network corrected; what is kept for validation stays as it is.

    python -m training relabel --pack PACK --out PACK2 pipeline/lite/lite.onnx

Train on the result with `python -m training train --pack PACK2`, and measure there or on PACK: the validation photos
are the same.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline.errors import PipelineError
from training.pack import Photo, read_pack
from training.parsing import answers_of
from training.relabel import relabel

JPEG_QUALITY = 97


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(
        prog="python -m training relabel",
        description="A pack with labels corrected by a network that was trained on it.",
    )
    parser.add_argument("--pack", type=Path, required=True, help="folder of parts with img/ and lab/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new pack; must not exist")
    parser.add_argument("network", type=Path, help="such as pipeline/lite/lite.onnx")
    options = parser.parse_args(arguments)
    if options.out.exists():
        print(f"{options.out} exists already; name a new folder", file=sys.stderr)
        return 1
    console = Console()
    try:
        pack = read_pack(options.pack)
        answers = answers_of(options.network, "f32")
        changed = named = 0
        for photo in track(pack.training, "relabelling", console=console):
            again = relabel(photo, answers)
            _write(again, options.out)
            differs = again.labels != photo.labels
            changed += int(differs.sum())
            named += int(np.count_nonzero(photo.labels))
        for photo in pack.validation:
            _write(photo, options.out)
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    console.print(f"{len(pack.training)} photos relabelled, {changed / max(1, named):.1%} of what was not background")
    return 0


def _write(photo: Photo, out: Path) -> None:
    part, name = photo.name.split("/")
    for folder in ("img", "lab"):
        (out / part / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out / part / "img" / f"{name}.jpg"), photo.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    cv2.imwrite(str(out / part / "lab" / f"{name}.png"), photo.labels)
