"""Several pictures at once: a line of JSON for each, in their order."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec

from streamer.web.problems import Problem, as_json
from streamer.web.stills.desk import Desk, Wish
from streamer.web.stills.queue import Place, Queue

MAX_BATCH = 32


async def lines(
    desk: Desk, queue: Queue, files: list[bytes], wish: Wish, place: Place, deadline_s: float | None, request_id: str
) -> AsyncIterator[bytes]:
    """A line for each picture, as soon as it and those before it are there.

    Args:
        place: of all of them; each gets its own, for the same client.
        deadline_s: each picture's own, after that of the one before; None waits for as long as it takes.
    """
    places = [queue.enter(place.client, place.kind, time.monotonic()) for _ in files]
    queue.leave(place)
    tasks = [asyncio.create_task(desk.answer(body, wish, own)) for body, own in zip(files, places)]
    try:
        for index, task in enumerate(tasks):
            try:
                async with asyncio.timeout(deadline_s):
                    answer = await task
            except TimeoutError:
                late = Problem("deadline", f"the answer was not there within {deadline_s:g} s")
                yield _problem_line(index, late, request_id)
            except Problem as exc:
                yield _problem_line(index, exc, request_id)
            else:
                yield b'{"index":%d,"status":200,"result":%b}\n' % (index, answer)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _problem_line(index: int, problem: Problem, request_id: str) -> bytes:
    line = {"index": index, "status": problem.status_code, "problem": as_json(problem, request_id)}
    return msgspec.json.encode(line) + b"\n"
