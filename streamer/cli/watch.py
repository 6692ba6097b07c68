"""The command that shows what a stream publishes."""

import json
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from pipeline import Face, Frame, Look, Parsing, blend
from streamer.alerts.conditions import FORMS, Condition
from streamer.alerts.targets import KINDS, open_target
from streamer.cli.console import say
from streamer.cli.options import Json, time_option
from streamer.errors import ConfigError
from streamer.live.sinks.window import CLOSED, QUIT, Window
from streamer.masks.headers import Totals
from streamer.zeromq.subscriber import subscribe


def watch(
    address: Annotated[str, typer.Argument(help="Address at which a stream publishes, as in tcp://127.0.0.1:5556.")],
    stream: Annotated[str, typer.Option(help="Name of the stream; by default the first that is heard.")] = "",
    as_json: Json = False,
    view: Annotated[bool, typer.Option("--view", help="Draw the masks in a window; q closes it.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on when the publisher ends, until it starts again.")
    ] = False,
    timeout: Annotated[
        float,
        time_option(
            "Silence after which to give up; a publisher says something each second.", default_s=10.0, min_s=0.1
        ),
    ] = 10.0,
    key: Annotated[Path | None, typer.Option(help="Your .key file, for a publisher with keys.")] = None,
    server_key: Annotated[Path | None, typer.Option(help="The publisher's .pub file; nobody else is heard.")] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="|".join(KINDS), help="Send a message on, too: to a broker, an address, or a file."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Where to: mqtt://HOST/TOPIC, http://HOST/PATH, or the path of the file."),
    ] = None,
    when: Annotated[
        list[str] | None,
        typer.Option(help=f"Send only when this becomes true; repeat for several: {FORMS}. [default: each parsing]"),
    ] = None,
) -> None:
    """Show the masks that a stream publishes, as they come.

    Prints a line for each parsing; where they come faster than they can be shown, for the newest.
    """
    if (to is None) != (url is None) or (when and to is None):
        raise ConfigError("--to and --url belong together, and --when says when something is sent there")
    conditions = [Condition(each) for each in when or ()]
    with ExitStack() as stack:
        heard = stack.enter_context(
            subscribe(address, stream=stream, follow=follow, timeout_s=timeout, key=key, server_key=server_key)
        )
        target = None if to is None or url is None else stack.enter_context(closing(open_target(to, url)))
        window = stack.enter_context(Window(f"streamer {address}")) if view else None
        for parsing in heard:
            if window and {QUIT, CLOSED} & viewed(parsing, window):
                break
            say(json.dumps(row_of(parsing)) if as_json else line_of(parsing))
            if target is not None:
                for event in _events(parsing, conditions):
                    target.send({"event": event, **row_of(parsing)})
    if heard.end_reason:
        say(_last_line(heard.end_reason, heard.end_totals, as_json=as_json))


def _events(parsing: Parsing, conditions: list[Condition]) -> list[str]:
    """What is to be told of a parsing."""
    people = [each.track_id for each in parsing.people]
    met = [each.text for each in conditions if each.is_met(people)]
    return met if conditions else ["parsing"]


def _last_line(reason: str, totals: Totals | None, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"end": reason, "totals": totals and msgspec.to_builtins(totals)})
    if totals is None:
        return f"the publisher ended: {reason}"
    dropped = ", ".join(f"{count} {cause}" for cause, count in totals.dropped.items()) or "none"
    age = totals.mask_age
    return (
        f"the publisher ended: {reason}; {totals.captured} captured, {totals.parsed} parsed, {totals.shown} shown,"
        f" dropped: {dropped}; mask age {age.p50_s * 1e3:.0f} ms (p95 {age.p95_s * 1e3:.0f}, p99 {age.p99_s * 1e3:.0f})"
    )


def viewed(parsing: Parsing, window: Window) -> set[str]:
    """Shows a parsing; the keys that were pressed."""
    ground = Frame.still(np.zeros((*parsing.frame_size, 3), np.uint8))
    window.show(blend(ground, parsing, Look(opacity=1.0, legend="auto")))
    return set(window.pressed())


def row_of(parsing: Parsing) -> dict[str, Any]:
    """What is said of a parsing in JSON."""
    counts = np.bincount(parsing.labels.ravel(), minlength=len(parsing.label_set)) / parsing.labels.size
    names = parsing.label_set.names
    return {
        "frame": parsing.frame_index,
        "pts_s": parsing.pts_s,
        "age_s": time.monotonic() - parsing.captured_s,
        "people": [{"id": each.track_id, "score": each.score, "box": each.box} for each in parsing.people],
        **({} if parsing.faces is None else {"faces": [_face(each) for each in parsing.faces]}),
        "share": {names[index]: float(counts[index]) for index in np.flatnonzero(counts) if index},
    }


def _face(face: Face) -> dict[str, Any]:
    return {"box": face.box, "points": face.points, "score": face.score, "person": face.person}


def line_of(parsing: Parsing) -> str:
    """What is said of a parsing."""
    row = row_of(parsing)
    most = sorted(row["share"].items(), key=lambda each: -each[1])[:4]
    ids = " ".join(str(person.track_id) for person in parsing.people) or "nobody"
    shares = [", ".join(f"{name} {share:.1%}" for name, share in most)] if most else []
    return f"frame {row['frame']}, {row['pts_s']:.2f} s, {row['age_s'] * 1e3:.0f} ms old: {'; '.join([ids, *shares])}"
