"""What is told while a program works, on standard error: as lines for people, or as JSON lines for programs."""

import logging
import os
import sys
from collections.abc import Mapping

_FORMAT = "STREAMER_LOG_FORMAT"
"""A variable, so that processes of our own, which write to the same standard error, are told as well."""


def use_json() -> None:
    """Every line from now on is a JSON object, in this process and in those that it starts."""
    os.environ[_FORMAT] = "json"


def is_json() -> bool:
    """Whether lines are JSON objects."""
    return os.environ.get(_FORMAT) == "json"


def write_json(event: str, text: str, details: Mapping[str, object] | None = None) -> None:
    """Writes a line: the time, the kind of event as a word, the sentence for people, and what is known besides."""
    import json
    from datetime import UTC, datetime

    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": time, "event": event, "text": text, **(details or {})}, default=str)
    sys.stderr.write(f"{line}\n")  # in one piece: other threads and processes write there as well
    sys.stderr.flush()


class _StandardError(logging.Handler):
    """Writes to what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if is_json():
            write_json("step", text)
        else:
            sys.stderr.write(f"{text}\n")


def show_steps() -> None:
    """Shows the steps of work that takes a minute, such as making M2FP's graph; safe to call twice."""
    logger = logging.getLogger("pipeline")
    if not any(isinstance(each, _StandardError) for each in logger.handlers):
        logger.addHandler(_StandardError())
        logger.setLevel(logging.INFO)
