"""The description of the API: what it says is what is answered."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from streamer.web import examples, models
from streamer.web.models import ProblemAnswer, Strict
from streamer.web.problems import MEDIA_TYPE
from tests.support.service import Running, black, run_with

NEVER = "never-was"
JSON = {"content-type": "application/json"}
REQUESTS: list[tuple[str, str, bytes, Mapping[str, str], int]] = [
    ("POST", "/api/v1/parse", black(), {}, 200),
    ("POST", "/api/v1/parse?view=overlay", black(), {}, 200),
    ("POST", "/api/v1/parse?view=cutout", black(), {}, 200),
    ("POST", "/api/v1/parse?view=maps", black(), {}, 200),
    ("POST", "/api/v1/parse?view=coco", black(), {}, 200),
    ("POST", "/api/v1/parse?min_score=2", black(), {}, 422),
    ("POST", "/api/v1/parse?effect=", black(), {}, 422),
    ("POST", "/api/v1/parse?parser=none", black(), {}, 404),
    ("POST", "/api/v1/parse", b"no picture", {}, 415),
    ("POST", "/api/v1/parse", b"--x\r\nno form--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}, 400),
    ("POST", "/api/v1/parse", black(), {"prefer": "respond-async"}, 202),
    ("POST", "/api/v1/parse?view=overlay", black(), {"prefer": "wait=60"}, 200),
    ("POST", "/api/v1/parse", b"no picture", {"prefer": "wait=60"}, 415),
    ("POST", "/api/v1/parse", black(), {"prefer": "respond-async", "idempotency-key": "short"}, 422),
    ("POST", "/api/v1/faces", black(), {}, 200),
    ("POST", "/api/v1/faces", b"", {}, 422),
    ("POST", "/api/v1/parse/batch", b"--x\r\n", {"content-type": "multipart/form-data; boundary=y"}, 400),
    ("GET", f"/api/v1/results/{NEVER}/overlay.jpg", b"", {}, 404),
    ("GET", "/api/v1/parsers", b"", {}, 200),
    ("GET", "/api/v1/labels", b"", {}, 200),
    ("GET", "/api/v1/labels", b"", {"host": "evil.test"}, 421),
    ("GET", "/api/v1/labels", b"", {"origin": "http://evil.test"}, 403),
    ("GET", "/healthz", b"", {}, 200),
    ("GET", "/readyz", b"", {}, 200),
    ("GET", "/metrics", b"", {}, 200),
    ("POST", "/session", b'{"token": "none"}', JSON, 401),
    ("POST", "/session", b"{", JSON, 422),
    ("GET", "/problems/poison", b"", {}, 200),
    ("GET", f"/problems/{NEVER}", b"", {}, 404),
    ("GET", "/api/v1/costs", b"", {}, 200),
    ("GET", "/api/v1/jobs", b"", {}, 200),
    ("GET", f"/api/v1/jobs/{NEVER}", b"", {}, 404),
    ("GET", f"/api/v1/jobs/{NEVER}?wait=900", b"", {}, 422),
    ("GET", f"/api/v1/jobs/{NEVER}/events", b"", {}, 404),
    ("GET", f"/api/v1/jobs/{NEVER}/video", b"", {}, 404),
    ("GET", f"/api/v1/jobs/{NEVER}/result", b"", {}, 404),
    ("GET", f"/api/v1/jobs/{NEVER}/sound", b"", {}, 422),
    ("DELETE", f"/api/v1/jobs/{NEVER}", b"", {}, 404),
    ("POST", "/api/v1/videos", b"#EXTM3U", {}, 415),
    ("POST", "/api/v1/videos?view=window", b"", {}, 422),
    ("POST", "/api/v1/videos", b"", {"idempotency-key": "short"}, 422),
    ("GET", "/api/v1/sources", b"", {}, 200),
    ("GET", "/api/v1/streams", b"", {}, 200),
    ("POST", "/api/v1/streams", b'{"source": "nobody"}', JSON, 404),
    ("POST", "/api/v1/streams", b"\xff", JSON, 400),
    ("GET", f"/api/v1/streams/{NEVER}", b"", {}, 404),
    ("DELETE", f"/api/v1/streams/{NEVER}", b"", {}, 404),
    ("PATCH", f"/api/v1/streams/{NEVER}/look", b"{}", JSON, 404),
    ("POST", f"/api/v1/streams/{NEVER}/recording", b"", {}, 404),
    ("DELETE", f"/api/v1/streams/{NEVER}/recording", b"", {}, 404),
    ("POST", f"/api/v1/streams/{NEVER}/clip", b"", {}, 404),
    ("GET", f"/api/v1/streams/{NEVER}/frame.jpg?drawn=perhaps", b"", {}, 422),
    ("GET", f"/api/v1/streams/{NEVER}/live.mjpg", b"", {}, 404),
    ("GET", f"/api/v1/streams/{NEVER}/parsing.png", b"", {}, 404),
    ("GET", "/api/v1/recordings", b"", {}, 200),
    ("GET", "/api/v1/recordings/removed", b"", {}, 200),
    ("GET", f"/api/v1/recordings/{NEVER}", b"", {}, 404),
    ("DELETE", f"/api/v1/recordings/{NEVER}", b"", {}, 404),
]
UNTRIED = {"GET /api/v1/costs/events"}
"""What goes on for ever."""


def _operation(document: dict[str, Any], method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The operation of an address: that with the fewest parameters."""
    fits = [
        template
        for template, operations in document["paths"].items()
        if method.lower() in operations
        and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path.partition("?")[0])
    ]
    template = min(fits, key=lambda each: each.count("{"))
    return f"{method} {template}", document["paths"][template][method.lower()]


def _check(operation: dict[str, Any], answer: httpx.Response) -> None:
    told = operation["responses"]
    assert str(answer.status_code) in told, (answer.request.url, answer.status_code)
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert kind in told[str(answer.status_code)].get("content", {"": {}}), (answer.request.url, kind)
    if answer.status_code >= 400:
        problem = ProblemAnswer.model_validate(answer.json())
        names = told[str(answer.status_code)]["description"].split(", ")
        assert problem.type.removeprefix("/problems/") in names, answer.request.url


@pytest.mark.slow
def test_every_answer_is_documented() -> None:
    async def work(running: Running) -> None:
        document = (await running.client.get("/api/v1/openapi.json")).json()
        tried = set()
        for method, path, body, headers, status in REQUESTS:
            answer = await running.client.request(method, path, content=body, headers=dict(headers))
            assert answer.status_code == status, (method, path, answer.text[:300])
            name, operation = _operation(document, method, path)
            _check(operation, answer)
            tried.add(name)
        known = {f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations}
        assert tried == known - UNTRIED

    run_with(work)


def test_errors_of_every_operation_are_problems() -> None:
    async def work(running: Running) -> None:
        document = (await running.client.get("/api/v1/openapi.json")).json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                answers = operation["responses"]
                assert {"401", "403", "421", "500"} <= answers.keys(), (method, path)
                errors = {kind for status, told in answers.items() if status >= "400" for kind in told["content"]}
                allowed = {MEDIA_TYPE, "application/json"} if path == "/readyz" else {MEDIA_TYPE}
                assert errors <= allowed, (method, path)
        text = str(document)
        assert "HTTPValidationError" not in text
        named = set(re.findall(r"#/components/schemas/(\w+)", text))
        assert named <= document["components"]["schemas"].keys()

    run_with(work)


SHAPES = [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, ProblemAnswer | Strict)]


@pytest.mark.parametrize("name", [name for name in vars(examples) if re.fullmatch("[A-Z]+", name)])
def test_examples_have_their_shapes(name: str) -> None:
    example = getattr(examples, name)
    (shape,) = [each for each in SHAPES if example in each.model_json_schema().get("examples", [])]
    shape.model_validate(example)


def test_what_can_be_got_can_be_asked_for_its_head_alone() -> None:
    async def work(running: Running) -> None:
        for path in ("/", "/docs", "/healthz", "/api/v1/parsers"):
            assert (await running.client.head(path)).status_code == 200, path
        for path in ("/api/v1/costs/events", "/api/v1/parse"):
            assert (await running.client.head(path)).status_code == 405, path

    run_with(work)
