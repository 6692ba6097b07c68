"""One camera of a fleet on a cluster, as the driver sees it: a thread that places, begins and asks it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline import PipelineError
from streamer.cluster.nodes import Cluster, Machine, Place, Remote
from streamer.errors import ShutdownTimeout, StreamerError, WorkerDied
from streamer.fleets.lives import Life, Lives
from streamer.fleets.messages import Begin, Look, Seen, Stop
from streamer.fleets.placing import Meter
from streamer.fleets.post import Post
from streamer.live.config import StreamConfig
from streamer.live.news import News
from streamer.live.stats import Snapshot
from streamer.processes.framing import ChannelClosed

MODULE = "streamer.fleets.camera"
LOOK_EVERY_S = 0.5
CLOSING_EVERY_S = 0.1
PLACE_EVERY_S = 1.0
CLOSE_S = 20.0
"""Time for a camera to close its files."""
SHORT_S = 60.0
"""A life that is shorter counts as a failure of the camera's own."""
MAX_SHORT = 3
"""After so many short lives in a row a camera is given up."""


class Places(Protocol):
    """Who has the machines."""

    def place(self, name: str, avoid: str | None) -> tuple[Place, Machine, Post | None] | None:
        """Gives a camera a place, and the machine's address if it is published; None while there is no room."""

    def release(self, name: str) -> None:
        """It has none any more."""

    def measured(self, name: str, cores: float) -> None:
        """What it takes."""


@dataclass(frozen=True, slots=True)
class Where:
    """A camera's place."""

    place: Place
    machine: Machine
    post: Post | None


class Watched:
    """A camera, over all its lives. Any thread may ask it."""

    def __init__(
        self,
        name: str,
        config: StreamConfig,
        cluster: Cluster,
        places: Places,
        folder: str,
        tell: Callable[[News], None],
    ) -> None:
        """
        Args:
            tell: takes what happens; called in the camera's thread.
        """
        self.name, self._config = name, config
        self._cluster, self._places, self._folder, self._tell = cluster, places, folder, tell
        self._lives, self._lock = Lives(), threading.Lock()
        self._meter = Meter()
        self._short = 0
        self._begun = self._moves = 0
        self._before: str | None = None
        self._why = ""
        self._stop = threading.Event()
        self._stopped_s: float | None = None
        self.node: str | None = None
        """The name of its machine; None while it has none."""
        self.error: StreamerError | PipelineError | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera {name}")

    @property
    def stats(self) -> Snapshot:
        with self._lock:
            return self._lives.at(time.monotonic())

    @property
    def lives(self) -> list[Life]:
        with self._lock:
            return list(self._lives.all)

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopped_s = self._stopped_s or time.monotonic()
        self._stop.set()

    def join(self, timeout_s: float | None = None) -> None:
        if self._thread.ident:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        error: StreamerError | PipelineError | None = WorkerDied("the thread that watches it ended")
        try:
            while not self._stop.is_set():
                where = self._placed()
                if where is None or self._lived(where):
                    break
            error = None
        except (StreamerError, PipelineError) as exc:
            error = exc
        finally:
            self.error = error
            self._places.release(self.name)
            self.node = None

    def _placed(self) -> Where | None:
        """Waits for a place; None if it is stopped before."""
        told = False
        while not self._stop.is_set():
            found = self._places.place(self.name, self._before)
            if found is not None:
                return Where(*found)
            if not told:
                self._tell(News("camera_waits", "no machine has room for it: it waits for one"))
                told = True
            self._stop.wait(PLACE_EVERY_S)
        return None

    def _lived(self, where: Where) -> bool:
        """Runs it on a machine; False if it is to be begun again elsewhere. Raises StreamerError: it failed."""
        begun_s = time.monotonic()
        message = Begin(self._config, self._folder, self._begun > 0)
        remote = self._cluster.start_on(where.place, f"camera {self.name}", MODULE, message)
        try:
            if remote.started(self._goes_on) is None:
                return True
            self._watch(remote, where)
            return True
        except (ChannelClosed, WorkerDied) as exc:
            if self._stop.is_set():
                raise WorkerDied(f"on {where.machine.name} it {exc} while it was stopped") from exc
            self._lose(where.machine, str(exc), time.monotonic() - begun_s)
            return False
        finally:
            self.node = None
            if where.post is not None:
                where.post.hear(self.name, None)
            remote.close()

    def _lose(self, machine: Machine, why: str, lived_s: float) -> None:
        """Raises WorkerDied if it is given up."""
        self._before, self._why = machine.id, f"on {machine.name} it {why}"
        with self._lock:
            self._lives.lost(self._why, time.monotonic())
        self._places.release(self.name)
        self._short = self._short + 1 if lived_s < SHORT_S else 0
        if self._short >= MAX_SHORT:
            raise WorkerDied(f"{self._why}; so did {MAX_SHORT} within {SHORT_S:.0f} s each: given up")

    def _watch(self, remote: Remote, where: Where) -> None:
        """Asks it how it goes until it is over. Raises StreamerError: it failed; ChannelClosed: it is lost."""
        self._meter.begin()
        address = None if where.post is None else where.post.address(self._goes_on)
        told = False
        while True:
            message = Stop() if self._stop.is_set() else Look()
            seen = remote.ask(message, self._patience)
            if seen is None:
                raise ShutdownTimeout(f"on {where.machine.name} it did not end within {CLOSE_S:.0f} s")
            assert isinstance(seen, Seen)
            self._take(seen, where)
            if not told and seen.error is None:
                told = True
                self._tell_begun(seen.config, where, address)
            if seen.over:
                if seen.error is not None:
                    raise StreamerError(f"on {where.machine.name}: {seen.error}")
                return
            if not self._patience():
                raise ShutdownTimeout(f"on {where.machine.name} it did not end within {CLOSE_S:.0f} s")
            if not self._stop.wait(LOOK_EVERY_S):
                continue
            _NEVER.wait(CLOSING_EVERY_S)

    def _take(self, seen: Seen, where: Where) -> None:
        with self._lock:
            self._lives.seen(Life(where.machine.name, seen.at, seen.config), time.monotonic())
        self._meter.seen(seen.at_s, seen.cpu_s)
        if self._meter.cores is not None:
            self._places.measured(self.name, self._meter.cores)
        if where.post is not None:
            where.post.hear(self.name, None if seen.over else seen.address)

    def _tell_begun(self, config: StreamConfig, where: Where, address: str | None) -> None:
        node = self.node = where.machine.name
        files = [each for each in (config.record.file, config.masks.sidecar) if each is not None]
        into = f", into {' and '.join(files)}" if files else ""
        heard = "" if address is None else f", for subscribers at {address}"
        details = {"node": node, "cores": where.place.cores, "files": files, "address": address}
        self._begun += 1
        if self._before is None:
            self._tell(News("camera_placed", f"runs on {node}{into}{heard}", details))
            return
        self._moves += 1
        times = "once" if self._moves == 1 else f"{self._moves} times"
        text = f"begun again on {node}{into}{heard}: {self._why}; begun again {times}"
        self._tell(News("camera_moved", text, {**details, "why": self._why, "times": self._moves}))

    def _goes_on(self) -> bool:
        return not self._stop.is_set()

    def _patience(self) -> bool:
        """Whether to wait for it: one that is to stop has some seconds to close its files."""
        return self._stopped_s is None or time.monotonic() - self._stopped_s < CLOSE_S


_NEVER = threading.Event()
