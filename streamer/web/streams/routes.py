"""The routes for live streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from secrets import token_hex
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, WebSocket
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from streamer.web.gate import API
from streamer.web.models import LookWanted, StreamAnswer, StreamWanted
from streamer.web.problems import PARAMETERS, WITH_BODY, Problem, documented
from streamer.web.streams.hub import Hub
from streamer.web.streams.live import Live, Viewer

JPEG_QUALITY = 85
NONE = documented(*PARAMETERS, "not-found", "cannot-stream")
"""There is no such stream, or it cannot do that."""
STARTS = documented(*WITH_BODY, "unknown-source", "unknown-parser", "cannot-stream", "too-busy")
router = APIRouter(tags=["streams"])


def hub_of(request: Request | WebSocket) -> Hub:
    found: Hub = request.app.state.hub
    return found


def live_of(request: Request | WebSocket, stream_id: str) -> Live:
    found = hub_of(request).streams.get(stream_id)
    if found is None:
        raise Problem("not-found", "no such stream")
    return found


def root_of(request: Request) -> str:
    """What addresses of the API begin with."""
    return f"{request.app.state.stills.settings.access.root_path}{API}"


async def _told(request: Request, live: Live) -> dict[str, Any]:
    try:
        state, _ = await live.ask("state")
    except Problem:
        state = {}
    return {
        "id": live.id,
        "source": live.source,
        "state": live.state,
        "restarts": live.restarts,
        "last_death": live.last_death or None,
        "viewers": len(live.viewers),
        **state,
        "ended": live.over or None,
        "recording_trouble": state.get("recording_trouble") or live.recording_trouble or None,
        "links": {"self": f"{root_of(request)}/streams/{live.id}"},
    }


@router.get("/sources", summary="The cameras")
async def sources(request: Request) -> list[str]:
    """The names of the cameras that the service was started with; never their addresses."""
    return list(hub_of(request).cameras)


@router.post("/streams", status_code=201, response_model=StreamAnswer, responses=STARTS, summary="Start a stream")
async def start(request: Request, wanted: StreamWanted) -> Response:
    """Starts a camera, or gives the stream that it has."""
    served = request.app.state.stills.settings.work.parser
    if wanted.parser is not None and wanted.parser not in served:
        raise Problem("unknown-parser", f"this server has {', '.join(served)}")
    live = await hub_of(request).start(wanted.source, wanted.parser)
    return JSONResponse(await _told(request, live), 201, {"Location": f"{root_of(request)}/streams/{live.id}"})


@router.get("/streams", response_model=list[StreamAnswer], summary="The streams")
async def streams(request: Request) -> list[dict[str, Any]]:
    """Each with its figures."""
    return [await _told(request, each) for each in tuple(hub_of(request).streams.values())]


@router.get("/streams/{stream_id}", response_model=StreamAnswer, responses=NONE, summary="A stream")
async def stream(request: Request, stream_id: str) -> dict[str, Any]:
    """Its figures, and why it ended if it did."""
    return await _told(request, live_of(request, stream_id))


@router.delete("/streams/{stream_id}", status_code=204, responses=NONE, response_class=Response, summary="End a stream")
async def end(request: Request, stream_id: str) -> Response:
    """Whatever state it is in."""
    await hub_of(request).end(live_of(request, stream_id))
    return Response(status_code=204)


@router.patch(
    "/streams/{stream_id}/look",
    response_model=StreamAnswer,
    responses={**NONE, **documented(*WITH_BODY)},
    summary="How live.mjpg and frame.jpg are drawn",
)
async def look(request: Request, stream_id: str, wanted: LookWanted) -> dict[str, Any]:
    """Effects of the camera's settings stay: they cannot be taken off."""
    live = live_of(request, stream_id)
    await live.ask("look", **wanted.model_dump(exclude_none=True))
    return await _told(request, live)


Drawn = Annotated[bool, Query(description="With the colours.")]


@router.get(
    "/streams/{stream_id}/frame.jpg",
    responses={200: {"content": {"image/jpeg": {}}}, **NONE},
    response_class=Response,
    summary="The newest picture",
)
async def frame(request: Request, stream_id: str, drawn: Drawn = True) -> Response:
    """As JPEG."""
    _, body = await live_of(request, stream_id).ask("still", drawn=drawn, quality=JPEG_QUALITY)
    return Response(body, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.get(
    "/streams/{stream_id}/parsing.png",
    responses={200: {"content": {"image/png": {}}}, **NONE},
    response_class=Response,
    summary="The newest parsing",
)
async def parsing(request: Request, stream_id: str) -> Response:
    """The map of classes as a PNG with a palette, of the map's size: an index is a class of the label set."""
    _, body = await live_of(request, stream_id).ask("parsing")
    return Response(body, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.get(
    "/streams/{stream_id}/live.mjpg",
    responses={200: {"content": {"multipart/x-mixed-replace": {}}}, **NONE},
    response_class=StreamingResponse,
    summary="For <img>",
)
async def mjpeg(request: Request, stream_id: str) -> Response:
    """Pictures one after the other, with the colours, as multipart/x-mixed-replace: for players that know no better."""
    live = live_of(request, stream_id)
    # Bytes of a boundary must not occur in a picture by chance.
    boundary = token_hex(12)
    return StreamingResponse(
        _parts(live, boundary),
        media_type=f"multipart/x-mixed-replace; boundary={boundary}",
        headers={"Cache-Control": "no-store"},
    )


async def _parts(live: Live, boundary: str) -> AsyncIterator[bytes]:
    shown = 0, 0
    while not live.over:
        try:
            head, body = await live.ask("still", drawn=True, quality=JPEG_QUALITY)
        except Problem:  # no picture yet, or its process is started again
            await asyncio.sleep(0.2)
            continue
        if (live.restarts, head["count"]) == shown:
            await asyncio.sleep(0.02)
            continue
        shown = live.restarts, head["count"]
        yield b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (
            boundary.encode(),
            len(body),
            body,
        )


@router.websocket("/streams/{stream_id}/live")
async def live_socket(socket: WebSocket, stream_id: str) -> None:
    """Binary messages: the length of a header (4 bytes), the header as JSON, a JPEG, the maps as raw DEFLATE. The
    client sends `{"credit": 1}` for each picture that it has drawn, and is sent the newest for it."""
    await _watched(socket, stream_id, Viewer())


@router.websocket("/streams/{stream_id}/masks")
async def masks_socket(socket: WebSocket, stream_id: str) -> None:
    """As `live`, without the JPEG: its length in the header is 0."""
    await _watched(socket, stream_id, Viewer(pictures=False))


async def _watched(socket: WebSocket, stream_id: str, viewer: Viewer) -> None:
    live = hub_of(socket).streams.get(stream_id)
    await socket.accept()
    if live is None:
        await socket.close(1008, "no such stream")
        return
    live.look(viewer)
    sending = asyncio.create_task(_send(socket, viewer))
    try:
        while True:
            wanted = json.loads(await socket.receive_text())
            live.give(viewer, min(4, max(0, int(wanted.get("credit", 0)))))
    except (WebSocketDisconnect, ValueError, TypeError, AttributeError, KeyError):
        pass
    finally:
        live.leave(viewer)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await viewer.came.wait()
            viewer.came.clear()
            message, viewer.newest = viewer.newest, None
            if message is not None:
                await socket.send_bytes(message)
