"""The command line: commands become calls, and their results are printed. No logic.

A command's module is loaded when the command is used, so that `streamer --help` and the completion of a shell answer
at once.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from streamer.interrupts import ending_at_the_second, ending_silently, leave
from streamer.log import show_steps, use_json
from streamer.version import __version__

COMMANDS = {
    "demo": ("render", "Parse a bundled clip into demo.mp4, in the current folder."),
    "render": ("render", "Draw every person's parts over videos and pictures."),
    "run": ("run", "Parse a live stream: show it, record it, publish its masks."),
    "serve": ("serve", "Serve a page and a REST API: pictures in, people and parts out."),
    "fleet": ("fleet", "Run the cameras of a file side by side."),
    "top": ("machine", "Show the streams that run on this machine, as they go."),
    "health": ("machine", "Ask the service on this machine whether it is ready."),
    "watch": ("watch", "Show the masks that streams publish, as they come."),
    "replay": (
        "replay",
        "Play kept masks: as lines, in a window, or published.",
    ),
    "export": ("export", "Write masks as files for other tools."),
    "stats": ("stats", "Tell what was seen in a video: parts, people, for how long."),
    "keys": ("keys", "Make keys by which publishers and subscribers know each other."),
    "evaluate": ("evaluate", "Measure a parser on labelled pictures, and its flicker."),
    "bench": ("bench", "Time parsers, runtimes, precisions, threads and sizes here."),
    "profile": ("bench", "Measure what the service costs here: memory, processor, time."),
    "doctor": ("doctor", "Look at a camera and this machine, and advise settings."),
    "devices": ("doctor", "List the webcams of this machine, with their modes."),
    "models": ("models", "List the parsers, and fetch weights that are not bundled."),
}
"""The commands: each one's module in this room, and the first sentence of its help."""

UsageError: Any = typer.BadParameter.__mro__[1]
"""What all errors of usage are, for which Typer has no name."""
PLAIN: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
"""Loading Rich would take as long as everything else that this module loads."""


class _Commands(TyperGroup):
    """Knows all commands by name and help, and loads the one that is used."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, known, others = super().resolve_command(ctx, args)
        if known is None:
            return name, None, others
        with ending_silently():
            return name, load_command(str(name)), others


def load_command(name: str) -> Any:
    """The command as Typer makes it: its function, or the `app` of a module with commands of its own."""
    show_steps()
    module = import_module(f"streamer.cli.{COMMANDS[name][0]}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
        app.command(name)(getattr(module, name))
    return get_command(app)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamer {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """People, part by part, in video: hair, face, clothes, arms, legs, shoes."""


def _app() -> typer.Typer:
    made = typer.Typer(name="streamer", cls=_Commands, no_args_is_help=True, **PLAIN)
    made.callback()(_root)
    for name, (_, sentence) in COMMANDS.items():
        made.command(name, help=sentence)(lambda: None)
    return made


app = _app()


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON lines: known before it is read, since what is wrong with it is told so.

    >>> wants_json(["run", "test:", "--log-format", "json"])
    True
    """
    return "--log-format=json" in arguments or ("--log-format", "json") in pairwise(arguments)


def main() -> None:
    """Runs a command. What goes wrong is one line, and 1 the exit status; 2 for usage, 130 for Ctrl-C."""
    with ending_at_the_second():
        _run()


def _run() -> None:
    as_json = wants_json(sys.argv[1:])
    if as_json:
        use_json()
    try:
        # Where lines are for programs, errors of usage are to be raised, and not told at length.
        status = app(prog_name="streamer", standalone_mode=not as_json)
        sys.exit(status)
    except BrokenPipeError:
        # Who read standard output has seen enough, as `head` has; at its end Python would complain of what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as exc:
        if os.environ.get("STREAMER_DEBUG"):
            raise
        # Loaded only now: these bring all of pipeline, and rich.
        from pipeline import PipelineError
        from streamer.cli.console import complain
        from streamer.errors import ShutdownTimeout, StreamerError

        if isinstance(exc, UsageError):
            complain(exc.format_message())
            sys.exit(exc.exit_code)
        known = isinstance(exc, (PipelineError, StreamerError))
        complain(exc if known else f"unexpected {type(exc).__name__}: {exc}; STREAMER_DEBUG=1 shows where")
        if isinstance(exc, ShutdownTimeout):  # a thread waits for what does not come, and the interpreter for it
            leave(1)
        sys.exit(1)
