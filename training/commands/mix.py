"""Mixes networks into one: the mean of their weights, with numbers added to classes' scores.

    python -m training mix --out lite.onnx --pack PACK --shifts 0.3 --shift Coat=-0.5 NEW.pt=0.94 OLD.onnx=0.06

A network is a file that `train` wrote, or a checkpoint (.pt), of which the average of the weights counts. From a pack
come the shifts of `--shifts`, and between what limits tensors lie, without which a network file has no int8 form.
"""

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console

from pipeline.errors import PipelineError
from pipeline.labels import CIHP
from training.commands.train import INT8_EVERY, looked_through
from training.network.calibrate import add_shifts, scenes_for, shifts
from training.network.export import add_int8_ranges, export
from training.network.mix import load_network, mixed
from training.pack import read_pack
from training.train import torch_answers


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    console = Console()
    cv2.setNumThreads(1)
    try:
        _mix(options, console)
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m training mix", description="The mean of networks' weights, as a network.")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument("--pack", type=Path, help="folder of parts: for --shifts, and for an int8 form")
    parser.add_argument(
        "--shifts",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="add this share of what would make classes' scores pay most on the pack, but to background's",
    )
    parser.add_argument(
        "--shift",
        type=_shift,
        action="append",
        default=[],
        metavar="CLASS=LOGITS",
        help="add this to a class's score instead; several times",
    )
    parser.add_argument("networks", type=_part, nargs="+", metavar="NETWORK[=SHARE]", help="a share is 1 unless said")
    options = parser.parse_args(arguments)
    if options.shifts and options.pack is None:
        parser.error("--shifts: give the pack on whose pictures they are found with --pack")
    if not options.out.absolute().parent.is_dir():
        parser.error(f"--out: there is no folder {options.out.parent}")
    return options


def _part(text: str) -> tuple[Path, float]:
    name, equals, share = text.rpartition("=")
    return (Path(name), _number(share, least=0.0)) if equals else (Path(text), 1.0)


def _shift(text: str) -> tuple[int, float]:
    name, _, logits = text.partition("=")
    if name not in CIHP.names:
        raise ArgumentTypeError(f"no class {name!r}; there are {', '.join(CIHP.names)}")
    return CIHP.id_of(name), _number(logits)


def _number(text: str, least: float = -math.inf) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > least):
        raise ArgumentTypeError(f"{text!r} is no number{'' if least == -math.inf else f' above {least:g}'}")
    return number


def _mix(options: Namespace, console: Console) -> None:
    network = mixed([(load_network(path), share) for path, share in options.networks])
    seen = []
    if options.pack is not None:
        with console.status("reading the pack"):
            seen = scenes_for(looked_through(read_pack(options.pack)))
    found = np.zeros(len(CIHP), np.float32)
    if options.shifts:
        with console.status("calibrating"):
            found = options.shifts * shifts(torch_answers(network, torch.device("cpu")), seen)
        found[0] = 0  # its own is not searched for
    for index, logits in options.shift:
        found[index] = logits
    add_shifts(network, found)
    export(network, options.out)
    added = ", ".join(f"{name} {value:+.2f}" for name, value in zip(CIHP.names, found.tolist()) if value)
    console.print(f"wrote {options.out}; added to scores: {added or 'nothing'}")
    if seen:
        with console.status("looking between what limits tensors lie"):
            add_int8_ranges(options.out, [scene.bgr for scene in seen[::INT8_EVERY]])
    else:
        console.print("without --pack it has no int8 form")
