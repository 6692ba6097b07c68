"""The gate before the service: who may ask, from where, how much, and whether there is a place in the queue.

All of this is decided by the headers of a request, before its body is read. `docs/web.md` says what each rule is
against.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest, token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from streamer.web.bodies import MULTIPART_EXTRA_BYTES, WHOLE_S, Receive, counted, refuse_early
from streamer.web.lines import event
from streamer.web.prefer import later
from streamer.web.problems import Problem, answer, of_status
from streamer.web.settings import LOOPBACK, ServeSettings
from streamer.web.stills.pool import Pool
from streamer.web.stills.queue import retry_after_s

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LATE_S = 0.25
"""A refusal is answered so late: clients that ask again at once would else cost more than those that are served."""
MAX_LATE = 256
JSON_BYTES = 65_536
BATCH = 32
COOKIE = "m2fp_session"
API = "/api/v1"
QUEUED = (f"{API}/parse", f"{API}/parse/batch", f"{API}/faces")
"""What takes a place in the queue."""
MAY_BE_JOBS = QUEUED[:2]
"""What `Prefer: respond-async` makes a job of, which takes none."""
OPEN = ("/", "/docs", "/healthz", "/readyz", "/session", f"{API}/openapi.json")
"""What is given without a token: nothing of anybody's is there."""
OPEN_FOLDERS = ("/page/", "/problems/")
ENDLESS = ("/events", "/live.mjpg")
"""Ends of the addresses whose answers go on for as long as somebody listens: HEAD is not for them."""
NAVIGATED = ("/", "/docs")
"""Pages that a link elsewhere may lead to."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none';"
    " require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}

PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, DELETE, PATCH",
    "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Prefer, X-Deadline-S, Cache-Control",
    "access-control-max-age": "600",
}
"""The answer to a page of another origin that was let in."""


@dataclass(slots=True)
class Tally:
    """Counters of the gate."""

    late: int = 0
    """Refusals that are being held back."""
    refused: int = 0
    """Pictures refused because too many wait."""


class Gate:
    """ASGI middleware."""

    def __init__(
        self, app: App, settings: ServeSettings, pool: Pool, token: str | None, port: Callable[[], int]
    ) -> None:
        """
        Args:
            token: what clients must show; None lets everybody in.
            port: the port that the service listens at.
        """
        self._app, self._settings, self._token, self._port = app, settings, token, port
        self.pool = pool
        self.tally = Tally()
        self.observe: Callable[[str, str, int, float], None] = lambda route, method, status, seconds: None
        """Told of each request: the template of its route, its method, status and seconds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        if method == "HEAD" and not scope["path"].endswith(ENDLESS):
            scope = {**scope, "method": "GET"}  # the server, which knows better, leaves the body out
        visit = _Visit(scope, send, method)
        try:
            self._admit(visit)
            if visit.method == "OPTIONS":
                await Response(status_code=204, headers=PREFLIGHT)(scope, receive, visit.send)
                return
            if scope["type"] == "http":
                receive = self._received(visit, receive)
                await self._queue(visit)
            await self._app(scope, receive, visit.send)
        except ClientDisconnect:
            pass
        except HTTPException as exc:
            await visit.answer(exc if isinstance(exc, Problem) else of_status(exc.status_code, exc.detail), receive)
        except Exception as exc:  # the boundary of a request
            event("failed", logging.ERROR, id=visit.id, why=f"{type(exc).__name__}: {exc}")
            logging.getLogger("streamer.web").error("failed", exc_info=exc, extra={"fields": {"id": visit.id}})
            await visit.answer(Problem("internal", f"the log has it under {visit.id}"), receive)
        finally:
            place = visit.state.get("place")
            if place is not None and not place.queued:
                self.pool.queue.leave(place)
            if scope["type"] == "http":
                visit.log(self.observe)

    def _admit(self, visit: "_Visit") -> None:
        """Raises Problem for a request that may not be answered."""
        host = visit.header("host")
        if not self._is_ours(host):
            raise Problem("bad-host", "this server is not known by that name")
        origin = visit.header("origin")
        foreign = origin in self._settings.access.cors
        if origin and not foreign and not self._is_own_page(origin):
            raise Problem("bad-origin", "pages of that origin may not ask here")
        visit.cors = origin if foreign else None
        if visit.method == "OPTIONS" and not foreign:
            raise Problem("bad-origin", "no other page may ask here")
        site = visit.header("sec-fetch-site")
        navigated = visit.header("sec-fetch-mode") == "navigate" and visit.method == "GET" and visit.path in NAVIGATED
        if site not in ("", "same-origin", "none") and not navigated and not foreign:
            raise Problem("bad-origin", "other pages may not ask here")
        self._check_token(visit)

    def _is_ours(self, host: str) -> bool:
        access = self._settings.access
        if access.uds is not None:
            return host.lower() in (*LOOPBACK, *access.allow_host)
        own = {f"{name}:{self._port()}" for name in (*LOOPBACK, access.host)}
        own |= set(LOOPBACK) if self._port() in (80, 443) else set()
        name = host.lower()
        if not access.is_loopback and access.host in ("0.0.0.0", "::") and _is_address(name):
            return True  # no page can have its own name lead here by an address
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        return name in own or name in access.allow_host or bare in access.allow_host

    def _is_own_page(self, origin: str) -> bool:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and not parts.path and self._is_ours(parts.netloc)

    def _check_token(self, visit: "_Visit") -> None:
        if self._token is None or visit.path in OPEN or visit.path.startswith(OPEN_FOLDERS):
            return
        if visit.method == "OPTIONS":
            return
        shown = visit.header("authorization")
        given = shown[7:] if shown.lower().startswith("bearer ") else visit.cookie(COOKIE)
        if not compare_digest(given.encode(), self._token.encode()):
            raise Problem("no-token", "this server asks for a token: send Authorization: Bearer TOKEN")

    def _received(self, visit: "_Visit", receive: Receive) -> Receive:
        limit = self._limit_bytes(visit.path)
        refuse_early(visit.header("content-length") or None, limit)
        return counted(receive, limit, math.inf if visit.path == f"{API}/videos" else WHOLE_S)

    def _limit_bytes(self, path: str) -> int:
        if path == f"{API}/videos":
            return self._settings.jobs.max_video_bytes
        picture = self._settings.work.max_upload_bytes + MULTIPART_EXTRA_BYTES
        return {QUEUED[0]: picture, QUEUED[1]: BATCH * picture, QUEUED[2]: picture}.get(path, JSON_BYTES)

    async def _queue(self, visit: "_Visit") -> None:
        """Takes a place in the queue, or raises Problem, late."""
        if visit.method != "POST" or visit.path not in QUEUED:
            return
        if visit.path in MAY_BE_JOBS and visit.prefer_later():
            return
        queue = self.pool.queue
        if not self.pool.takes:
            detail = self.pool.trouble or "the network is being loaded"
            raise Problem("starting", detail, retry_after_s=2)
        excess_s = queue.excess_s(time.monotonic())
        if excess_s > 0:
            self.tally.refused += 1
            await self._be_late(visit)
            wait_s = self._settings.work.max_wait_s
            raise Problem(
                "too-busy",
                f"{queue.waiting} pictures wait, which takes about {excess_s + wait_s:.1f} s; this server lets"
                f" {wait_s:g} s wait at most",
                retry_after_s=retry_after_s(excess_s, random.random()),
                waiting=queue.waiting,
            )
        visit.state["place"] = queue.enter(visit.client, visit.kind, time.monotonic())

    async def _be_late(self, visit: "_Visit") -> None:
        if self.tally.late >= MAX_LATE:
            visit.hang_up = True
            return
        self.tally.late += 1
        try:
            await asyncio.sleep(LATE_S)
        finally:
            self.tally.late -= 1


class _Visit:
    """One request or WebSocket."""

    def __init__(self, scope: Scope, send: Send, method: str) -> None:
        self.id = f"q_{token_hex(6)}"
        self.path: str = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        self.method = method
        self.state: dict[str, Any] = scope.setdefault("state", {})
        self.state["request_id"] = self.id
        self.cors: str | None = None
        self.hang_up = False
        self._replaced = False
        self._scope, self._send = scope, send
        self._headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._status = 0
        self._began_s = time.monotonic()

    @property
    def client(self) -> str:
        """Whom the queue is fair to."""
        return str((self._scope.get("client") or ("local", 0))[0])

    @property
    def kind(self) -> str:
        """The kind of picture for the queue's expectations: the parser and size asked for."""
        query = parse_qs(self._scope["query_string"].decode("latin-1"))
        return f"{query.get('parser', [''])[0][:32]} {query.get('size', [''])[0][:16]}"

    def prefer_later(self) -> bool:
        """Whether it is to become a job, as the route is told."""
        self.state["later"] = found = later(self._scope["headers"])
        return found is not None

    def header(self, name: str) -> str:
        return self._headers.get(name, "")

    def cookie(self, name: str) -> str:
        try:
            found = SimpleCookie(self.header("cookie")).get(name)
        except CookieError:
            return ""
        return "" if found is None else str(found.value)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start" and _is_plain_error(message):
            status = message["status"]
            await answer(of_status(status, HTTPStatus(status).phrase.lower()), self.id)(
                self._scope, _nothing, self.send
            )
            self._replaced = True
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            have = {name.lower() for name, _ in message["headers"]}
            added = {**HEADERS, "x-request-id": self.id}
            if self.cors:
                added |= {"access-control-allow-origin": self.cors, "vary": "Origin"}
                added["cross-origin-resource-policy"] = "cross-origin"
            if self.hang_up:
                added["connection"] = "close"
            extra = [
                (name.encode(), value.encode("latin-1")) for name, value in added.items() if name.encode() not in have
            ]
            message["headers"] = [*message["headers"], *extra]
        await self._send(message)

    async def answer(self, problem: Problem, receive: Receive) -> None:
        """Sends a problem, if nothing was sent yet."""
        if self._scope["type"] == "websocket":
            await self._send({"type": "websocket.close", "code": 1008, "reason": problem.kind})
        elif not self._status:
            await answer(problem, self.id)(self._scope, receive, self.send)

    def log(self, observe: Callable[[str, str, int, float], None]) -> None:
        """Writes the request's line: no query, no body, no token."""
        route = getattr(self._scope.get("route"), "path", "unmatched")
        if self.path.startswith(API) and route.startswith("/") and not route.startswith(API):
            route = API + route
        seconds = time.monotonic() - self._began_s
        observe(route, self.method if self.method.isalpha() else "other", self._status, seconds)
        event("request", id=self.id, method=self.method, route=route, status=self._status, seconds=round(seconds, 4))


def _is_plain_error(message: MutableMapping[str, Any]) -> bool:
    """Whether a library answers with an error of its own, as to a Range that cannot be."""
    kind = next((value for name, value in message["headers"] if name.lower() == b"content-type"), b"")
    return bool(message["status"] >= HTTPStatus.BAD_REQUEST and kind.startswith(b"text/plain"))


async def _nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


def _is_address(host: str) -> bool:
    """Whether a Host header is an IP address, with or without a port."""
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.partition(":")[0]
    return all(part.isdecimal() for part in name.split(".")) if "." in name else ":" in name
