"""Makes the clips of sample_videos/ again, and the pictures that M2FP's exports are tried on.

    python scripts/make_samples.py --vtest vtest.avi --astronaut astronaut.png --milk milk.mkv \\
        --one-by-one one-by-one.mp4

`vtest.avi` is in Debian's package opencv-doc (under examples/data), `astronaut.png` in the Python package
scikit-image (skimage/data); `milk.mkv` (asl_gestures/milk.mkv) and `one-by-one.mp4` (one-by-one-person-detection.mp4)
are in github.com/intel-iot-devkit/sample-videos. See sample_videos/README.md for what may be done with them.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

STREET_FIRST, STREET_FRAMES, STREET_RATE = 290, 80, Fraction(10)
PORTRAIT_FRAMES, PORTRAIT_RATE = 75, Fraction(25)
PORTRAIT_SIZE = (480, 640)
PEOPLE = Path(__file__).parent.parent / "pipeline" / "m2fp" / "people.jpg"
PEOPLE_SIZE = (384, 512)
NEAR_TICKS = 30
"""A second of people.mp4, in ticks: SIGN has 30 frames a second, the other scenes 10."""


class Scene(NamedTuple):
    """A piece of another clip: which frames, and which part of each."""

    frames: range
    ticks: int
    """How long each is shown."""
    top: int
    left: int
    height: int
    width: int


WOMAN_IN = Scene(range(65, 90), 3, 0, 180, 432, 576)
SIGN = Scene(range(52), 1, 10, 0, 381, 508)
"""What stands at the right is cut off."""
MAN_IN = Scene(range(1240, 1259), 3, 0, 192, 432, 576)
MAN_OUT = Scene(range(1336, 1353), 3, 0, 192, 432, 576)


def street(source: Path) -> Iterator[NDArray[np.uint8]]:
    """Eight seconds of people who walk."""
    with av.open(str(source)) as container:
        for frame in islice(container.decode(video=0), STREET_FIRST, STREET_FIRST + STREET_FRAMES):
            yield frame.to_ndarray(format="bgr24")


def portrait(source: Path) -> Iterator[NDArray[np.uint8]]:
    """Three seconds of a slow pan and zoom over the portrait, as a hand-held camera would give."""
    picture = cv2.imread(str(source))
    if picture is None:
        raise SystemExit(f"{source} cannot be read")
    height, width = PORTRAIT_SIZE
    for index in range(PORTRAIT_FRAMES):
        phase = 2 * np.pi * index / PORTRAIT_FRAMES
        wide = 460 - 40 * (1 - np.cos(phase)) / 2
        scale = wide / width
        left = (picture.shape[1] - wide) / 2 + 18 * np.sin(phase)
        top = 8 + 30 * (1 - np.cos(phase)) / 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        yield cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def near(milk: Path, one_by_one: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Eight seconds of people who fill the picture, each frame with how long it is shown: one signs, two walk."""
    for source, scene in ((one_by_one, WOMAN_IN), (milk, SIGN), (one_by_one, MAN_IN), (one_by_one, MAN_OUT)):
        with av.open(str(source)) as container:
            for frame in islice(container.decode(video=0), scene.frames.start, scene.frames.stop):
                yield scene.ticks, _cut_out(frame.to_ndarray(format="bgr24"), scene)


def _cut_out(picture: NDArray[np.uint8], scene: Scene) -> NDArray[np.uint8]:
    part = picture[scene.top : scene.top + scene.height, scene.left : scene.left + scene.width]
    return np.asarray(cv2.resize(part, PORTRAIT_SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def write(path: Path, pictures: Iterator[tuple[int, NDArray[np.uint8]]], rate: Fraction, crf: int) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryslow"})
        stream.codec_context.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / rate
        tick = 0
        for ticks, picture in pictures:
            if tick == 0:
                stream.codec_context.height, stream.codec_context.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = tick, 1 / rate
            tick += ticks
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def evenly(pictures: Iterator[NDArray[np.uint8]]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    return ((1, picture) for picture in pictures)


def people(folder: Path, path: Path) -> None:
    """Four pictures of people side by side, of the clips: what exported networks are tried on."""
    whole, closer = (frame_of(folder / "street.mp4", index) for index in (10, 60))
    first, last = (frame_of(folder / "portrait.mp4", index) for index in (0, 70))
    tiles = (whole, closer[150:510, 140:620], first, last[:, ::-1])
    scaled = [cv2.resize(tile, PEOPLE_SIZE[::-1], interpolation=cv2.INTER_AREA) for tile in tiles]
    cv2.imwrite(str(path), np.hstack(scaled), [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def frame_of(clip: Path, index: int) -> NDArray[np.uint8]:
    with av.open(str(clip)) as container:
        return next(islice(container.decode(video=0), index, None)).to_ndarray(format="bgr24")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--vtest", type=Path, required=True)
    arguments.add_argument("--astronaut", type=Path, required=True)
    arguments.add_argument("--milk", type=Path, required=True)
    arguments.add_argument("--one-by-one", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "sample_videos")
    given = arguments.parse_args()
    write(given.out / "street.mp4", evenly(street(given.vtest)), STREET_RATE, crf=23)
    write(given.out / "portrait.mp4", evenly(portrait(given.astronaut)), PORTRAIT_RATE, crf=23)
    write(given.out / "people.mp4", near(given.milk, given.one_by_one), Fraction(NEAR_TICKS), crf=21)
    people(given.out, PEOPLE)


if __name__ == "__main__":
    main()
