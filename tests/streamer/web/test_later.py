"""Pictures whose answer comes later: jobs that are there whatever ends the service."""

import asyncio
import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.web.jobs import accepting, runner
from streamer.web.jobs.store import JobStore
from streamer.web.models import JobAnswer, ParseAnswer
from streamer.web.prefer import Later, later
from tests.support.served import Served, served
from tests.support.service import PATIENCE_S, Running, black, dying, run_with, street
from tests.support.waiting import eventually

PARSE, BATCH = "/api/v1/parse", "/api/v1/parse/batch"
ASYNC = {"prefer": "respond-async"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        (["return=minimal"], None),
        (["respond-async"], Later()),
        (["Respond-Async; foo=bar"], Later()),
        (["wait=5"], Later(5.0)),
        (["respond-async, wait=10"], Later(10.0)),
        (["respond-async", 'wait = "7"'], Later(7.0)),
        (["respond-async, wait=soon"], Later()),
        (["wait=-1"], None),
        (["wait=86400"], Later(60.0)),
        (["wait=1, wait=2"], Later(1.0)),
    ],
)
def test_what_is_preferred(values: list[str], expected: Later | None) -> None:
    headers = [(b"accept", b"*/*"), *((b"prefer", value.encode()) for value in values)]
    assert later(headers) == expected


async def _accepted(running: Running, path: str, **given: Any) -> dict[str, Any]:
    answer = await running.client.post(path, **given)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    JobAnswer.model_validate(job)
    assert answer.headers["location"] == job["links"]["self"]
    assert answer.headers["preference-applied"] == "respond-async"
    return job


async def _over(running: Running, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while job["state"] not in ("done", "failed", "cancelled"):
            job = (await running.client.get(f"{job['links']['self']}?wait=20")).json()
    return job


def _without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("id", "links", "timings", "cached")}


@pytest.mark.slow
def test_a_picture_is_answered_later_as_it_is_at_once() -> None:
    async def work(running: Running) -> None:
        client = running.client
        query = "?masks=rle&parts=Face,Hair&min_score=0.1"
        job = await _over(running, await _accepted(running, PARSE + query, content=street(), headers=ASYNC))
        assert (job["kind"], job["state"], job["attempt"]) == ("picture", "done", 1), job
        assert job["links"].keys() == {"self", "events", "result"}
        result = await client.get(job["links"]["result"])
        assert result.headers["content-type"] == "application/json"
        ParseAnswer.model_validate(result.json())
        assert (result.json()["id"], result.json()["links"]) == (None, None)
        at_once = await client.post(PARSE + query, content=street(), headers={"cache-control": "no-store"})
        assert _without_times(result.json()) == _without_times(at_once.json())
        assert len(result.json()["people"]) >= 2

        view = "?view=maps&effect=blur&on=head"
        job = await _over(running, await _accepted(running, PARSE + view, content=street(), headers=ASYNC))
        assert job["request"]["effect"] == ["blur"]
        later_one = await client.get(job["links"]["result"])
        now = await client.post(PARSE + view, content=street())
        assert later_one.headers["content-type"] == now.headers["content-type"]
        assert later_one.content == now.content
        folder = running.made.inner.state.jobs.folder
        assert not list(folder.uploads.iterdir())
        assert (await client.delete(job["links"]["self"])).status_code == 204
        assert not folder.of(job["id"]).exists()

    run_with(work)


@pytest.mark.slow
def test_pictures_of_a_batch_are_lines_of_one_result() -> None:
    async def work(running: Running) -> None:
        files = [("files", ("a", body)) for body in (black(), b"no picture", street())]
        job = await _over(running, await _accepted(running, f"{BATCH}?masks=none", files=files, headers=ASYNC))
        assert (job["kind"], job["state"], job["progress"]) == ("batch", "done", {"done": 3, "total": 3}), job
        result = await running.client.get(job["links"]["result"])
        assert result.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in result.text.splitlines()]
        assert [(each["index"], each["status"]) for each in lines] == [(0, 200), (1, 415), (2, 200)]
        at_once = await running.client.post(f"{BATCH}?masks=none", files=files, headers={"cache-control": "no-store"})
        for one, other in zip(lines, map(json.loads, at_once.text.splitlines()), strict=True):
            if one["status"] == 200:
                assert _without_times(one["result"]) == _without_times(other["result"])

    run_with(work)


@pytest.mark.slow
def test_who_waits_is_answered_at_once_where_it_is_soon_enough() -> None:
    async def work(running: Running) -> None:
        waits = {"prefer": "wait=60"}
        answer = await running.client.post(PARSE, content=black(), headers=waits)
        assert answer.status_code == 200, answer.text
        assert answer.headers["preference-applied"] == "respond-async, wait=60"
        ParseAnswer.model_validate(answer.json())
        refused = await running.client.post(PARSE, content=b"no picture", headers=waits)
        assert (refused.status_code, refused.json()["type"]) == (415, "/problems/not-a-picture")
        states = [each["state"] for each in (await running.client.get("/api/v1/jobs")).json()]
        assert states == ["failed", "done"]

    run_with(work)


@pytest.mark.slow
def test_a_key_is_one_job_and_of_one_kind() -> None:
    async def work(running: Running) -> None:
        keyed = {**ASYNC, "idempotency-key": "11111111-2222"}
        first = await _accepted(running, PARSE, content=black(), headers=keyed)
        again = await running.client.post(PARSE, content=black(), headers=keyed)
        assert (again.status_code, again.json()["id"]) == (202, first["id"])
        assert again.headers["idempotency-replayed"] == "true"
        assert len((await running.client.get("/api/v1/jobs")).json()) == 1
        for path, given in (
            (PARSE, {"content": street()}),
            (f"{PARSE}?masks=none", {"content": black()}),
            (BATCH, {"files": [("files", ("a", black()))]}),
        ):
            other = await running.client.post(path, headers=keyed, **given)  # type: ignore[arg-type]
            assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
        short = await running.client.post(PARSE, content=black(), headers={**ASYNC, "idempotency-key": "short"})
        assert short.status_code == 422

    run_with(work)


@pytest.mark.slow
def test_a_picture_that_ends_its_processes_is_a_failed_job() -> None:
    async def work(running: Running) -> None:
        job = await _over(running, await _accepted(running, PARSE, content=black(), headers=ASYNC))
        assert (job["state"], job["problem"]["type"]) == ("failed", "worker-died")
        assert (await running.client.get(f"{job['links']['self']}/result")).status_code == 404

    run_with(work, before=dying(2))


def test_a_fault_in_a_job_of_pictures_does_not_end_those_after_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> str:
        raise RuntimeError("made to")

    async def work(running: Running) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(running.made.inner.state.jobs.runner, "_do_pictures", fail)
            job = await _over(running, await _accepted(running, PARSE, content=black(), headers=ASYNC))
        assert (job["state"], job["attempt"], job["problem"]["type"]) == ("failed", 3, "crashed-thrice")
        assert "RuntimeError: made to" in job["problem"]["detail"]
        job = await _over(running, await _accepted(running, PARSE, content=black(), headers=ASYNC))
        assert job["state"] == "done"

    run_with(work)
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == ["failed"] * 3
    caplog.clear()


@pytest.mark.parametrize("what", ["begin", "end", "progress", "get"])
def test_a_database_that_fails_for_a_while_ends_no_lane(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "STANDSTILL_S", 0.01)
    failures = iter([True, True])

    async def work(running: Running) -> None:
        desk = running.made.inner.state.jobs
        own = getattr(desk.store, what)

        def failing(*given: object, **named: object) -> object:
            inside = asyncio.current_task() in desk.runner._tasks or what == "progress"
            if inside and next(failures, False):
                raise sqlite3.OperationalError("database or disk is full")
            return own(*given, **named)

        monkeypatch.setattr(desk.store, what, failing)
        files = [("files", ("a", black()))]
        job = await _over(running, await _accepted(running, BATCH, files=files, headers=ASYNC))
        assert (job["state"], job["attempt"]) == ("done", 1), job
        result = await running.client.get(job["links"]["result"])
        assert len(result.text.splitlines()) == 1
        assert next(failures, None) is None

    run_with(work)
    told = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert {each.message for each in told} == {"jobs-stand-still"}
    caplog.clear()


def test_a_database_without_room_refuses_and_goes_on_when_there_is_some() -> None:
    async def work(running: Running) -> None:
        desk = running.made.inner.state.jobs
        (pages,) = desk.store._base.execute("pragma page_count").fetchone()
        desk.store._base.execute(f"pragma max_page_count = {pages}")
        for _ in range(400):
            answer = await running.client.post(PARSE, content=black(), headers=ASYNC)
            if answer.status_code != 202:
                break
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/no-room")
        assert "full" in answer.json()["detail"]
        desk.store._base.execute("pragma max_page_count = 1000000")
        job = await _over(running, await _accepted(running, PARSE, content=black(), headers=ASYNC))
        assert job["state"] == "done"

    run_with(work)


def test_a_job_takes_no_place_and_is_taken_where_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(running: Running) -> None:
        pool = running.made.app.pool
        monkeypatch.setattr(pool.queue, "pop", lambda: None)  # no process takes a picture any more
        for _ in range(200):
            pool.queue.enter("another", "lite", time.monotonic() - 0.1)
        assert (await running.client.post(PARSE, content=black())).status_code == 429
        job = await _accepted(running, PARSE, content=black(), headers=ASYNC)
        waiting = await _accepted(running, PARSE, content=black(), headers=ASYNC)
        assert (await running.client.get(waiting["links"]["self"])).json()["position"] == 1
        for each in (waiting, job):
            assert (await running.client.delete(each["links"]["self"])).status_code == 204
            assert (await _over(running, each))["state"] == "cancelled"
        uploads = running.made.inner.state.jobs.folder.uploads
        async with asyncio.timeout(PATIENCE_S):
            while list(uploads.iterdir()):
                await asyncio.sleep(0.01)
        monkeypatch.setattr(accepting, "MAX_WAITING", 0)
        many = await running.client.post(PARSE, content=black(), headers=ASYNC)
        assert (many.status_code, many.headers["retry-after"]) == (429, "30")

    run_with(work)


def test_no_room_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(running: Running) -> None:
        folder = running.made.inner.state.jobs.folder
        monkeypatch.setattr(type(folder), "free_bytes", lambda self: 1000)
        answer: httpx.Response = await running.client.post(PARSE, content=black(), headers=ASYNC)
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/no-room")
        assert not list(folder.uploads.iterdir())

    run_with(work)


def test_a_database_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    base = sqlite3.connect(path)
    base.executescript(
        "create table job (id text primary key, state text not null, version integer not null, created_s real not"
        " null, started_s real, ended_s real, attempt integer not null, request text not null, upload text not null,"
        " done integer, total integer, problem text);"
        "insert into job values ('j_1', 'queued', 1, 5.0, null, null, 0, '{}', 'a', null, null, null);"
    )
    base.close()
    for _ in range(2):
        store = JobStore(path, time.time)
        (job,) = store.all()
        assert (job.id, job.kind, job.media_type) == ("j_1", "video", None)
        store.close()


@pytest.mark.process
@pytest.mark.parametrize("path", [PARSE, BATCH])
def test_pictures_survive_the_service(path: str, tmp_path: Path) -> None:
    """Accepted while no process could take them, by a service that is killed then."""
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + black() + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"

    def send(running: Served) -> dict[str, Any]:
        found = running.ask("POST", path, form, Prefer="respond-async", **{"Content-Type": kind})
        assert found.status == 202, found.body
        job: dict[str, Any] = found.json()
        return job

    with served(tmp_path / "log", entry=("tests.support.killed", "never")) as running:
        jobs = [send(running) for _ in range(2)]
        running.process.kill()
        running.process.wait()
    with served(tmp_path / "log", "--workers", "1") as running:
        for job in jobs:
            assert eventually(lambda: running.ask("GET", job["links"]["self"]).json()["state"] == "done")  # noqa: B023
            result = running.ask("GET", f"{job['links']['self']}/result")
            assert result.status == 200
            assert b'"people":[]' in result.body
        assert not list((tmp_path / "data" / "uploads").iterdir())
        ids = [each["id"] for each in running.ask("GET", "/api/v1/jobs").json()]
        assert sorted(ids) == sorted(each["id"] for each in jobs)
