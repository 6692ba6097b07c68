"""The live streams of the service. For one event loop."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from streamer.web.lines import event
from streamer.web.problems import Problem
from streamer.web.settings import Camera
from streamer.web.streams.live import STATES, Live
from streamer.web.streams.saved import Kind, Saved, plain_name

MAX_STREAMS = 16


class Hub:
    """All streams, by their ids."""

    def __init__(self, cameras: Mapping[str, Camera], any_source: bool, saved: Saved, parser: str) -> None:
        """
        Args:
            cameras: those that clients may name, by their names.
            any_source: let clients name sources themselves.
            saved: where recordings and clips go.
            parser: of streams whose settings name none.
        """
        self.cameras = cameras
        self._any_source, self.saved, self._parser = any_source, saved, parser
        self.streams: dict[str, Live] = {}
        self._restarts_before = 0
        self._begun: set[str] = set()

    async def start(self, source: str, parser: str | None) -> Live:
        """A new stream, or the one that the source has. Raises Problem."""
        found = next((each for each in self.streams.values() if each.source == source and not each.died), None)
        if found is not None:
            return found
        if len(self.streams) >= MAX_STREAMS:
            raise Problem("too-busy", f"{MAX_STREAMS} streams run; end one", retry_after_s=30)
        first: dict[str, Any] = {"name": plain_name(source), "parser": parser}
        if (camera := self.cameras.get(source)) is not None:
            first |= {"file": str(camera.file), "camera": camera.name if camera.in_fleet else None}
        elif self._any_source and not _is_path(source):
            first["source"] = source
        else:
            raise Problem("unknown-source", f"no source of that name; there are: {', '.join(self.cameras) or 'none'}")
        try:
            live = Live(f"s_{token_hex(8)}", source, first)
        except OSError as exc:
            raise Problem("cannot-stream", f"no process for it: {exc.strerror}") from exc
        self.streams[live.id] = live
        try:
            await live.begin()
        except BaseException:
            await self.end(live)
            raise
        return live

    def up(self) -> dict[str, int]:
        """1 for each camera whose stream runs, 0 for the others; those that clients named have no name here."""
        running = {live.source for live in self.streams.values() if live.state == "running"}
        return {name: int(name in running) for name in self.cameras}

    def frames(self) -> dict[tuple[str, ...], int]:
        """Frames by the name of the camera, and by what became of them."""
        named = [live for live in self.streams.values() if live.source in self.cameras]
        return {(live.source, event): count for live in named for event, count in live.counted.frames.items()}

    def mask_ages_s(self) -> dict[tuple[str, ...], float]:
        """The age of masks when they are shown, by the name of the camera and the quantile."""
        named = [live for live in self.streams.values() if live.source in self.cameras]
        return {(live.source, quantile): age for live in named for quantile, age in live.counted.mask_age_s.items()}

    def states(self) -> dict[str, int]:
        """How many streams there are of each state."""
        found = Counter(live.state for live in self.streams.values())
        return {state: found[state] for state in STATES}

    def restarts(self) -> int:
        """How many processes of streams were started again since the service was."""
        return self._restarts_before + sum(live.restarts for live in self.streams.values())

    async def end(self, live: Live) -> None:
        if self.streams.pop(live.id, None) is not None:
            self._restarts_before += live.restarts
        await live.end()

    async def stop(self) -> None:
        await asyncio.gather(*(self.end(each) for each in tuple(self.streams.values())), return_exceptions=True)

    def writing(self) -> set[str]:
        """The names of the recordings and clips that are being written."""
        return self._begun | {live.recording for live in self.streams.values() if live.recording}

    @contextmanager
    def beginning(self, kind: Kind, source: str) -> Iterator[Path]:
        """A file for a recording or a clip that a process is asked to write: of those that are written until it has
        answered."""
        path = self.saved.new(kind, source)
        self._begun.add(path.name)
        try:
            yield path
        finally:
            self._begun.discard(path.name)

    async def end_recordings(self, why: str) -> None:
        """Ends all recordings; the streams go on, and tell why."""
        for live in tuple(self.streams.values()):
            name = live.recording
            if not name:
                continue
            with suppress(Problem):  # its process is gone, and the recording with it
                await live.ask("record", file=None)
                live.recording_trouble = why
                event("recording-ended", logging.WARNING, stream=live.source, file=name, why=why)


def _is_path(source: str) -> bool:
    """Whether somebody would have a file of this machine read."""
    return not re.match(r"(test:|webcam:\d+$|rtsps?://|rtmps?://)", source)
