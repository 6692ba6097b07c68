"""The last pictures of a file that breaks off in the middle of one."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

MAX_BYTES = 16_000_000
"""Of packets that are kept. A broken file with fewer key frames than that lacks its last two or three pictures."""

Packet = Any
"""An `av.Packet` of the video; empty after the last."""


class BrokenEnd:
    """Decodes the end of a file again, where its last pictures did not come.

    FFmpeg's decoders that have a thread for each picture end with the first picture that is damaged once there are no
    more packets, and lose the whole ones that they still hold to put them in order.
    """

    def __init__(self, video: VideoStream, *, kept: bool) -> None:
        """
        Args:
            video: of an open file.
            kept: whether packets are; else nothing is decoded again.
        """
        self._video, self._kept = video, kept
        self._parts: deque[list[Packet]] = deque([[]])
        """Packets that build on the same key frame, from the first part of which pictures are to come."""
        self._bytes = 0
        self._shown: int | None = None
        """Time of the newest picture."""

    def sent(self, packet: Packet) -> None:
        """A packet goes to the decoder."""
        if not self._kept:
            return
        if packet.is_keyframe:
            self._parts.append([])
            self._forget()
        if not self._parts:
            return
        self._parts[-1].append(packet)
        self._bytes += packet.size
        if self._bytes > MAX_BYTES:
            # What comes before the next key frame builds on what is not there any more.
            self._parts, self._bytes = deque(), 0

    def came(self, frame: av.VideoFrame) -> None:
        """A picture came from the decoder."""
        if frame.pts is not None and self._is_new(frame.pts):
            self._shown = frame.pts

    def _forget(self) -> None:
        """Leaves out the parts whose pictures have come."""
        while len(self._parts) > 1 and not self._is_awaited(self._parts[0]):
            self._bytes -= sum(packet.size for packet in self._parts.popleft())

    def _is_awaited(self, part: list[Packet]) -> bool:
        return any(packet.pts is not None and self._is_new(packet.pts) for packet in part)

    def _is_new(self, pts: int) -> bool:
        return self._shown is None or pts > self._shown

    def lost(self) -> Iterator[av.VideoFrame]:
        """Those of the last pictures that can be decoded and did not come; what precedes them has come."""
        self._forget()
        if not any(map(self._is_awaited, self._parts)):
            return
        # Gone meanwhile, or moved: it ends here, as it did.
        with suppress(av.error.FFmpegError), self._opened_again() as again:
            yield from self._decoded(again.streams[self._video.index].codec_context)

    def _opened_again(self) -> InputContainer:
        return av.open(self._video.container.name, metadata_errors="replace")

    def _decoded(self, decoder: Any) -> Iterator[av.VideoFrame]:
        packets = [packet for part in self._parts for packet in part if packet.size]
        decoder.thread_type = "SLICE"
        for packet in (*packets, None):
            with suppress(av.error.InvalidDataError):
                for frame in decoder.decode(packet):
                    if frame.pts is not None and self._is_new(frame.pts):
                        frame.time_base = packets[0].time_base
                        yield frame
