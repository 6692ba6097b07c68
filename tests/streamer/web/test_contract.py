"""Requests that schemathesis makes up from the OpenAPI document: every answer is one that the document has."""

import importlib
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.support.served import Served, served
from tests.support.service import black

pytestmark = [pytest.mark.slow, pytest.mark.process]

EXAMPLES = 12
"""For each operation; the same ones each time."""
ENDLESS = ("/api/v1/costs/events",)
"""What goes on for as long as somebody listens; `test_costs.py` has it."""
PICTURES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
TRIED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    options = ("--workers", "1", "--deadline", "10min", "--max-wait", "10min")
    with served(tmp_path_factory.mktemp("served") / "log", *options) as found:
        assert found.ready()
        yield found


def _document(running: Served) -> Any:
    for kind in PICTURES:
        schemathesis.openapi.media_type(kind, st.sampled_from([black(), black(8, 8), black()[:40], b"no picture"]))
    return schemathesis.openapi.from_url(f"{running.address}/api/v1/openapi.json")


def test_no_answer_is_an_error_of_the_server_or_not_in_the_document(running: Served) -> None:
    checks = importlib.import_module("schemathesis.specs.openapi.checks")
    held_to = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    answered: set[tuple[str, int]] = set()
    document = _document(running)
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        for found in document.get_all_operations():
            operation = found.ok()
            if operation.path in ENDLESS:
                continue

            @TRIED
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                answer = case.call(timeout=900)
                case.validate_response(answer, checks=held_to)
                answered.add((case.operation.label, answer.status_code))

            # There is nothing wrong to ask where a name is all that is asked.
            with suppress(Unsatisfiable) if mode is schemathesis.GenerationMode.NEGATIVE else nullcontext():
                ask()
    known = {f"{method.upper()} {path}" for path, methods in document.raw_schema["paths"].items() for method in methods}
    assert {label for label, _ in answered} == known - {f"GET {path}" for path in ENDLESS}
    # Some were right and some were wrong, or nothing is said of either.
    assert {("POST /api/v1/parse", 200), ("POST /api/v1/parse", 422), ("POST /session", 401)} <= answered
    assert not [line for line in running.lines() if line["message"] in ("failed", "trouble", "worker-died")]
