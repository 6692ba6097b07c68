"""The live streams of the service, and those who look at them. For one event loop."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from streamer.errors import ShutdownTimeout
from streamer.processes.child import Child, exit_text
from streamer.processes.framing import ChannelClosed
from streamer.web.lines import event
from streamer.web.problems import Problem
from streamer.web.settings import Camera
from streamer.web.streams.messages import packed, unpacked

MAX_STREAMS = 16
WIDTH, QUALITY = 1280, 80
START_S = 60.0
ANSWER_S = 15.0
END_S = 2.0
MAX_CREDIT = 4
_WAIT_S = 0.1
_MODULE = "streamer.web.streams.host"


@dataclass(eq=False)
class Viewer:
    """One browser that looks at a stream. It is sent a picture for each credit that it gives."""

    credit: int = 0
    seen: int = 0
    newest: bytes | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """One stream, from its start to its end."""

    def __init__(self, stream_id: str, source: str, first: dict[str, Any]) -> None:
        """Starts its process. Raises OSError."""
        self.id, self.source = stream_id, source
        self._child = Child(
            f"the process of {source}", _MODULE, json.dumps(first).encode(), wait_s=_WAIT_S, leave_s=2.0
        )
        self._stop = threading.Event()
        self._turn = asyncio.Lock()
        self.viewers: set[Viewer] = set()
        self._wanted = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        self.died = ""
        """Why there is no process any more."""

    @property
    def pid(self) -> int:
        return self._child.pid

    async def begin(self) -> None:
        """Waits until the stream runs; it need not have a picture yet. Raises Problem."""
        head, _ = unpacked(await self._received(START_S))
        if "failed" in head:
            raise Problem("cannot-stream", head["failed"])
        self._feeding = asyncio.create_task(self._feed())

    async def ask(self, what: str, **more: Any) -> tuple[dict[str, Any], bytes]:
        """The process's answer. Raises Problem."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            message = packed({"what": what, **more})
            try:
                await loop.run_in_executor(None, self._child.send, message, lambda: not self._stop.is_set())
            except ChannelClosed as exc:
                raise await self._lost() from exc
            head, body = unpacked(await self._received(ANSWER_S))
        if "failed" in head:
            raise Problem("cannot-stream", head["failed"])
        return head, body

    def look(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        self._wanted.set()

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)

    def give(self, viewer: Viewer, credit: int) -> None:
        """A viewer has drawn what it got, and takes more."""
        viewer.credit = min(MAX_CREDIT, viewer.credit + credit)
        self._wanted.set()

    async def end(self) -> None:
        """Ends the stream, with a recording complete; and its process, within some seconds whatever it does."""
        with suppress(Problem, TimeoutError):
            async with asyncio.timeout(END_S):
                await self.ask("end")
        self._stop.set()
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        self._hand_out({"ended": "it was ended"}, b"")
        await self._closed()

    async def _feed(self) -> None:
        """Fetches the newest picture while somebody takes one: encoded once, for all of them."""
        count = 0
        while not self.died:
            if not any(each.credit for each in self.viewers):
                self._wanted.clear()
                await self._wanted.wait()
                continue
            try:
                head, body = await self.ask("frame", after=count, width=WIDTH, quality=QUALITY)
            except Problem as exc:
                head, body = {"count": count, "ended": exc.detail}, b""
            count = head["count"]
            self._hand_out(head, body)
            if head.get("ended"):
                return

    def _hand_out(self, head: dict[str, Any], body: bytes) -> None:
        message = packed(head, body)
        for each in tuple(self.viewers):
            if head.get("ended") or each.credit:
                each.newest = message
                each.credit -= 1 if body else 0
                each.came.set()

    async def _received(self, timeout_s: float) -> memoryview:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s

        def go_on() -> bool:
            return not self._stop.is_set() and loop.time() < until_s

        try:
            body = await loop.run_in_executor(None, self._child.receive, go_on)
        except ChannelClosed as exc:
            raise await self._lost() from exc
        if body is None:
            raise Problem(
                "cannot-stream", "the stream is ending" if self._stop.is_set() else "the stream does not answer"
            )
        return body

    async def _lost(self) -> Problem:
        code = await self._closed()
        self.died = f"its process ended with {exit_text(code)}"
        event("stream-died", logging.WARNING, stream=self.source, why=self.died)
        return Problem("cannot-stream", self.died)

    async def _closed(self) -> int:
        with suppress(ShutdownTimeout):
            return await asyncio.get_running_loop().run_in_executor(None, self._child.close)
        return -1


class Hub:
    """All streams, by their ids."""

    def __init__(self, cameras: Mapping[str, Camera], any_source: bool, folder: Path, parser: str) -> None:
        """
        Args:
            cameras: those that clients may name, by their names.
            any_source: let clients name sources themselves.
            folder: for recordings and clips.
            parser: of streams whose settings name none.
        """
        self.cameras = cameras
        self._any_source, self._folder, self._parser = any_source, folder, parser
        self.streams: dict[str, Live] = {}

    async def start(self, source: str, parser: str | None) -> Live:
        """A new stream, or the one that the source has. Raises Problem."""
        found = next((each for each in self.streams.values() if each.source == source and not each.died), None)
        if found is not None:
            return found
        if len(self.streams) >= MAX_STREAMS:
            raise Problem("too-busy", f"{MAX_STREAMS} streams run; end one", retry_after_s=30)
        first: dict[str, Any] = {"name": _name(source), "parser": parser}
        if (camera := self.cameras.get(source)) is not None:
            first |= {"file": str(camera.file), "camera": camera.name if camera.in_fleet else None}
        elif self._any_source and not _is_path(source):
            first["source"] = source
        else:
            raise Problem("unknown-source", f"no source of that name; there are: {', '.join(self.cameras) or 'none'}")
        try:
            live = Live(f"s_{token_hex(8)}", source, first)
        except OSError as exc:
            raise Problem("cannot-stream", f"no process for it: {exc.strerror}") from exc
        self.streams[live.id] = live
        try:
            await live.begin()
        except BaseException:
            await self.end(live)
            raise
        return live

    def up(self) -> dict[str, int]:
        """1 for each camera whose stream runs, 0 for the others; those that clients named have no name here."""
        running = {live.source for live in self.streams.values() if not live.died}
        return {name: int(name in running) for name in self.cameras}

    async def end(self, live: Live) -> None:
        self.streams.pop(live.id, None)
        await live.end()

    async def stop(self) -> None:
        await asyncio.gather(*(self.end(each) for each in tuple(self.streams.values())), return_exceptions=True)

    def file(self, live: Live, kind: str, suffix: str) -> Path:
        """A new file for a recording or a clip."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / f"{kind}-{_name(live.source)}-{token_hex(6)}{suffix}"

    def saved(self, name: str) -> Path:
        """A file that was made here. Raises Problem."""
        path = self._folder / name
        if not re.fullmatch(r"(clip|recording)-[A-Za-z0-9_-]+\.mp4", name) or not path.is_file():
            raise Problem("not-found", "no such file")
        return path


def _name(source: str) -> str:
    """A source's name as the name of a stream."""
    return re.sub(r"[^A-Za-z0-9_-]", "", source)[:32] or "stream"


def _is_path(source: str) -> bool:
    """Whether somebody would have a file of this machine read."""
    return not re.match(r"(test:|webcam:\d+$|rtsps?://|rtmps?://)", source)
