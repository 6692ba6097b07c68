"""The routes for videos and their jobs."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from streamer.web.bodies import file_chunks
from streamer.web.jobs.files import Folder, accept, container_of
from streamer.web.jobs.runner import Runner
from streamer.web.jobs.store import Job, JobStore, KeyReused
from streamer.web.jobs.wishes import wish
from streamer.web.models import JobAnswer
from streamer.web.problems import PARAMETERS, WITH_BODY, Problem, documented

KEEP_ALIVE_S = 10.0
MEGA = 1_000_000
FILES = {"video": ("video.mp4", "video/mp4"), "masks": ("masks.hpm", "application/octet-stream")}
_KINDS = ("video/mp4", "video/x-matroska", "video/webm", "video/mp2t", "application/octet-stream")
_VIDEO = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **dict.fromkeys(_KINDS, _VIDEO),
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _VIDEO["schema"]}}},
        },
    }
}
NONE = documented(*PARAMETERS, "not-found", "gone")
"""There is no such job."""
ACCEPTING = documented(*WITH_BODY, "unknown-parser", "unsupported-format", "idempotency-key-reused", "no-room")
PARTIAL = documented("bad-request", "unsatisfiable-range")
router = APIRouter(tags=["videos"])


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with."""

    store: JobStore
    runner: Runner
    folder: Folder
    keep_free_bytes: int
    max_bytes: int
    root: str


def _desk(request: Request) -> Desk:
    found: Desk = request.app.state.jobs
    return found


@router.post("/videos", status_code=202, response_model=JobAnswer, responses=ACCEPTING, openapi_extra=BODY,
             summary="Parse a video")  # fmt: skip
async def videos(
    request: Request,
    asked: Annotated[dict[str, Any], Depends(wish)],
    idempotency_key: Annotated[str | None, Header(description="Of your own making: the same twice is one job.")] = None,
) -> Response:
    """Takes an MP4, MOV, Matroska, WebM, AVI or MPEG-TS, as the body or as the file of a form, and answers when it is
    stored.

    With the same `Idempotency-Key` and the same body the first answer comes again.
    """
    desk = _desk(request)
    if idempotency_key is not None and not re.fullmatch(r"[\x21-\x7e]{8,200}", idempotency_key):
        raise Problem("validation", "Idempotency-Key has 8 to 200 visible characters, as a UUID has")
    part = desk.folder.upload(f"{token_hex(16)}.part")
    try:
        digest = await _received(request, desk, part)
        body = hashlib.blake2b(digest + repr(asked).encode(), digest_size=16).hexdigest()
        key = None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()
        job, replayed = await _accepted(desk, part, asked, key, body)
    except KeyReused as exc:
        raise Problem("idempotency-key-reused", "that key was given with another body") from exc
    finally:
        part.unlink(missing_ok=True)
    desk.runner.changed()
    headers = {"Location": f"{desk.root}/jobs/{job.id}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return JSONResponse(told(desk, job), 202, headers)


async def _accepted(desk: Desk, part: Path, asked: dict[str, Any], key: str | None, body: str) -> tuple[Job, bool]:
    """The job for an upload that is whole, and whether its key had that job before. Raises KeyReused."""
    whole = part.with_name(f"{part.stem}{_suffix(part)}")
    if key is not None and (found := desk.store.known(key, body)) is not None:
        return found, True
    job: Job | None = None
    try:
        await asyncio.get_running_loop().run_in_executor(None, accept, part, whole)
        job = desk.store.create(asked, whole.name, key, body)
    finally:
        if job is None or job.upload != whole.name:
            whole.unlink(missing_ok=True)
    return job, job.upload != whole.name


async def _received(request: Request, desk: Desk, part: Path) -> bytes:
    """Stores the body; its digest."""
    digest, got, room = hashlib.blake2b(digest_size=32), 0, 0
    with part.open("wb") as file:
        async for chunk in file_chunks(request):
            if got + len(chunk) > room:
                room = got + len(chunk) + MEGA
                if desk.folder.free_bytes() - len(chunk) < desk.keep_free_bytes:
                    raise Problem("no-room", "the disk of the server is nearly full")
                if desk.folder.used_bytes() > desk.max_bytes:
                    raise Problem("no-room", "the jobs of this server take all the room that they may; forget some")
            got += len(chunk)
            digest.update(chunk)
            file.write(chunk)
    if not got:
        raise Problem("validation", "there is no video in the body", errors=[{"pointer": "", "detail": "no body"}])
    return digest.digest()


def _suffix(part: Path) -> str:
    with part.open("rb") as file:
        suffix = container_of(file.read(512))
    if suffix is None:
        raise Problem("unsupported-format", "MP4, MOV, Matroska, WebM, AVI and MPEG-TS are taken")
    return suffix


@router.get("/jobs", response_model=list[JobAnswer], summary="The jobs")
async def jobs(request: Request) -> Response:
    """The newest first."""
    desk = _desk(request)
    return JSONResponse([told(desk, each) for each in desk.store.all()])


@router.get("/jobs/{job_id}", response_model=JobAnswer, responses=NONE, summary="A job")
async def job(
    request: Request,
    job_id: str,
    wait: Annotated[float, Query(ge=0, le=60, description="Wait so long for a change of its state.")] = 0.0,
) -> Response:
    """How far it is."""
    desk = _desk(request)
    found = _found(desk, job_id)
    loop = asyncio.get_running_loop()
    until_s, before = loop.time() + wait, found.state
    while found.state == before and not found.is_over and loop.time() < until_s:
        await desk.runner.news(until_s - loop.time())
        found = _found(desk, job_id)
    return JSONResponse(told(desk, found))


@router.delete("/jobs/{job_id}", status_code=204, responses=NONE, response_class=Response, summary="Cancel, or forget")
async def cancel(request: Request, job_id: str) -> Response:
    """Ends a job that waits or runs; removes one that is over, with its files."""
    desk = _desk(request)
    found = _found(desk, job_id)
    (desk.runner.forget if found.is_over else desk.runner.cancel)(found)
    return Response(status_code=204)


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **NONE},
    summary="A job, as it goes on",
)
async def events(request: Request, job_id: str, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """Server-sent events: `progress`, and `state` and at the end `done`. `Last-Event-ID` goes on after that one."""
    desk = _desk(request)
    _found(desk, job_id)
    seen = int(last_event_id) if last_event_id and re.fullmatch(r"[0-9]{1,9}", last_event_id) else 0
    return StreamingResponse(
        _events(desk, job_id, seen), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(desk: Desk, job_id: str, seen: int) -> AsyncIterator[bytes]:
    state = ""
    while (found := desk.store.get(job_id)) is not None:
        if found.version > seen:
            name = "done" if found.is_over else "progress" if found.state == state else "state"
            seen, state = found.version, found.state
            body = msgspec.json.encode(told(desk, found))
            yield b"id: %d\nevent: %b\ndata: %b\n\n" % (found.version, name.encode(), body)
        if found.is_over:
            return
        before = found.version
        await desk.runner.news(KEEP_ALIVE_S)
        found = desk.store.get(job_id)
        if found is not None and found.version == before:
            yield b": still here\n\n"


@router.get(
    "/jobs/{job_id}/{name}",
    responses={
        200: {"content": {kind: {} for _, kind in FILES.values()}},
        206: {"description": "A part of it"},
        **NONE,
        **PARTIAL,
    },
    response_class=FileResponse,
    summary="What a job made",
)
async def result(request: Request, job_id: str, name: Literal["video", "masks"]) -> Response:
    """`video`: an MP4; `masks`: the parsings of a whole one, see the sidecar. Ranges are answered."""
    desk = _desk(request)
    found = _found(desk, job_id)
    file, kind = FILES[name]
    path = desk.folder.of(job_id) / file
    if found.state != "done" or not path.is_file():
        raise Problem("not-found", f"the job is {found.state}; there is no {name}")
    return FileResponse(path, media_type=kind, filename=f"{name}{path.suffix}", headers={"Cache-Control": "no-store"})


def _found(desk: Desk, job_id: str) -> Job:
    found = desk.store.get(job_id)
    if found is None:
        gone = desk.store.was_here(job_id)
        raise Problem("gone" if gone else "not-found", "that job was forgotten" if gone else "no such job")
    return found


def told(desk: Desk, found: Job) -> dict[str, Any]:
    """A job as JSON."""
    root = f"{desk.root}/jobs/{found.id}"
    links = {"self": root, "events": f"{root}/events"}
    if found.state == "done":
        folder = desk.folder.of(found.id)
        links |= {name: f"{root}/{name}" for name, (file, _) in FILES.items() if (folder / file).is_file()}
    return {
        "id": found.id,
        "kind": "video",
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
