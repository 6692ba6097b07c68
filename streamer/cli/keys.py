"""The command that makes keys for publishers and subscribers."""

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.console import say
from streamer.errors import ConfigError
from streamer.zeromq.curve import new_keys

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make keys by which publishers and subscribers know each other."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of whoever the keys are for, as in door or kitchen-display.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder to write them into, made if it is not there.")] = Path(),
) -> None:
    """Make a pair: NAME.key, a secret that only you can read, and NAME.pub, for those who are to know this one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{folder} cannot be a folder for keys: {exc.strerror}") from exc
    secret, public = new_keys(name, folder)
    say(f"{secret}: the secret; it stays here, for --key")
    say(f"{public}: for a publisher's --allow folder, or for a subscriber's --server-key")
