"""The inside of a stream's process: runs the stream, and answers what the service asks of it."""

import faulthandler
import json
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import Look, Parsing, PipelineError
from pipeline.drawing.overlay import blend
from pipeline.types import Picture
from streamer.errors import ConfigError, StreamerError
from streamer.live.card import EVERY_S, Telling
from streamer.live.config import SETTINGS, StreamConfig, configured, read_settings
from streamer.live.fleet import fleet_settings
from streamer.live.sinks.sink import Drawn, Sink
from streamer.live.sinks.snapshots import bgr_of
from streamer.live.sinks.table import ROWS, Place, Rows, SourceRow
from streamer.live.stats import Snapshot
from streamer.live.stream import Stream
from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent
from streamer.settings import read_toml
from streamer.sources.source import Source
from streamer.sources.uri import without_password
from streamer.stills.answers import palette_png
from streamer.web.streams.messages import packed, unpacked
from streamer.web.streams.newest import Newest

_GOES_ELSEWHERE = {
    name
    for name, (group, _) in SETTINGS.items()
    if name == "masks" or (group in ("record", "publish", "window") and name != "clip_seconds")
}
"""The settings of what a stream writes, sends and shows by itself. Clips are made when a browser asks for one."""
WAIT_S = 0.5
"""How long a picture is waited for before the answer is that there is none."""


def serve(parent: Parent) -> None:
    """Runs one stream until the service wants no more. See `streamer.processes.parent`."""
    faulthandler.enable(all_threads=False)  # where a library ends the process, its last words say where
    with suppress(ChannelClosed):
        asked: dict[str, Any] = json.loads(bytes(parent.receive()))
        try:
            host = _Host(stream_config(asked))
        except (PipelineError, StreamerError) as exc:
            parent.send(packed({"failed": without_password(str(exc))}))
            return
        with host.stream, Telling({host.name: host.stream.config}) as card:
            parent.send(packed({"ready": True}))
            while True:
                message = parent.poll(EVERY_S)
                card.tell({host.name: host.stream.stats}, time.monotonic())
                if message is None:
                    continue
                head, _ = unpacked(message)
                if head["what"] == "end":
                    break
                parent.send(host.answer(head))
        parent.send(packed({"over": True}))


def stream_config(asked: dict[str, Any]) -> StreamConfig:
    """The configuration of a stream that a browser shows: a file's, without what it writes, sends and draws itself.

    Raises ConfigError and PipelineError.
    """
    given = {name: value for name, value in _given(asked).items() if name not in _GOES_ELSEWHERE}
    if asked.get("parser"):
        given["parser"] = asked["parser"]
    return configured({**given, "stream": asked["name"]})


def _given(asked: dict[str, Any]) -> dict[str, object]:
    """The settings of a camera of a fleet, of a file of its own, or of a source that somebody named."""
    if not asked.get("file"):
        return {"source": asked["source"]}
    file, camera = Path(asked["file"]), asked.get("camera")
    if camera is None:
        return read_settings(file)
    fleet = read_toml(file, fleet_settings)
    if camera not in fleet:
        raise ConfigError(f"{camera} is not in its file any more")
    return fleet[camera]


class _Host:
    def __init__(self, config: StreamConfig) -> None:
        self.name, self._look = config.stream, config.look
        # Browsers draw for themselves. Effects stay: what they cover is covered before anything leaves here.
        plain = replace(config, look=replace(config.look, opacity=0.0, outline=False, tags=False, legend="off"))
        self._newest = Newest(config.encoding, config.record.keep_free_bytes)
        make: Callable[[Place, Source], Sink[Drawn]] = lambda place, source: self._newest.opened(source)  # noqa: E731
        row = SourceRow("browser", lambda config: True, make)
        self.stream = Stream(plain, Rows((*ROWS.pictures, row), ROWS.parsings))
        self._ended = ""

    def answer(self, head: dict[str, Any]) -> bytes:
        what = head["what"]
        try:
            if what == "frame":
                return self._frame(head["after"], head["width"], head["quality"])
            if what == "still":
                return self._still(head["drawn"], head["quality"])
            if what == "parsing":
                return self._parsing()
            if what == "look":
                self._look = _looked(self._look, head)
            elif what == "record":
                self._record(head["file"])
            elif what == "clip":
                self.stream.clip(Path(head["file"]))
        except (PipelineError, StreamerError) as exc:
            return packed({"failed": without_password(str(exc)).replace(str(head.get("file")), "the file")})
        return packed(self._state())

    def _record(self, file: str | None) -> None:
        if file is not None and self._newest.wanted is not None:
            raise ConfigError("it is recording already")
        self._newest.record(None if file is None else Path(file))

    def _frame(self, after: int, width: int, quality: int) -> bytes:
        found = self._newest.after(after, WAIT_S)
        if found is None:
            return packed({"count": after, **self._state()})
        count, drawn = found
        picture = _narrow(bgr_of(drawn.picture), width)
        coded = _jpeg(picture, quality) if quality else b""
        head = {"count": count, **_told(drawn), "picture": {"width": picture.shape[1], "height": picture.shape[0]}}
        masks = b"" if drawn.parsing is None else _maps(drawn.parsing)
        return packed(
            {**head, "jpeg": len(coded), "masks": len(masks), **self._recorded(), "stats": self._stats()}, coded + masks
        )

    def _still(self, drawn: bool, quality: int) -> bytes:
        found = self._newest.after(0, WAIT_S)
        if found is None:
            return packed({"failed": "there is no picture yet"})
        picture, parsing = bgr_of(found[1].picture), found[1].parsing
        # Colours on what an effect covers would tell where people are; that is no secret. The picture stays covered.
        if drawn and parsing is not None:
            picture = blend(picture, parsing, replace(self._look, effect=(), on="all"))
        return packed({"count": found[0]}, _jpeg(picture, quality))

    def _parsing(self) -> bytes:
        found = self._newest.after(0, WAIT_S)
        if found is None or found[1].parsing is None:
            return packed({"failed": "there is no parsing of the newest picture"})
        parsing = found[1].parsing
        return packed({"count": found[0]}, palette_png(parsing.labels, parsing.label_set))

    def _state(self) -> dict[str, Any]:
        if not self._ended:
            try:
                if self.stream.join(0.0):
                    self._ended = "the source ended"
            except (PipelineError, StreamerError) as exc:
                self._ended = without_password(str(exc))
        return {"ended": self._ended or None, **self._recorded(), "stats": self._stats()}

    def _recorded(self) -> dict[str, Any]:
        recording = self._newest.recording
        return {
            "recording": None if recording is None else recording.name,
            "recording_trouble": without_password(self._newest.trouble) or None,
        }

    def _stats(self) -> dict[str, Any]:
        return _figures(self.stream.stats)


def _figures(stats: Snapshot) -> dict[str, Any]:
    return {
        "captured": stats.captured,
        "parsed": stats.parsed,
        "shown": stats.shown,
        "dropped": {name: count for name, count in asdict(stats.drops).items() if count},
        "captured_hz": round(stats.captured_hz, 2),
        "parsed_hz": round(stats.parsed_hz, 2),
        "reconnects": stats.reconnects,
        "offline_s": stats.offline_since_s,
        "last_loss": None if stats.last_loss is None else without_password(str(stats.last_loss)),
        "mask_age_p50_s": round(stats.mask_age.p50_s, 4),
        "mask_age_p95_s": round(stats.mask_age.p95_s, 4),
        "worker_restarts": stats.worker_restarts,
    }


def _told(drawn: Drawn) -> dict[str, Any]:
    parsing = drawn.parsing
    told: dict[str, Any] = {"frame": drawn.index, "pts_s": round(drawn.pts_s, 4), "people": [], "map": None}
    if parsing is not None:
        told["map"] = {"width": parsing.map_size.width, "height": parsing.map_size.height}
        told["frame_size"] = {"width": parsing.frame_size.width, "height": parsing.frame_size.height}
        told["label_set"] = parsing.label_set.name
        told["carried_from"] = parsing.carried_from
        told["people"] = [
            {"id": each.track_id, "score": round(each.score, 3), "box": each.box} for each in parsing.people
        ]
    return told


def _looked(look: Look, head: dict[str, Any]) -> Look:
    wanted: dict[str, Any] = {name: head[name] for name in ("opacity", "outline", "tags") if name in head}
    if "hide" in head:
        wanted["hidden"] = frozenset(head["hide"])
    return replace(look, **wanted)


def _narrow(bgr: Picture, width: int) -> Picture:
    if bgr.shape[1] <= width:
        return bgr
    size = width, max(1, round(bgr.shape[0] * width / bgr.shape[1]))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(bgr: Picture, quality: int) -> bytes:
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _maps(parsing: Parsing) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(parsing.labels.tobytes()) + packer.compress(parsing.instances.tobytes()) + packer.flush()
