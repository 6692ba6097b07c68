"""Everything that waits: sources, sinks, threads, sockets and the command line."""

from streamer.errors import (
    BadMessage,
    CannotOpen,
    ConfigError,
    ShutdownTimeout,
    SinkError,
    SourceError,
    SourceLost,
    StreamerError,
    WorkerDied,
)
from streamer.offline import Progress, Rendered, Rendering, render_file
from streamer.sinks import CODECS, Encoding, Recorder
from streamer.sources import Source, SourceInfo, open_source

__all__ = [
    "CODECS",
    "BadMessage",
    "CannotOpen",
    "ConfigError",
    "Encoding",
    "Progress",
    "Recorder",
    "Rendered",
    "Rendering",
    "ShutdownTimeout",
    "SinkError",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLost",
    "StreamerError",
    "WorkerDied",
    "open_source",
    "render_file",
]
