"""A network that nobody asks is given back, and is there again for who asks next."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.stills.messages import Asked, StillSettings
from streamer.web.settings import WorkSettings
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

            async def reached(expected: Callable[[], bool]) -> None:
                async with asyncio.timeout(PATIENCE_S):
                    while not expected():
                        await asyncio.sleep(0.01)

            await reached(lambda: pool.unloaded == {0, 1})
            asking = []
            for count in (1, 2):
                asking.append(asyncio.create_task(running.client.post(PARSE, content=black(32 * count, 64))))
                await reached(lambda: len(begun) == count)  # noqa: B023
                assert len(pool.ready) == count
            going.set()
            assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200]
            await reached(lambda: pool.unloaded == {0, 1})

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
