"""The process of one camera on a machine of a cluster: runs its stream, and tells how it goes when it is asked."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline import PipelineError
from streamer.diagnose.sampler import Sampler, descendants
from streamer.errors import ConfigError, StreamerError
from streamer.fleets.messages import Begin, Seen, Stop
from streamer.live.card import is_ours
from streamer.live.config import PublishSettings, StreamConfig
from streamer.live.stats import Snapshot
from streamer.live.stream import Stream
from streamer.media.paths import dated
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import Asker, packed, unpacked
from streamer.sources.uri import comes_by_itself
from streamer.zeromq.address import IPC

MEASURED_EVERY_S = 5.0
PRIVATE = "hpm"
"""Folders in the system's own for such begin so; the number of the process that made it follows."""


def serve(parent: Asker) -> None:
    """Runs a camera for a driver, until the driver ends it."""
    begin: Begin = unpacked(parent.receive())
    cost = _Cost()
    with suppress(ChannelClosed), ExitStack() as ends:
        config, stream, error = begin.config, None, None
        try:
            config = ends.enter_context(_on_this_machine(begin))
            stream = ends.enter_context(Stream(config))
        except (StreamerError, PipelineError) as exc:
            error = str(exc)
        while True:
            message = unpacked(parent.receive())
            if stream is None:
                parent.send(packed(cost.seen(Snapshot(), config, over=True, error=error)))
                continue
            if isinstance(message, Stop):
                stream.ask_to_stop()
            over, error = False, None
            try:
                over = stream.join(0.0)
            except (StreamerError, PipelineError) as exc:
                over, error = True, str(exc)
            seen = cost.seen(stream.stats, config, over=over, error=error)
            if over:  # who hears of it ends this process
                ends.close()
            parent.send(packed(seen))


class _Cost:
    """Measures this process, and those below it."""

    def __init__(self) -> None:
        self._sampler = Sampler()
        self._at_s, self._cpu_s = float("-inf"), 0.0

    def seen(self, at: Snapshot, config: StreamConfig, *, over: bool, error: str | None) -> Seen:
        now_s = time.monotonic()
        if now_s - self._at_s >= MEASURED_EVERY_S:
            roles = dict.fromkeys(descendants(os.getpid(), time.time()), "camera")
            self._at_s, self._cpu_s = now_s, self._sampler.sample(roles, proportional=False).cpu_s
        return Seen(at, config, over, error, self._at_s, self._cpu_s, config.publish.address)


@contextmanager
def _on_this_machine(begin: Begin) -> Iterator[StreamConfig]:
    """The configuration as it is run here. Raises ConfigError: the folder that files are named from is not here."""
    config = begin.config
    try:
        os.chdir(begin.folder)
    except OSError as exc:
        named = relative_names(config)
        if named:
            raise ConfigError(
                f"{named[0]} is named from {begin.folder}, which is not on this machine ({exc.strerror}):"
                " name it from the root, or make the folder"
            ) from exc
    if begin.again:
        config = apart_from_before(config, datetime.now())
    # A machine has as many cameras as it has cores for; a thread per core for each would take them from the others.
    config = replace(config, parser=replace(config.parser, threads=config.parser.threads or 1))
    if config.publish.address is None:
        yield config
        return
    # Its subscribers come to the machine's address; nobody but this user can come here.
    _remove_left()
    with tempfile.TemporaryDirectory(prefix=f"{PRIVATE}-{os.getpid()}-") as private:
        yield replace(config, publish=PublishSettings(f"{IPC}{private}/masks"))


def _remove_left() -> None:
    """The folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PRIVATE}-*-*"):
        pid = folder.name.split("-")[1]
        with suppress(OSError):
            if pid.isdecimal() and is_ours(folder) and not descendants(int(pid), folder.stat().st_mtime):
                shutil.rmtree(folder)


def apart_from_before(config: StreamConfig, began: datetime) -> StreamConfig:
    """Writes into other files than it did before, named by when it begins; those of a recording in segments are."""
    record, masks = config.record, config.masks
    if record.file is not None:
        file = record.file if record.segment_s else str(dated(Path(record.file), began))
        record = replace(record, file=file, force=False)
    if masks.sidecar is not None:
        masks = replace(masks, sidecar=str(dated(Path(masks.sidecar), began)))
    return replace(config, record=record, masks=masks)


def relative_names(config: StreamConfig) -> list[str]:
    """The files of a configuration that are named from the current folder."""
    source = None if comes_by_itself(config.source.uri) or ":" in config.source.uri else config.source.uri
    publish = config.publish
    names = (source, config.parser.model_dir, config.record.file, config.masks.sidecar, publish.key, publish.allow)
    return [str(each) for each in names if each is not None and not Path(each).is_absolute()]
