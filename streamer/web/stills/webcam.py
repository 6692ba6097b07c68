"""Somebody's own camera: pictures in and masks out over one WebSocket, the newest picture at a time."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from streamer.stills.messages import Mask, Masked
from streamer.web.problems import Problem, as_json
from streamer.web.settings import ServeSettings
from streamer.web.stills.asked import read_size
from streamer.web.stills.desk import Desk, refusal
from streamer.web.streams.messages import packed

MAX_WEBCAMS = 64
router = APIRouter()


@dataclass(eq=False)
class _Newest:
    """The newest picture of a camera; those before it that nobody took are counted and gone."""

    body: bytes | None = None
    frame: int = -1
    dropped: int = 0
    over: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, body: bytes) -> None:
        self.dropped += self.body is not None
        self.body = body
        self.frame += 1
        self.came.set()

    def end(self) -> None:
        self.over = True
        self.came.set()

    async def take(self) -> bytes | None:
        """The newest picture as soon as there is one; None when there will be none."""
        await self.came.wait()
        self.came.clear()
        body, self.body = self.body, None
        return None if self.over else body


class Webcams:
    """All cameras that send pictures. For one event loop."""

    def __init__(self, settings: ServeSettings, desk: Desk) -> None:
        self._settings, self._desk = settings, desk
        self._count = 0

    async def serve(self, socket: WebSocket) -> None:
        """Answers each picture that it takes until the client goes, or sends what is no picture's message."""
        await socket.accept()
        try:
            asked = self._asked(socket.query_params)
        except Problem as exc:
            await socket.send_bytes(packed({"problem": as_json(exc, socket.state.request_id)}))
            await socket.close(1008, exc.kind)
            return
        if self._count >= MAX_WEBCAMS:
            await socket.close(1013, f"{MAX_WEBCAMS} cameras send pictures")
            return
        newest, self._count = _Newest(), self._count + 1
        answering = asyncio.create_task(self._answer(socket, newest, asked))
        try:
            await _receive(socket, newest)
        finally:
            self._count -= 1
            newest.end()
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    def _asked(self, query: Mapping[str, str]) -> Mask:
        """What the address asks of each picture. Raises Problem."""
        served = self._settings.work.parser
        parser = query.get("parser", served[0])
        if parser not in served:
            raise Problem("unknown-parser", f"this server has {', '.join(served)}")
        return Mask(b"", parser, read_size(query.get("size")))

    async def _answer(self, socket: WebSocket, newest: _Newest, asked: Mask) -> None:
        client = socket.client.host if socket.client else "local"
        while (body := await newest.take()) is not None:
            frame, began_s = newest.frame, time.monotonic()
            head: dict[str, Any] = {"frame": frame, "dropped": newest.dropped}
            masks = b""
            try:
                found = await self._parsed(client, asked.of(body))
            except Problem as exc:
                head["problem"] = as_json(exc, socket.state.request_id)
            else:
                masks = found.maps
                head |= {**found.head, "took_s": round(time.monotonic() - began_s, 4)}
            try:
                await socket.send_bytes(packed({**head, "jpeg": 0, "masks": len(masks)}, masks))
            except (WebSocketDisconnect, RuntimeError):  # it went while its picture was parsed
                return

    async def _parsed(self, client: str, asked: Mask) -> Masked:
        """Raises Problem."""
        deadline_s = self._settings.work.deadline_s
        try:
            async with asyncio.timeout(deadline_s if math.isfinite(deadline_s) else None):
                answered = await self._desk.ask(asked, client, f"{asked.parser} webcam")
        except TimeoutError as exc:
            raise Problem("deadline", f"the answer was not there within {deadline_s:g} s") from exc
        if not isinstance(answered, Masked):
            raise refusal(answered)
        return answered


async def _receive(socket: WebSocket, newest: _Newest) -> None:
    """Takes pictures until the client goes."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        if not message.get("bytes"):
            await socket.close(1003, "pictures are binary messages")
            return
        newest.put(message["bytes"])


@router.websocket("/webcam")
async def webcam(socket: WebSocket) -> None:
    """Binary messages of a JPEG, PNG or WebP each; the answers are as those of `streams/{id}/masks`."""
    webcams: Webcams = socket.app.state.webcams
    await webcams.serve(socket)
