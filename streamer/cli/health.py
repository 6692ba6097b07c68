"""The command that asks a running service whether it is ready: for containers, which have no curl."""

import urllib.error
import urllib.request
from typing import Annotated

import typer

from streamer.errors import StreamerError

TIMEOUT_S = 2.5


def health(
    port: Annotated[int, typer.Option(help="The port of the service.", min=1, max=65535)] = 7860,
) -> None:
    """Ask the service on this machine whether it is ready.

    The exit status is 0 if it is, and 1 if not.
    """
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT_S) as answer:
            typer.echo(answer.read().decode())
    except urllib.error.HTTPError as exc:
        raise StreamerError(f"the service is not ready: {exc.read().decode(errors='replace')}") from exc
    except OSError as exc:
        raise StreamerError(f"no service answers at port {port}: {exc}") from exc
