"""The process of a machine's address: what its cameras publish, for all who subscribe there."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from streamer.errors import ConfigError, SinkError
from streamer.fleets.messages import Open, Opened, Publishers, Stop
from streamer.live.config import PublishSettings
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import Asker, packed, unpacked
from streamer.zeromq.relay import Relay

STEP_S = 0.1
KEEP_EVERY_S = 1.0
TAKEN_FOR_S = 10.0
"""An address may still be held for so long by one whose command has just been killed."""


def serve(parent: Asker) -> None:
    """Passes on messages for a driver, until the driver ends it."""
    begin: Open = unpacked(parent.receive())
    with suppress(OSError):  # where it is needed, a key that is not found is told
        os.chdir(begin.folder)
    passing = _Passing(begin.publish)
    try:
        with suppress(ChannelClosed):
            while True:
                message = unpacked(parent.receive())
                if isinstance(message, Publishers):
                    passing.wanted = message.addresses
                elif isinstance(message, Stop):
                    passing.end()
                parent.send(packed(passing.state))
    finally:
        passing.end()


class _Passing:
    """The thread that passes messages on."""

    def __init__(self, publish: PublishSettings) -> None:
        self._publish = publish
        self.wanted: frozenset[str] = frozenset()
        self.state = Opened("", None)
        self._stop, self._is_there = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="address")
        self._thread.start()
        self._is_there.wait()

    def end(self) -> None:
        """Twice nothing."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        ended = Opened("", "its thread ended")
        try:
            with self._opened() as relay:
                self.state = Opened(relay.address, None)
                self._is_there.set()
                due_s = time.monotonic()
                while not self._stop.is_set():
                    relay.listen_to(self.wanted)
                    relay.step(STEP_S)
                    if time.monotonic() >= due_s:
                        due_s = time.monotonic() + KEEP_EVERY_S
                        relay.keep()
            ended = self.state
        except (ConfigError, SinkError) as exc:
            ended = Opened("", str(exc))
        finally:
            self.state = ended
            self._is_there.set()

    def _opened(self) -> Relay:
        """Raises ConfigError, SinkError."""
        publish, until_s = self._publish, time.monotonic() + TAKEN_FOR_S
        assert publish.address is not None
        key, allow = (None if each is None else Path(each) for each in (publish.key, publish.allow))
        while True:
            try:
                return Relay(publish.address, insecure=publish.insecure, key=key, allow=allow)
            except SinkError:
                if self._stop.wait(STEP_S) or time.monotonic() > until_s:
                    raise
