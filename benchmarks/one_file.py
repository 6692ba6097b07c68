"""How far parsing one file by many processes can scale: the share of what is done frame after frame.

    python -m benchmarks.one_file

Printed is the processor time of a frame by one thread: in the network, which processes run over several segments at
once; in the smoothing; and in the rest, decoding, descriptors and tracking, both in the order of the frames. The limit
is all of it by what is in order, without drawing and encoding. The second one is what it would be if only the smoothing
had to be in order.
"""

import argparse
import time
from itertools import islice

from pipeline import ParserSettings, load_parser
from pipeline.motion.smoothing import TemporalSmoother
from streamer import open_source
from streamer.sources.open import sample
from streamer.units import read_size

WARM = 5
"""Frames before those that are measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="street.mp4", help="a bundled one")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=read_size, help="of the network's input, height x width")
    given = parser.parse_args()
    with open_source(sample(given.clip)) as source:
        frames = list(islice(source, WARM + given.frames))
    parsing = load_parser(ParserSettings("lite", size=given.size, threads=1))
    smooth, smoothed_s = TemporalSmoother.__call__, 0.0

    def timed(*words: object) -> object:
        nonlocal smoothed_s
        begun_s = time.process_time()
        try:
            return smooth(*words)  # type: ignore[arg-type]
        finally:
            smoothed_s += time.process_time() - begun_s

    TemporalSmoother.__call__ = timed  # type: ignore[method-assign, assignment]
    network_s = ordered_s = 0.0
    for count, frame in enumerate(frames):
        if count == WARM:
            network_s = ordered_s = smoothed_s = 0.0
        before_s = time.process_time()
        begun = parsing.begin(frame)
        begun.run.result()
        between_s = time.process_time()
        parsing.assemble(frame, parsing.read(begun))
        network_s += between_s - before_s
        ordered_s += time.process_time() - between_s
    network, smoothing, rest = (1000 * each / given.frames for each in (network_s, smoothed_s, ordered_s - smoothed_s))
    print(f"{given.clip}: ms of a frame: network {network:.1f}, smoothing {smoothing:.1f}, rest in order {rest:.1f}")
    all_s = network_s + ordered_s
    print(f"at most {all_s / ordered_s:.1f} times one thread; {all_s / smoothed_s:.1f} if only smoothing were in order")


if __name__ == "__main__":
    main()
