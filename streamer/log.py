"""What the libraries tell while they work, on standard error."""

import logging
import sys


class _StandardError(logging.Handler):
    """Writes to what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def show_steps() -> None:
    """Shows the steps of work that takes a minute, such as making M2FP's graph; safe to call twice."""
    logger = logging.getLogger("pipeline")
    if not any(isinstance(each, _StandardError) for each in logger.handlers):
        logger.addHandler(_StandardError())
        logger.setLevel(logging.INFO)
