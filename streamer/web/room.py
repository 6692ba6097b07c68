"""Keeps the folder of jobs and recordings within its bytes: the oldest recordings that are finished go first."""

import asyncio
import logging

from streamer.web.jobs.files import Folder
from streamer.web.jobs.store import JobStore
from streamer.web.lines import event
from streamer.web.streams.hub import Hub

EVERY_S = 10.0
FULL = "the recordings of this server take all the room that they may (--data-max)"


class Room:
    """What may be in the folder. For one event loop."""

    def __init__(self, folder: Folder, hub: Hub, store: JobStore, max_bytes: int) -> None:
        self._folder, self._hub, self._store, self._max_bytes = folder, hub, store, max_bytes

    async def keep(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            if not self.make():
                await self._hub.end_recordings(FULL)

    def make(self) -> bool:
        """Removes finished recordings and clips, the oldest first, while there is too much; whether it is enough now.

        What is being written stays. So does the newest that is finished, until another is written: a recording that
        ended because there was no more room is not lost by that.
        """
        used = self._folder.used_bytes()
        if used <= self._max_bytes:
            return True
        writing = self._hub.writing()
        finished = [each for each in self._hub.saved.all() if each.name not in writing][::-1]
        for each in finished if writing else finished[:-1]:
            if used <= self._max_bytes:
                break
            self._hub.saved.remove(each.name)
            used -= each.size_bytes
            self._store.note_removed(each.name, each.size_bytes)
            event("recording-removed", logging.WARNING, file=each.name, size_bytes=each.size_bytes, why="data-max")
        return used <= self._max_bytes
