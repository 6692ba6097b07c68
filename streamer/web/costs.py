"""What the service costs: memory and processor time of its processes, and the figures of its queue and stages."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from streamer.diagnose.sampler import EVERY_S, Costs, Sampler, rates
from streamer.version import __version__
from streamer.web.gate import Gate
from streamer.web.jobs.accepting import Desk as JobDesk
from streamer.web.models import CostsAnswer
from streamer.web.requests import Requests
from streamer.web.stills.routes import Service
from streamer.web.streams.hub import Hub

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MEGA = 1_000_000


class Meter:
    """Samples the service's processes once a second, for as long as it runs."""

    def __init__(
        self,
        service: Service,
        gate: Gate,
        roles: Callable[[], Mapping[int, str]],
        jobs: Callable[[], JobDesk],
        hub: Callable[[], Hub],
    ) -> None:
        """
        Args:
            roles: what each process of the service is for, by process id.
            jobs: the jobs.
            hub: the streams.
        """
        self._jobs, self._hub = jobs, hub
        self._service, self._gate, self._roles = service, gate, roles
        self.requests = Requests()
        self.sampler = Sampler()
        self._came = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled. Samples in a thread: shared memory takes milliseconds to count."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            roles = dict(self._roles())
            self.sampler.remember(await loop.run_in_executor(None, self.sampler.sample, roles))
            self._came.set()
            self._came = asyncio.Event()
            due_s = max(due_s + EVERY_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def now(self) -> Costs | None:
        """The newest sample."""
        return self.sampler.history[-1] if self.sampler.history else None

    def usage(self) -> dict[str, float | None]:
        """Processor and memory of all processes in the newest sample, in the words of the known service."""
        newest = list(self.sampler.history)[-2:]
        if not newest:
            return {"cpu_percent": None, "memory_mb": None, "timestamp": round(time.time(), 2)}
        used = [sum(cores.values()) for _, cores in rates(newest)]
        now = newest[-1]
        memory = now.rss_bytes if now.pss_bytes is None else now.pss_bytes
        return {
            "cpu_percent": round(100 * used[-1], 1) if used else None,
            "memory_mb": round(memory / MEGA, 1),
            "timestamp": round(now.unix_s, 2),
        }

    async def next(self) -> None:
        """Waits for the next sample."""
        await self._came.wait()

    def as_json(self, *, history: bool) -> dict[str, Any]:
        """The costs now, or of the last ten minutes."""
        found = list(self.sampler.history)
        pool, desk = self._service.pool, self._service.desk
        shown = found if history else found[-1:]
        used = dict(rates(found if history else found[-2:]))
        return {
            "samples": [
                {
                    "unix_s": round(each.unix_s, 2),
                    "processes": [
                        {
                            "role": process.role,
                            "rss_mb": round(process.rss_bytes / MEGA, 1),
                            "pss_mb": None if process.pss_bytes is None else round(process.pss_bytes / MEGA, 1),
                        }
                        for process in each.samples
                    ],
                    "cores": {role: round(cores, 3) for role, cores in used.get(each.unix_s, {}).items()},
                }
                for each in shown
            ],
            "stages": {
                stage: {"count": count, "mean_s": round(total / count, 5)}
                for stage, (count, total) in desk.stages.items()
            },
            "queue": {
                "waiting": pool.queue.waiting,
                "refused": self._gate.tally.refused,
                "cache_bytes": desk.keeper.size_bytes,
                "cache_hits": desk.keeper.hits,
                "cache_misses": desk.keeper.misses,
            },
        }

    def read(self) -> "Iterator[Metric]":
        """The figures of the requests, the queue, the stages and the processes, for Prometheus."""
        from streamer.web.metrics import counter, gauge, info, of_requests, summary

        yield from of_requests(self.requests)
        pool, desk, queue, work = (
            self._service.pool,
            self._service.desk,
            self._service.pool.queue,
            self._service.settings.work,
        )
        stages = {stage.removesuffix("_s"): values for stage, values in desk.stages.items()}
        yield summary("m2fp_parse_stage_seconds", "Time of a picture in each stage.", stages, "stage")
        yield gauge("m2fp_queue_waiting", "Pictures that wait.", {"": queue.waiting})
        yield gauge(
            "m2fp_queue_estimate_seconds", "Time a picture would wait.", {"": queue.estimate_s(time.monotonic())}
        )
        refused = {"too-busy": self._gate.tally.refused}
        yield counter("m2fp_queue_refused", "Pictures refused.", refused, "reason")
        yield counter("m2fp_queue_abandoned", "Pictures nobody waited for any more.", {"": pool.abandoned})
        yield counter("m2fp_cache_hits", "Pictures that were known.", {"": desk.keeper.hits})
        yield counter("m2fp_cache_misses", "Pictures that were not known.", {"": desk.keeper.misses})
        yield gauge("m2fp_cache_bytes", "Bytes kept.", {"": desk.keeper.size_bytes})
        hub = self._hub()
        replaced = {"stills": pool.restarts, "stream": hub.restarts()}
        yield counter("m2fp_worker_restarts", "Processes replaced.", replaced, "kind")
        yield gauge("m2fp_worker_ready", "Processes that are ready.", {"stills": len(pool.ready)}, "kind")
        jobs = self._jobs()
        yield gauge("m2fp_job_states", "Jobs that there are.", jobs.store.counts(), "state")
        yield summary("m2fp_job_duration_seconds", "Time of jobs, by how they ended.", jobs.runner.durations, "state")
        yield gauge("m2fp_stream_states", "Streams that there are.", hub.states(), "state")
        yield gauge("m2fp_stream_up", "Whether a camera's stream runs.", hub.up(), "stream")
        events = "stream", "event"
        yield counter("m2fp_stream_frames", "Frames of cameras, by what became of them.", hub.frames(), *events)
        ages = "stream", "quantile"
        yield gauge("m2fp_stream_mask_age_seconds", "Age of masks when shown.", hub.mask_ages_s(), *ages)
        viewers = sum(len(live.viewers) for live in hub.streams.values())
        yield gauge("m2fp_viewers", "Browsers that look at streams.", {"live": viewers}, "kind")
        yield from self._processes()
        parsers = ",".join(work.parser)
        yield info("m2fp_build_info", "The service.", version=__version__, parser=parsers, precision=work.precision)

    def _processes(self) -> "Iterator[Metric]":
        from streamer.web.metrics import counter, gauge

        now = self.now()
        samples = () if now is None else now.samples
        rss = {each.role: float(each.rss_bytes) for each in samples}
        pss = {each.role: float(each.pss_bytes) for each in samples if each.pss_bytes is not None}
        yield gauge("m2fp_process_resident_bytes", "Resident memory.", rss, "role")
        yield gauge("m2fp_process_proportional_bytes", "Resident memory, what is shared divided.", pss, "role")
        spent = {each.role: each.cpu_s for each in samples}
        yield counter("m2fp_process_cpu_seconds", "Processor time.", spent, "role")


def roles_of(service: Service, job: int | None, hub: Hub) -> Mapping[int, str]:
    """The service's own process, those for stills, of the streams, and that of a job."""
    stills = {pid: f"stills {number}" for number, pid in service.pool.pids.items()}
    streams = {live.pid: "stream" for live in hub.streams.values() if not live.died}
    return {os.getpid(): "web", **stills, **streams, **({} if job is None else {job: "job"})}


root = APIRouter(tags=["costs"])
router = APIRouter(tags=["costs"])


@root.get(
    "/metrics", responses={200: {"content": {"text/plain": {}}}}, summary="For Prometheus", response_class=Response
)
async def scrape(request: Request) -> Response:
    """The service's figures in Prometheus' text format."""
    meter: Meter = request.app.state.meter
    from streamer.web.metrics import MEDIA_TYPE, text

    return Response(text(meter.read), media_type=MEDIA_TYPE)


@router.get("/costs", response_model=CostsAnswer, summary="Memory and processor time")
async def costs(request: Request) -> dict[str, Any]:
    """Each process, once a second, for the last ten minutes; the stages of pictures; the queue."""
    meter: Meter = request.app.state.meter
    return meter.as_json(history=True)


@router.get(
    "/costs/events",
    responses={200: {"content": {"text/event-stream": {}}}},
    summary="The same, as it comes",
    response_class=StreamingResponse,
)
async def events(request: Request) -> StreamingResponse:
    """Server-sent events: the newest sample, once a second."""
    meter: Meter = request.app.state.meter
    return StreamingResponse(_events(meter), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(meter: Meter) -> AsyncIterator[bytes]:
    while True:
        yield b"event: costs\ndata: " + msgspec.json.encode(meter.as_json(history=False)) + b"\n\n"
        await meter.next()
