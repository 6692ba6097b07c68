"""The service's handle on a process for stills."""

import pickle
import threading
import time
from typing import cast

from streamer.errors import WorkerDied
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.stills.messages import Answered, Asked, Loaded, Refused, StillSettings, Trouble

_WAIT_S = 0.2
_MODULE = "streamer.stills.main"
# As for a stream's inference process: threads of these would take the cores that the network wants.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


class StillWorker:
    """One process for stills, from its start to its end. For one thread at a time, but `close` and `kill`."""

    def __init__(self, settings: StillSettings) -> None:
        """Starts it, and does not wait for it. Raises WorkerDied."""
        first = pickle.dumps(settings, pickle.HIGHEST_PROTOCOL)
        try:
            self._child = Child("the process for stills", _MODULE, first, wait_s=_WAIT_S, environment=_ONE_THREAD)
        except OSError as exc:
            raise WorkerDied(f"the process for stills cannot be started: {exc}") from exc
        self._stop = threading.Event()

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_ready(self, timeout_s: float) -> Loaded:
        """Waits until the network is loaded.

        Raises:
            WorkerDied: it ended, or was not ready in time, or `stop` was called.
            ValueError: it cannot be loaded, for a reason that will be there the next time.
        """
        loaded = cast("Loaded | Refused | Trouble", self._receive(timeout_s))
        if isinstance(loaded, Refused):
            raise ValueError(loaded.detail)
        if isinstance(loaded, Trouble):
            raise WorkerDied(f"the process for stills cannot load: {loaded.message}")
        return loaded

    def ask(self, asked: Asked, timeout_s: float) -> Answered:
        """An answer. Raises WorkerDied: it ended, or did not answer in time and cannot be asked again."""
        until_s = time.monotonic() + timeout_s
        try:
            body = pickle.dumps(asked, pickle.HIGHEST_PROTOCOL)
            if not self._child.send(body, lambda: self._goes_on(until_s)):
                raise WorkerDied(f"the process for stills took nothing for {timeout_s:g} s")
        except ChannelClosed as exc:
            raise self._died() from exc
        return cast(Answered, self._receive(timeout_s))

    def stop(self) -> None:
        """Whoever waits for an answer waits no more; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Ends the process, within three seconds; safe to call twice. Raises ShutdownTimeout."""
        self.stop()
        self._child.close()

    def _receive(self, timeout_s: float) -> object:
        until_s = time.monotonic() + timeout_s
        try:
            body = self._child.receive(lambda: self._goes_on(until_s))
        except ChannelClosed as exc:
            raise self._died() from exc
        if body is None:
            raise WorkerDied(f"the process for stills did not answer within {timeout_s:g} s")
        return pickle.loads(body)

    def _goes_on(self, until_s: float) -> bool:
        return not self._stop.is_set() and time.monotonic() < until_s

    def _died(self) -> WorkerDied:
        return WorkerDied(f"the process for stills ended with {exit_text(self._child.close())}")
