"""Ray as far as `streamer.cluster.nodes` calls it: an actor is an object and a thread of this process.

Machines have cores, an actor waits until one of them has as many as it asks for, and a machine that dies takes its
actors along.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class ActorUnavailableError(RayActorError):
    pass


class RayTaskError(RayError):
    pass


class ObjectLostError(RayError):
    pass


class ActorUnschedulableError(RayError):
    pass


class NodeDiedError(RayError):
    pass


@dataclass(frozen=True)
class NodeAffinitySchedulingStrategy:
    node_id: str
    soft: bool


STRATEGIES = SimpleNamespace(NodeAffinitySchedulingStrategy=NodeAffinitySchedulingStrategy)
"""Stands where `ray.util.scheduling_strategies` does."""


@dataclass(eq=False)
class Answer:
    ready: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: RayError | None = None

    def end(self, value: Any = None, error: RayError | None = None) -> None:
        """Only the first end counts: a machine may die before."""
        if not self.ready.is_set():
            self.value, self.error = value, error
            self.ready.set()


class Method:
    def __init__(self, actor: "Actor", name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *words: Any) -> Answer:
        return self._actor.call(self._name, words)


class Actor:
    def __init__(self, ray: "FakeRay", cores: float, make: Callable[[], Any], only: str | None = None) -> None:
        self.cores, self.machine, self.only = cores, "", only
        self.dead: RayActorError | None = None
        self.calls: list[str] = []
        self._ray, self._make = ray, make
        self._waiting: queue.Queue[tuple[str, tuple[Any, ...], Answer] | None] = queue.Queue()
        self._answers: list[Answer] = []

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)

    def place(self, machine: str) -> None:
        self.machine = machine
        threading.Thread(target=self._live).start()

    def call(self, name: str, words: tuple[Any, ...]) -> Answer:
        answer = Answer(error=None)
        self._answers.append(answer)
        if self.dead:
            answer.end(error=self.dead)
        self.calls.append(name)
        self._waiting.put((name, words, answer))
        self._ray.on_call(self, name)
        return answer

    def die(self, why: str) -> None:
        self.dead = RayActorError(f"The actor died.\n\tclass_name: Hosted\n{why}")
        for each in self._answers:
            each.end(error=self.dead)
        self._waiting.put(None)

    def _live(self) -> None:
        self._ray.here.machine = self.machine
        try:
            served = self._make()
        except ImportError as exc:
            self.die(f"{type(exc).__name__}: {exc}")
            return
        while not self.dead and (call := self._waiting.get()) is not None:
            name, words, answer = call
            self._ray.on_work(self, name)
            try:
                answer.end(getattr(served, name)(*words))
            except Exception as exc:  # noqa: BLE001  # as Ray does
                answer.end(error=RayTaskError(f"ray::Hosted.{name}()\n{type(exc).__name__}: {exc}"))


def node(name: str, resources: dict[str, float]) -> dict[str, Any]:
    names = {"NodeID": name, "NodeManagerHostname": name, "NodeManagerAddress": "127.0.0.1"}
    return {"Alive": True, "Resources": resources, **names}


class FakeRay:
    """Stands where the module does."""

    exceptions = SimpleNamespace(
        RayError=RayError,
        RayActorError=RayActorError,
        ActorUnavailableError=ActorUnavailableError,
        RayTaskError=RayTaskError,
        ObjectLostError=ObjectLostError,
        ActorUnschedulableError=ActorUnschedulableError,
        NodeDiedError=NodeDiedError,
    )

    def __init__(self, **machines: int) -> None:
        """Machines by name, with their cores."""
        self.machines = machines
        self.actors: list[Actor] = []
        self.joined: dict[str, Any] | None = None
        self.refuses: Exception | None = None
        self.on_call: Callable[[Actor, str], None] = lambda actor, name: None
        """Called with each call of an actor, and its method's name."""
        self.on_work: Callable[[Actor, str], None] = lambda actor, name: None
        """Called in the actor's thread, before it works."""
        self.here = threading.local()
        """Of an actor's thread: its machine."""
        self._lock = threading.RLock()

    def lose(self, machine: str) -> None:
        """It dies."""
        with self._lock:
            del self.machines[machine]
            for each in self.actors:
                if each.machine == machine and not each.dead:
                    each.die("The actor died because its node has died.")

    # As the module:

    def init(self, **words: Any) -> None:
        if self.refuses:
            raise self.refuses
        self.joined = words

    def shutdown(self) -> None:
        for each in self.actors:
            if not each.dead:
                self.kill(each)
        self.joined = None

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: self.here.machine)

    def nodes(self) -> list[dict[str, Any]]:
        dead = node("dead", {}) | {"Alive": False}
        head = node("head", {"memory": 1.0})  # Ray leaves out what there is none of
        return [dead, head, *(node(name, {"CPU": float(cores)}) for name, cores in self.machines.items())]

    def remote(self, kind: Any) -> Any:
        def options(*, num_cpus: float, scheduling_strategy: Any, **others: Any) -> Any:
            only = getattr(scheduling_strategy, "node_id", None)

            def make(*words: Any) -> Actor:
                actor = Actor(self, num_cpus, lambda: kind(*words), only)
                with self._lock:
                    self.actors.append(actor)
                self._place()
                return actor

            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def wait(self, answers: list[Answer], timeout: float) -> tuple[list[Answer], list[Answer]]:
        (answer,) = answers
        return ([answer], []) if answer.ready.wait(timeout) else ([], [answer])

    def get(self, answer: Answer) -> Any:
        assert answer.ready.is_set()
        if answer.error:
            raise answer.error
        return answer.value

    def kill(self, actor: Actor) -> None:
        actor.die("It was killed.")
        self._place()

    def _place(self) -> None:
        with self._lock:
            for each in self.actors:
                if not each.machine and not each.dead:
                    if each.only is not None and each.only not in self.machines:
                        each.die("Its machine is not there.")
                        continue
                    free = [name for name in self.machines if self._free(name) >= each.cores]
                    free = [name for name in free if each.only in (None, name)]
                    if free:
                        each.place(max(free, key=self._free))

    def _free(self, machine: str) -> float:
        held = sum(each.cores for each in self.actors if each.machine == machine and not each.dead)
        return self.machines[machine] - held
