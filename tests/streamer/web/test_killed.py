"""The service is killed at each step of a job: afterwards the job is there whole, or not at all."""

import http.client
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.support.served import Answer, Served, served
from tests.support.waiting import eventually

pytestmark = pytest.mark.process
KEY = {"Idempotency-Key": "11111111-2222"}
BODY = struct.pack(">I4s", 16, b"ftyp") + b"isom\0\0\0\0" + struct.pack(">I4s", 3_000_000, b"free") + bytes(2_999_992)
"""As large as takes several looks at the room that is left."""


def _asked(running: Served, method: str, path: str, body: bytes | None = None) -> Answer | None:
    """The answer; None from a service that was killed before it answered."""
    try:
        return running.ask(method, path, body, 120.0, **KEY)
    except (OSError, http.client.HTTPException):
        return None


def _jobs(running: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.ask("GET", "/api/v1/jobs").json()
    return found


def _files(tmp_path: Path) -> list[str]:
    data = tmp_path / "data"
    return sorted(path.name for folder in ("uploads", "results") for path in (data / folder).iterdir())


def _dead(running: Served) -> bool:
    return running.process.wait(120) == -9


@pytest.mark.parametrize(
    ("step", "jobs"),
    [
        ("first byte", 0),
        ("middle", 0),
        ("whole", 0),
        ("renamed", 0),
        ("row", 0),
        ("unanswered", 1),
    ],
)
def test_killed_while_a_video_comes(step: str, jobs: int, tmp_path: Path) -> None:
    with served(tmp_path / "log", entry=("tests.support.killed", step)) as running:
        assert _asked(running, "POST", "/api/v1/videos", BODY) is None
        assert _dead(running)
    with served(tmp_path / "log", entry=("tests.support.killed", "never")) as running:
        before = _jobs(running)
        assert len(before) == jobs
        assert not any(name.endswith(".part") for name in _files(tmp_path))
        again = _asked(running, "POST", "/api/v1/videos", BODY)
        assert again is not None
        assert again.status == 202
        assert ("idempotency-replayed" in again.headers) == bool(jobs)
        (job,) = _jobs(running)
        assert {each["id"] for each in before} <= {job["id"]} == {again.json()["id"]}
        assert eventually(lambda: _jobs(running)[0]["state"] == "done", 120)
        assert eventually(lambda: _files(tmp_path) == [job["id"]], 60)  # its results, and no upload


@pytest.mark.parametrize(("step", "attempt"), [("begun", 2), ("over", 1)])
def test_killed_while_a_job_is_done(step: str, attempt: int, tmp_path: Path) -> None:
    with served(tmp_path / "log", entry=("tests.support.killed", step)) as running:
        answer = _asked(running, "POST", "/api/v1/videos", BODY)
        assert _dead(running)
    with served(tmp_path / "log", entry=("tests.support.killed", "never")) as running:
        assert eventually(lambda: [each["state"] for each in _jobs(running)] == ["done"], 120)
        (job,) = _jobs(running)
        assert job["attempt"] == attempt
        assert answer is None or answer.json()["id"] == job["id"]
        assert eventually(lambda: _files(tmp_path) == [job["id"]], 60)


def test_killed_while_a_job_is_forgotten(tmp_path: Path) -> None:
    with served(tmp_path / "log", entry=("tests.support.killed", "forgotten")) as running:
        answer = _asked(running, "POST", "/api/v1/videos", BODY)
        assert answer is not None
        path = json.loads(answer.body)["links"]["self"]
        assert eventually(lambda: running.ask("GET", path).json()["state"] == "done", 120)
        assert _asked(running, "DELETE", path) is None
        assert _dead(running)
    with served(tmp_path / "log", entry=("tests.support.killed", "never")) as running:
        assert _jobs(running) == []
        assert running.ask("GET", path).status == 410
        assert _files(tmp_path) == []
