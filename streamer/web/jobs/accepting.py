"""Accepts jobs: what was answered with 202 is there whatever ends the service, and done once for each key."""

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any

import msgspec
from fastapi import Header, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from streamer.web.jobs.files import RESULT, Folder, accept
from streamer.web.jobs.runner import Runner
from streamer.web.jobs.store import Job, JobStore, KeyReused, Kind
from streamer.web.prefer import Later
from streamer.web.problems import KINDS, Problem
from streamer.web.room import Room

MAX_WAITING = 1000
"""Jobs of pictures that may wait: the disk is not what bounds them."""
NO_STORE = {"Cache-Control": "no-store"}
FILES = {"video": ("video.mp4", "video/mp4"), "masks": ("masks.hpm", "application/octet-stream")}
"""What jobs of videos make; those of pictures make one file, `RESULT`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with."""

    store: JobStore
    runner: Runner
    folder: Folder
    keep_free_bytes: int
    room: Room
    root: str

    def check_room(self, more_bytes: int) -> None:
        """Raises Problem where so much more may not be stored."""
        if self.folder.free_bytes() - more_bytes < self.keep_free_bytes:
            raise Problem("no-room", "the disk of the server is nearly full")
        if not self.room.make():
            raise Problem("no-room", "the jobs of this server take all the room that they may; forget some")

    def part(self) -> Path:
        """A file for an upload that is still to come."""
        return self.folder.upload(f"{token_hex(16)}.part")


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that is whole, and is nobody's yet."""

    part: Path
    suffix: str
    digest: bytes
    kind: Kind


Key = Annotated[str | None, Header(description="Of your own making: the same twice is one job.")]
"""The header Idempotency-Key."""


def check_key(key: str | None) -> None:
    """Raises Problem."""
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{8,200}", key):
        raise Problem("validation", "Idempotency-Key has 8 to 200 visible characters, as a UUID has")


async def accepted(desk: Desk, upload: Upload, asked: dict[str, Any], key: str | None) -> tuple[Job, bool]:
    """The job for an upload, and whether its key had that job before. Raises Problem."""
    seen = repr(asked) if upload.kind == "video" else repr((upload.kind, asked))
    body = hashlib.blake2b(upload.digest + seen.encode(), digest_size=16).hexdigest()
    known = None if key is None else hashlib.sha256(key.encode()).hexdigest()
    try:
        job, replayed = await _stored(desk, upload, asked, known, body)
    except KeyReused as exc:
        raise Problem("idempotency-key-reused", "that key was given with another body") from exc
    except sqlite3.OperationalError as exc:
        raise Problem("no-room", f"the job cannot be stored: {exc}") from exc
    desk.runner.changed()
    return job, replayed


async def _stored(desk: Desk, upload: Upload, asked: dict[str, Any], key: str | None, body: str) -> tuple[Job, bool]:
    """Raises KeyReused."""
    whole = upload.part.with_name(f"{upload.part.stem}{upload.suffix}")
    if key is not None and (found := desk.store.known(key, body)) is not None:
        return found, True
    job: Job | None = None
    try:
        await asyncio.get_running_loop().run_in_executor(None, accept, upload.part, whole)
        job = desk.store.create(asked, whole.name, key, body, upload.kind)
    finally:
        if job is None or job.upload != whole.name:
            whole.unlink(missing_ok=True)
    return job, job.upload != whole.name


def answered(desk: Desk, job: Job, replayed: bool, preferred: Later | None = None) -> Response:
    """The answer to a request that became a job."""
    headers = {"Location": f"{desk.root}/jobs/{job.id}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    if preferred is not None:
        headers["Preference-Applied"] = preferred.applied
    return JSONResponse(told(desk, job), 202, headers)


async def pictures_accepted(
    request: Request, files: list[bytes], asked: dict[str, Any], kind: Kind, preferred: Later, key: str | None
) -> Response:
    """Pictures as a job: 202 and where it is; or its result, where that was waited for and is there. Raises Problem."""
    desk: Desk = request.app.state.jobs
    check_key(key)
    if desk.store.waiting("picture", "batch") >= MAX_WAITING:
        raise Problem("too-busy", f"{MAX_WAITING} jobs of pictures wait", retry_after_s=30)
    body, part = msgspec.msgpack.encode(files), desk.part()
    desk.check_room(len(body))
    try:
        part.write_bytes(body)
        digest = hashlib.blake2b(body, digest_size=32).digest()
        job, replayed = await accepted(desk, Upload(part, ".pictures", digest, kind), asked, key)
    finally:
        part.unlink(missing_ok=True)
    found = await over(desk, job, preferred.wait_s or 0.0)
    if found.state == "done":
        return result_of(desk, found, {"Preference-Applied": preferred.applied})
    if found.state == "failed":
        problem = found.problem or {}
        known = problem.get("type", "") if problem.get("type") in KINDS else "internal"
        raise Problem(known, problem.get("detail", "the job failed"))
    return answered(desk, found, replayed, preferred)


async def over(desk: Desk, job: Job, wait_s: float) -> Job:
    """The job at its end, or as it is after this time; as it was, if it was forgotten."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while not job.is_over and loop.time() < until_s:
        await desk.runner.news(until_s - loop.time())
        job = desk.store.get(job.id) or job
    return job


def result_of(desk: Desk, job: Job, headers: Mapping[str, str]) -> Response:
    """The file that a job of pictures made. Raises Problem."""
    path = desk.folder.of(job.id) / RESULT
    if job.state != "done" or job.media_type is None or not path.is_file():
        raise Problem("not-found", f"the job is {job.state}; there is no result")
    return FileResponse(path, media_type=job.media_type, headers={**NO_STORE, **headers})


def told(desk: Desk, found: Job) -> dict[str, Any]:
    """A job as JSON."""
    root = f"{desk.root}/jobs/{found.id}"
    links = {"self": root, "events": f"{root}/events"}
    if found.state == "done":
        folder = desk.folder.of(found.id)
        made = {**{name: file for name, (file, _) in FILES.items()}, "result": RESULT}
        links |= {name: f"{root}/{name}" for name, file in made.items() if (folder / file).is_file()}
    return {
        "id": found.id,
        "kind": found.kind,
        "state": found.state,
        "position": desk.store.position(found) if found.state == "queued" else None,
        "attempt": found.attempt,
        "created": _time(found.created_s),
        "started": _time(found.started_s),
        "ended": _time(found.ended_s),
        "progress": None if found.done is None else {"done": found.done, "total": found.total},
        "problem": found.problem,
        "request": found.request,
        "links": links,
    }


def _time(unix_s: float | None) -> str | None:
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
