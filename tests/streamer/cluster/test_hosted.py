"""A module that serves within an actor, in a thread of the test."""

import sys
import threading
from types import ModuleType

import pytest

from streamer.cluster.hosted import Hosted, Over
from tests.support.waiting import PATIENCE_S


@pytest.mark.parametrize("messages", [1, 2])
def test_an_actor_that_ends_ends_what_it_serves_without_an_error(
    messages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether that has heard anything yet or not: its driver may be gone before the first message is taken."""
    gone, serving = threading.Event(), list[threading.Thread]()
    errors: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    module = ModuleType("tests_served")

    def serve(parent: Hosted) -> None:
        serving.append(threading.current_thread())
        gone.wait(PATIENCE_S)
        for _ in range(messages):
            parent.receive()

    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_served", module)
    hosted: list[Hosted] = []
    actor = threading.Thread(target=lambda: hosted.append(Hosted("tests_served", b"first", {})))
    actor.start()
    actor.join(PATIENCE_S)
    gone.set()
    with pytest.raises(Over):
        hosted[0].ask(b"and what now?")
    serving[0].join(PATIENCE_S)
    assert not serving[0].is_alive()
    assert errors == []
