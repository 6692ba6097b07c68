"""The routes for pictures: parse, parse/batch, results."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from pipeline.network.options import MULTIPLE
from streamer.stills.messages import Detail, Labels, Masks, Show, Shown, View
from streamer.web.bodies import files_of
from streamer.web.models import FacesAnswer, ParseAnswer
from streamer.web.problems import PARAMETERS, PICTURE, QUEUED, Problem, as_json, documented
from streamer.web.settings import ServeSettings
from streamer.web.stills.desk import VIEWS, Desk, Wish, watched
from streamer.web.stills.pool import Pool
from streamer.web.stills.queue import Place

MAX_BATCH = 32
MAX_INPUT_PIXELS = 2**20
"""Of the network's input that a request may ask for: that of 1024x1024."""
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
VIEWED: dict[str, dict[str, Any]] = {
    kind: {} for kind in ("image/jpeg", "image/png", "application/vnd.coco+json", "application/octet-stream")
}
"""The media types of views."""
ONE: dict[int | str, dict[str, Any]] = documented(*PICTURE)
LOSSLESS = ("picture.png", "overlay.png")
_NO_STORE = {"no-store", "no-cache"}


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work with."""

    settings: ServeSettings
    pool: Pool
    desk: Desk


def names(text: str) -> tuple[str, ...]:
    """The names in a list that is separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def read_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of the network's input. Raises Problem."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text)
    height, width = (int(found[1]), int(found[2])) if found else (0, 0)
    if found is None or height % MULTIPLE or width % MULTIPLE or height * width > MAX_INPUT_PIXELS:
        detail = f"size is HEIGHTxWIDTH, multiples of {MULTIPLE}, of at most {MAX_INPUT_PIXELS} pixels, as in 384x672"
        raise Problem("validation", detail, errors=[{"pointer": "query/size", "detail": detail}])
    return height, width


def wish(
    request: Request,
    parser: Annotated[str | None, Query(description="Of /parsers; by default the server's first.")] = None,
    size: Annotated[
        str | None, Query(description="HEIGHTxWIDTH of the network's input, multiples of 32.", examples=["384x672"])
    ] = None,
    masks: Annotated[Masks, Query(description="How each part's mask is written.")] = "png",
    parts: Annotated[str, Query(description="Classes or groups of them, separated by commas.", examples=["Hair,Face"])]
    = "",
    labels: Annotated[Labels, Query(description="The map of classes, in the answer itself.")] = "none",
    min_score: Annotated[float, Query(ge=0, le=1, description="Leave out people of a lower score.")] = 0.0,
    effect: Annotated[
        list[str] | None,
        Query(description="blur, pixelate, fill=COLOUR, background=COLOUR or blur-background. The picture that came is"
              " not kept, and every view is of the covered one."),
    ] = None,
    on: Annotated[str, Query(description="What effects are on: Face,Hair, person:2, all, or not: and others.")] = "all",
    faces: Annotated[bool, Query(description="Find faces, too.")] = False,
    frame: Annotated[Literal["0"] | None, Query(description="0 takes the first frame of an animation.")] = None,
    cache_control: Annotated[str, Header(description="no-store neither uses nor keeps results.")] = "",
) -> Wish:  # fmt: skip
    """What a request asks of its picture."""
    service: Service = request.app.state.stills
    served = service.settings.work.parser
    name = parser or served[0]
    if name not in served:
        raise Problem("unknown-parser", f"this server has {', '.join(served)}; start it with --parser to have others")
    detail = Detail(masks, names(parts), min_score, labels)
    store = not _NO_STORE & {each.strip() for each in cache_control.lower().split(",")}
    return Wish(name, read_size(size), tuple(effect or ()), on, frame is not None, faces, detail, store)


def deadline_of(request: Request) -> float:
    """Seconds that a request may take: its own X-Deadline-S, within the server's. Raises Problem."""
    most: float = request.app.state.stills.settings.work.deadline_s
    given = request.headers.get("x-deadline-s")
    if given is None:
        return most
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", given) or not float(given) > 0:
        raise Problem("validation", "X-Deadline-S is a number of seconds above 0, as in 2.5")
    return min(most, float(given))


Wished = Annotated[Wish, Depends(wish)]


def drawn(
    opacity: Annotated[float, Query(ge=0, le=1, description="Of the overlay's colours.")] = 0.5,
    outline: Annotated[bool, Query(description="A white line around each person.")] = True,
    tags: Annotated[bool, Query(description="Each person's number above its head.")] = True,
    hide: Annotated[str, Query(description="Classes or groups that the overlay leaves out.")] = "",
    only: Annotated[str, Query(description="The only classes or groups of the overlay.")] = "",
    keep: Annotated[str, Query(description="What the cut-out keeps, written as on.")] = "all",
) -> Show:  # fmt: skip
    """How a view of a result is drawn."""
    return Show(b"", b"", "overlay", opacity, outline, tags, names(hide), names(only), keep)


Draws = Annotated[Show, Depends(drawn)]
router = APIRouter(tags=["pictures"])


@router.post(
    "/parse",
    response_model=ParseAnswer,
    responses={200: {"content": VIEWED}, **ONE},
    openapi_extra=BODY,
    summary="Parse a picture",
)
async def parse(
    request: Request,
    wished: Wished,
    draws: Draws,
    view: Annotated[View | None, Query(description="Answer with this alone, not with JSON.")] = None,
) -> Response:
    """People, their parts and masks in one JPEG, PNG or WebP: the body itself, or the file of a form.

    With `view`, or `Accept: application/vnd.coco+json`, the answer is that picture or file; `Accept: image/png` makes
    an overlay lossless.
    """
    began_s = time.monotonic()
    service: Service = request.app.state.stills
    place: Place = request.state.place
    deadline_s = deadline_of(request)
    (body,) = await files_of(request, 1)
    left_s = max(0.0, deadline_s - (time.monotonic() - began_s))
    accept = request.headers.get("accept", "")
    if view is None and "application/vnd.coco+json" in accept:
        view = "coco"
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
    return await service.desk.show(result, show, place.client)


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
    responses={200: {"content": {"application/x-ndjson": {}}}, **ONE},
    openapi_extra=BATCH_BODY,
    summary="Parse several pictures",
    response_class=StreamingResponse,
)
async def parse_batch(request: Request, wished: Wished) -> StreamingResponse:
    """The files of a form, up to 32: a line of JSON for each, in their order, as soon as it is there.

    A line has the `index` of the file, the `status` it would have had alone, and its `result` or its `problem`.
    """
    service: Service = request.app.state.stills
    place: Place = request.state.place
    deadline_s = deadline_of(request)
    files = await files_of(request, MAX_BATCH)
    lines = _lines(service, files, wished, place, deadline_s, request.state.request_id)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


async def _lines(
    service: Service, files: list[bytes], wished: Wish, place: Place, deadline_s: float, request_id: str
) -> AsyncIterator[bytes]:
    queue = service.pool.queue
    places = [queue.enter(place.client, place.kind, time.monotonic()) for _ in files]
    queue.leave(place)
    tasks = [asyncio.create_task(service.desk.answer(body, wished, own)) for body, own in zip(files, places)]
    try:
        for index, task in enumerate(tasks):
            try:
                # The deadline is each picture's own, after that of the one before.
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
    client = str(request.client.host) if request.client else "local"
    shown = await watched(request, service.desk.show(result, show, client), deadline_of(request))
    headers = {"Cache-Control": "private, no-store"}
    return Response(shown.body, media_type=shown.media_type, headers=headers)
