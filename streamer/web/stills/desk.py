"""Pictures in, answers out: from what was kept where it can be, by a process where not."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from secrets import token_urlsafe
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from streamer.stills.messages import Answered, Describe, Described, Detail, Mask, Parse, Parsed, Refused, Show, Shown
from streamer.web.problems import KINDS, Problem
from streamer.web.stills.keeper import Keeper, Result
from streamer.web.stills.pool import Pool
from streamer.web.stills.queue import Place, retry_after_s

T = TypeVar("T")

VIEWS = {
    "picture": "picture.jpg",
    "overlay": "overlay.jpg",
    "cutout": "cutout.png",
    "labels": "labels.png",
    "instances": "instances.png",
    "maps": "maps.bin",
    "coco": "coco.json",
}
"""What can be had of a result, and the ends of the addresses."""
MEDIA_TYPES = ("image/jpeg", "image/png", "application/vnd.coco+json", "application/octet-stream")
"""Of views."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a picture."""

    parser: str
    size: tuple[int, int] | None = None
    effect: tuple[str, ...] = ()
    on: str = "all"
    first_frame: bool = False
    faces: bool = False
    detail: Detail = field(default_factory=Detail)
    store: bool = True
    """False neither takes the answer from what is kept, nor keeps it."""

    def asked(self, body: bytes) -> Parse:
        return Parse(body, self.parser, self.size, self.effect, self.on, self.first_frame, self.faces, self.detail)

    def key(self, body: bytes) -> bytes:
        """The same for the same picture seen in the same way."""
        seen = repr((self.parser, self.size, self.effect, self.on, self.first_frame, self.faces)).encode()
        return blake2b(body, digest_size=32, key=blake2b(seen, digest_size=32).digest()).digest()


@dataclass(eq=False)
class _Job:
    """A picture that is being parsed for one or more requests."""

    task: "asyncio.Task[Result]"
    waiting: int = 0


class Desk:
    """For one event loop."""

    def __init__(self, pool: Pool, keeper: Keeper, root: str) -> None:
        """
        Args:
            root: what the addresses of results begin with.
        """
        self._pool, self.keeper, self._root = pool, keeper, root
        self._jobs: dict[bytes, _Job] = {}
        self.stages: dict[str, tuple[int, float]] = {}
        """Number and sum of seconds of each stage of the pictures that were parsed."""

    async def result(self, body: bytes, wish: Wish, place: Place) -> tuple[Result, bool]:
        """The result for a picture, and whether it was there already. Raises Problem."""
        key = wish.key(body)
        found = self.keeper.by_key(key, time.monotonic()) if wish.store else None
        if found is not None:
            return found, True
        job = self._jobs.get(key) if wish.store else None
        if job is None:
            job = _Job(asyncio.create_task(self._parse(key, body, wish, place)))
            if wish.store:
                self._jobs[key] = job
                job.task.add_done_callback(lambda _: self._jobs.pop(key, None))
        job.waiting += 1
        try:
            return await asyncio.shield(job.task), False
        finally:
            job.waiting -= 1
            if not job.waiting and not job.task.done():
                job.task.cancel()  # nobody waits for it any more

    async def answer(self, body: bytes, wish: Wish, place: Place) -> bytes:
        """The answer to a picture, as JSON. Raises Problem."""
        began_s = time.monotonic()
        try:
            result, cached = await self.result(body, wish, place)
            told = repr(wish.detail)
            if told not in result.answers:
                described = await self._described(result, wish.detail, place.client)
                self.keeper.add_answer(result, told, described)
                result.answers[told] = described
        finally:
            if not place.queued:
                self._pool.queue.leave(place)
        timings = dict.fromkeys(result.timings, 0.0) if cached else dict(result.timings)
        timings["total_s"] = round(time.monotonic() - began_s, 4)
        stored = self.keeper.by_id(result.id, time.monotonic()) is result
        head = {
            "id": result.id if stored else None,
            "parser": wish.parser,
            "cached": cached,
            "timings": timings,
            "links": self.links(result.id) if stored else None,
        }
        return msgspec.json.encode(head)[:-1] + b"," + result.answers[told][1:]

    async def show(self, result: Result, wish: Show, place: Place) -> Shown:
        """A picture made of a result. Raises Problem."""
        asked = replace(wish, kept=result.kept, body=result.body)
        answered = (await self._pool.ask(place, asked)).answered
        if not isinstance(answered, Shown):
            raise refusal(answered)
        return answered

    def links(self, result_id: str) -> dict[str, str]:
        """The addresses of what can be had of a result."""
        return {view: f"{self._root}/results/{result_id}/{end}" for view, end in VIEWS.items()}

    def kept(self, result_id: str) -> Result:
        """The result of that id. Raises Problem."""
        found = self.keeper.by_id(result_id, time.monotonic())
        if found is None:
            gone = self.keeper.was_here(result_id)
            raise Problem(
                "gone" if gone else "not-found", "that result is not here any more" if gone else "no such result"
            )
        return found

    async def _parse(self, key: bytes, body: bytes, wish: Wish, place: Place) -> Result:
        reply = await self._pool.ask(place, wish.asked(body))
        parsed = reply.answered
        if not isinstance(parsed, Parsed):
            raise refusal(parsed)
        timings = {
            "upload_s": round(reply.upload_s, 4),
            "queued_s": round(reply.queued_s, 4),
            "decode_s": round(parsed.decode_s, 4),
            "network_s": round(parsed.network_s, 4),
            "people_s": round(parsed.people_s, 4),
            "encode_s": round(parsed.encode_s, 4),
        }
        for stage, seconds in timings.items():
            count, total = self.stages.get(stage, (0, 0.0))
            self.stages[stage] = count + 1, total + seconds
        result = Result(
            f"r_{token_urlsafe(15)}",
            key,
            body if parsed.covered is None else parsed.covered,
            parsed.kept,
            time.monotonic(),
            {repr(wish.detail): parsed.answer},
            timings,
        )
        if wish.store:
            self.keeper.keep(result)
        return result

    async def _described(self, result: Result, detail: Detail, client: str) -> bytes:
        answered = (await self._pool.ask(self.place(client, "describe"), Describe(result.kept, detail))).answered
        if not isinstance(answered, Described):
            raise refusal(answered)
        return answered.answer

    async def ask(self, asked: Mask, client: str, kind: str) -> Answered:
        """What a process says to a picture that is not kept. Raises Problem, also where too many wait."""
        if not self._pool.takes:
            raise Problem("starting", self._pool.trouble or "the network is being loaded", retry_after_s=2)
        return (await self._pool.ask(self.place(client, kind), asked)).answered

    def place(self, client: str, kind: str) -> Place:
        """A place in the queue for more of a picture that was parsed. Raises Problem where too many wait."""
        queue, now_s = self._pool.queue, time.monotonic()
        excess_s = queue.excess_s(now_s)
        if excess_s > 0:
            raise Problem("too-busy", f"{queue.waiting} pictures wait", retry_after_s=retry_after_s(excess_s, 0.5))
        return queue.enter(client, kind, now_s)


async def watched(request: Request, work: Coroutine[Any, Any, T], deadline_s: float) -> T:
    """The work's result; cancels it when the client hangs up or the deadline has come. Raises Problem."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Problem("bad-request", "the client hung up")
        raise Problem("deadline", f"the answer was not there within {deadline_s:g} s")
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def refusal(answered: Answered) -> Problem:
    """Why there is no answer to a wish."""
    if isinstance(answered, Refused):
        kind = answered.kind if answered.kind in KINDS else "validation"
        if kind == "validation":
            return Problem(kind, answered.detail, errors=[{"pointer": "", "detail": answered.detail}])
        return Problem(kind, answered.detail)
    return Problem("internal", "the picture could not be parsed; the log says why")
