"""Everything that waits: sources, sinks, threads, sockets and the command line.

A public name is loaded when it is first used: `import streamer` alone loads none of the libraries behind them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from streamer.version import __version__

if TYPE_CHECKING:
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
    from streamer.offline import Progress, Rendered, Rendering, redraw_file, render_file
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
    "__version__",
    "open_source",
    "redraw_file",
    "render_file",
    "subscribe",
]

_HOMES = {
    "streamer.errors": (
        "BadMessage",
        "CannotOpen",
        "ConfigError",
        "ShutdownTimeout",
        "SinkError",
        "SourceError",
        "SourceLost",
        "StreamerError",
        "WorkerDied",
    ),
    "streamer.live.config": ("StreamConfig",),
    "streamer.live.stats": ("Snapshot",),
    "streamer.live.stream": ("Stream",),
    "streamer.media.tags": ("SourceInfo",),
    "streamer.offline": ("Progress", "Rendered", "Rendering", "redraw_file", "render_file"),
    "streamer.recording.codecs": ("CODECS", "Encoding"),
    "streamer.recording.file": ("Recorder",),
    "streamer.sources.open": ("open_source",),
    "streamer.sources.source": ("Source",),
    "streamer.zeromq.publisher": ("Publisher",),
    "streamer.zeromq.subscriber": ("Subscription", "subscribe"),
}
"""The modules that define the public names; the imports above tell type checkers the same."""

if not TYPE_CHECKING:  # a type checker that sees these would accept every name

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(module), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
