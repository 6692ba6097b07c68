"""The routes that say what the service is and how it is: health, parsers, labels, session, problems."""

import html
from secrets import compare_digest
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from streamer.web.gate import COOKIE
from streamer.web.models import LabelRow, ParserRow, Readiness
from streamer.web.pages import files
from streamer.web.problems import KINDS, WITH_BODY, Problem, documented
from streamer.web.stills.pool import Pool

about = APIRouter(tags=["service"])
"""Under the API's path."""
root = APIRouter(tags=["service"])
"""At the root."""


def _loaded(request: Request, what: str) -> Response:
    pool: Pool = request.app.state.stills.pool
    if pool.loaded is None:
        raise Problem("starting", pool.trouble or "the network is being loaded", retry_after_s=2)
    return Response(getattr(pool.loaded, what), media_type="application/json")


STARTING = documented("starting")


@about.get("/parsers", response_model=list[ParserRow], responses=STARTING, summary="The parsers")
async def parsers(request: Request) -> Response:
    """Every parser there is, and whether requests may name it here."""
    return _loaded(request, "parsers")


@about.get("/labels", response_model=dict[str, list[LabelRow]], responses=STARTING, summary="The label sets")
async def labels(request: Request) -> Response:
    """The classes of each label set, with their ids, colours and twins."""
    return _loaded(request, "label_sets")


@root.get("/healthz", summary="Whether it turns")
async def healthz() -> dict[str, bool]:
    """200 while the service answers at all; it waits for nothing."""
    return {"alive": True}


@root.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}}, summary="Whether it parses")
async def readyz(request: Request) -> Response:
    """200 while a process is ready that has parsed a picture since it began, or while there is none because nobody
    asked for long (`unloaded`): the next picture starts one. 503 with the reasons else."""
    pool: Pool = request.app.state.stills.pool
    reasons = [] if pool.takes else [pool.trouble or "the network is being loaded"]
    told = {"ready": not reasons, "unloaded": not reasons and not pool.ready, "reasons": reasons}
    return JSONResponse(told, 503 if reasons else 200)


@root.post(
    "/session",
    status_code=204,
    responses=documented("no-token", *WITH_BODY),
    summary="A cookie for a token",
    response_class=Response,
)
async def session(request: Request, token: Annotated[str, Body(embed=True, max_length=512)]) -> Response:
    """Gives a browser a cookie that it shows in place of the token."""
    known: str | None = request.app.state.token
    if known is None or not compare_digest(token.encode(), known.encode()):
        raise Problem("no-token", "that is not the token of this server")
    response = Response(status_code=204)
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token, path=request.scope.get("root_path") or "/", httponly=True, samesite="strict", secure=secure
    )
    return response


@root.get(
    "/problems/{name}",
    responses=documented("not-found", "validation"),
    response_class=HTMLResponse,
    summary="What a problem means",
)
async def problem(name: str) -> HTMLResponse:
    """The page that a problem's `type` leads to."""
    kind = KINDS.get(name)
    if kind is None:
        raise Problem("not-found", f"no such problem; there are: {', '.join(KINDS)}")
    title, text = html.escape(kind.title), html.escape(kind.about)
    chinese = html.escape(msgspec.json.decode(files()["i18n/zh.json"].body)["problems"][name])
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{text}</p>'
    return HTMLResponse(f'{page}<p lang="zh-CN">{chinese}</p><p>HTTP status {kind.status}.</p></html>')
