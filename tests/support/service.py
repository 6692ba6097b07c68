"""The service in this process: its application, with the workers for stills as threads."""

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np

from streamer.errors import WorkerDied
from streamer.stills.answers import label_rows
from streamer.stills.main import Desk, parser_rows
from streamer.stills.messages import Answered, Asked, Loaded, StillSettings, Trouble
from streamer.web.app import Made, create_app
from streamer.web.settings import AccessSettings, JobSettings, ServeSettings, WorkSettings
from tests.support.paths import STREET

PORT = 7860
BASE = f"http://127.0.0.1:{PORT}"
PATIENCE_S = 60.0


@dataclass
class Thread:
    """A worker that answers in this process; what it is asked goes first through `before`."""

    settings: StillSettings
    before: Callable[[Asked], None] = lambda asked: None
    desk: Desk = field(init=False)
    pid: int = 0

    def __post_init__(self) -> None:
        self.desk = _desk(self.settings)
        self._stop = threading.Event()

    def wait_ready(self, timeout_s: float) -> Loaded:
        return Loaded(parser_rows(self.settings.parsers), label_rows())

    def ask(self, asked: Asked, timeout_s: float) -> Answered:
        from streamer.stills.main import _attempt

        self.before(asked)
        with _ONE_AT_A_TIME:  # the desk is that of all workers here, and for one thread
            answered = _attempt(lambda: self.desk.answer(asked))
        assert not isinstance(answered, Loaded)
        assert not isinstance(answered, Trouble), answered.trace
        return answered

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self.stop()


_ONE_AT_A_TIME = threading.Lock()


@cache
def _desk(settings: StillSettings) -> Desk:
    """One for all tests: loading takes a second, and an answer depends on nothing before it."""
    return Desk(settings)


def dying(times: int, only: Callable[[Asked], bool] = lambda asked: True) -> Callable[[Asked], None]:
    """Raises WorkerDied so many times."""
    left = [times]

    def before(asked: Asked) -> None:
        if left[0] and only(asked):
            left[0] -= 1
            raise WorkerDied("made to")

    return before


@dataclass
class Running:
    """A service that answers."""

    made: Made
    client: httpx.AsyncClient

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def service(
    access: AccessSettings | None = None,
    work: WorkSettings | None = None,
    before: Callable[[Asked], None] = lambda asked: None,
    jobs: JobSettings | None = None,
) -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory() as data:
        kept = jobs or JobSettings(data=data)
        settings = ServeSettings(access or AccessSettings(), work or WorkSettings(workers=1), kept)
        async with _running(settings, before) as running:
            yield running


def run_with(test: Callable[[Running], Awaitable[None]], **given: Any) -> None:
    """Runs a test's work with a service of its own; `given` is what `service` takes."""

    async def run() -> None:
        async with service(**given) as running:
            await test(running)

    asyncio.run(run())


@asynccontextmanager
async def _running(settings: ServeSettings, before: Callable[[Asked], None]) -> AsyncIterator[Running]:
    made = create_app(settings, lambda: PORT, lambda given: Thread(given, before))
    transport = httpx.ASGITransport(made.app, client=("127.0.0.1", 5000))
    app = made.inner
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        running = Running(made, client)
        await running.ready()
        yield running


@cache
def street(seconds: float = 1.0) -> bytes:
    """A frame of a bundled clip, with people in it, as JPEG."""
    return _frame(STREET, seconds)


@cache
def portrait() -> bytes:
    """The same with a face in it that is large enough to be found."""
    return _frame(STREET.with_name("portrait.mp4"), 1.0)


def _frame(path: Path, seconds: float) -> bytes:
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            if frame.time is not None and frame.time >= seconds:
                return cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1].tobytes()
    raise AssertionError("the clip is shorter")


def black(height: int = 96, width: int = 128) -> bytes:
    """A picture with nobody in it, as PNG."""
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()
