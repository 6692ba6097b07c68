"""The address of a machine, where subscribers hear its cameras: asked for by the driver, kept while it is needed."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from streamer.cluster.nodes import Cluster, Machine, Place, Remote
from streamer.errors import SinkError, WorkerDied
from streamer.fleets.messages import Open, Opened, Publishers, Stop
from streamer.live.config import PublishSettings
from streamer.processes.framing import ChannelClosed
from streamer.zeromq.address import host_of

MODULE = "streamer.fleets.address"
TOLD_EVERY_S = 0.5
CLOSE_S = 10.0
_ANY_HOST = ("*", "0.0.0.0", "::")


class Post:
    """One machine's; a thread tells its process which cameras it has, and starts another if it dies."""

    def __init__(self, cluster: Cluster, machine: Machine, publish: PublishSettings, folder: str) -> None:
        self._cluster, self._machine, self._open = cluster, machine, Open(publish, folder)
        self._publishers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"address of {machine.name}")
        self._thread.start()

    def address(self, go_on: Callable[[], bool]) -> str | None:
        """Where subscribers find it, as they can name it; None if `go_on` said no before. Raises SinkError."""
        while self._opened is None:
            if not go_on() or not self._thread.is_alive():
                return None
            self._stop.wait(TOLD_EVERY_S / 5)
        if self._opened.error is not None:
            raise SinkError(self._opened.error)
        return named_from_elsewhere(self._opened.address, self._machine)

    def hear(self, camera: str, address: str | None) -> None:
        """A camera publishes here now, at an address that only its machine has; None if it does no more."""
        with self._lock:
            self._publishers.pop(camera, None)
            if address is not None:
                self._publishers[camera] = address

    def ask_to_stop(self) -> None:
        """`close` waits for it."""
        self._stop.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            name = f"the address of {self._machine.name}"
            remote = self._cluster.start_on(Place(self._machine.id, 0.0), name, MODULE, self._open)
            try:
                if remote.started(self._goes_on) is not None:
                    self._tell(remote)
            except (ChannelClosed, WorkerDied):
                if all(each.id != self._machine.id for each in self._machines()):
                    return  # those who were here are elsewhere, or wait
                self._stop.wait(TOLD_EVERY_S)
            finally:
                remote.close()

    def _tell(self, remote: Remote) -> None:
        """Raises ChannelClosed, WorkerDied."""
        while not self._stop.is_set():
            with self._lock:
                message = Publishers(frozenset(self._publishers.values()))
            opened = remote.ask(message, self._goes_on)
            if opened is None:
                return
            assert isinstance(opened, Opened)
            if opened.error is not None and self._opened is not None and self._opened.error is None:
                raise ChannelClosed(opened.error)  # it was there: another process is to have it
            self._opened = opened
            address = opened.address
            if address and address != self._open.publish.address:
                # A port that was free is the one that subscribers know: another process is to have it as well.
                self._open = replace(self._open, publish=replace(self._open.publish, address=address))
            self._stop.wait(TOLD_EVERY_S)
        until_s = time.monotonic() + CLOSE_S
        with suppress(ChannelClosed):
            remote.ask(Stop(), lambda: time.monotonic() < until_s)

    def _machines(self) -> list[Machine]:
        with suppress(WorkerDied):
            return self._cluster.machines()
        return []

    def _goes_on(self) -> bool:
        return not self._stop.is_set()


def named_from_elsewhere(address: str, machine: Machine) -> str:
    """An address with the machine's own in place of one that means all of them."""
    host = host_of(address)
    if host not in _ANY_HOST:
        return address
    own = f"[{machine.address}]" if ":" in machine.address else machine.address
    return f"tcp://{own}:{address.rpartition(':')[2]}"
