"""What is told on standard error while it happens."""

import json
import logging
from collections.abc import Iterator

import pytest

from streamer.log import show_steps, use_json, write_json


@pytest.fixture
def pipeline_log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("pipeline")
    before = logger.level, list(logger.handlers)
    logger.handlers.clear()
    yield logger
    logger.level, logger.handlers = before[0], before[1]


def test_steps_are_told_once_and_on_standard_error(
    pipeline_log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    show_steps()
    show_steps()
    logging.getLogger("pipeline.m2fp.export").info("reading %s", "weights")
    logging.getLogger("pipeline.m2fp.export").debug("not this")
    assert capsys.readouterr() == ("", "reading weights\n")


def test_programs_are_told_in_json(
    pipeline_log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_json()
    show_steps()
    logging.getLogger("pipeline.m2fp.export").info("reading %s", "weights")
    write_json("offline", "OFFLINE: nobody there", {"cause": "refused"})
    step, offline = map(json.loads, capsys.readouterr().err.splitlines())
    assert (step["event"], step["text"]) == ("step", "reading weights")
    assert offline.pop("time").startswith("20")
    assert offline == {"event": "offline", "text": "OFFLINE: nobody there", "cause": "refused"}
