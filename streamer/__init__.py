"""Everything that waits: sources, sinks, threads, sockets and the command line."""

from streamer.config import StreamConfig
from streamer.encoding import CODECS, Encoding
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
from streamer.publisher import Publisher
from streamer.pubsub import Subscription, subscribe
from streamer.recorder import Recorder
from streamer.source import Source, SourceInfo
from streamer.sources import open_source
from streamer.stats import Snapshot
from streamer.stream import Stream

__all__ = [
    "CODECS",
    "BadMessage",
    "CannotOpen",
    "ConfigError",
    "Encoding",
    "Progress",
    "Publisher",
    "Recorder",
    "Rendered",
    "Rendering",
    "ShutdownTimeout",
    "SinkError",
    "Snapshot",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLost",
    "Stream",
    "StreamConfig",
    "StreamerError",
    "Subscription",
    "WorkerDied",
    "open_source",
    "render_file",
    "subscribe",
]
