"""The process of a camera, in a thread of the test."""

import os
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.fleets import camera
from streamer.fleets.messages import Begin, Look, Seen, Stop
from streamer.live.config import StreamConfig
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import packed, unpacked
from tests.support.media import pts_of
from tests.support.waiting import PATIENCE_S, eventually

SOURCE = "test:size=96x128,rate=20"
BEGAN = datetime(2026, 11, 22, 7, 15)


class Driver:
    """Asks a camera."""

    def __init__(self, begin: Begin) -> None:
        self._messages: queue.Queue[bytes | None] = queue.Queue()
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._messages.put(packed(begin))
        self._thread = threading.Thread(target=camera.serve, args=(self,))
        self._thread.start()

    def ask(self, message: object) -> Seen:
        self._messages.put(packed(message))
        seen = unpacked(self._answers.get(timeout=PATIENCE_S))
        assert isinstance(seen, Seen)
        return seen

    def close(self) -> None:
        self._messages.put(None)
        self._thread.join(PATIENCE_S)

    # As a parent:

    def receive(self) -> bytes:
        message = self._messages.get()
        if message is None:
            raise ChannelClosed
        return message

    def send(self, body: bytes) -> None:
        self._answers.put(body)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder; the current one is that of the test again after it."""
    monkeypatch.chdir(Path.cwd())
    with tempfile.TemporaryDirectory() as private:  # sockets have short names
        monkeypatch.setattr(tempfile, "tempdir", private)
        yield tmp_path


def config(**given: object) -> StreamConfig:
    return StreamConfig(SOURCE, size=(64, 96), **given)  # type: ignore[arg-type]


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="what a camera publishes for its machine goes by a path")
def test_it_runs_where_its_files_are_named_from_and_closes_them_when_it_is_asked(here: Path) -> None:
    driver = Driver(Begin(config(record="a.mp4", masks="a.hpm", publish="tcp://127.0.0.1:5"), str(here), False))
    try:
        assert eventually(lambda: driver.ask(Look()).at.shown > 5)
        seen = driver.ask(Look())
        assert (seen.over, seen.error, seen.config.parser.threads) == (False, None, 1)
        assert seen.cpu_s > 0
        assert seen.address is not None  # its own, for its own user
        private = Path(seen.address.removeprefix("ipc://"))
        assert private.parent.stat().st_mode & 0o077 == 0
        assert private.is_relative_to(tempfile.gettempdir())
        driver.ask(Stop())
        assert eventually(lambda: driver.ask(Look()).over)
        seen = driver.ask(Look())
        assert seen.error is None
        assert len(pts_of(here / "a.mp4")) == seen.at.shown
        assert (here / "a.hpm").exists()
        assert list(Path(tempfile.gettempdir()).iterdir()) == []
    finally:
        driver.close()


@pytest.mark.process
def test_it_closes_its_files_when_its_process_is_ended_and_is_begun_again_into_others(here: Path) -> None:
    ran_once(here, again=False)
    before = {each.name: each.read_bytes() for each in here.glob("a*")}
    assert set(before) == {"a.mp4", "a.hpm"}
    ran_once(here, again=True)
    assert len(list(here.glob("a*"))) == 4
    for name, content in before.items():
        assert (here / name).read_bytes() == content


def ran_once(here: Path, *, again: bool) -> None:
    """Until its process is ended, as it is with its driver."""
    driver = Driver(Begin(config(record="a.mp4", masks="a.hpm", force=True), str(here), again))
    try:
        assert eventually(lambda: driver.ask(Look()).at.shown > 5)
        seen = driver.ask(Look())
    finally:
        driver.close()
    assert seen.config.record.file is not None
    assert len(pts_of(here / seen.config.record.file)) >= seen.at.shown


@pytest.mark.process
def test_why_it_failed_is_told(here: Path) -> None:
    driver = Driver(Begin(config(record="no/a.mp4"), str(here), False))
    for _ in range(2):
        seen = driver.ask(Look())
        assert seen.over
        assert str(seen.error).startswith("no folder no to write a.mp4 into")
    driver.close()
    driver = Driver(Begin(StreamConfig(str(here / "gone.mp4"), masks="a.hpm"), str(here), False))
    assert eventually(lambda: driver.ask(Look()).over)
    assert "gone.mp4" in str(driver.ask(Look()).error)
    driver.close()


def test_a_folder_that_is_not_there_matters_to_files_that_are_named_from_it(here: Path) -> None:
    gone = str(here / "gone")
    with pytest.raises(ConfigError, match=r"a\.mp4 is named from .*gone, which is not on this machine"):
        with camera._on_this_machine(Begin(config(record="a.mp4"), gone, False)):
            pass
    whole = config(record=str(here / "a.mp4"))
    with camera._on_this_machine(Begin(whole, gone, False)) as found:
        assert found.record == whole.record


def test_files_that_are_named_from_the_folder() -> None:
    given = config(record="/r/a.mp4", masks="m.hpm", publish="tcp://127.0.0.1:*", key="k.key", allow="/allow")
    assert camera.relative_names(given) == ["m.hpm", "k.key"]
    for source, named in (("rtsp://a/1", []), ("films/a.mp4", ["films/a.mp4"]), ("/a.mp4", []), (SOURCE, [])):
        assert camera.relative_names(StreamConfig(source)) == named


def test_other_files_are_named_by_when_they_begin(tmp_path: Path) -> None:
    given = config(record=str(tmp_path / "a.mp4"), masks=str(tmp_path / "a.hpm"), force=True)
    apart = camera.apart_from_before(given, BEGAN)
    assert apart.record.file == str(tmp_path / "a-20261122-071500.mp4")
    assert not apart.record.force
    assert apart.masks.sidecar == str(tmp_path / "a-20261122-071500.hpm")
    (tmp_path / "a-20261122-071500.mp4").touch()
    assert camera.apart_from_before(given, BEGAN).record.file == str(tmp_path / "a-20261122-071500-1.mp4")
    segments = replace(given, record=replace(given.record, segment_s=60.0))  # which have such names already
    assert camera.apart_from_before(segments, BEGAN).record.file == given.record.file


def test_what_a_killed_process_left_is_removed_and_nothing_else(here: Path) -> None:
    private = Path(tempfile.gettempdir())
    dead, mine, other = (private / name for name in ("hpm-999999999-a", f"hpm-{os.getpid()}-b", "hpm-x-c"))
    for each in (dead, mine, other):
        each.mkdir()
    camera._remove_left()
    assert sorted(private.iterdir()) == sorted([mine, other])
