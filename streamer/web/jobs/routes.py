"""The routes for videos and their jobs."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from streamer.web.bodies import file_chunks
from streamer.web.jobs.accepting import (
    FILES,
    NO_STORE,
    Desk,
    Key,
    Upload,
    accepted,
    answered,
    check_key,
    result_of,
    told,
)
from streamer.web.jobs.files import container_of
from streamer.web.jobs.store import Job
from streamer.web.jobs.wishes import wish
from streamer.web.models import JobAnswer
from streamer.web.problems import PARAMETERS, WITH_BODY, Problem, documented
from streamer.web.stills.desk import MEDIA_TYPES

KEEP_ALIVE_S = 10.0
MEGA = 1_000_000
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
MADE = (*(kind for _, kind in FILES.values()), *MEDIA_TYPES, "application/json", "application/x-ndjson")
"""The media types of what jobs make."""
PARTIAL = documented("bad-request", "unsatisfiable-range")
router = APIRouter(tags=["videos"])


def _desk(request: Request) -> Desk:
    found: Desk = request.app.state.jobs
    return found


@router.post("/videos", status_code=202, response_model=JobAnswer, responses=ACCEPTING, openapi_extra=BODY,
             summary="Parse a video")  # fmt: skip
async def videos(
    request: Request, asked: Annotated[dict[str, Any], Depends(wish)], idempotency_key: Key = None
) -> Response:
    """Takes an MP4, MOV, Matroska, WebM, AVI or MPEG-TS, as the body or as the file of a form, and answers when it is
    stored.

    With the same `Idempotency-Key` and the same body the first answer comes again.
    """
    desk = _desk(request)
    check_key(idempotency_key)
    part = desk.part()
    try:
        digest = await _received(request, desk, part)
        job, replayed = await accepted(desk, Upload(part, _suffix(part), digest, "video"), asked, idempotency_key)
    finally:
        part.unlink(missing_ok=True)
    return answered(desk, job, replayed)


async def _received(request: Request, desk: Desk, part: Path) -> bytes:
    """Stores the body; its digest."""
    digest, got, room = hashlib.blake2b(digest_size=32), 0, 0
    with part.open("wb") as file:
        async for chunk in file_chunks(request):
            if got + len(chunk) > room:
                room = got + len(chunk) + MEGA
                desk.check_room(len(chunk))
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
        200: {"content": {kind: {} for kind in MADE}},
        206: {"description": "A part of it"},
        **NONE,
        **PARTIAL,
    },
    response_class=FileResponse,
    summary="What a job made",
)
async def result(request: Request, job_id: str, name: Literal["video", "masks", "result"]) -> Response:
    """`video`: an MP4; `masks`: the parsings of a whole one, see the sidecar; `result`: what was asked of pictures,
    as it would have been answered at once. Ranges are answered."""
    desk = _desk(request)
    found = _found(desk, job_id)
    if name == "result":
        return result_of(desk, found, {})
    file, kind = FILES[name]
    path = desk.folder.of(job_id) / file
    if found.state != "done" or not path.is_file():
        raise Problem("not-found", f"the job is {found.state}; there is no {name}")
    return FileResponse(path, media_type=kind, filename=f"{name}{path.suffix}", headers=NO_STORE)


def _found(desk: Desk, job_id: str) -> Job:
    found = desk.store.get(job_id)
    if found is None:
        gone = desk.store.was_here(job_id)
        raise Problem("gone" if gone else "not-found", "that job was forgotten" if gone else "no such job")
    return found
