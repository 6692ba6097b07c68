"""A cluster of Ray: joining it, what it has, and processes on its machines.

All calls of Ray are here, but that by which a process finds out where it is.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from pipeline import Parser, ParserSettings, Size
from streamer.cluster.hosted import Hello, Hosted
from streamer.errors import ConfigError, WorkerDied
from streamer.processes.framing import ChannelClosed
from streamer.processes.instructions import instructions
from streamer.segments.messages import packed, unpacked
from streamer.segments.renewed import ONE_THREAD, WAIT_S
from streamer.version import __version__

_LOG = logging.getLogger(__name__)

MAX_STARTS = 3
"""A process that dies so many times before it answers is given up."""
USUAL_FRAME = Size(720, 1280)
ANSWER_S = 10.0
"""Time in which a cluster's address has to take a connection."""
TELL_S = 30.0
"""Time after which it is told that a process has no place yet."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the cluster."""

    id: str
    name: str
    """Its host's; with a part of its id where several have the same."""
    address: str
    """In the network of the cluster."""
    cores: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is to be."""

    machine: str
    """Its id."""
    cores: float
    """Those that it is given."""


class Cluster:
    """A Ray cluster that this process has joined. `with` leaves it, which ends what it had there."""

    def __init__(self, address: str, threads: int, shared: Path | None = None) -> None:
        """
        Args:
            address: HOST:PORT of its head.
            threads: of a process there, which has as many cores.
            shared: a file that its machines have to see from the current folder; None where they need no files.

        Raises:
            ConfigError: Ray is not installed, or the cluster cannot be joined.
        """
        self._threads = threads
        self._folder = (str(Path.cwd()), str(shared)) if shared is not None else (None, None)
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._ray = _joined(address)

    def workers(self, asked: int | None) -> int:
        """The number of processes: those that are asked for, or all that it has cores for. Raises ConfigError."""
        cores = [int(each.cores) for each in self.machines()]
        places = sum(count // self._threads for count in cores)
        if places < (asked or 1):
            each = "1 core" if self._threads == 1 else f"{self._threads} cores"
            has = f"{len(cores)} machines of {', '.join(map(str, cores))} cores"
            raise ConfigError(
                f"the cluster has room for {places} workers of {each} each, not for {asked or 1}: it has {has}"
            )
        return asked or places

    def machines(self) -> list[Machine]:
        """Those that live, as far as the cluster knows. Raises WorkerDied."""
        try:
            found = [each for each in self._ray.nodes() if each["Alive"]]
        except self._ray.exceptions.RayError as exc:
            raise WorkerDied(f"the cluster fails: {_reason(exc)}") from exc
        hosts = [each["NodeManagerHostname"] for each in found]
        return [
            Machine(
                each["NodeID"],
                host if hosts.count(host) == 1 else f"{host}-{each['NodeID'][:6]}",
                each["NodeManagerAddress"],
                float(each["Resources"].get("CPU", 0)),
            )
            for each, host in zip(found, hosts)
        ]

    def start(self, name: str, module: str, first: object) -> "Remote":
        """Names a process, as `streamer.segments.renewed.Renewed`."""
        return Remote(self, name, module, first)

    def start_on(self, place: Place, name: str, module: str, first: object) -> "Remote":
        """The same on a certain machine; it is not started again where it dies before it answers."""
        return Remote(self, name, module, first, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ray.shutdown()

    def actor(self, module: str, first: bytes, place: Place | None = None) -> Any:
        """Asks for a process; it may have to wait for a place."""
        where: Any = "SPREAD"
        if place is not None:
            strategies = import_module("ray.util.scheduling_strategies")
            where = strategies.NodeAffinitySchedulingStrategy(place.machine, soft=False)
        remote = self._ray.remote(Hosted).options(
            num_cpus=self._threads if place is None else place.cores,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=where,
        )
        return remote.remote(module, first, ONE_THREAD)

    def hello(self, actor: Any, go_on: Callable[[], bool]) -> Hello | None:
        """Waits until a process is there; None if `go_on` said no before.

        Raises:
            ChannelClosed: it died before.
            ConfigError: it would not do the same as one of this machine.
            WorkerDied: the cluster fails.
        """
        begun_s = time.monotonic()

        def waiting() -> bool:
            if time.monotonic() - begun_s > TELL_S:
                self._tell("a place", f"the cluster has had no free core for {TELL_S:.0f} s: one is waited for")
            return go_on()

        found: Hello | None = self.answer(actor.hello, self._folder, waiting)
        if found is not None:
            self._check(found)
        return found

    def machine_of(self, actor: Any, go_on: Callable[[], bool]) -> str | None:
        """The name of the machine that a process is on; None if `go_on` said no before. Raises as `hello`."""
        found: str | None = self.answer(actor.node_id, (), go_on)
        return next((each.name for each in self.machines() if each.id == found), found)

    def answer(self, method: Any, words: tuple[object, ...], go_on: Callable[[], bool]) -> Any:
        """What comes of a call of a process; None if `go_on` said no before. Raises ChannelClosed, WorkerDied."""
        ray = self._ray
        try:
            answer = method.remote(*words)
            while not ray.wait([answer], timeout=WAIT_S)[0]:
                if not go_on():
                    return None
            return ray.get(answer)
        except ray.exceptions.ActorUnavailableError as exc:
            raise ChannelClosed("was lost by the cluster: it cannot be reached") from exc
        except _lost(ray.exceptions) as exc:
            raise ChannelClosed(f"was lost by the cluster: {_reason(exc)}") from exc
        except ray.exceptions.RayError as exc:
            raise WorkerDied(f"the cluster fails: {_reason(exc)}") from exc

    def end(self, actor: Any) -> None:
        """Ends a process, or takes back that it was asked for."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor)

    def _check(self, found: Hello) -> None:
        """Raises ConfigError for a machine that would not do the same; tells of one that may not."""
        if found.version != __version__:
            raise ConfigError(
                f"{found.node} has version {found.version} of m2fp-streamer, this machine {__version__}: install one"
            )
        if not found.sees:
            folder, known_by = self._folder
            raise ConfigError(
                f"{found.node} does not see {known_by} from {folder}: several files need a folder that all machines"
                " see by the same name; one file at a time needs none"
            )
        if found.instructions != instructions():
            differing = " ".join(sorted(set(found.instructions) ^ set(instructions())))
            self._tell(
                found.node,
                f"{found.node} has another processor than this machine ({differing}): what it parses may differ in"
                " single pixels",
            )

    def _tell(self, about: str, text: str) -> None:
        """Tells something once, whichever thread finds it."""
        with self._lock:
            if about not in self._told:
                self._told.add(about)
                _LOG.warning("%s", text)


class Remote:
    """A process on some machine of a cluster. For one thread. As `streamer.segments.renewed.Renewed`."""

    def __init__(self, cluster: Cluster, name: str, module: str, first: object, place: Place | None = None) -> None:
        """Starts nothing yet."""
        self._cluster, self._name, self._module, self._first = cluster, name, module, first
        self._place = place
        self._actor: Any = None
        self._pid: int | None = None
        self._machine = ""

    @property
    def where(self) -> str:
        """Its machine."""
        return self._machine or self._name

    def started(self, go_on: Callable[[], bool]) -> int | None:
        if self._actor is not None:
            return self._pid
        for tried in range(1, MAX_STARTS + 1):
            self._actor = self._cluster.actor(self._module, packed(self._first), self._place)
            try:
                found = self._cluster.hello(self._actor, go_on)
                name = self._cluster.machine_of(self._actor, go_on) if found is not None else None
            except ChannelClosed as exc:  # its machine died before it came up, or cannot run it
                self.close()
                if self._place is not None:
                    raise
                if tried == MAX_STARTS:
                    raise WorkerDied(f"{self._name} does not come up on the cluster: it {exc}") from exc
                continue
            if found is not None and name is not None:
                self._pid, self._machine = found.pid, name
                return self._pid
            break
        self.close()
        return None

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        assert self._actor is not None
        body = self._cluster.answer(self._actor.ask, (packed(message),), go_on)
        return None if body is None else unpacked(body)

    def close(self) -> int:
        """The exit codes of other machines are not known."""
        actor, self._actor = self._actor, None
        if actor is not None:
            self._cluster.end(actor)
        return 0


def pinned(settings: ParserSettings, parser: Parser) -> ParserSettings:
    """Settings for machines that may have other processors: what `auto` is for the parser here, it is there."""
    network = parser.network(parser.fit_for(USUAL_FRAME).input_size)
    return replace(settings, precision=network.precision, threads=settings.threads or 1)


def _joined(address: str) -> Any:
    """Ray, as a module. Raises ConfigError."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    try:
        import ray
    except ImportError as exc:
        raise ConfigError("--ray needs Ray; install it by: pip install 'm2fp-streamer[scale]'") from exc
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"the address of a cluster is HOST:PORT, not {address}")
    # Ray would wait for minutes where nothing listens.
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as exc:
        raise ConfigError(f"no cluster answers at {address}: {exc}") from exc
    # A machine that dies is told by who works on it; Ray would print what that did last.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with suppress(ImportError):  # so it does on standard output, whatever it is told of logs
        vars(import_module("ray._private.worker"))["_worker_logs_enabled"] = False
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, configure_logging=False)
    except (RuntimeError, ConnectionError, ValueError, ray.exceptions.RayError) as exc:
        raise ConfigError(
            f"the cluster at {address} cannot be joined, of which this machine has to be a node: {_reason(exc)}"
        ) from exc
    return ray


def _lost(errors: Any) -> tuple[type[Exception], ...]:
    """Those of Ray's that are told where a process, or its machine, is gone."""
    return (
        errors.RayActorError,
        errors.RayTaskError,
        errors.ObjectLostError,
        errors.ActorUnschedulableError,
        errors.NodeDiedError,
    )


def _reason(error: Exception) -> str:
    """The last line: what is before it says where in Ray."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
