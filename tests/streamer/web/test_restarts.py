"""The process of a stream is started again when it dies: with processes that are made up, and a clock of their own."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streamer.processes.child import exit_text
from streamer.processes.framing import Body, ChannelClosed
from streamer.web.problems import Problem
from streamer.web.streams import live as module
from streamer.web.streams.live import LOOK_S, Live, Viewer
from streamer.web.streams.messages import packed, unpacked
from streamer.web.streams.restarts import MAX_FRUITLESS, MAX_PAUSE_S, STEADY_S, Clock, Restarts

PATIENCE_S = 120.0


class Made:
    """A process that answers each question at once, until it is killed."""

    def __init__(self, hear: Callable[[bytes], None], shows: bool, ready: bool, pid: int) -> None:
        self.pid, self.hear, self.shows, self.ready = pid, hear, shows, ready
        self.asked: list[dict[str, Any]] = []
        self.count = 0
        self.recording: str | None = None
        self.dead = self.hung = self.closed = False
        self.held = threading.Event()
        self.held.set()

    def send(self, body: Body, go_on: Callable[[], bool]) -> bool:
        if self.dead:
            raise ChannelClosed
        self.asked.append(unpacked(bytes(body))[0])
        return True

    def receive(self, go_on: Callable[[], bool], wait_s: float | None = None) -> memoryview | None:
        self.held.wait(PATIENCE_S)
        if self.dead or not self.ready:
            raise ChannelClosed
        return None if self.hung else memoryview(self._answer())

    def close(self) -> int:
        self.closed = True
        return -9

    def _answer(self) -> bytes:
        if not self.asked:
            return packed({"ready": True})
        what = self.asked[-1]["what"]
        if what == "record":
            self.recording = Path(self.asked[-1]["file"]).name
        if what == "frame" and self.shows:
            self.count += 1
            return packed({"count": self.count, "stats": {"shown": self.count}}, b"picture")
        return packed({"count": self.count, "what": what, "recording": self.recording, "stats": {"shown": self.count}})


@dataclass
class World:
    """The processes that a stream started, what the log was told, and the pauses before each start."""

    shows: bool = True
    ready: bool = True
    processes: list[Made] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    now_s: float = 0.0

    def start(self, name: str, first: bytes, hear: Callable[[bytes], None]) -> Made:
        assert json.loads(first) == {"name": "door"}
        made = Made(hear, self.shows, self.ready or not self.processes, 100 + len(self.processes))
        self.processes.append(made)
        return made

    async def pause(self, seconds: float) -> None:
        if seconds != LOOK_S:
            self.pauses_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0.001)

    def live(self) -> Live:
        return Live("s_1", "door", {"name": "door"}, self.start, Clock(lambda: self.now_s, self.pause))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(module, "event", lambda name, level=0, **fields: made.told.append({"name": name, **fields}))
    return made


def _run(live: Callable[[], Live], work: Callable[[Live], Awaitable[None]]) -> None:
    async def run() -> None:
        stream = live()
        async with asyncio.timeout(PATIENCE_S):
            await stream.begin()
            try:
                await work(stream)
            finally:
                await stream.end()

    asyncio.run(run())


async def _until(happened: Callable[[], bool]) -> None:
    """Within the patience of `_run`."""
    while not happened():
        await asyncio.sleep(0.001)


async def _picture(live: Live, viewer: Viewer, heads: list[dict[str, Any]]) -> int:
    """The number of the next picture; and what came until then."""
    live.give(viewer, 1)
    while True:
        await viewer.came.wait()
        viewer.came.clear()
        assert viewer.newest is not None
        (head, body), viewer.newest = unpacked(viewer.newest), None
        heads.append(head)
        if body:
            return int(head["count"])


def test_a_process_that_dies_again_and_again_is_started_later_and_later() -> None:
    rule = Restarts()
    pauses_s = [rule.pause_s(1.0, True) for _ in range(9)]
    assert pauses_s == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S]
    assert rule.pause_s(STEADY_S, True) == 0.0  # it had been well
    assert rule.pause_s(STEADY_S, False) == 1.0  # it had not


def test_processes_that_show_nothing_are_given_up() -> None:
    rule = Restarts()
    assert None not in [rule.pause_s(1.0, False) for _ in range(MAX_FRUITLESS - 1)]
    assert rule.pause_s(1.0, True) is not None  # a picture, and all begins anew
    assert None not in [rule.pause_s(1.0, False) for _ in range(MAX_FRUITLESS - 1)]
    assert rule.pause_s(1.0, False) is None


def test_viewers_stay_and_see_what_the_next_process_shows(world: World) -> None:
    async def work(live: Live) -> None:
        viewer, heads = Viewer(), []  # type: ignore[var-annotated]
        live.look(viewer)
        counts = [await _picture(live, viewer, heads) for _ in range(3)]
        await live.ask("look", opacity=0.9)
        await live.ask("record", file="/folder/recording-door-1.mp4")
        assert live.recording == "recording-door-1.mp4"
        world.processes[0].hear(b"out of luck: rtsp://me:secret@door/\n")
        world.processes[0].dead = True
        await _until(lambda: live.restarts == 1 and live.state == "running")
        counts.append(await _picture(live, viewer, heads))
        counts.append(await _picture(live, viewer, heads))
        assert counts == sorted(set(counts))
        why = f"its process ended with {exit_text(-9)}"
        assert [head["restarting"] for head in heads if "restarting" in head] == [why]
        assert (live.last_death, live.over, live.pid) == (why, "", 101)
        assert live.recording == ""
        assert live.recording_trouble == "recording-door-1.mp4 ended with the process"

    _run(world.live, work)
    died, again = world.told
    assert (died["name"], died["again_in_s"], again["name"]) == ("stream-died", 0.0, "stream-restarted")
    assert died["last_words"] == "out of luck: rtsp://door/"
    assert world.processes[1].asked[0] == {"what": "look", "opacity": 0.9}
    assert all(each.closed for each in world.processes)


def test_nobody_need_look_for_a_death_to_be_seen(world: World) -> None:
    async def work(live: Live) -> None:
        for dead in range(3):
            world.processes[dead].dead = True
            await _until(lambda: live.restarts == dead + 1 and live.state == "running")  # noqa: B023

    _run(world.live, work)
    assert world.pauses_s == [0.0, 1.0, 2.0]


def test_a_stream_is_given_up_with_its_reason(world: World) -> None:
    async def work(live: Live) -> None:
        viewer = Viewer()
        live.look(viewer)
        world.ready = False
        world.processes[0].dead = True
        await _until(lambda: live.state == "ended")
        assert live.died.startswith(f"{MAX_FRUITLESS} processes in a row died before a picture; of the last: its pro")
        late = Viewer()
        live.look(late)
        for each in (viewer, late):
            assert each.newest is not None
            assert unpacked(each.newest)[0] == {"ended": live.died}
        with pytest.raises(Problem, match="in a row"):
            await live.ask("state")

    _run(world.live, work)
    assert len(world.processes) == MAX_FRUITLESS
    assert world.pauses_s == [0.0, 1.0, 2.0, 4.0]
    assert world.told[-1]["again_in_s"] is None


def test_while_there_is_no_process_who_asks_is_told_so(world: World) -> None:
    async def work(live: Live) -> None:
        world.processes[0].dead = True
        with pytest.raises(Problem, match="the stream is restarting") as told:
            while True:
                await live.ask("still")
        assert told.value.retry_after_s == 3
        assert live.state == "restarting"

    _run(world.live, work)


def test_a_process_that_does_not_answer_is_replaced(world: World) -> None:
    async def work(live: Live) -> None:
        world.processes[0].hung = True
        await _until(lambda: live.restarts == 1 and live.state == "running")
        assert live.last_death == "its process did not answer for 30 s"
        assert world.processes[0].closed

    _run(world.live, work)


def test_an_answer_that_nobody_waits_for_is_nobody_elses(world: World) -> None:
    async def work(live: Live) -> None:
        process = world.processes[0]
        process.held.clear()
        asking = asyncio.create_task(live.ask("still"))
        await _until(lambda: {"what": "still"} in process.asked)
        asking.cancel()
        other = asyncio.create_task(live.ask("clip"))
        process.held.set()
        assert (await other)[0]["what"] == "clip"

    _run(world.live, work)


def test_a_stream_that_is_ended_stays_so(world: World) -> None:
    async def work(live: Live) -> None:
        await live.end()
        assert (live.state, live.over) == ("ended", "it was ended")

    _run(world.live, work)
    assert len(world.processes) == 1


def test_a_stream_that_never_began_is_no_stream(world: World) -> None:
    def dead() -> Live:
        live = world.live()
        world.processes[0].dead = True
        return live

    async def work(live: Live) -> None:
        raise AssertionError

    with pytest.raises(Problem, match="its process ended with exit code -9"):
        _run(dead, work)
    assert [each["name"] for each in world.told] == ["stream-died"]
