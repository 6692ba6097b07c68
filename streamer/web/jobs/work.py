"""The inside of a job's process: renders a video, and tells how far it is."""

import json
import os
import sys
import time
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
        try:
            parent.send(json.dumps({"ended": _render(parent, asked)}).encode())
        except (PipelineError, StreamerError) as exc:
            parent.send(json.dumps({"failed": _without(str(exc), asked)}).encode())


def _render(parent: Parent, asked: dict[str, Any]) -> dict[str, Any]:
    told_s = 0.0

    def tell(progress: Progress) -> bool:
        nonlocal told_s
        if time.monotonic() - told_s >= EVERY_S:
            told_s = time.monotonic()
            parent.send(json.dumps({"done": progress.done, "total": progress.total}).encode())
        return True

    size = asked["size"]
    look = Look(effect=tuple(asked["effect"]), on=asked["on"])
    parser = ParserSettings(asked["parser"], size=None if size is None else tuple(size), precision=asked["precision"])
    masks, every = Path(asked["masks"]), asked["every"]
    Path(asked["out"]).unlink(missing_ok=True)  # of a service that was killed before it was told of the end
    # What an earlier attempt parsed is kept, where each frame was parsed: masks between two are made of both.
    settings = Rendering(parser, look, every, force=every > 1, resume=every == 1)
    rendered = render_file(asked["source"], asked["out"], settings, tell, masks=masks)
    return {"frames": rendered.frames, "parsed": rendered.parsed, "damaged": rendered.damaged}


def _without(message: str, asked: dict[str, Any]) -> str:
    """A message without paths of this machine."""
    for path in ("source", "out", "masks"):
        message = message.replace(asked[path], "the video")
    return message
