"""The application: routes, errors, and the life of the processes behind them."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streamer.errors import ConfigError
from streamer.processes.cores import cores
from streamer.stills.messages import MEGA, Limits, StillSettings
from streamer.stills.worker import StillWorker
from streamer.version import __version__
from streamer.web.costs import Meter, roles_of
from streamer.web.costs import root as scrape
from streamer.web.costs import router as costs
from streamer.web.described import described
from streamer.web.gate import API, Gate
from streamer.web.jobs.accepting import Desk as JobDesk
from streamer.web.jobs.files import Folder
from streamer.web.jobs.pictures import PictureJobs
from streamer.web.jobs.routes import router as videos
from streamer.web.jobs.runner import Runner
from streamer.web.jobs.store import JobStore
from streamer.web.pages import router as pages
from streamer.web.problems import Problem, answer, of_status
from streamer.web.room import Room
from streamer.web.service import about, root
from streamer.web.settings import ServeSettings
from streamer.web.stills.desk import Desk
from streamer.web.stills.keeper import Keeper
from streamer.web.stills.pool import Pool, Worker
from streamer.web.stills.queue import Queue
from streamer.web.stills.routes import Service, router
from streamer.web.stills.webcam import Webcams
from streamer.web.stills.webcam import router as webcams
from streamer.web.streams.hub import Hub
from streamer.web.streams.recordings import router as recordings
from streamer.web.streams.routes import router as streams
from streamer.web.streams.saved import Saved

ANSWER_S = 60.0
"""A process that has a picture for longer than this, and than any request may take, is replaced."""
_ABOUT = "People, part by part, in pictures, videos and streams, on an ordinary CPU."


@dataclass(frozen=True, slots=True)
class Made:
    """A service that is ready to be run."""

    app: Gate
    """The ASGI application."""
    inner: FastAPI
    """What is behind its gate."""
    desk: Desk
    token: str | None
    """What clients must show, if anything."""


def create_app(
    settings: ServeSettings,
    port: Callable[[], int] | None = None,
    start: Callable[[StillSettings], Worker] = StillWorker,
) -> Made:
    """The service. Its processes live from the ASGI lifespan's start to its end.

    Args:
        port: the port that it listens at, if that is not the setting's.
        start: starts a process for stills.
    """
    access, work = settings.access, settings.work
    token = token_urlsafe(24) if access.secret == "auto" else access.secret
    answer_s = max(ANSWER_S, 2 * work.deadline_s)
    queue = Queue(work.processes, work.max_wait_s)
    idle_s, spare = work.idle_unload_s, work.spare
    pool = Pool(_stills(settings), queue, answer_s=answer_s, idle_s=idle_s, spare=spare, start=start)
    desk = Desk(pool, Keeper(work.cache_bytes), f"{access.root_path}{API}")
    app = FastAPI(
        title="m2fp-streamer",
        summary=_ABOUT,
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(pool, settings, PictureJobs(desk, pool.queue)),
        root_path=access.root_path,
        redirect_slashes=False,
    )
    service = Service(settings, pool, desk)
    app.state.stills, app.state.token = service, token
    app.state.webcams = Webcams(settings, desk)
    app.include_router(router, prefix=API)
    app.include_router(webcams, prefix=API)
    app.include_router(about, prefix=API)
    app.include_router(root)
    app.include_router(pages)
    app.include_router(costs, prefix=API)
    app.include_router(videos, prefix=API)
    app.include_router(streams, prefix=API)
    app.include_router(recordings, prefix=API)
    app.include_router(scrape)
    app.openapi = described(app)  # type: ignore[method-assign]  # as the framework's documentation has it
    _explain(app)
    gate = Gate(app, settings, pool, token, port or (lambda: access.port))
    meter = Meter(
        service,
        gate,
        lambda: roles_of(service, app.state.jobs.runner.pid, app.state.hub),
        lambda: app.state.jobs,
        lambda: app.state.hub,
    )
    gate.observe = meter.requests.add
    app.state.meter = meter
    return Made(gate, app, desk, token)


def _stills(settings: ServeSettings) -> StillSettings:
    work = settings.work
    threads = max(1, cores() // work.processes)
    limits = Limits(max_pixels=round(work.max_megapixels * MEGA))
    return StillSettings(
        work.parser, work.precision, threads, limits, face_model=work.face_model if work.age_gender else ""
    )


def _lifespan(pool: Pool, settings: ServeSettings, pictures: PictureJobs) -> Any:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        pool.start()
        saved = Saved(settings.jobs.folder / "recordings")
        live = settings.live
        app.state.hub = hub = Hub(live.cameras, live.any_source, saved, settings.work.parser[0])
        app.state.jobs = jobs = _jobs(settings, pictures, hub)
        jobs.runner.start()
        beside = [asyncio.create_task(app.state.meter.run()), asyncio.create_task(jobs.room.keep())]
        try:
            yield
        finally:
            for each in beside:
                each.cancel()
            await asyncio.gather(*beside, jobs.runner.stop(), pool.stop(), hub.stop(), return_exceptions=True)

    return run


def _jobs(settings: ServeSettings, pictures: PictureJobs, hub: Hub) -> JobDesk:
    """Raises ConfigError."""
    given, root = settings.jobs, f"{settings.access.root_path}{API}"
    folder = Folder(given.folder)
    try:
        folder.make()
        store = JobStore(folder.base, time.time)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigError(f"the folder for videos, {folder.root}, cannot be used: {exc}; --data names another") from exc
    runner = Runner(store, folder, settings.work.precision, given.keep_results_s, pictures.do, time.time)
    return JobDesk(store, runner, folder, given.keep_free_bytes, Room(folder, hub, store, given.data_max_bytes), root)


def _explain(app: FastAPI) -> None:
    """Makes every error a problem."""

    async def of_http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        problem = exc if isinstance(exc, Problem) else of_status(exc.status_code, str(exc.detail))
        return answer(problem, request.state.request_id, exc.headers)

    async def of_validation(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        errors = [{"pointer": "/".join(map(str, each["loc"])), "detail": each["msg"]} for each in exc.errors()]
        detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors)
        return answer(Problem("validation", detail, errors=errors), request.state.request_id)

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
