"""Makes the pictures of the README and the documentation again, with the parser and the drawing as they are now.

    python scripts/make_pictures.py

docs/people.jpg is three frames of sample_videos/people.mp4 side by side over the names of what is in them;
docs/effects.jpg is one frame with an effect each; docs/window.jpg is the window of a live stream, photographed on a
screen that Xvfb makes (Debian's packages xvfb and ffmpeg).
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Box, Frame, LabelSet, Look, Parsing, blend, load_parser
from pipeline.drawing.treatment import COVERS, Effect
from streamer import Stream, StreamConfig, open_source
from streamer.sources.open import sample

DOCS = Path(__file__).parent.parent / "docs"
FRAMES = {49: 640, 18: 320, 104: 320}
"""Which frames are shown, from left to right, and how wide a piece of each."""
EFFECTS_FRAME = 60
EFFECTS = ("blur", "pixelate", "fill=#404040", "background=green", "blur-background")
HIDDEN = "Face,Hair"
"""What the effects are on that hide people."""
TILE = (320, 320)
QUALITY = 86

STRIP = 84
FONT, TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.5
GROUND, INK = (255, 255, 255), (60, 60, 60)

WEBCAM = range(40, 65)
"""The frames of people.mp4 in which the man raises his fist."""
DISPLAY = ":97"
SCREEN = (640, 480)
WARM_UP = 10
"""So many frames are parsed before the screen is photographed."""
PATIENCE_S = 60.0


def main() -> None:
    write(DOCS / "people.jpg", side_by_side())
    write(DOCS / "effects.jpg", effects())
    write(DOCS / "window.jpg", window())


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f"{path}: {picture.shape[1]}x{picture.shape[0]}, {path.stat().st_size / 1e3:.0f} kB")


def side_by_side() -> NDArray[np.uint8]:
    """The frames, parsed as part of their clip, and below them the colours of all classes that they show."""
    parser = load_parser("lite")
    shown: dict[int, tuple[Frame, Parsing]] = {}
    for frame in open_source(sample("people.mp4")):
        parsing = parser(frame)
        if frame.index in FRAMES:
            shown[frame.index] = frame, parsing
    pieces = [piece(*shown[index], width) for index, width in FRAMES.items()]
    present = np.unique(np.concatenate([parsing.labels.ravel() for _, parsing in shown.values()]))
    row = np.hstack(pieces)
    return np.vstack([row, strip(parser.label_set, [index for index in present if index], row.shape[1])])


def piece(frame: Frame, parsing: Parsing, width: int) -> NDArray[np.uint8]:
    """The drawn frame, cut to a width around its people."""
    picture = blend(frame, parsing, Look(tags=False))
    box = Box(*parsing.people[0].box).around(person.box for person in parsing.people[1:])
    left = min(max(0, (box.left + box.right - width) // 2), frame.size.width - width)
    return np.ascontiguousarray(picture[:, left : left + width])


def effects() -> NDArray[np.uint8]:
    """One frame as it is and with each effect, in two rows of three, cut to a square around its people."""
    parser = load_parser("lite")
    frames = (frame for frame in open_source(sample("people.mp4")) if frame.index <= EFFECTS_FRAME)
    frame, parsing = [(frame, parser(frame)) for frame in frames][-1]
    looks = [Look(effect=(each,), on=HIDDEN if Effect.read(each).kind in COVERS else "all") for each in EFFECTS]
    pictures = [frame.bgr, *(blend(frame, parsing, look) for look in looks)]
    side = frame.size.height
    middle = (parsing.people[0].box.left + parsing.people[0].box.right) // 2
    left = min(max(0, middle - side // 2), frame.size.width - side)
    tiles = [cv2.resize(each[:, left : left + side], TILE, interpolation=cv2.INTER_AREA) for each in pictures]
    return np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])


def strip(label_set: LabelSet, present: list[int], width: int) -> NDArray[np.uint8]:
    """Names beside their colours, in two rows."""
    made = np.full((STRIP, width, 3), GROUND, np.uint8)
    columns = -(-len(present) // 2)
    for place, index in enumerate(present):
        left, top = 12 + place % columns * (width - 12) // columns, 14 + place // columns * 34
        colour = [int(part) for part in label_set.palette[index]]
        cv2.rectangle(made, (left, top), (left + 20, top + 20), colour, cv2.FILLED)
        cv2.putText(made, label_set.names[index], (left + 28, top + 16), FONT, TEXT, INK, 1, cv2.LINE_AA)
    return made


def window() -> NDArray[np.uint8]:
    """What the screen shows of a stream that has its first masks."""
    # Old masks, too: on a busy machine there are no others.
    late = {"max_mask_age_s": float("inf"), "mask_ttl_s": PATIENCE_S, "sync": "exact"}
    with tempfile.TemporaryDirectory() as folder:
        cut(Path(folder))
        with screen(), Stream(StreamConfig(folder, loop=True, window=True, legend="auto", **late)) as stream:
            until_s = time.monotonic() + PATIENCE_S
            while stream.stats.parsed < WARM_UP and time.monotonic() < until_s:
                stream.join(0.1)
            return photograph()


def cut(folder: Path) -> None:
    """The scene of people.mp4 at the webcam, alone: whatever moment is photographed, somebody is there."""
    with open_source(sample("people.mp4")) as source:
        for frame in source:
            if frame.index in WEBCAM:
                cv2.imwrite(str(folder / f"{frame.index}.png"), frame.bgr)


@contextmanager
def screen() -> Iterator[None]:
    """A screen of its own, for windows that are opened meanwhile."""
    width, height = SCREEN
    server = ["Xvfb", DISPLAY, "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-displayfd", "1"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            if process.stdout is None or not process.stdout.readline():  # it writes when it is ready
                raise SystemExit("Xvfb does not start")
            os.environ["DISPLAY"] = DISPLAY
            yield
        finally:
            process.terminate()


def photograph() -> NDArray[np.uint8]:
    width, height = SCREEN
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screen.png"
        grab = [
            "-f",
            "x11grab",
            "-draw_mouse",
            "0",
            "-video_size",
            f"{width}x{height}",
            "-i",
            DISPLAY,
            "-frames:v",
            "1",
            str(path),
        ]
        subprocess.run(["ffmpeg", "-v", "error", *grab], check=True)
        picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit("ffmpeg wrote no picture of the screen")
    return np.asarray(picture, np.uint8)


if __name__ == "__main__":
    main()
