"""Rendering a 720p file: this program beside the loop that people write.

    python -m benchmarks.render

The plain loop decodes with OpenCV, parses each frame with the same parser at the same size, draws with
supervision and writes with cv2.VideoWriter; once with supervision's mask annotator alone, against this program
without outlines and numbers, and once drawing what this program draws. Each runs in a process of its own, in turn,
on a clip made of the bundled street clip. Printed: frames a second between the first and the last frame written,
the ratio of each round, the size of what was written, and peak memory, for this program at two lengths.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Frame, Look, ParserSettings, Parsing, Size, load_parser
from streamer import Encoding, Progress, Rendering, open_source, render_file
from streamer.sources.open import sample

WIDTH, HEIGHT, RATE = 1280, 720, 30
SIZE = Size(256, 448)
"""Of the network's input, in both. By itself the program shows the network more of this clip, for its people are small:
that is timed, too."""
AS_IT_IS = "streamer render, as large as its people ask for"
MASKS_ONLY = Look(outline=False, tags=False)
Drawn = NDArray[np.uint8]


def make_clip(path: Path, frames: int, name: str = "street.mp4", top: int = 100) -> None:
    """A bundled clip, cropped to 16:9 from a row on and enlarged; played there and back for so many frames."""
    with open_source(sample(name)) as source:
        rows = slice(top, top + source.info.frame_size.width * HEIGHT // WIDTH)
        shots = [
            cv2.resize(frame.bgr[rows], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            for frame in islice(source, frames)
        ]
    write_to_and_fro(path, shots, frames)


def write_to_and_fro(path: Path, shots: Sequence[NDArray[np.uint8]], frames: int, rate: int = RATE) -> None:
    """A clip of so many frames of `shots`, played there and back."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, shot in enumerate(islice(to_and_fro(len(shots)), frames)):
            frame = av.VideoFrame.from_ndarray(shots[shot], format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def to_and_fro(count: int) -> Iterator[int]:
    while True:
        yield from range(count)
        yield from range(count - 2, 0, -1)


class Watch:
    """Frames a second between the first and the last."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def frame(self) -> None:
        self.times.append(time.perf_counter())

    @property
    def fps(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


def render(
    clip: Path, out: Path, watch: Watch, look: Look, preset: str | None = None, size: Size | None = SIZE
) -> None:
    def on_frame(so_far: Progress) -> bool:
        watch.frame()
        return True

    settings = Rendering(ParserSettings(size=size), look, encoding=Encoding(preset=preset), force=True)
    render_file(clip, out, settings, on_frame)


def plain(clip: Path, out: Path, watch: Watch, annotate: Callable[[Drawn, Parsing], Drawn]) -> None:
    parser = load_parser("lite", size=SIZE)
    capture = cv2.VideoCapture(str(clip))
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), (WIDTH, HEIGHT))
    while True:
        there, picture = capture.read()
        if not there:
            break
        writer.write(annotate(picture, parser(Frame.still(picture))))
        watch.frame()
    capture.release()
    writer.release()


def detections_of(ids: NDArray[np.uint8]) -> Any:
    """A mask at the frame's size for each id but 0."""
    import supervision

    ids = np.asarray(cv2.resize(ids, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST), np.uint8)
    present = [int(each) for each in np.unique(ids) if each]
    if not present:
        return supervision.Detections.empty()
    masks = np.stack([ids == each for each in present])
    return supervision.Detections(xyxy=supervision.mask_to_xyxy(masks), mask=masks, class_id=np.array(present))


def mask_annotator() -> Callable[[Drawn, Parsing], Drawn]:
    import supervision

    masks = supervision.MaskAnnotator(opacity=0.5)
    return lambda picture, parsing: masks.annotate(picture, detections_of(parsing.labels))


def same_drawing() -> Callable[[Drawn, Parsing], Drawn]:
    import supervision

    masks = supervision.MaskAnnotator(opacity=0.5)
    outline, number = supervision.PolygonAnnotator(thickness=1), supervision.LabelAnnotator()

    def annotate(picture: Drawn, parsing: Parsing) -> Drawn:
        picture = masks.annotate(picture, detections_of(parsing.labels))
        people = detections_of(parsing.instances)
        names = [str(parsing.people[index - 1].track_id) for index in people.class_id] if len(people) else []
        return number.annotate(outline.annotate(picture, people), people, labels=names)

    return annotate


CONTENDERS: dict[str, Callable[[Path, Path, Watch], None]] = {
    "streamer render --no-outline --no-tags": lambda clip, out, watch: render(clip, out, watch, MASKS_ONLY),
    "streamer render --no-outline --no-tags --preset ultrafast": lambda clip, out, watch: render(
        clip, out, watch, MASKS_ONLY, "ultrafast"
    ),
    "plain loop, masks": lambda clip, out, watch: plain(clip, out, watch, mask_annotator()),
    "streamer render": lambda clip, out, watch: render(clip, out, watch, Look()),
    "streamer render --preset ultrafast": lambda clip, out, watch: render(clip, out, watch, Look(), "ultrafast"),
    "plain loop, the same drawing": lambda clip, out, watch: plain(clip, out, watch, same_drawing()),
    AS_IT_IS: lambda clip, out, watch: render(clip, out, watch, Look(), size=None),
}
PLAIN = {
    name: next((each for each in list(CONTENDERS)[at:] if "plain" in each), "plain loop, the same drawing")
    for at, name in enumerate(CONTENDERS)
}


def run_one(name: str, clip: Path, out: Path) -> None:
    watch = Watch()
    CONTENDERS[name](clip, out, watch)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    size_mb = out.stat().st_size / 1e6
    print(
        json.dumps(
            {"frames": len(watch.times), "fps": watch.fps, "peak_mb": int(peak.split()[1]) / 1024, "mb": size_mb}
        )
    )


def timed(name: str, clip: Path, out: Path) -> dict[str, float]:
    """Runs one contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.render", "--run", name, "--clip", str(clip), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(clip: Path, folder: Path, rounds: int) -> None:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, done in results.items():
            done.append(timed(name, clip, folder / "out.mp4"))
    for name, done in results.items():
        ratios = [mine["fps"] / theirs["fps"] for mine, theirs in zip(done, results[PLAIN[name]])]
        fps, peak = (statistics.median(each[key] for each in done) for key in ("fps", "peak_mb"))
        print(
            f"{name:58} {fps:6.1f} frames/s, {statistics.median(ratios):.2f} times the plain loop"
            f" ({min(ratios):.2f}-{max(ratios):.2f}), {peak:.0f} MB peak, wrote {done[0]['mb']:.1f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300, help="of the clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--clip", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run_one(given.run, given.clip, given.out)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "clip.mp4", given.frames)
        make_clip(folder / "long.mp4", 4 * given.frames)
        print(f"{WIDTH}x{HEIGHT}, every frame parsed; median of {given.rounds} rounds of {given.frames} frames")
        compare(folder / "clip.mp4", folder, given.rounds)
        longer = timed("streamer render", folder / "long.mp4", folder / "out.mp4")
        print(f"{'streamer render':58} {longer['frames']:.0f} frames: {longer['peak_mb']:.0f} MB peak")


if __name__ == "__main__":
    main()
