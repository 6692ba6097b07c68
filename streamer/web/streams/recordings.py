"""The routes for recordings and clips: made of streams, listed, given and removed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from streamer.web.jobs.accepting import Desk as JobDesk
from streamer.web.models import RecordingAnswer, RemovedAnswer, SavedAnswer
from streamer.web.problems import PARAMETERS, Problem, documented
from streamer.web.streams.routes import NONE, hub_of, live_of, root_of
from streamer.web.streams.saved import source_of

router = APIRouter(tags=["streams"])


@router.post(
    "/streams/{stream_id}/recording", status_code=201, response_model=SavedAnswer, responses=NONE, summary="Record"
)
async def record(request: Request, stream_id: str) -> dict[str, Any]:
    """The pictures as they come, covered where effects cover them; without colours, which `masks` of a job add."""
    live = live_of(request, stream_id)
    with hub_of(request).beginning("recording", live.source) as path:
        await live.ask("record", file=str(path))
    return _saved(request, path)


@router.delete(
    "/streams/{stream_id}/recording", response_model=SavedAnswer, responses=NONE, summary="End the recording"
)
async def end_recording(request: Request, stream_id: str) -> dict[str, Any]:
    """The file is whole when the next picture has come."""
    live = live_of(request, stream_id)
    lost = live.recording_trouble
    state, _ = await live.ask("state")
    if state["recording"] is None:
        raise Problem("cannot-stream", lost or state["recording_trouble"] or "it is not recording")
    await live.ask("record", file=None)
    return _saved(request, Path(state["recording"]))


@router.post(
    "/streams/{stream_id}/clip", status_code=201, response_model=SavedAnswer, responses=NONE, summary="The last seconds"
)
async def clip(request: Request, stream_id: str) -> dict[str, Any]:
    """Of a camera whose settings have clip_seconds."""
    live = live_of(request, stream_id)
    with hub_of(request).beginning("clip", live.source) as path:
        await live.ask("clip", file=str(path))
    return _saved(request, path)


@router.get("/recordings", response_model=list[RecordingAnswer], summary="The recordings and clips")
async def recordings(request: Request) -> list[dict[str, Any]]:
    """The newest first, of all cameras; they stay until they are removed, or the oldest make room for others."""
    hub = hub_of(request)
    writing = hub.writing()
    return [
        {
            "file": each.name,
            "kind": each.kind,
            "source": each.source,
            "size_bytes": each.size_bytes,
            "changed": datetime.fromtimestamp(each.changed_s, UTC).isoformat(timespec="milliseconds"),
            "writing": each.name in writing,
            "link": f"{root_of(request)}/recordings/{each.name}",
        }
        for each in hub.saved.all()
    ]


@router.get(
    "/recordings/removed", response_model=list[RemovedAnswer], summary="The recordings that were removed to make room"
)
async def removed(request: Request) -> list[dict[str, Any]]:
    """The last first, up to 100: those that the service removed by itself, to hold no more than `--data-max`."""
    jobs: JobDesk = request.app.state.jobs
    return [
        {
            "file": each.name,
            "kind": each.name.partition("-")[0],
            "source": source_of(each.name),
            "size_bytes": each.size_bytes,
            "removed": datetime.fromtimestamp(each.removed_s, UTC).isoformat(timespec="milliseconds"),
        }
        for each in jobs.store.removed()
    ]


@router.get(
    "/recordings/{name}",
    responses={
        200: {"content": {"video/mp4": {}}},
        206: {"description": "A part of it"},
        **documented(*PARAMETERS, "not-found", "bad-request", "unsatisfiable-range"),
    },
    response_class=FileResponse,
    summary="A recording or clip",
)
async def recording(request: Request, name: str) -> Response:
    """Ranges are answered. One that is being written can be played as far as it is."""
    path = hub_of(request).saved.path(name)
    return FileResponse(path, media_type="video/mp4", filename=name, headers={"Cache-Control": "no-store"})


@router.delete(
    "/recordings/{name}", status_code=204, responses=NONE, response_class=Response, summary="Remove a recording or clip"
)
async def remove(request: Request, name: str) -> Response:
    """For good. One that is being written is ended first, at its stream."""
    hub = hub_of(request)
    path = hub.saved.path(name)
    if path.name in hub.writing():
        raise Problem("cannot-stream", "it is being written; end the recording first")
    hub.saved.remove(name)
    return Response(status_code=204)


def _saved(request: Request, path: Path) -> dict[str, Any]:
    return {"file": path.name, "link": f"{root_of(request)}/recordings/{path.name}"}
