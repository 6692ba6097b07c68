"""A live stream, whose process is started again when it dies, and those who look at it. For one event loop."""

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from streamer.web.lines import event
from streamer.web.problems import Problem
from streamer.web.streams.counted import Counted
from streamer.web.streams.messages import packed
from streamer.web.streams.process import Lost, Process, Start, Stopped, started
from streamer.web.streams.restarts import MAX_FRUITLESS, Clock, Restarts

WIDTH, QUALITY = 1280, 80
START_S = 60.0
ANSWER_S = 30.0
END_S = 2.0
MAX_CREDIT = 4
LOOK_S = 0.5
"""How often it is looked whether the process still answers."""
State = Literal["starting", "running", "restarting", "ended"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(eq=False)
class Viewer:
    """One browser that looks at a stream. It is sent a picture for each credit that it gives."""

    pictures: bool = True
    """False takes the masks alone."""
    credit: int = 0
    newest: bytes | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """One stream, from its start to its end, through as many processes as it takes."""

    def __init__(
        self, stream_id: str, source: str, first: dict[str, Any], start: Start = started, clock: Clock | None = None
    ) -> None:
        """Starts its first process. Raises OSError."""
        self.id, self.source = stream_id, source
        self._first, self._start, self._clock = json.dumps(first).encode(), start, clock or Clock()
        self._rule = Restarts()
        self._look: dict[str, Any] = {}
        self.recording = ""
        """The name of the file that is being written, if there is one."""
        self.viewers: set[Viewer] = set()
        self._wanted, self._running = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._lost: Lost | None = None
        self.restarts = 0
        self.counted = Counted()
        self.last_death = ""
        """Why a process was started again, the last time."""
        self.recording_trouble = ""
        """What became of a recording whose process died."""
        self.died = ""
        """Why there is no process any more, and will be none."""
        self.over = ""
        """Why it ended: no process, no source, or nobody who wants it."""
        self._process = self._new_process()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def state(self) -> State:
        if self.over:
            return "ended"
        if self._running.is_set():
            return "running"
        return "restarting" if self.restarts or self._tasks else "starting"

    async def begin(self) -> None:
        """Waits until the stream runs; it need not have a picture yet. Raises Problem."""
        try:
            await self._become_ready()
        except Stopped:
            raise Problem("cannot-stream", "the stream is ending") from None
        except Lost as exc:
            self.died = self.over = await self._why_gone(exc)
            event("stream-died", logging.WARNING, **self._death(self.died))
            raise Problem("cannot-stream", self.died) from exc
        self._tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._watch())]

    async def ask(self, what: str, **more: Any) -> tuple[dict[str, Any], bytes]:
        """The process's answer. Raises Problem."""
        if not self._running.is_set():
            raise self._absent()
        process = self._process
        try:
            head, body = await process.ask({"what": what, **more}, ANSWER_S)
        except Stopped:
            raise Problem("cannot-stream", "the stream is ending") from None
        except Lost as exc:
            self._lose(process, exc)
            raise self._absent() from exc
        if "failed" in head:
            raise Problem("cannot-stream", head["failed"])
        if process is self._process:
            self._remember(what, more, head)
        return head, body

    def look(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        self._wanted.set()
        if self.over:
            viewer.newest = packed({"ended": self.over})
            viewer.came.set()

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)

    def give(self, viewer: Viewer, credit: int) -> None:
        """A viewer has drawn what it got, and takes more."""
        viewer.credit = min(MAX_CREDIT, viewer.credit + credit)
        self._wanted.set()

    async def end(self) -> None:
        """Ends the stream, with a recording complete; and its process, within some seconds whatever it does."""
        # First of all, or the process that ends would be started again.
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Problem, TimeoutError):
            async with asyncio.timeout(END_S):
                await self.ask("end")
        self.over = self.over or "it was ended"
        self._hand_out({"ended": self.over}, b"")
        await self._process.close()

    # Its processes, one after the other.

    def _new_process(self) -> Process:
        process = Process(f"the process of {self.source}", self._first, self._start)
        self._began_s = self._clock.now()
        return process

    async def _become_ready(self) -> None:
        """Raises Problem, Lost and Stopped."""
        head = await self._process.first_words(START_S)
        if "failed" in head:
            raise Problem("cannot-stream", head["failed"])
        if self._look:
            await self._process.ask({"what": "look", **self._look}, ANSWER_S)
        self._lost = None
        self._running.set()

    async def _watch(self) -> None:
        """Has the process answer now and then, and starts another when it does not."""
        while not self.died:
            await self._clock.pause(LOOK_S)
            with suppress(Problem):
                await self.ask("state")
            if self._lost is not None:
                await self._start_again(await self._why_gone(self._lost))

    async def _start_again(self, why: str) -> None:
        """Until there is a process that runs, or the stream is given up."""
        while not self.over:
            pause_s = self._rule.pause_s(self._clock.now() - self._began_s, self._process.shown)
            event("stream-died", logging.WARNING, **self._death(why), again_in_s=pause_s)
            if pause_s is None:
                self._give_up(f"{MAX_FRUITLESS} processes in a row died before a picture; of the last: {why}")
                return
            self.restarts, self.last_death = self.restarts + 1, why
            self.counted.next_process()
            self._hand_out({"restarting": why}, b"")
            await self._clock.pause(pause_s)
            try:
                self._process = self._new_process()
                await self._become_ready()
            except OSError as exc:
                why = f"no process for it: {exc.strerror}"
            except Problem as exc:
                await self._process.close()
                why = exc.detail
            except Lost as exc:
                why = await self._why_gone(exc)
            else:
                event("stream-restarted", stream=self.source, pid=self.pid, restarts=self.restarts)
                return
        self.died = self.over  # the source had ended before

    def _give_up(self, why: str) -> None:
        self.died = self.over = why
        self._wanted.set()
        self._hand_out({"ended": why}, b"")

    def _lose(self, process: Process, why: Lost) -> None:
        """Somebody had no answer; `_watch` does what is to be done."""
        if process is self._process and self._running.is_set():
            self._running.clear()
            self._lost = why
            if self.recording:
                self.recording_trouble = f"{self.recording} ended with the process"
                self.recording = ""

    async def _why_gone(self, lost: Lost) -> str:
        """Ends what is left of the process, and says why it is gone."""
        ended = await self._process.close()
        return lost.hung or ended

    def _death(self, why: str) -> dict[str, object]:
        return {"stream": self.source, "why": why, "last_words": self._process.last_words}

    def _absent(self) -> Problem:
        """What somebody is told who asks while there is no process."""
        if self.over:
            return Problem("cannot-stream", self.over)
        return Problem("cannot-stream", f"the stream is {self.state}", retry_after_s=3)

    def _remember(self, what: str, more: dict[str, Any], head: dict[str, Any]) -> None:
        """What the next process must know, and what the last one told of the stream."""
        if what == "look":
            self._look |= more
        elif what == "record":
            self.recording_trouble = ""
        if "recording" in head:
            self.recording = head["recording"] or ""
        if head.get("stats"):
            self.counted.heard(head["stats"])
        if head.get("ended"):
            self.over = head["ended"]

    # Those who look.

    async def _feed(self) -> None:
        """Fetches the newest picture while somebody takes one: encoded once, for all of them."""
        process, before, count = self._process, 0, 0
        while not self.died:
            if not any(each.credit for each in self.viewers):
                self._wanted.clear()
                await self._wanted.wait()
                continue
            await self._running.wait()
            if process is not self._process:  # the new one counts its pictures from one
                process, before, count = self._process, before + count, 0
            try:
                # Where nobody takes pictures, none is encoded.
                quality = QUALITY if any(each.credit and each.pictures for each in self.viewers) else 0
                head, body = await self.ask("frame", after=count, width=WIDTH, quality=quality)
            except Problem as exc:
                if not self._running.is_set():
                    continue
                head, body = {"count": count, "ended": exc.detail}, b""
            count = head["count"]
            self._hand_out({**head, "count": before + count}, body)
            if head.get("ended"):
                return

    def _hand_out(self, head: dict[str, Any], body: bytes) -> None:
        told = head.get("ended") or head.get("restarting")
        fresh, jpeg = bool(body) or "frame" in head, head.get("jpeg", len(body))
        whole = packed(head, body)
        masks = packed({**head, "jpeg": 0}, body[jpeg:]) if fresh and jpeg else whole
        for each in tuple(self.viewers):
            if not fresh and not head.get("ended") and each.newest is not None:
                continue  # a picture that waits to be sent is not given up for news without one
            if fresh and each.pictures and not jpeg:
                continue  # it gave its credit when a picture without a JPEG was on its way
            if told or each.credit:
                each.newest = whole if each.pictures else masks
                each.credit -= 1 if fresh else 0
                each.came.set()
