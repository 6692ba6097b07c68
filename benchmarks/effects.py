"""What the effects of a live stream cost: milliseconds of one core per 720p frame, beside the usual overlay.

    python -m benchmarks.effects [--frames 100] [--rounds 5] [--clip people.mp4]

Bar: 5 ms. Measured is what the render thread of `streamer run` does for effects: what lingers, the drawing, and, where
the drawn picture is no more in the form in which video has it, its way back into that for a recording. Frames are as
video has them (YUV), and as cameras give them that have none of it (BGR). Masks are the bundled parser's on a clip with
people. Processor time; all looks take turns, and of the rounds the median counts.
"""

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import replace

import av
import cv2
from av.video.reformatter import VideoReformatter

from pipeline import Frame, Look, Parsing, load_parser
from pipeline.drawing.overlay import Memory, draw
from pipeline.drawing.treatment import lasting
from pipeline.motion.flow import Grey
from pipeline.motion.linger import KEPT_S, Lingering
from pipeline.yuv import TRUE_COLOURS, Yuv420
from streamer import open_source
from streamer.sources.open import sample

HEIGHT, WIDTH = 720, 1280
BAR_MS = 5.0
LOOKS = {
    "overlay": Look(),
    "blur": Look(effect=("blur",)),
    "blur, Face and Hair": Look(effect=("blur",), on="Face,Hair"),
    "pixelate": Look(effect=("pixelate",)),
    "fill": Look(effect=("fill=grey",)),
    "cut": Look(effect=("cut",)),
    "background=green": Look(effect=("background=green",)),
    "blur-background": Look(effect=("blur-background",)),
}


def filmed(clip: str, count: int) -> list[tuple[Frame, Parsing, Grey]]:
    """Frames as video has them, their parsings, and the small grey pictures that a stream makes of them anyway."""
    parser, to_size = load_parser(), VideoReformatter()
    parsed: list[tuple[Frame, Parsing, Grey]] = []
    with open_source(sample(clip)) as source:
        for small in source:
            assert isinstance(small.picture, Yuv420)
            large = to_size.reformat(small.picture.video, WIDTH, HEIGHT, interpolation=TRUE_COLOURS)
            frame = replace(small, picture=Yuv420(large))
            parsed.append((frame, parser(frame), Grey.of(frame)))
            if len(parsed) == count:
                break
    return parsed


def cost_ms(look: Look, parsed: list[tuple[Frame, Parsing, Grey]]) -> float:
    lingering = Lingering() if look.hides else Lingering(KEPT_S, 1, hides=False)
    to_yuv = VideoReformatter()
    with Memory() as memory:
        took_s = 0.0
        for given, parsing, grey in parsed:
            # Live each frame comes once, and nothing was made of it before.
            is_yuv = isinstance(given.picture, Yuv420)
            frame = replace(given, picture=Yuv420(given.picture.video)) if isinstance(given.picture, Yuv420) else given
            began_s = time.process_time()
            kept = lingering.add(grey, lasting(parsing, look.effects, look.selection)) if look.effects else None
            drawn = draw(frame, parsing, look, memory, kept)
            if is_yuv and not isinstance(drawn, Yuv420):
                video = av.VideoFrame.from_ndarray(drawn, format="bgr24")
                to_yuv.reformat(video, format="yuv420p", interpolation=TRUE_COLOURS)
            took_s += time.process_time() - began_s
        return took_s / len(parsed) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clip", default="people.mp4", help="a bundled one")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    as_video = filmed(given.clip, given.frames)
    forms = {
        "YUV": as_video,
        "BGR": [(replace(frame, picture=frame.bgr), parsing, grey) for frame, parsing, grey in as_video],
    }
    took_ms: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(given.rounds):
        for name, look in LOOKS.items():
            for form, parsed in forms.items():
                took_ms[name, form].append(cost_ms(look, parsed))
    for name in LOOKS:
        medians = {form: statistics.median(took_ms[name, form]) for form in forms}
        told = ", ".join(f"{median:.1f} ms of {form}" for form, median in medians.items())
        print(f"{name}: {told}{'' if max(medians.values()) <= BAR_MS else ': ABOVE THE BAR'}")


if __name__ == "__main__":
    main()
