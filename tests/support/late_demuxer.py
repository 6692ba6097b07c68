"""The process of a connection on a machine so busy that it begins late."""

import time

from streamer.processes.parent import Parent
from streamer.sources.demuxer.main import serve as begin

LATE_S = 8.0


def serve(parent: Parent) -> None:
    time.sleep(LATE_S)
    begin(parent)
