"""The inside of a job's process: renders a video, and tells how far it is."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline import Look, ParserSettings, PipelineError
from streamer.errors import StreamerError
from streamer.offline import Progress, Rendering, render_file
from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent

EVERY_S = 0.5
NICE = 10


def serve(parent: Parent) -> None:
    """Does one job. See `streamer.processes.parent`."""
    if sys.platform != "win32":
        os.nice(NICE)  # live streams and single pictures come first
    with suppress(ChannelClosed):
        asked: dict[str, Any] = json.loads(bytes(parent.receive()))

        def tell(progress: Progress) -> None:
            parent.send(json.dumps({"done": progress.done, "total": progress.total}).encode())

        try:
            parent.send(json.dumps({"ended": do_job(asked, tell)}).encode())
        except (PipelineError, StreamerError) as exc:
            parent.send(json.dumps({"failed": _without(str(exc), asked)}).encode())


def do_job(asked: Mapping[str, Any], tell: Callable[[Progress], None]) -> dict[str, int]:
    """Renders a video as it was asked for; the numbers of frames, of those parsed, and of damaged pieces.

    A job that was begun before, and has died, goes on from what it had parsed. Masks are kept of whole videos alone,
    so that an excerpt is begun anew.

    Args:
        asked: the paths `source`, `out` and `masks`; and what `rendering` reads.
        tell: called twice a second at most.

    Raises:
        StreamerError, PipelineError: it cannot be rendered, as would be so the next time.
    """
    told_s = 0.0

    def tell_sometimes(progress: Progress) -> bool:
        nonlocal told_s
        if time.monotonic() - told_s >= EVERY_S:
            told_s = time.monotonic()
            tell(progress)
        return True

    Path(asked["out"]).unlink(missing_ok=True)  # of an attempt that was killed before it told of the end
    settings = rendering(asked)
    masks = asked["masks"] if settings.excerpt.is_whole else None
    rendered = render_file(asked["source"], asked["out"], settings, tell_sometimes, masks=masks)
    return {"frames": rendered.frames, "parsed": rendered.parsed, "damaged": rendered.damaged}


def rendering(asked: Mapping[str, Any]) -> Rendering:
    """The settings of a job.

    Args:
        asked: `parser`, `precision`, `size` and `faces` of `ParserSettings`, where size is null or [height, width];
            `effect` and `on` of `Look`, and `look` for the rest of it; `every`, `start_s` and `end_s` of `Rendering`.
            Jobs of earlier versions have neither `faces` and `look` nor the times.

    Raises:
        PipelineError, StreamerError: there cannot be such settings.
    """
    size, every = asked["size"], asked["every"]
    drawn: dict[str, Any] = dict(asked.get("look", {}))
    hidden, only = frozenset(drawn.pop("hide", ())), frozenset(drawn.pop("only", ()))
    look = Look(**drawn, hidden=hidden, only=only, effect=tuple(asked["effect"]), on=asked["on"])
    parser = ParserSettings(
        asked["parser"],
        size=None if size is None else tuple(size),
        precision=asked["precision"],
        faces=asked.get("faces", False),
    )
    start_s, end_s = asked.get("start_s", 0.0), asked.get("end_s")
    # What an earlier attempt parsed is kept, where each frame was parsed: masks between two are made of both.
    goes_on = every == 1 and start_s == 0 and end_s is None
    return Rendering(parser, look, every, start_s=start_s, end_s=end_s, force=not goes_on, resume=goes_on)


def _without(message: str, asked: dict[str, Any]) -> str:
    """A message without paths of this machine."""
    for path in ("source", "out", "masks"):
        message = message.replace(asked[path], "the video")
    return message
