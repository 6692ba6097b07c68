"""The command that runs the service."""

import typer

from pipeline.faces.names import WORTH
from streamer.cli.options import Given, with_options
from streamer.errors import StreamerError
from streamer.settings import made
from streamer.web.settings import AccessSettings, JobSettings, LiveSettings, ServeSettings, WorkSettings


@with_options(AccessSettings, WorkSettings, JobSettings, LiveSettings)
def serve(given: Given) -> None:
    """Serve a page and a REST API: pictures in, people and parts out.

    The page is at http://127.0.0.1:7860/, the API's description at /docs. Nothing is reached from other machines
    unless --host says so.
    """
    groups = (AccessSettings, WorkSettings, JobSettings, LiveSettings)
    settings = ServeSettings(*(made(each, given) for each in groups))  # type: ignore[arg-type]
    try:
        from streamer.web.server import serve as run
    except ImportError as exc:
        raise StreamerError(f"{exc.name} is not installed; {_cure()}") from exc
    if settings.work.age_gender:  # rich, with which others tell it, is no part of the service's process
        typer.echo(WORTH, err=True)
    run(settings, _started)


def _cure() -> str:
    from pipeline.errors import installs

    return f"{installs('web')} installs it"


def _started(address: str, token: str | None) -> None:
    """Says where the service is; standard output is for people here, the log is on standard error."""
    typer.echo(f"{address}#token={token}" if token else address)
