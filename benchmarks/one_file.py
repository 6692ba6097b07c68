"""How far parsing one file by many processes can scale: the share of what is done frame after frame.

    python -m benchmarks.one_file

Printed is the processor time of a frame by one thread: in the network, which processes run over several segments at
once; in averaging the answers, which goes on in the order of the frames; in decoding them, which does so, too, unless
the size of the network's input was given; and in what is remembered of people, in their order again. The limits are all
of it by what is in order, without drawing and encoding, which one process does beside it.
"""

import argparse
import time
from itertools import islice, pairwise

from pipeline import ParserSettings, Size, load_parser
from streamer import open_source
from streamer.sources.open import sample
from streamer.units import read_size

WARM = 5
"""Frames before those that are measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="street.mp4", help="a bundled one")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=read_size, default=Size(256, 448), help="of the network's input, height x width")
    given = parser.parse_args()
    with open_source(sample(given.clip)) as source:
        frames = list(islice(source, WARM + given.frames))
    parsing = load_parser(ParserSettings("lite", size=given.size, threads=1))
    passes = dict.fromkeys(("network", "averages", "decoding", "people"), 0.0)
    for count, frame in enumerate(frames):
        if count == WARM:
            passes = dict.fromkeys(passes, 0.0)
        times = [time.process_time()]
        begun = parsing.begin(frame)
        begun.run.result()
        times.append(time.process_time())
        averaged = parsing.average(begun)
        times.append(time.process_time())
        reading = parsing.decode(averaged)
        times.append(time.process_time())
        parsing.assemble(frame, reading)
        times.append(time.process_time())
        for name, (before_s, after_s) in zip(passes, pairwise(times), strict=True):
            passes[name] += after_s - before_s
    told = ", ".join(f"{name} {1000 * spent_s / given.frames:.1f}" for name, spent_s in passes.items())
    print(f"{given.clip} at {given.size.height}x{given.size.width}: ms of a frame: {told}")
    all_s, in_order_s = sum(passes.values()), passes["averages"] + passes["people"]
    print(
        f"at most {all_s / (in_order_s + passes['decoding']):.1f} times one thread,"
        f" {all_s / in_order_s:.1f} times with --size"
    )


if __name__ == "__main__":
    main()
