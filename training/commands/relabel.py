"""Writes a pack again with better labels: sides by a pose, then what a trained network is sure of.

    python -m training relabel --pack PACK --out PACK2 --pose pose_landmark_heavy.tflite pipeline/lite/lite.onnx

Either may be left out. A network that was trained on the pack corrects only what is trained on: photos that are kept
for validation get their sides by the pose, which never saw the pack, and are else as they were. The pose's network is
in the npm package `@mediapipe/pose` (Apache-2.0).
"""

import sys
from argparse import ArgumentParser, Namespace
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
from training.sides import settle_sides_by_pose
from training.teachers.blazepose import BlazePose

JPEG_QUALITY = 97


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(
        prog="python -m training relabel",
        description="A pack with labels corrected by a pose and by a network that was trained on it.",
    )
    parser.add_argument("--pack", type=Path, required=True, help="folder of parts with img/ and lab/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new pack; must not exist")
    parser.add_argument("--pose", type=Path, help="BlazePose's pose_landmark_heavy.tflite, for sides")
    parser.add_argument("network", type=Path, nargs="?", help="such as pipeline/lite/lite.onnx")
    options = parser.parse_args(arguments)
    if options.pose is None and options.network is None:
        parser.error("give a network, or a pose's with --pose, or both")
    if options.out.exists():
        print(f"{options.out} exists already; name a new folder", file=sys.stderr)
        return 1
    console = Console()
    try:
        _relabel(options, console)
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _relabel(options: Namespace, console: Console) -> None:
    pack = read_pack(options.pack)
    pose = None if options.pose is None else BlazePose(options.pose)
    answers = None if options.network is None else answers_of(options.network, "f32")
    photos = (*pack.training, *pack.validation, *pack.kept)
    named = changed = 0
    for index, photo in enumerate(track(photos, "relabelling", console=console)):
        again = photo if pose is None else settle_sides_by_pose(photo, pose)
        if answers is not None and index < len(pack.training):
            again = relabel(again, answers)
        _write(again, options.out)
        changed += int((again.labels != photo.labels).sum())
        named += int(np.count_nonzero(photo.labels))
    console.print(f"{len(photos)} photos, {changed / max(1, named):.1%} of what was not background has another label")


def _write(photo: Photo, out: Path) -> None:
    part, name = photo.name.split("/")
    for folder in ("img", "lab"):
        (out / part / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out / part / "img" / f"{name}.jpg"), photo.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    cv2.imwrite(str(out / part / "lab" / f"{name}.png"), photo.labels)
    if photo.ordinary:
        (out / part / "inst").mkdir(exist_ok=True)
        cv2.imwrite(str(out / part / "inst" / f"{name}.png"), photo.persons)
