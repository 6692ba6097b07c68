"""What the effects of a live stream cost: milliseconds of one core per 720p frame, beside the usual overlay.

    python -m benchmarks.effects [--frames 100]

Bar: 5 ms. Drawing is that of `streamer run`: masks of the bundled parser on a clip with people, and what lingers.
"""

import argparse
import time

import cv2

from pipeline import Frame, Look, Parsing, load_parser
from pipeline.drawing.overlay import Memory, draw
from pipeline.drawing.treatment import lasting
from pipeline.motion.flow import Grey
from pipeline.motion.linger import Lingering
from streamer import open_source
from streamer.sources.open import sample

SIZE = (720, 1280)
BAR_MS = 5.0
LOOKS = {
    "overlay": Look(),
    "blur": Look(effect=("blur",), on="all"),
    "blur, Face and Hair": Look(effect=("blur",), on="Face,Hair"),
    "pixelate": Look(effect=("pixelate",), on="all"),
    "fill": Look(effect=("fill=grey",), on="all"),
    "cut": Look(effect=("cut",)),
    "background=green": Look(effect=("background=green",)),
    "blur-background": Look(effect=("blur-background",)),
}


def filmed(count: int) -> list[tuple[Frame, Parsing]]:
    parser = load_parser()
    parsed = []
    with open_source(sample("people.mp4")) as source:
        for frame in source:
            large = Frame(cv2.resize(frame.bgr, SIZE[::-1]), frame.index, frame.pts_s, frame.captured_s)
            parsed.append((large, parser(large)))
            if len(parsed) == count:
                break
    return parsed


def cost_ms(look: Look, parsed: list[tuple[Frame, Parsing]]) -> float:
    memory, lingering = Memory(), Lingering()
    with memory:
        began_s = time.process_time()
        for frame, parsing in parsed:
            kept = None
            if look.effects:
                kept = lingering.add(Grey.of(frame), lasting(parsing, look.effects, look.selection))
            draw(frame, parsing, look, memory, kept)
        return (time.process_time() - began_s) / len(parsed) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    parsed = filmed(given.frames)
    for name, look in LOOKS.items():
        took_ms = cost_ms(look, parsed)
        print(f"{name}: {took_ms:.1f} ms a frame{'' if took_ms <= BAR_MS else ', ABOVE THE BAR'}", flush=True)


if __name__ == "__main__":
    main()
