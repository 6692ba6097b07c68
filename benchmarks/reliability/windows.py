"""Screens that die, refuse or are not there, while a stream has a window and is recorded."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.reliability.measure import PATTERN, Place, Row, between, captured, rest, running, until
from tests.support.display import display

PACKAGE = "xvfb"
"""Debian's, which has a screen that nobody sees."""
COOKIE = b"\1\0\0\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\x10" + bytes(16)
"""A file of cookies as Xauthority(3) has them. Of an empty one Xvfb takes everybody in."""
NO_SCREEN = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "XAUTHORITY": "/nonexistent"}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The processes that are started meanwhile have these variables; an empty one is none."""
    before = dict(os.environ)
    for name, value in values.items():
        os.environ.pop(name, None)
        if value:
            os.environ[name] = value
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def windows(place: Place) -> Iterator[Row]:
    if place.short:
        return
    if shutil.which("Xvfb") is None:
        yield Row("a window whose screen is killed", "ends alone", f"skipped: it takes {PACKAGE}", True)
        return
    with display() as (name, server), environment(NO_SCREEN | {"DISPLAY": name}):
        yield _ends_alone(place, "the X server is killed", server)
    cookies = place.folder / "cookies"
    cookies.write_bytes(COOKIE)
    with display("-auth", str(cookies)) as (name, _), environment(NO_SCREEN | {"DISPLAY": name}):
        yield _ends_alone(place, "the X server asks for a cookie that nobody has")
    with environment(NO_SCREEN | {"WAYLAND_DISPLAY": "wayland-9"}):
        yield _ends_alone(place, "there is Wayland alone, and it does not answer")
    with environment(NO_SCREEN | {"DISPLAY": ":4321"}):
        yield _ends_alone(place, "no such display")


def _ends_alone(place: Place, what: str, server: "subprocess.Popen[bytes] | None" = None) -> Row:
    out = str(place.folder / f"window-{'-'.join(re.findall('[a-zA-Z]+', what))}.mp4")
    with running(PATTERN, window=True, record=out) as stream:
        captured(stream, 45)
        before = stream.stats
        if server is not None:
            server.kill()
        until(lambda: bool(stream.stats.sinks_ended))
        captured(stream, 45)
        rest(3)
        after = stream.stats
    why = ", ".join(f"{each.name}: {each.why}" for each in after.sinks_ended) or "it did not end"
    return Row(
        f"a window beside a recording: {what}",
        "the window ends alone and says why; nothing dropped",
        f"“{why}”; {between(before, after)}",
        [each.name for each in after.sinks_ended] == ["window"] and after.drops.total == before.drops.total,
    )


FAULTS = (windows,)
