"""The sidecar of a live stream."""

from pathlib import Path

from pipeline import Parsing
from streamer.masks.origin import Origin
from streamer.masks.sidecar_writer import SidecarWriter
from streamer.zeromq.publisher import unix_offset_s


class Keeping:
    """Appends each parsing, with the time of its frame's capture, to a sidecar."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """Raises SinkError."""
        self._writer = SidecarWriter.create(path, origin)
        self._parser = origin.parser.name

    def write(self, item: Parsing) -> None:
        self._writer.write(item, unix_offset_s=unix_offset_s(), parser=self._parser)

    def tick(self) -> bool:
        return True

    def close(self, ending: str) -> None:
        self._writer.close()
