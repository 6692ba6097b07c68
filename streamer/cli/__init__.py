"""The command line: verbs become calls, and what they answer is printed. No logic."""

import os
import sys

import typer

from pipeline import PipelineError
from streamer.cli import bench, doctor, evaluate, models, render, run
from streamer.cli.console import complain
from streamer.errors import StreamerError

app = typer.Typer(
    name="streamer",
    help="People, part by part, in video: hair, face, clothes, arms, legs, shoes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(render.demo)
app.command()(render.render)
app.command()(run.run)
app.command()(run.watch)
app.command()(evaluate.evaluate)
app.command()(bench.bench)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")


def main() -> None:
    """Runs a command. What goes wrong is one line, and 1 the exit status; 2 for usage, 130 for Ctrl-C."""
    try:
        app()
    except Exception as exc:
        if os.environ.get("STREAMER_DEBUG"):
            raise
        known = isinstance(exc, (PipelineError, StreamerError))
        complain(exc if known else f"unexpected {type(exc).__name__}: {exc}; STREAMER_DEBUG=1 shows where")
        sys.exit(1)
