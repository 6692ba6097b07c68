"""Standard input and named pipes."""

import os
import select
import sys
import time
from pathlib import Path

from streamer.errors import CannotOpen, Cause
from streamer.sources.demuxer.protocol import Request
from streamer.sources.file_tracks import Parts
from streamer.sources.network import Timeouts, connect
from streamer.sources.playback import Stopped
from streamer.sources.timing.playout import Playing
from streamer.sources.video import LiveReading, Video

STANDARD_INPUT = "-"
WRITER_S = 3.0
"""Time in which somebody has to begin to write into a named pipe."""
_LOOK_S = 0.2
_NOT_HERE = "on Windows pipes cannot be read"


def is_pipe(text: str) -> bool:
    """Whether this is `-` or the path of a named pipe."""
    return text == STANDARD_INPUT or Path(text).is_fifo()


def open_pipe(text: str, parts: Parts, timeouts: Timeouts, stopped: Stopped, playing: Playing | None) -> Video:
    """A video that is written into standard input or a named pipe, in any format that can be read from its beginning.

    Raises CannotOpen: nobody writes, it is no video, it was stopped, or this system passes no files on to a process.
    """
    name = "standard input" if text == STANDARD_INPUT else text
    if sys.platform == "win32":
        raise CannotOpen(f"cannot open {name}: {_NOT_HERE}", Cause.NOT_FOUND)
    file = os.dup(sys.stdin.fileno()) if text == STANDARD_INPUT else _written(Path(text), stopped)
    try:
        request = Request(f"pipe:{file}", parts.kept != "none", {}, video_track=parts.video_track)
        feed = connect(request, name, timeouts.open_s, stopped, files=(file,))
    finally:
        os.close(file)
    return Video(feed, name, LiveReading(stopped, timeouts.open_s, timeouts.read_s, playing), parts=parts)


def _written(path: Path, stopped: Stopped) -> int:
    """A named pipe that somebody writes into, opened: without a writer, opening it as usual would wait for ever."""
    if sys.platform == "win32":
        raise CannotOpen(f"cannot open {path}: {_NOT_HERE}", Cause.NOT_FOUND)
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        raise CannotOpen(f"cannot open {path}: {exc.strerror}", Cause.AUTH) from exc
    until_s = time.monotonic() + WRITER_S
    while not select.select([file], [], [], _LOOK_S)[0]:
        if stopped.is_set() or time.monotonic() > until_s:
            os.close(file)
            why = "it was stopped" if stopped.is_set() else f"nobody wrote into this pipe within {WRITER_S:g} s"
            raise CannotOpen(f"cannot open {path}: {why}", Cause.TIMEOUT)
    os.set_blocking(file, True)
    return file
