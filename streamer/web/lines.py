"""The log: a JSON object a line on standard error, without a query, a body or a token in it."""

import logging
import sys
from typing import Any

import msgspec

from streamer.sources.uri import without_password

_LIBRARIES = ("uvicorn", "python_multipart")
"""What they warn of would else be lines of text among the others: the second of forms that cannot be read."""


class JsonLines(logging.Handler):
    """Writes each record as one line of JSON to what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_password(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            fields["trace"] = "\n".join(map(without_password, trace.splitlines()))
        sys.stderr.write(msgspec.json.encode(fields).decode() + "\n")


def log_lines() -> logging.Logger:
    """The service's logger, whose lines are JSON; also those of the libraries that it uses. Safe to call twice."""
    for name in ("streamer.web", *_LIBRARIES):
        logger = logging.getLogger(name)
        if not any(isinstance(each, JsonLines) for each in logger.handlers):
            logger.handlers = [JsonLines()]
        logger.propagate = False
        logger.setLevel(logging.INFO if name == "streamer.web" else logging.WARNING)
    return logging.getLogger("streamer.web")


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Writes a line."""
    logging.getLogger("streamer.web").log(level, name, extra={"fields": fields})
