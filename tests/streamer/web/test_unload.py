"""A network that nobody asks is given back, and is there again for who asks next."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import streamer.processes.cores
import streamer.web.settings
from streamer.stills.messages import Asked, StillSettings
from streamer.web import app as made
from streamer.web.settings import WorkSettings
from streamer.web.stills import pool as pools
from tests.support import service as support
from tests.support.served import served
from tests.support.service import PATIENCE_S, Running, black, service, street
from tests.support.waiting import eventually

PARSE = "/api/v1/parse"
WORKER = "streamer.stills.main"


async def _until(running: Running, **expected: bool) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: dict[str, Any] = (await running.client.get("/readyz")).json()
            if expected.items() <= found.items():
                return found
            await asyncio.sleep(0.01)


def test_who_comes_when_it_is_unloaded_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[StillSettings] = []

    class Counted(support.Thread):
        def __post_init__(self) -> None:
            started.append(self.settings)
            super().__post_init__()

    monkeypatch.setattr(support, "Thread", Counted)

    async def run() -> None:
        async with service(None, WorkSettings(workers=1, idle_unload_s=0.05)) as running:
            for count in (1, 2):
                assert await _until(running, unloaded=True) == {"ready": True, "unloaded": True, "reasons": []}
                assert len(started) == count
                assert running.made.app.pool.pids == {}
                answer = await running.client.post(PARSE, content=black(), headers={"cache-control": "no-store"})
                assert answer.status_code == 200, answer.text
                assert len(started) == count + 1
            await _until(running, unloaded=True)

    asyncio.run(run())


def test_a_second_process_is_woken_when_the_first_is_busy() -> None:
    """Of two that sleep, one picture wakes one, and another one that waits wakes the other."""

    async def run() -> None:
        going, begun = threading.Event(), []

        def held(asked: Asked) -> None:
            begun.append(asked)
            assert going.wait(PATIENCE_S)

        async with service(None, WorkSettings(workers=2, idle_unload_s=0.05), held) as running:
            pool = running.made.app.pool

            await _reached(lambda: pool.unloaded == {0, 1})
            asking = []
            for count in (1, 2):
                asking.append(asyncio.create_task(running.client.post(PARSE, content=black(32 * count, 64))))
                await _reached(lambda: len(begun) == count)  # noqa: B023
                assert len(pool.ready) == count
            going.set()
            assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200]
            await _reached(lambda: pool.unloaded == {0, 1})

    asyncio.run(run())


def test_while_pictures_wait_there_is_a_process_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread, and it ends when there is nothing more to do."""

    async def test(running: Running, begun: list[Asked], going: threading.Event, started: list[StillSettings]) -> None:
        pool = running.made.app.pool
        assert (pool.ready, pool.takes, pool.unloaded, pool.queue.workers) == ({0}, True, set(), 1)
        asking = [asyncio.create_task(running.client.post(PARSE, content=black(32 * count, 64))) for count in (1, 2)]
        await _reached(lambda: len(begun) == 2)
        assert (pool.ready, pool.queue.workers, [each.threads for each in started]) == ({0, 1}, 2, [2, 1])
        assert (await running.client.get("/readyz")).json() == {"ready": True, "unloaded": False, "reasons": []}
        going.set()
        assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200]
        await _reached(lambda: pool.ready == {0})
        assert (pool.unloaded, pool.queue.workers, list(pool.pids)) == (set(), 1, [0])
        assert (await running.client.post(PARSE, content=black(96, 64))).status_code == 200

    _with_two_cores(WorkSettings(), test, monkeypatch)


def test_nobody_waits_long_enough_for_a_process_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(running: Running, begun: list[Asked], going: threading.Event, started: list[StillSettings]) -> None:
        monkeypatch.setattr(pools, "BACKLOG_S", PATIENCE_S)
        asking = [asyncio.create_task(running.client.post(PARSE, content=black(32 * count, 64))) for count in (1, 2)]
        await _reached(lambda: running.made.app.pool.queue.waiting == 1)
        going.set()
        assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200]
        assert len(started) == 1

    _with_two_cores(WorkSettings(), test, monkeypatch)


@pytest.mark.parametrize("work", [WorkSettings(workers=1), WorkSettings(parser=("lite", "m2fp"))])
def test_a_number_that_was_named_and_large_networks_are_kept_to(
    work: WorkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(running: Running, begun: list[Asked], going: threading.Event, started: list[StillSettings]) -> None:
        asking = [asyncio.create_task(running.client.post(PARSE, content=black(32 * count, 64))) for count in (1, 2, 3)]
        await _reached(lambda: running.made.app.pool.queue.waiting == 2)
        for _ in range(10):  # as many turns as the start of one takes that may
            await asyncio.sleep(0)
        going.set()
        assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200, 200]
        assert len(started) == 1

    _with_two_cores(work, test, monkeypatch)


async def _reached(expected: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not expected():
            await asyncio.sleep(0.01)


def _with_two_cores(
    work: WorkSettings,
    test: Callable[[Running, list[Asked], threading.Event, list[StillSettings]], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs it on a service whose pictures stay in their process until an event."""
    going = threading.Event()
    begun: list[Asked] = []
    started: list[StillSettings] = []

    def held(asked: Asked) -> None:
        begun.append(asked)
        assert going.wait(PATIENCE_S)

    class Counted(support.Thread):
        def __post_init__(self) -> None:
            started.append(self.settings)
            super().__post_init__()

    monkeypatch.setattr(support, "Thread", Counted)
    for each in (made, streamer.web.settings, streamer.processes.cores):
        monkeypatch.setattr(each, "cores", lambda: 2)
    monkeypatch.setattr(pools, "BACKLOG_S", 0.0)
    monkeypatch.setattr(pools, "SPARE_IDLE_S", 0.05)

    async def run() -> None:
        async with service(None, work, held) as running:
            try:
                await test(running, begun, going, started)
            finally:
                going.set()

    asyncio.run(run())


def test_without_the_setting_it_is_kept() -> None:
    assert WorkSettings().idle_unload_s is None


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="counts shared memory by Linux's smaps")
def test_an_unloaded_service_takes_less_memory(tmp_path: Path) -> None:
    with served(tmp_path / "log", "--workers", "1", "--deadline", "2min", "--idle-unload", "2s") as running:
        assert running.ready()

        def unloaded() -> bool:
            return bool(running.ask("GET", "/readyz").json()["unloaded"])

        assert eventually(unloaded)
        assert eventually(lambda: running.children(WORKER) == [])

        def totals() -> list[tuple[set[str], float]]:
            samples = running.ask("GET", "/api/v1/costs").json()["samples"]
            return [
                ({each["role"] for each in sample["processes"]}, sum(each["pss_mb"] for each in sample["processes"]))
                for sample in samples
            ]

        assert eventually(lambda: totals()[-1][0] == {"web"})
        loaded = [memory for roles, memory in totals() if "stills 0" in roles]
        assert totals()[-1][1] < max(loaded)
        answer = running.ask("POST", PARSE, street())
        assert answer.status == 200
        assert len(answer.json()["people"]) >= 2
        assert eventually(unloaded)
        told = [line["message"] for line in running.lines() if line["message"].startswith("worker-")]
        assert told[:3] == ["worker-ready", "worker-unloaded", "worker-ready"]
        assert running.ask("GET", "/readyz").status == 200
