"""A file that a slow process has goes on by another one."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import ParserSettings
from streamer import Rendered, Rendering
from streamer.batch.driver import Batch
from streamer.batch.events import Event, Outcome, Slow
from streamer.batch.manifest import Manifest
from streamer.batch.messages import Asked, Ended, Going, Stopped, Work
from streamer.batch.running import LEFT_S, Running, slow_one

SETTINGS = Rendering(ParserSettings("lite", size=(64, 96)))
FAST_S, SLOW_S = 0.01, 0.1
FRAMES = 1000


def running(**fields: object) -> Running:
    found = Running(Work("in.mp4", Path("out.mp4")), "files 1", done=100, total=FRAMES, network_s=SLOW_S)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def test_a_file_goes_on_elsewhere_if_it_is_done_earlier_there() -> None:
    one = running()
    assert slow_one([running(network_s=0.09), one, running(done=FRAMES)], FAST_S) is one
    assert slow_one([one], 0.0) is None
    assert slow_one([], FAST_S) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"network_s": 0.03},  # slow, but not by so much
        {"done": 850},  # what is left takes less than all of it there, which is drawn again
        {"total": 1, "done": 0},  # a picture
        {"total": None},
        {"network_s": 0.0},  # nothing was parsed yet
        {"given_up": True},
        {"given_up_by": "files 2"},  # it had been slow elsewhere, too
        {"total": 200, "network_s": LEFT_S / 101},
    ],
)
def test_otherwise_it_stays(fields: dict[str, object]) -> None:
    assert not running(**fields).is_better_by(FAST_S)


class Made:
    """Processes that are made up: the first that is given a file is slow, and goes on until it is to stop."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Asked]] = []
        self.slow_began = threading.Event()
        self._lock = threading.Lock()
        self._count = 0

    def start(self, name: str, module: str, first: object) -> "MadeWorker":
        with self._lock:
            self._count += 1
            return MadeWorker(self, self._count)


class MadeWorker:
    def __init__(self, made: Made, number: int) -> None:
        self._made, self._number = made, number
        self.where = "two" if number == 1 else "one"

    def started(self, go_on: Callable[[], bool]) -> int:
        return self._number

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        if isinstance(message, Asked):
            self._made.asked.append((self.where, message))
        if message is False:
            return Stopped()
        if self.where == "two":
            self._made.slow_began.set()
            return Going(FRAMES // 100, FRAMES, SLOW_S)
        assert self._made.slow_began.wait(60)
        assert isinstance(message, Asked)
        return Ended(rendered(message.work), FAST_S)

    def close(self) -> int:
        return 0


def rendered(work: Work) -> Rendered:
    return Rendered(work.out, FRAMES, FRAMES, 1.0, 0, 0.0, (), stopped=False)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("parse_every", [1, 5])
def test_what_a_slow_process_had_goes_on_by_another_one_from_what_is_kept(
    tmp_path: Path, masks: bool, parse_every: int
) -> None:
    works = [
        Work(f"{name}.mp4", tmp_path / f"{name}.mp4", tmp_path / f"{name}.hpm" if masks else None)
        for name in ("a", "b", "c")
    ]
    made = Made()
    told: list[Event] = []
    settings = replace(SETTINGS, parse_every=parse_every)
    with Manifest(tmp_path) as manifest:
        batch = Batch(works, settings, 2, manifest, made.start, splits=False)
        outcomes = batch.run(told.append, lambda: False)
        assert {each.state for each in manifest.last.values()} == {"done"}
    assert {each.work.out for each in outcomes} == {each.out for each in works}
    assert len(outcomes) == len(works)
    (slow,) = (each for each in told if isinstance(each, Slow))
    assert (slow.where, slow.network_s, slow.elsewhere_s) == ("two", SLOW_S, FAST_S)
    (given_up,) = (asked.work for where, asked in made.asked if where == "two")
    assert slow.work is given_up
    (again,) = (asked for where, asked in made.asked if where == "one" and asked.work is given_up)
    assert (again.settings.resume, again.settings.force) == (masks and parse_every == 1, masks and parse_every > 1)
    assert [each.state for each in told if isinstance(each, Outcome)] == ["done"] * len(works)
