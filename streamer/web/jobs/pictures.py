"""Jobs of pictures: done by the processes for stills, one job after the other, beside whoever waits for an answer."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from streamer.stills.messages import Show
from streamer.web.jobs.store import Job
from streamer.web.stills.batch import lines
from streamer.web.stills.desk import Desk, Wish
from streamer.web.stills.queue import Place, Queue

CLIENT = "jobs"
"""Of the queue, which is fair to clients: all jobs are one of them."""
_NOT_ASKED = ("kept", "body")
"""What a wish for a view has of its result, which is not there yet."""


def asked(wish: Wish, show: Show | None) -> dict[str, Any]:
    """What a request asks of its pictures, as JSON can hold it.

    Args:
        show: the view that is asked for; None asks for the JSON.
    """
    found = asdict(replace(wish, store=True))
    del found["store"]
    view = None if show is None else {name: value for name, value in asdict(show).items() if name not in _NOT_ASKED}
    return {**found, "show": view}


class PictureJobs:
    """Does jobs of pictures."""

    def __init__(self, desk: Desk, queue: Queue) -> None:
        self._desk, self._queue = desk, queue

    async def do(self, job: Job, upload: Path, out: Path, tell: Callable[[int, int], None]) -> str:
        """Writes a job's result, whole or not at all, and returns its media type.

        Args:
            tell: told how many pictures are done, and of how many.

        Raises:
            Problem: it cannot be done, as would be so the next time.
            OSError: the result cannot be stored.
        """
        files = msgspec.msgpack.decode(upload.read_bytes(), type=list[bytes])
        request = dict(job.request)
        show = request.pop("show")
        # What is kept for 15 minutes is no use to whoever comes later.
        wish = msgspec.convert({**request, "store": False}, Wish)
        part = out.with_suffix(".part")
        if job.kind == "batch":
            with part.open("wb") as file:
                done = 0
                async for line in lines(self._desk, self._queue, files, wish, self._place(wish), None, job.id):
                    file.write(line)
                    done += 1
                    tell(done, len(files))
            media_type = "application/x-ndjson"
        else:
            body, media_type = await self._one(files[0], wish, show)
            part.write_bytes(body)
        part.replace(out)
        return media_type

    async def _one(self, body: bytes, wish: Wish, show: dict[str, Any] | None) -> tuple[bytes, str]:
        if show is None:
            return await self._desk.answer(body, wish, self._place(wish)), "application/json"
        result, _ = await self._desk.result(body, wish, self._place(wish))
        view = msgspec.convert({**show, "kept": b"", "body": b""}, Show)
        shown = await self._desk.show(result, view, self._queue.enter(CLIENT, "show", time.monotonic()))
        return shown.body, shown.media_type

    def _place(self, wish: Wish) -> Place:
        size = "" if wish.size is None else f"{wish.size[0]}x{wish.size[1]}"
        return self._queue.enter(CLIENT, f"{wish.parser} {size}", time.monotonic())
