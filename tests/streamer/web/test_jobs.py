"""Videos as jobs: accepted once, and there again whatever ends the service."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from streamer.web.jobs.files import Folder, container_of
from streamer.web.jobs.store import MAX_ATTEMPTS, JobStore, KeyReused
from streamer.web.models import JobAnswer
from tests.support.media import Clip
from tests.support.served import Served, served
from tests.support.waiting import eventually

WORK = "streamer.web.jobs.work"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "jobs.sqlite", time.time)
    yield made
    made.close()


def test_jobs_wait_in_their_order_and_end_once(store: JobStore) -> None:
    first, second = (store.create({"parser": "lite"}, name) for name in ("a", "b"))
    assert (store.position(first), store.position(second)) == (1, 2)
    assert store.counts() == {"queued": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    begun = store.begin()
    assert begun is not None
    assert (begun.id, begun.state, begun.attempt) == (first.id, "running", 1)
    assert store.position(second) == 1
    store.progress(first.id, 3, 10)
    store.end(first.id, "done")
    store.end(first.id, "cancelled")
    store.progress(first.id, 4, 10)
    ended = store.get(first.id)
    assert ended is not None
    assert (ended.state, ended.done, ended.total, ended.is_over) == ("done", 3, 10, True)
    assert ended.version > begun.version


def test_a_key_is_one_job(store: JobStore) -> None:
    job = store.create({}, "a", "key", "body")
    assert store.create({}, "b", "key", "body").id == job.id
    with pytest.raises(KeyReused):
        store.create({}, "c", "key", "other")
    assert len(store.all()) == 1
    store.forget(job.id)
    assert store.known("key", "body") is None
    assert store.was_here(job.id)


def test_what_ran_waits_again_and_after_three_times_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    for attempt in range(1, MAX_ATTEMPTS + 1):
        store = JobStore(path, time.time)
        store.recover()
        if attempt == 1:
            store.create({}, "a")
        begun = store.begin()
        assert begun is not None
        assert begun.attempt == attempt
        store.close()  # as when it is killed: nothing was said of its end
    store = JobStore(path, time.time)
    store.recover()
    (job,) = store.all()
    assert job.state == "failed"
    assert job.problem is not None
    assert job.problem["type"] == "crashed-thrice"
    assert store.begin() is None
    store.close()


def test_an_end_of_the_service_is_no_attempt_at_a_job(store: JobStore) -> None:
    job = store.create({}, "a")
    for _ in range(MAX_ATTEMPTS + 1):
        begun = store.begin()
        assert begun is not None
        assert begun.attempt == 1
        store.give_back(job.id)
    (job,) = store.all()
    assert (job.state, job.attempt) == ("queued", 0)
    store.end(job.id, "cancelled")
    store.give_back(job.id)  # what is over stays so
    assert store.all()[0].state == "cancelled"


@pytest.mark.process
def test_a_job_goes_on_after_each_end_of_the_service(tmp_path: Path) -> None:
    """Not only three times, as where it ends its process each time."""
    with served(tmp_path / "log", "--workers", "1") as running:
        job = _accepted(running, _clip(tmp_path, 400))
        assert eventually(lambda: bool(running.children(WORK)))
    for _ in range(2):
        with served(tmp_path / "log", "--workers", "1") as running:
            assert eventually(lambda: bool(running.children(WORK)))
            found = running.ask("GET", job["links"]["self"]).json()
            assert (found["state"], found["attempt"]) == ("running", 1)


def test_a_process_that_dies_is_tried_again_and_not_for_ever(store: JobStore) -> None:
    job = store.create({}, "a")
    for _ in range(MAX_ATTEMPTS):
        assert store.begin() is not None
        store.again(job.id, {"type": "crashed-thrice", "detail": "it died"})
    assert store.begin() is None
    (job,) = store.all()
    assert job.state == "failed"


def test_what_is_over_is_not_begun_again(store: JobStore) -> None:
    for state in ("done", "cancelled"):
        job = store.create({}, "a")
        store.begin()
        store.end(job.id, state)
        store.again(job.id, {"type": "crashed-thrice", "detail": "died"})
        found = store.get(job.id)
        assert found is not None
        assert found.state == state
    store.forget(job.id)
    store.again(job.id, {"type": "crashed-thrice", "detail": "died"})
    assert store.get(job.id) is None


def test_a_change_that_fails_is_not_there(store: JobStore) -> None:
    with pytest.raises(sqlite3.Error):
        store.create({}, None, "key", "body")  # type: ignore[arg-type]
    assert store.all() == []
    assert store.known("key", "body") is None


def test_sweeping_leaves_what_belongs_to_jobs(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.make()
    assert folder.root.stat().st_mode & 0o777 == 0o700
    for name in ("kept.mp4", "lost.mp4", "half.part"):
        folder.upload(name).write_bytes(b"x")
    for name in ("j_kept", "j_lost"):
        folder.of(name).mkdir()
    folder.sweep(["kept.mp4"], ["j_kept"])
    assert [path.name for path in folder.uploads.iterdir()] == ["kept.mp4"]
    assert [path.name for path in folder.results.iterdir()] == ["j_kept"]


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\0\0\0\x20ftypisom", ".mp4"),
        (b"\x1aE\xdf\xa3", ".mkv"),
        (b"RIFF\0\0\0\0AVI ", ".avi"),
        (b"\x47" + bytes(187) + b"\x47", ".ts"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", None),
        (b"ffconcat version 1.0\nfile /etc/passwd", None),
        (b"<?xml version='1.0'?><MPD>", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"G" + bytes(300), None),
        (b"", None),
    ],
)
def test_containers_are_told_by_their_first_bytes(head: bytes, suffix: str | None) -> None:
    assert container_of(head) == suffix


# Real processes


def _clip(tmp_path: Path, frames: int = 12) -> bytes:
    path = tmp_path / f"clip{frames}.mp4"
    Clip(size=(96, 128), ticks=tuple(range(0, 512 * frames, 512))).make(path)
    return path.read_bytes()


def _accepted(running: Served, body: bytes, query: str = "", **headers: str) -> dict[str, Any]:
    answer = running.ask("POST", f"/api/v1/videos{query}", body, 120.0, **headers)
    assert answer.status == 202, answer.body
    job: dict[str, Any] = answer.json()
    JobAnswer.model_validate(job)
    assert answer.headers["location"] == job["links"]["self"]
    return job


def _state(running: Served, job: dict[str, Any]) -> str:
    return str(running.ask("GET", job["links"]["self"]).json()["state"])


def _done(running: Served, job: dict[str, Any]) -> dict[str, Any]:
    """The job at its end. It gives way to everything else, so that on a busy machine it takes its time."""
    until_s = time.monotonic() + 900
    found = job
    while found["state"] not in ("done", "failed", "cancelled"):
        assert time.monotonic() < until_s, found
        found = running.ask("GET", f"{job['links']['self']}?wait=20").json()
    return found


def _frames(body: bytes, tmp_path: Path) -> int:
    path = tmp_path / "got.mp4"
    path.write_bytes(body)
    with av.open(str(path)) as clip:
        return sum(1 for _ in clip.decode(video=0))


@pytest.mark.process
def test_a_video_becomes_a_video(tmp_path: Path) -> None:
    with served(tmp_path / "log", "--workers", "1") as running:
        key = {"Idempotency-Key": "11111111-2222"}
        job = _accepted(running, _clip(tmp_path), "?effect=blur", **key)
        again = running.ask("POST", "/api/v1/videos?effect=blur", _clip(tmp_path), **key)
        assert (again.status, again.json()["id"]) == (202, job["id"])
        assert again.headers["idempotency-replayed"] == "true"
        other = running.ask("POST", "/api/v1/videos", _clip(tmp_path), **key)
        assert (other.status, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
        events = running.ask("GET", job["links"]["events"], None, 900.0).body.decode()
        assert events.rstrip().split("\n\n")[-1].startswith("id: ")
        assert "event: done" in events
        done = _done(running, job)
        assert done["state"] == "done", done
        assert 'm2fp_job_duration_seconds_count{state="done"} 1.0' in running.ask("GET", "/metrics").body.decode()
        assert done["links"].keys() == {"self", "events", "video", "masks"}
        video = running.ask("GET", done["links"]["video"])
        assert _frames(video.body, tmp_path) == 12
        part = running.ask("GET", done["links"]["video"], Range="bytes=4-7")
        assert (part.status, part.body) == (206, video.body[4:8])
        for wrong, status in (("bytes=99999999-", 416), ("bytes=b-a", 400)):
            refused = running.ask("GET", done["links"]["video"], Range=wrong)
            assert (refused.status, refused.json()["status"]) == (status, status)
        assert running.ask("GET", done["links"]["masks"]).status == 200
        assert len(running.ask("GET", "/api/v1/jobs").json()) == 1
        resumed = running.ask("GET", job["links"]["events"], **{"Last-Event-ID": "999999"})
        assert resumed.body == b""
        assert running.ask("DELETE", job["links"]["self"]).status == 204
        assert running.ask("GET", job["links"]["self"]).status == 410
        data = tmp_path / "data"
        assert not list((data / "uploads").iterdir()) + list((data / "results").iterdir())
        assert running.ask("GET", "/api/v1/jobs/j_never").status == 404


@pytest.mark.process
def test_what_is_no_video_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    with served(tmp_path / "log", "--workers", "1", "--max-video", "1MB") as running:
        for body, status in (
            (b"", 422),
            (b"#EXTM3U\n#EXTINF:1,\n" + str(secret).encode(), 415),
            (bytes(2_000_000), 413),
        ):
            assert running.ask("POST", "/api/v1/videos", body).status == status
        for query in ("?every=0", f"?effect=background={secret}", "?parser=m2fp", "?size=7x7"):
            assert running.ask("POST", f"/api/v1/videos{query}", _clip(tmp_path)).status in (404, 422)
        broken = _done(running, _accepted(running, b"\0\0\0\x20ftypisom" + bytes(5000)))
        assert broken["state"] == "failed"
        assert str(tmp_path) not in json.dumps(broken)
        assert running.ask("GET", "/api/v1/jobs").json()[0]["id"] == broken["id"]
        data = tmp_path / "data"
        assert eventually(lambda: not list((data / "uploads").iterdir()))


@pytest.mark.process
def test_a_job_is_cancelled_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "log", "--workers", "1") as running:
        running_one, waiting = (_accepted(running, _clip(tmp_path, 2000)) for _ in range(2))
        # Cancelled before its process has it, a job leaves the process to the next one.
        assert eventually(lambda: _state(running, running_one) == "running" and bool(running.children(WORK)))
        (process,) = running.children(WORK)
        for job in (waiting, running_one):
            assert running.ask("DELETE", job["links"]["self"]).status == 204
            assert _state(running, job) == "cancelled"
        assert eventually(lambda: not process.is_running())
        data = tmp_path / "data"
        assert eventually(lambda: not list((data / "results").iterdir()) + list((data / "uploads").iterdir()))


@pytest.mark.process
@pytest.mark.parametrize("killed", ["service", "job"])
def test_a_job_survives_kill(killed: str, tmp_path: Path) -> None:
    def kill(running: Served, job: dict[str, Any]) -> None:
        assert eventually(lambda: bool(running.children(WORK)), 60)
        assert eventually(lambda: running.ask("GET", job["links"]["self"]).json()["progress"] is not None, 600)
        target = running.process.pid if killed == "service" else running.children(WORK)[0].pid
        os.kill(target, 9)

    with served(tmp_path / "log", "--workers", "1") as running:
        job = _accepted(running, _clip(tmp_path, 40))
        kill(running, job)
        if killed == "job":
            done = _done(running, job)
    if killed == "service":
        with served(tmp_path / "log", "--workers", "1") as running:
            done = _done(running, job)
            video = running.ask("GET", done["links"]["video"])
            assert _frames(video.body, tmp_path) == 40
    assert (done["state"], done["attempt"]) == ("done", 2)


@pytest.mark.process
def test_killed_while_accepting_nothing_is_lost_and_nothing_is_twice(tmp_path: Path) -> None:
    """At whatever moment: what was answered with 202 is there, and done once; a request again is the same job."""
    body = _clip(tmp_path)
    answered: dict[str, str] = {}

    def send(running: Served, key: str) -> None:
        try:
            answer = running.ask("POST", "/api/v1/videos", body, **{"Idempotency-Key": key})
        except (OSError, ValueError):
            return  # it was killed
        if answer.status == 202:
            answered[key] = answer.json()["id"]

    for delay_s in (0.0, 0.02, 0.05):
        with served(tmp_path / "log", "--workers", "1") as running:
            senders = [threading.Thread(target=send, args=(running, f"key-{delay_s}-{n}")) for n in range(4)]
            for each in senders:
                each.start()
            senders[0].join(delay_s)
            running.process.kill()
            for each in senders:
                each.join()
    with served(tmp_path / "log", "--workers", "1") as running:
        jobs = {each["id"] for each in running.ask("GET", "/api/v1/jobs").json()}
        assert set(answered.values()) <= jobs
        for key, job_id in answered.items():
            again = running.ask("POST", "/api/v1/videos", body, **{"Idempotency-Key": key})
            assert again.json()["id"] == job_id
        assert {each["id"] for each in running.ask("GET", "/api/v1/jobs").json()} == jobs
        kept = {path.name for path in (tmp_path / "data" / "uploads").iterdir()}
        assert not any(name.endswith(".part") for name in kept)
