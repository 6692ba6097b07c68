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
from streamer.live.config import StreamConfig
from streamer.live.stats import Snapshot
from streamer.live.stream import Stream
from streamer.media.tags import SourceInfo
from streamer.offline import Progress, Rendered, Rendering, render_file
from streamer.recording.codecs import CODECS, Encoding
from streamer.recording.file import Recorder
from streamer.sources.open import open_source
from streamer.sources.source import Source
from streamer.zeromq.publisher import Publisher
from streamer.zeromq.subscriber import Subscription, subscribe

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
