"""The threads of a network that parses a file while the frame before is drawn and others are decoded and encoded."""

from dataclasses import replace

from pipeline import ParserSettings
from streamer.processes.cores import pairs_of_cores

SMALL = "lite"
"""The parser whose threads wait for each other as long as they work; M2FP's have enough to do."""


def threads_beside(settings: ParserSettings) -> ParserSettings:
    """The settings for a process that draws and encodes what it parses: one thread for two cores, if none were named.

    The network of the next frame has until this one is drawn. A second thread hardly ends it sooner where the drawing
    and the encoder want that core, and a frame's network takes half as much processor time again with it. Where
    several pictures are in the network at a time, each has a thread, and none waits for another.
    """
    if settings.name != SMALL or settings.threads is not None or settings.in_flight > 1:
        return settings
    return replace(settings, threads=pairs_of_cores())
