"""Sidecars of the bundled clips: bytes a frame, the time to any frame, and what drawing from one costs.

python -m benchmarks.sidecar
"""

import random
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from pipeline import Parsing, load_parser
from streamer import Rendering, redraw_file, render_file
from streamer.masks.sidecar import Sidecar
from streamer.offline import rendered
from streamer.parsings.parsed import FramesParsed
from streamer.sources.open import sample
from streamer.sources.source import Source

CLIPS = ("people", "portrait", "street")
SIZE = (288, 384)
PAIRS = 9
PICKS = 200


class InMemory:
    """Parsings that cost nothing."""

    every = 1

    def __init__(self, parsings: list[Parsing]) -> None:
        self.parsings, self.label_set = parsings, parsings[0].label_set

    @contextmanager
    def over(self, frames: Source) -> Iterator[FramesParsed]:
        yield ((frame, self.parsings[frame.index]) for frame in frames)


def processor_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def measured(clip: str, folder: Path) -> str:
    """A line of figures."""
    source, out, masks = sample(f"{clip}.mp4"), folder / "out.mp4", folder / f"{clip}.hpm"
    parser, settings = load_parser("lite", size=SIZE), Rendering(force=True)
    anew_s = processor_s(lambda: render_file(source, out, settings, parser=parser, masks=masks))
    with Sidecar(masks) as sidecar:
        known = InMemory(list(sidecar))
        picks = random.Random(1).choices(sidecar.masks, k=PICKS)
        any_ms = processor_s(lambda: [sidecar.read(each) for each in picks]) / PICKS * 1e3
    ratios, drawn_s = [], []
    for _ in range(PAIRS):
        without_s = processor_s(lambda: rendered(source, out, settings, lambda _: True, known))
        drawn_s.append(processor_s(lambda: redraw_file(source, out, masks, settings)))
        ratios.append(drawn_s[-1] / without_s)
    return (
        f"{clip}: {masks.stat().st_size / len(known.parsings):.0f} bytes a frame, any frame in {any_ms:.2f} ms,"
        f" --from {median(ratios):.2f} of no parser, {anew_s / median(drawn_s):.1f} times less than anew"
    )


if __name__ == "__main__":
    ArgumentParser(prog="python -m benchmarks.sidecar", description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as name:
        for each in CLIPS:
            print(measured(each, Path(name)))
