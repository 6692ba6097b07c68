"""The folder holds no more than it may: the oldest recordings go, what is written stays, and it is told."""

import asyncio
import json
import logging
import os
import time
from pathlib import Path

import av
import pytest
from playwright.sync_api import expect

from streamer.web import room
from streamer.web.jobs.store import MAX_REMOVED, JobStore
from streamer.web.models import RemovedAnswer
from streamer.web.settings import JobSettings
from tests.support.browser import chromium, opened
from tests.support.paths import STREET
from tests.support.served import Served, served
from tests.support.service import PATIENCE_S, Running, black, run_with
from tests.support.waiting import eventually

SIZE = 100_000


def _name(number: int, kind: str = "recording") -> str:
    return f"{kind}-door-{number:012x}.mp4"


def _put(data: Path, number: int, kind: str = "recording") -> Path:
    """The older, the smaller its number."""
    folder = data / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(number, kind)
    path.write_bytes(bytes(SIZE))
    os.utime(path, (1000 + number, 1000 + number))
    return path


def _there(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "recordings").iterdir())


def _limited(tmp_path: Path, files: float) -> JobSettings:
    """Room for so many recordings, and for the database."""
    return JobSettings(data=str(tmp_path), data_max_bytes=round(files * SIZE) + 200_000)


def _base_bytes(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in tmp_path.glob("jobs.sqlite*"))


def test_the_oldest_go_first_and_it_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def work(running: Running) -> None:
        jobs = running.made.inner.state.jobs
        for number in range(6):
            _put(tmp_path, number, "clip" if number == 1 else "recording")
        assert _base_bytes(tmp_path) < 190_000
        jobs.room._max_bytes = 3 * SIZE + _base_bytes(tmp_path) + SIZE // 2
        assert jobs.room.make()
        assert _there(tmp_path) == [_name(number) for number in (3, 4, 5)]
        found = (await running.client.get("/api/v1/recordings/removed")).json()
        assert [RemovedAnswer.model_validate(each).file for each in found] == [
            _name(2), _name(1, "clip"), _name(0)
        ]  # fmt: skip
        assert {(each["kind"], each["source"], each["size_bytes"]) for each in found} == {
            ("recording", "door", SIZE), ("clip", "door", SIZE)
        }  # fmt: skip
        listed = (await running.client.get("/api/v1/recordings")).json()
        assert [each["file"] for each in listed] == [_name(number) for number in (5, 4, 3)]

    run_with(work, jobs=_limited(tmp_path, 100))
    told = [record for record in caplog.records if record.getMessage() == "recording-removed"]
    assert [record.fields["file"] for record in told] == [_name(0), _name(1, "clip"), _name(2)]  # type: ignore[attr-defined]


def test_what_is_written_stays_whatever_its_age(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        jobs, hub = running.made.inner.state.jobs, running.made.inner.state.hub
        jobs.room._max_bytes = 1
        for number in range(3):
            _put(tmp_path, number)
        with hub.beginning("clip", "door") as clip:
            clip.write_bytes(bytes(SIZE))
            os.utime(clip, (5, 5))
            hub._begun.add(_name(0))
            assert not jobs.room.make()  # even so there is too much
            assert _there(tmp_path) == sorted([clip.name, _name(0)])
        hub._begun.clear()
        assert not jobs.room.make()
        assert _there(tmp_path) == [_name(0)]  # the newest that is finished

    run_with(work, jobs=_limited(tmp_path, 100))


def test_it_is_looked_at_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "EVERY_S", 0.01)

    async def work(running: Running) -> None:
        for number in range(10):
            _put(tmp_path, number)
        async with asyncio.timeout(PATIENCE_S):
            while len(_there(tmp_path)) > 5:
                await asyncio.sleep(0.01)
        assert _name(9) in _there(tmp_path)

    run_with(work, jobs=_limited(tmp_path, 4))


def test_recordings_make_room_for_jobs(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        for number in range(20):
            _put(tmp_path, number)
        headers = {"prefer": "respond-async"}
        assert (await running.client.post("/api/v1/parse", content=black(), headers=headers)).status_code == 202
        assert _name(0) not in _there(tmp_path)
        assert _name(19) in _there(tmp_path)

    run_with(work, jobs=_limited(tmp_path, 5))


def test_only_the_last_are_told_of(tmp_path: Path) -> None:
    now = [100.0]
    store = JobStore(tmp_path / "jobs.sqlite", lambda: now[0])
    for number in range(MAX_REMOVED + 5):
        now[0] += 1
        store.note_removed(_name(number), number)
    store.close()
    store = JobStore(tmp_path / "jobs.sqlite", time.time)
    found = store.removed()
    assert len(found) == MAX_REMOVED
    assert (found[0].name, found[0].size_bytes, found[0].removed_s) == (_name(104), 104, 205.0)
    store.close()


@pytest.mark.process
def test_a_recording_ends_where_nothing_else_can_go(tmp_path: Path) -> None:
    """It stays and can be played, and the stream goes on."""
    (tmp_path / "street.toml").write_text(f'source = "{STREET}"\nloop = true\nsize = [192, 256]\n')
    options = ("--workers", "1", "--sources", str(tmp_path / "street.toml"), "--data-max", "1MB")
    data = tmp_path / "data"
    data.mkdir()
    (data / "of-others").write_bytes(bytes(1_000_000))
    with served(tmp_path / "log", *options) as running:
        assert running.ready()
        kind = {"Content-Type": "application/json"}
        stream = running.ask("POST", "/api/v1/streams", json.dumps({"source": "street"}).encode(), **kind).json()
        path = stream["links"]["self"]
        made = running.ask("POST", f"{path}/recording").json()
        assert eventually(lambda: _trouble(running, path) is not None)
        assert "--data-max" in (_trouble(running, path) or "")
        assert eventually(lambda: running.ask("GET", path).json()["recording"] is None)
        (listed,) = running.ask("GET", "/api/v1/recordings").json()
        assert listed["file"] == made["file"]
        assert running.ask("GET", path).json()["state"] == "running"
        assert eventually(lambda: not running.ask("GET", "/api/v1/recordings").json()[0]["writing"])
        film = tmp_path / "film.mp4"
        film.write_bytes(running.ask("GET", made["link"]).body)
        with av.open(str(film)) as opened_film:
            assert next(opened_film.decode(video=0), None) is not None
        assert any(line["message"] == "recording-ended" for line in running.lines())


def _trouble(running: Served, path: str) -> str | None:
    found: str | None = running.ask("GET", path).json()["recording_trouble"]
    return found


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize(("locale", "words"), [("en-US", "2 removed by the service"), ("zh-CN", "已删除 2 个")])
def test_the_page_tells_what_was_removed(locale: str, words: str, tmp_path: Path) -> None:
    for number in range(2):
        store = _made(tmp_path / "data")
        store.note_removed(_name(number), 2_500_000)
        store.close()
    with served(tmp_path / "log", "--workers", "1") as running, chromium() as browser:
        with opened(browser, running.address, locale=locale) as watched:
            watched.page.get_by_role("tab").nth(1).click()
            summary = watched.page.locator("summary", has_text=words)
            expect(summary).to_be_visible()
            summary.click()
            expect(watched.page.locator("details li")).to_have_count(2)
            expect(watched.page.locator("details li").first).to_contain_text("door")
            expect(watched.page.locator("details li").first).to_contain_text("2.5")


def _made(data: Path) -> JobStore:
    data.mkdir(exist_ok=True)
    return JobStore(data / "jobs.sqlite", time.time)
