"""The routes for pictures: parse, parse/batch, results."""

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from streamer.stills.messages import Show, Shown, View
from streamer.web.bodies import files_of
from streamer.web.jobs.accepting import Key, pictures_accepted
from streamer.web.jobs.pictures import asked
from streamer.web.models import FacesAnswer, JobAnswer, ParseAnswer
from streamer.web.prefer import Later
from streamer.web.problems import PARAMETERS, PICTURE, QUEUED, Problem, documented
from streamer.web.settings import ServeSettings
from streamer.web.stills.asked import Draws, Wished, deadline_of
from streamer.web.stills.batch import MAX_BATCH, lines
from streamer.web.stills.desk import MEDIA_TYPES, VIEWS, Desk, Wish, watched
from streamer.web.stills.pool import Pool
from streamer.web.stills.queue import Place

_PICTURE = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **dict.fromkeys(("image/jpeg", "image/png", "image/webp", "application/octet-stream"), _PICTURE),
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {
                            "type": "array",
                            "maxItems": MAX_BATCH,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}
VIEWED: dict[str, dict[str, Any]] = {kind: {} for kind in MEDIA_TYPES}
ONE: dict[int | str, dict[str, Any]] = documented(*PICTURE)
OR_LATER: dict[int | str, dict[str, Any]] = {
    **documented(*PICTURE, "idempotency-key-reused", "no-room", "internal"),
    202: {"model": JobAnswer, "description": "A job, where Prefer asked for one"},
}
LOSSLESS = ("picture.png", "overlay.png")
Prefer = Annotated[
    str | None,
    Header(description="respond-async answers with a job; wait=SECONDS, up to 60, only where it took longer."),
]
"""Read by the gate: what becomes a job takes no place in the queue."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work with."""

    settings: ServeSettings
    pool: Pool
    desk: Desk


router = APIRouter(tags=["pictures"])


@router.post(
    "/parse",
    response_model=ParseAnswer,
    responses={200: {"content": VIEWED}, **OR_LATER},
    openapi_extra=BODY,
    summary="Parse a picture",
)
async def parse(
    request: Request,
    wished: Wished,
    draws: Draws,
    view: Annotated[View | None, Query(description="Answer with this alone, not with JSON.")] = None,
    prefer: Prefer = None,
    idempotency_key: Key = None,
) -> Response:
    """People, their parts and masks in one JPEG, PNG or WebP: the body itself, or the file of a form.

    With `view`, or `Accept: application/vnd.coco+json`, the answer is that picture or file; `Accept: image/png` makes
    an overlay lossless. With `Prefer: respond-async` the answer is a job, whose `result` is the same without `links`.
    """
    began_s = time.monotonic()
    service: Service = request.app.state.stills
    deadline_s = deadline_of(request)
    (body,) = await files_of(request, 1)
    left_s = max(0.0, deadline_s - (time.monotonic() - began_s))
    accept = request.headers.get("accept", "")
    if view is None and "application/vnd.coco+json" in accept:
        view = "coco"
    preferred: Later | None = request.state.later
    if preferred is not None:
        wanted = None if view is None else replace(draws, view=view, lossless="image/png" in accept)
        return await pictures_accepted(request, [body], asked(wished, wanted), "picture", preferred, idempotency_key)
    place: Place = request.state.place
    if view is None:
        answer = await watched(request, service.desk.answer(body, wished, place), left_s)
        return Response(answer, media_type="application/json", headers={"Cache-Control": "no-store"})
    show = replace(draws, view=view, lossless="image/png" in accept)
    shown = await watched(request, _seen(service, body, wished, place, show), left_s)
    return Response(shown.body, media_type=shown.media_type, headers={"Cache-Control": "no-store"})


async def _seen(service: Service, body: bytes, wished: Wish, place: Place, show: Show) -> Shown:
    try:
        result, _ = await service.desk.result(body, wished, place)
    finally:
        if not place.queued:
            service.pool.queue.leave(place)
    return await service.desk.show(result, show, service.desk.place(place.client, "show"))


@router.post("/faces", response_model=FacesAnswer, responses=ONE, openapi_extra=BODY, summary="Find faces")
async def faces(request: Request, wished: Wished) -> Response:
    """The faces in a picture, the surest first, each with whose it is; and what the service uses at that moment."""
    began_s = time.monotonic()
    service: Service = request.app.state.stills
    place: Place = request.state.place
    deadline_s = deadline_of(request)
    (body,) = await files_of(request, 1)
    left_s = max(0.0, deadline_s - (time.monotonic() - began_s))
    wanted = replace(wished, faces=True, detail=replace(wished.detail, masks="none", labels="none"))
    found = msgspec.json.decode(await watched(request, service.desk.answer(body, wanted, place), left_s))
    told = {key: found[key] for key in ("id", "parser", "cached", "timings", "links", "picture", "faces")}
    answer = {**told, "resource_usage": request.app.state.meter.usage()}
    return Response(msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post(
    "/parse/batch",
    responses={200: {"content": {"application/x-ndjson": {}}}, **OR_LATER},
    openapi_extra=BATCH_BODY,
    summary="Parse several pictures",
    response_class=StreamingResponse,
)
async def parse_batch(request: Request, wished: Wished, prefer: Prefer = None, idempotency_key: Key = None) -> Response:
    """The files of a form, up to 32: a line of JSON for each, in their order, as soon as it is there.

    A line has the `index` of the file, the `status` it would have had alone, and its `result` or its `problem`. With
    `Prefer: respond-async` the answer is a job, whose `result` are the lines.
    """
    service: Service = request.app.state.stills
    deadline_s = deadline_of(request)
    files = await files_of(request, MAX_BATCH)
    preferred: Later | None = request.state.later
    if preferred is not None:
        return await pictures_accepted(request, files, asked(wished, None), "batch", preferred, idempotency_key)
    place: Place = request.state.place
    found = lines(service.desk, service.pool.queue, files, wished, place, deadline_s, request.state.request_id)
    return StreamingResponse(found, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


@router.get(
    "/results/{result_id}/{name}",
    responses={200: {"content": VIEWED}, **documented(*PARAMETERS, *QUEUED, "not-found", "gone")},
    summary="A view of a result",
    response_class=Response,
)
async def result_view(request: Request, result_id: str, name: str, draws: Draws) -> Response:
    """picture.jpg, overlay.jpg, cutout.png, labels.png, instances.png, maps.bin or coco.json of a result.

    `maps.bin` is raw DEFLATE of the map of classes and then that of people, a byte for each cell. `picture.png` and
    `overlay.png` are lossless.
    """
    service: Service = request.app.state.stills
    stem, _, suffix = name.partition(".")
    if VIEWS.get(stem) != name and name not in LOSSLESS:
        raise Problem("not-found", f"of a result there are {', '.join((*VIEWS.values(), *LOSSLESS))}")
    result = service.desk.kept(result_id)
    show = replace(draws, view=stem, lossless=suffix == "png")  # type: ignore[arg-type]  # one of VIEWS
    place = service.desk.place(str(request.client.host) if request.client else "local", "show")
    shown = await watched(request, service.desk.show(result, show, place), deadline_of(request))
    headers = {"Cache-Control": "private, no-store"}
    return Response(shown.body, media_type=shown.media_type, headers=headers)
