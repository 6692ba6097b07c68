"""What the bundled network makes of photos that were turned, darkened, fogged, bent or spoilt, and of nobody at all.

    python -m benchmarks.cases --pack PACK --out cases.jpg
    python -m benchmarks.cases --nobody PICTURES --out worst.jpg
    python -m benchmarks.cases --people PICTURES --out people.jpg

With `--pack` prints a line for each case; `--out` draws the bundled clip in all of them, with what was found. With
`--nobody`, a folder of pictures without people, prints what share of each is taken for somebody, of each folder in it
and of all; `--out` draws the worst. With `--people`, any pictures, prints how many persons are found in each; `--out`
draws them all, in the order of their names.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline import Frame, Look, blend
from pipeline.errors import BadPicture, PipelineError
from pipeline.parsing.parser import Parser, load_parser
from pipeline.types import LabelMap, Picture
from streamer.errors import StreamerError
from streamer.media.images import is_picture, read_picture
from streamer.sources.open import open_source, sample
from training.measure import measure
from training.pack import Photo, read_pack

SHOWN_HEIGHT = 220
ROW = 5
WORST = 4 * ROW
TILE_PX, SHEET_ROW = 220, 6
Change = Callable[[Picture, bool], Picture]
"""A picture or, where the flag is set, a label map, to what it becomes; both must stay in step."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    change: Change


def turned(quarters: int) -> Change:
    return lambda picture, labels: np.ascontiguousarray(np.rot90(picture, quarters))


def of_picture(change: Callable[[Picture], Picture]) -> Change:
    return lambda picture, labels: picture if labels else change(picture)


def night(bgr: Picture) -> Picture:
    """A fifteenth of the light, and the noise of a camera that makes up for it."""
    random = np.random.default_rng(0)
    light = (bgr / 255.0) ** 1.4 / 15
    grain = random.normal(0, 0.006, bgr.shape) + random.normal(0, 0.02, bgr.shape) * np.sqrt(light)
    return np.clip((light + grain) * 255 * 6, 0, 255).astype(np.uint8)


def fog(bgr: Picture) -> Picture:
    return np.clip(0.35 * bgr + 0.65 * 205, 0, 255).astype(np.uint8)


def fisheye(picture: Picture, labels: bool) -> Picture:
    """Bent as by a lens of 180 degrees: the middle is magnified, the edges are pressed together."""
    height, width = picture.shape[:2]
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    radius = np.minimum(np.hypot(across, down), 1.35)
    stretch = np.tan(radius * 0.85) / np.tan(0.85) / np.maximum(radius, 1e-6)
    places = [
        ((each * stretch + 1) / 2 * side - 0.5).astype(np.float32) for each, side in ((across, width), (down, height))
    ]
    how = cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR
    beyond = 255 if labels else (0, 0, 0)
    return np.asarray(cv2.remap(picture, *places, how, borderValue=beyond), np.uint8)


def small(share: float) -> Change:
    """On a large grey canvas, which a camera far away would see."""

    def change(picture: Picture, labels: bool) -> Picture:
        height, width = picture.shape[:2]
        how = cv2.INTER_NEAREST_EXACT if labels else cv2.INTER_AREA
        little = cv2.resize(picture, (round(width * share), round(height * share)), interpolation=how)
        canvas = np.full_like(picture, 0 if labels else 127)
        top, left = (height - little.shape[0]) // 2, (width - little.shape[1]) // 2
        canvas[top : top + little.shape[0], left : left + little.shape[1]] = little
        return canvas

    return change


def squeezed(bgr: Picture) -> Picture:
    _, written = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 8])
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)


CASES = (
    Case("as it is", of_picture(lambda bgr: bgr)),
    Case("90 degrees", turned(1)),
    Case("180 degrees", turned(2)),
    Case("night", of_picture(night)),
    Case("fog", of_picture(fog)),
    Case(
        "black and white",
        of_picture(lambda bgr: cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)),
    ),
    Case("blurred", of_picture(lambda bgr: cv2.GaussianBlur(bgr, (0, 0), 3.0))),
    Case("JPEG of quality 8", of_picture(squeezed)),
    Case("fisheye", fisheye),
    Case("a third as large", small(1 / 3)),
)


def main() -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--pack", type=Path)
    what.add_argument("--nobody", type=Path, help="pictures without people, in folders by what they show")
    what.add_argument("--people", type=Path, help="pictures to look at")
    parser.add_argument("--out", type=Path, help="a picture to draw")
    options = parser.parse_args()
    try:
        lite = load_parser(precision="f32")
        if options.people:
            table, drawn = _people(options.people, lite)
        else:
            table, drawn = _nobody(options.nobody, lite) if options.nobody else _cases(options.pack, lite)
        Console().print(table)
        if options.out:
            cv2.imwrite(str(options.out), drawn())
    except (PipelineError, StreamerError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _cases(pack: Path, lite: Parser) -> tuple[Table, Callable[[], Picture]]:
    photos = [photo for photo in read_pack(pack).validation if photo.anybody]
    return _measured(photos, lite), lambda: _drawn(_bundled(), lite)


def _nobody(folder: Path, lite: Parser) -> tuple[Table, Callable[[], Picture]]:
    paths = sorted(path for path in folder.rglob("*") if is_picture(path))
    if not paths:
        raise BadPicture(f"no pictures in {folder}")
    shares = {path: _foreground(read_picture(path), lite) for path in paths}
    worst = sorted(paths, key=lambda path: -shares[path])
    table = Table("nobody is in", "pictures", "taken for somebody")
    for path in worst:
        table.add_row(str(path.relative_to(folder)), "1", f"{shares[path]:.2%}")
    table.add_section()
    for group in dict.fromkeys(path.parent for path in paths):
        inside = [share for path, share in shares.items() if path.parent == group]
        table.add_row(str(group.relative_to(folder)), str(len(inside)), f"{np.mean(inside):.3%}")
    table.add_row("all", str(len(paths)), f"{np.mean(list(shares.values())):.3%}")
    return table, lambda: _sheet([_parsed(read_picture(path), lite) for path in worst[:WORST]])


def _people(folder: Path, lite: Parser) -> tuple[Table, Callable[[], Picture]]:
    paths = sorted(path for path in folder.iterdir() if is_picture(path))
    if not paths:
        raise BadPicture(f"no pictures in {folder}")
    frames = [Frame.still(read_picture(path)) for path in paths]
    parsings = [lite.still(frame) for frame in frames]
    table = Table("picture", "persons")
    for path, parsing in zip(paths, parsings):
        table.add_row(path.name, str(len(parsing.people)))
    tiles = [blend(frame, parsing, Look(opacity=0.6)) for frame, parsing in zip(frames, parsings)]
    return table, lambda: _tiled(tiles)


def _tiled(pictures: Sequence[Picture]) -> Picture:
    """On squares, in rows of `SHEET_ROW`."""
    tiles = []
    for picture in pictures:
        scale = TILE_PX / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        tiles.append(cv2.copyMakeBorder(small, 0, TILE_PX - height, 0, TILE_PX - width, cv2.BORDER_CONSTANT))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % SHEET_ROW)
    return np.vstack([np.hstack(tiles[at : at + SHEET_ROW]) for at in range(0, len(tiles), SHEET_ROW)])


def _foreground(bgr: Picture, lite: Parser) -> float:
    labels = lite.still(bgr).labels
    return np.count_nonzero(labels) / labels.size


def _measured(photos: Sequence[Photo], lite: Parser) -> Table:
    table = Table("", "mIoU", "merged", "persons")
    for case in CASES:
        figures = measure(lite.still, [_changed(photo, case) for photo in photos], []).photos
        table.add_row(case.name, *(f"{each:.3f}" for each in (figures.miou, figures.merged_miou, figures.person_iou)))
    return table


def _changed(photo: Photo, case: Case) -> Photo:
    labels: LabelMap = case.change(photo.labels, True)
    return replace(photo, bgr=case.change(photo.bgr, False), labels=labels, person=np.zeros_like(labels))


def _bundled() -> Picture:
    with open_source(sample("portrait.mp4")) as source:
        return next(iter(source)).bgr


def _drawn(bgr: Picture, lite: Parser) -> Picture:
    return _sheet([_parsed(case.change(bgr, False), lite) for case in CASES])


def _parsed(bgr: Picture, lite: Parser) -> Picture:
    frame = Frame.still(bgr)
    return blend(frame, lite.still(frame), Look(opacity=0.6))


def _sheet(drawn: Sequence[Picture]) -> Picture:
    shown = [cv2.resize(each, (each.shape[1] * SHOWN_HEIGHT // each.shape[0], SHOWN_HEIGHT)) for each in drawn]
    rows = [np.hstack(shown[start : start + ROW]) for start in range(0, len(shown), ROW)]
    width = max(row.shape[1] for row in rows)
    return np.vstack([cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT) for row in rows])


if __name__ == "__main__":
    sys.exit(main())
