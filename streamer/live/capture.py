"""The capture thread: from the source into the ring."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from pipeline import Frame
from streamer.errors import CannotOpen, Cause, Loss
from streamer.live.config import SourceSettings
from streamer.live.ring import FrameRing
from streamer.live.stats import Stats
from streamer.sources.lacks import lacks_of, missing_end_s
from streamer.sources.network import TIMEOUTS, Access
from streamer.sources.open import open_source
from streamer.sources.reconnect import HOPELESS, Connector, Reconnecting
from streamer.sources.source import Source
from streamer.sources.timing.playout import HELD_S
from streamer.sources.timing.seams import ABSENT, Backoff
from streamer.sources.uri import comes_by_itself, is_camera, is_screen, says_what_it_is

NOTICED_AT = 0.96
"""Share of the allowed silence after which a source counts as lost. In the rest of it the silence is noticed, the
connection ended and the loss told, so that all of that happens in time."""

MAX_OVERTIME_S = 10.0
"""Time beyond its duration for which a stream gets through what waits."""
TOLD_BEHIND_S = 1.0
"""A stream that is stopped further behind its camera says so."""

_LOG = logging.getLogger(__name__)


class _Limit:
    """The end of the stream: it was stopped, or has lasted long enough. Pictures of that time that wait, since this
    machine is behind, are waited for."""

    def __init__(self, stop: threading.Event, duration_s: float | None) -> None:
        self._stop, self._duration_s = stop, duration_s
        self._until_s = self._until_pts_s = float("inf")
        self._source: Source | None = None

    def begin(self, source: Source, first: Frame) -> None:
        """The first frame is there."""
        self._source = source
        if self._duration_s is not None:
            self._until_s = first.captured_s + self._duration_s
            self._until_pts_s = first.pts_s + self._duration_s
            source.audio.ends_s = source.info.tags.start_s + self._until_pts_s

    def reached(self, frame: Frame) -> bool:
        """Whether a frame comes too late."""
        if self.is_set() or (frame.pts_s >= self._until_pts_s and time.monotonic() >= self._until_s):
            return True
        if self._source is not None and frame.pts_s > self._until_pts_s:
            # It came ahead of its time, as in a burst that is shown with little delay: its sound goes with it.
            self._source.audio.ends_s = self._source.info.tags.start_s + frame.pts_s
        return False

    def is_set(self) -> bool:
        late_s = time.monotonic() - self._until_s
        if self._stop.is_set() or late_s < 0 or self._source is None:
            return self._stop.is_set()
        return late_s >= min(self._source.delivery.behind_s, MAX_OVERTIME_S)

    def wait(self, timeout: float) -> bool:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0 and self.is_set():
            return True
        self._stop.wait(min(timeout, left_s) if left_s > 0 else timeout)
        return self.is_set()


def capture(
    settings: SourceSettings,
    audio: bool,
    ring: FrameRing,
    stats: Stats,
    stop: threading.Event,
    announce: Callable[[Source], None],
    ready: Callable[[], bool] | None = None,
    held_s: float = HELD_S,
    *,
    hdr: bool = False,
) -> None:
    """Reads the source to its end, or until `stop`; then closes the ring, and with its error if there was one.

    Args:
        audio: read the sound, too.
        announce: told of the source when it is open, before its first frame is in the ring.
        ready, held_s, hdr: see `open_source`.
    """
    limit = _Limit(stop, settings.duration_s)
    try:
        source = _opened(settings, audio, limit, stats, ready, held_s, hdr=hdr)
        if source is not None:
            with source:
                info = source.info
                stats.opened(f"{info.frame_size}{'' if info.rate is None else f' at {float(info.rate):g}/s'}")
                announce(source)
                _pour(source, ring, stats, limit)
                tell_behind(source)
    except BaseException as exc:
        ring.close(exc)
        raise
    ring.close()


def tell_behind(source: Source) -> None:
    """What a busy machine has received and not come to when it is stopped is neither captured nor dropped."""
    behind_s = source.delivery.behind_s
    if source.info.live and behind_s >= TOLD_BEHIND_S:
        _LOG.warning(
            "%s: stopped %.1f s behind, for this machine is too slow; what came in that time is left out",
            source.info.name,
            behind_s,
        )


def _opened(
    settings: SourceSettings,
    audio: bool,
    limit: _Limit,
    stats: Stats,
    ready: Callable[[], bool] | None,
    held_s: float,
    *,
    hdr: bool,
) -> Source | None:
    """The source, or None when it was stopped before it was there."""
    stall_s, segment_s = (NOTICED_AT * max(settings.stall_after_s, least) for least in (0.0, TIMEOUTS.segment_s))
    timeouts = replace(TIMEOUTS, read_s=stall_s, segment_s=segment_s)

    def open_once(within_s: float) -> Source:
        return open_source(
            settings.uri,
            audio=audio,
            video_track=settings.video_track,
            deinterlace=True,
            hdr=hdr,
            realtime=True,
            loop=settings.loop,
            timeouts=replace(timeouts, open_s=min(within_s, timeouts.open_s)),
            stopped=limit,
            latency_s=settings.latency_s,
            ready=ready,
            held_s=held_s,
            access=Access(settings.rtsp_transport, settings.poll_hz),
        )

    if settings.reconnect_for_s == 0 or not comes_by_itself(settings.uri):
        return _unless_stopped(open_once, limit)
    # A webcam or a screen that is not there is nobody who turns us away.
    at_hand = is_camera(settings.uri) or is_screen(settings.uri)
    absent = ABSENT | {Cause.NOT_FOUND} if at_hand else ABSENT
    hopeless = HOPELESS if says_what_it_is(settings.uri) else HOPELESS - {Cause.CODEC}
    connector = Connector(
        open_once,
        settings.reconnect_for_s,
        limit,
        on_loss=lambda error: stats.lost(time.monotonic(), Loss(error.cause, str(error))),
        on_return=lambda: stats.back(time.monotonic()),
        backoff=Backoff(absent=absent),
        hopeless=hopeless,
    )
    source = connector.first()
    return Reconnecting(source, connector, limit) if source and source.info.live else source


def _unless_stopped(open_once: Callable[[float], Source], limit: _Limit) -> Source | None:
    try:
        return open_once(float("inf"))
    except CannotOpen:
        if limit.is_set():
            return None
        raise


def _pour(source: Source, ring: FrameRing, stats: Stats, limit: _Limit) -> None:
    count, shown_s, missing_s = 0, 0.0, 0.0
    try:
        for frame in source:
            if count == 0:
                limit.begin(source, frame)
            if limit.reached(frame):
                return
            stats.captured(time.monotonic(), source.delivery.delay_s)
            ring.put(frame)
            count, shown_s = count + 1, max(shown_s, frame.pts_s)
        if not limit.is_set():
            missing_s = missing_end_s(source.info, count, shown_s)
    finally:
        if not source.info.live:
            stats.over(lacks_of(source.health, missing_s))
