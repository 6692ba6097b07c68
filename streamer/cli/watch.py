"""The command that shows what a stream publishes."""

import csv
import io
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from pipeline import Face, Frame, Look, Parsing, blend
from pipeline.exports.faces import facts
from streamer.alerts.conditions import FORMS, Condition
from streamer.alerts.targets import KINDS, open_target
from streamer.cli.console import say, tell
from streamer.cli.options import Json, time_option
from streamer.errors import ConfigError
from streamer.export.table import COLUMNS, rows_of
from streamer.live.sinks.window import CLOSED, QUIT, Window
from streamer.masks.headers import Totals
from streamer.zeromq.subscriber import Subscription, subscribe

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV: a row for each part of each person, and for each face.")]
Silence = Annotated[
    float,
    time_option("Silence after which to give up; a publisher says something each second.", default_s=10.0, min_s=0.1),
]
To = Annotated[
    str | None,
    typer.Option(metavar="|".join(KINDS), help="Send a message on, too: to a broker, an address, or a file."),
]
Url = Annotated[
    str | None,
    typer.Option(help="Where to: mqtt://HOST/TOPIC, http://HOST/PATH, or the path of the file."),
]
When = Annotated[
    list[str] | None,
    typer.Option(help=f"Send only when this becomes true; repeat for several: {FORMS}. [default: each parsing]"),
]


def watch(
    addresses: Annotated[
        list[str],
        typer.Argument(metavar="ADDRESS...", help="Addresses at which streams publish, as in tcp://127.0.0.1:5556."),
    ],
    stream: Annotated[
        str,
        typer.Option(help="Name of the stream; by default the first that is heard, of several addresses all."),
    ] = "",
    as_json: Json = False,
    as_csv: Csv = False,
    view: Annotated[bool, typer.Option("--view", help="Draw each stream's masks in a window; q closes it.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on when the publisher ends, until it starts again.")
    ] = False,
    timeout: Silence = 10.0,
    key: Annotated[Path | None, typer.Option(help="Your .key file, for publishers with keys.")] = None,
    server_key: Annotated[Path | None, typer.Option(help="The publishers' .pub file; nobody else is heard.")] = None,
    to: To = None,
    url: Url = None,
    when: When = None,
) -> None:
    """Show the masks that streams publish, as they come.

    Prints a line for each parsing; where they come faster than they can be shown, for the newest of each stream.
    """
    if (to is None) != (url is None) or (when and to is None):
        raise ConfigError("--to and --url belong together, and --when says when something is sent there")
    if as_json and as_csv:
        raise ConfigError("--json and --csv are two forms of the same lines: leave one out")
    conditions: defaultdict[str, list[Condition]] = defaultdict(lambda: [Condition(each) for each in when or ()])
    conditions[stream]  # what is no condition is refused before anything is waited for
    lines_of = _json_lines if as_json else csv_lines if as_csv else _lines if len(addresses) == 1 else _named_lines
    with ExitStack() as stack:
        heard = stack.enter_context(
            subscribe(addresses, stream=stream, follow=follow, timeout_s=timeout, key=key, server_key=server_key)
        )
        target = None if to is None or url is None else stack.enter_context(closing(open_target(to, url)))
        if as_csv:
            say(_csv([("stream", *COLUMNS)]))
        for name, parsing in _until_quit(heard, stack) if view else heard.named():
            for line in lines_of(name, parsing):
                say(line)
            if target is not None:
                for event in _events(parsing, conditions[name]):
                    target.send({"event": event, "stream": name, **row_of(parsing)})
    if heard.end_reason:
        text = _last_line(heard.end_reason, heard.end_totals, as_json=as_json)
        tell("end", text, {}) if as_csv else say(text)  # a table has no place for it


def _until_quit(heard: Subscription, stack: ExitStack) -> Iterator[tuple[str, Parsing]]:
    """What is heard, each stream shown in a window, until one of these is closed."""
    windows: dict[str, Window] = {}
    for name, parsing in heard.named():
        if name not in windows:
            windows[name] = stack.enter_context(Window(f"streamer {name}"))
        if {QUIT, CLOSED} & viewed(parsing, windows[name]):
            return
        yield name, parsing


def _json_lines(stream: str, parsing: Parsing) -> list[str]:
    return [json.dumps({"stream": stream, **row_of(parsing)})]


def csv_lines(stream: str, parsing: Parsing) -> list[str]:
    """What is said of a parsing in CSV: all its rows in one text."""
    text = _csv((stream, *row) for row in rows_of(parsing))
    return [text] if text else []


def _lines(_: str, parsing: Parsing) -> list[str]:
    return [line_of(parsing)]


def _named_lines(stream: str, parsing: Parsing) -> list[str]:
    return [f"{stream}: {line_of(parsing)}"]


def _csv(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().rstrip("\n")


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
    window.show(lambda: blend(ground, parsing, Look(opacity=1.0, legend="auto")))
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
    told = {} if face.estimate is None else facts(face.estimate)
    return {"box": face.box, "points": face.points, "score": face.score, "person": face.person, **told}


def line_of(parsing: Parsing) -> str:
    """What is said of a parsing."""
    row = row_of(parsing)
    most = sorted(row["share"].items(), key=lambda each: -each[1])[:4]
    ids = " ".join(str(person.track_id) for person in parsing.people) or "nobody"
    shares = [", ".join(f"{name} {share:.1%}" for name, share in most)] if most else []
    return f"frame {row['frame']}, {row['pts_s']:.2f} s, {row['age_s'] * 1e3:.0f} ms old: {'; '.join([ids, *shares])}"
