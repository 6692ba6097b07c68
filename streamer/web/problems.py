"""Errors as RFC 9457 has them: every answer of 400 and above is one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    status: int
    title: str
    about: str
    """What it means and what to do, for the page `/problems/NAME`."""


KINDS = {
    "too-busy": Kind(429, "Too busy", "More pictures wait than this server can parse in its longest wait. Ask again"
        " after Retry-After, or start it with more cores or a longer --max-wait."),
    "deadline": Kind(504, "Too late", "The answer was not there within the deadline of the request or the server."),
    "too-slow": Kind(408, "Body too slow", "The body of the request did not come in time. Send it again."),
    "starting": Kind(503, "Starting", "The network is not loaded yet. Ask again after Retry-After."),
    "worker-died": Kind(503, "Process died", "The process that had the picture died twice. Others go on."),
    "poison": Kind(422, "Picture kills", "This picture ended two processes that tried to parse it, and is refused for"
        " ten minutes. Please report it."),
    "not-a-picture": Kind(415, "Not a picture", "The bytes are not a picture. JPEG, PNG and WebP are taken."),
    "unsupported-format": Kind(415, "Unsupported format", "JPEG, PNG and WebP are taken. Convert the picture."),
    "truncated-picture": Kind(422, "Damaged picture", "The picture's data end too early or are damaged."),
    "animated": Kind(422, "Animated", "The picture has several frames. frame=0 takes the first; films are for"
        " /api/v1/videos."),
    "too-many-bytes": Kind(413, "Too many bytes", "The body is larger than this server takes."),
    "too-many-pixels": Kind(413, "Too many pixels", "The picture has more pixels than this server decodes."),
    "validation": Kind(422, "Cannot be", "A parameter has a value that it cannot have; `errors` names it."),
    "bad-request": Kind(400, "Bad request", "The request cannot be understood."),
    "not-found": Kind(404, "Not found", "There is nothing under this address."),
    "unknown-parser": Kind(404, "Unknown parser", "This server was not started with that parser. /api/v1/parsers lists"
        " those that there are."),
    "gone": Kind(410, "Gone", "It was here and is not any more: results are kept for 15 minutes, or as memory lasts."),
    "unsatisfiable-range": Kind(416, "No such range", "The Range begins after the end of the file, or cannot be read."),
    "method-not-allowed": Kind(405, "Method not allowed", "The address takes other methods; Allow names them."),
    "bad-host": Kind(421, "Unknown host name", "The server is not known by the name in the Host header. Start it with"
        " --allow-host NAME if that name is its own."),
    "bad-origin": Kind(403, "Other page", "The request comes from a page of another origin. --cors lets it in."),
    "no-token": Kind(401, "No token", "This server asks for a token: Authorization: Bearer TOKEN."),
    "unknown-source": Kind(404, "Unknown camera", "The server was not started with that camera. /api/v1/sources"
        " lists those that there are."),
    "cannot-stream": Kind(409, "No stream", "The stream cannot be started, or cannot do that now."),
    "idempotency-key-reused": Kind(422, "Key reused", "The Idempotency-Key was given before, with another body or other"
        " parameters. Make a new one for each new request."),
    "no-room": Kind(507, "No room", "The disk has less free than the server keeps free, or its jobs take all that they"
        " may. Forget jobs that are over."),
    "internal": Kind(500, "Internal error", "Something failed that should not have. The log has it under the request's"
        " id."),
}  # fmt: skip
"""The kinds of problems by their names, which are the ends of their `type`."""


class Problem(HTTPException):
    """Raised to answer a request with a problem."""

    def __init__(self, kind: str, detail: str, *, retry_after_s: int | None = None, **more: Any) -> None:
        super().__init__(KINDS[kind].status, detail)
        self.kind, self.more, self.retry_after_s = kind, more, retry_after_s


def answer(problem: Problem, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The response for a problem."""
    body = msgspec.json.encode(as_json(problem, request_id))
    sent = dict(headers or {})
    if problem.retry_after_s is not None:
        sent["Retry-After"] = str(problem.retry_after_s)
    if problem.kind == "no-token":
        sent["WWW-Authenticate"] = "Bearer"
    return Response(body, problem.status_code, sent, MEDIA_TYPE)


def as_json(problem: Problem, request_id: str) -> dict[str, Any]:
    """A problem's fields."""
    fields = {
        "type": f"/problems/{problem.kind}",
        "title": KINDS[problem.kind].title,
        "status": problem.status_code,
        "detail": problem.detail,
        "request_id": request_id,
        **problem.more,
    }
    if problem.retry_after_s is not None:
        fields["retry_after_s"] = problem.retry_after_s
    return fields


def of_status(status: int, detail: str) -> Problem:
    """The problem for a status that a library chose."""
    by_status = {
        404: "not-found",
        405: "method-not-allowed",
        413: "too-many-bytes",
        416: "unsatisfiable-range",
        422: "validation",
    }
    kind = by_status.get(status, "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")
    return Problem(kind, detail)


PARAMETERS = ("validation",)
WITH_BODY = ("bad-request", "too-slow", "too-many-bytes", "validation")
QUEUED = ("too-busy", "starting", "worker-died", "deadline", "poison")
"""Of what waits for a process for stills."""
PICTURE = (
    *WITH_BODY, *QUEUED, "unknown-parser", "not-a-picture", "unsupported-format", "truncated-picture", "animated",
    "too-many-pixels",
)  # fmt: skip


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a route answers with, for its description in OpenAPI."""
    by_status: dict[int | str, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(KINDS[kind].status, []).append(kind)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    return {
        status: {"description": ", ".join(found), "content": content} for status, found in sorted(by_status.items())
    }
