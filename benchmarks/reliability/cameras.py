"""Cameras and networks that misbehave."""

import gc
import os
import signal
import threading
import time
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.reliability.kinds import camera, kinds
from benchmarks.reliability.measure import (
    PATTERN,
    Place,
    Row,
    captured,
    child,
    peak_mb,
    played,
    rest,
    running,
    stopping,
    until,
)
from streamer import SourceError, open_source
from tests.support import media
from tests.support.media import Answer, by_turns, cut, free_port, hang_up, hold, http, raw, rtsp, serving, spread

FLOOD_MOST_MB = 100
"""The frames that wait to be drawn, and what is encoded of the last half minute; not what comes."""


def killed(place: Place) -> Iterator[Row]:
    took, off = [], {}
    for kind in kinds(place, "hls"):
        out = place.folder / f"killed-{kind}.mp4"
        with camera(place, kind) as source, running(source.url, record=str(out)) as stream:
            captured(stream, 20)
            source.kill()
            until(lambda: stream.stats.offline_since_s is not None)
            rest(1 if place.short else 5)
            source.start()
            took.append(captured(stream, 1))
            captured(stream, 10)
            stream.stop()
            offline_s = stream.stats.offline_s
        times = [float(each) for each in media.pts_of(out)]
        off[kind] = abs(max(later - each for each, later in pairwise(times)) - offline_s)
    names = ", ".join(kinds(place, "hls"))
    yield place.in_time(f"camera killed and started again ({names})", "first frame", 2, took)
    pieces = [off.pop("hls")] if "hls" in off else []
    yield _gap(", ".join(off), "", 0.5, off.values())
    if pieces:
        yield _gap("hls", " and a piece of 1 s", 1.5, pieces)


def _gap(names: str, more: str, most_s: float, off: Collection[float]) -> Row:
    measured = ", ".join(f"{each:.2f} s" for each in off)
    promised = f"as long as it was, to 0.5 s{more}"
    return Row(f"its gap in the recording ({names})", promised, f"off by {measured}", max(off) < most_s)


def frozen(place: Place) -> Iterator[Row]:
    stall_s = 1.0 if place.short else 5.0
    noticed, back = [], []
    for kind in kinds(place):
        with camera(place, kind) as source:
            with running(source.url, stall_after_s=stall_s) as stream:
                captured(stream, 10)
                source.send_signal(signal.SIGSTOP)
                noticed.append(until(lambda: stream.stats.offline_since_s is not None))
                rest(1)
                source.send_signal(signal.SIGCONT)
                back.append(captured(stream, 1))
    names = ", ".join(kinds(place))
    yield place.in_time(f"camera stopped, --stall-after {stall_s:g} ({names})", "noticed", stall_s, noticed)
    yield place.in_time(f"the same camera goes on ({names})", "first frame", 2, back)


def silent_udp(place: Place) -> Iterator[Row]:
    if place.short:
        return
    port, body = free_port(), place.clip("second.ts", 1).read_bytes()
    with running(f"udp://127.0.0.1:{port}") as stream:
        with media.datagrams(body, 1.0, port):
            captured(stream, 30)
        noticed_s = until(lambda: stream.stats.offline_since_s is not None)
        with media.datagrams(body, 1.0, port):
            back_s = captured(stream, 1)
    yield place.in_time("MPEG-TS over UDP falls silent, --stall-after 5", "noticed", 5, [noticed_s])
    yield place.in_time("it goes on, with a key picture each second", "first frame", 3, [back_s])


def all_of_it(place: Place) -> Iterator[Row]:
    """One recording through resets, half a frame, damage, another size and codec, and a clock that runs back."""
    plain, back = (place.clip(f"{start}.ts", 1, start=start).read_bytes() for start in (9_000_000, 0))
    large = place.clip("large.ts", 1, size=(128, 160)).read_bytes()
    media.Clip(codec="mpeg4", ticks=range(0, 512 * 25, 512)).make(place.folder / "other.ts")
    other = (place.folder / "other.ts").read_bytes()
    damaged = plain[: len(plain) // 2] + os.urandom(500) + plain[len(plain) // 2 + 500 :]
    answers = by_turns(
        spread(plain + back + large, 3.0, then=cut),
        spread(damaged, 1.0),
        spread(plain[: len(plain) // 2 + 77], 0.5, then=hang_up),
        spread(other + plain, 2.0),
    )
    out = place.folder / "all.mp4"
    with serving(answers) as port:
        with running(f"tcp://127.0.0.1:{port}", record=str(out), stall_after_s=0.7) as stream:
            captured(stream, 1)
            began = time.monotonic()
            until(lambda: stream.stats.reconnects >= 4, 60)
            captured(stream, 5)
            lasted_s = time.monotonic() - began
            stream.stop()
            stats = stream.stats
    times = [float(each) for each in media.pts_of(out)]
    off_s = times[-1] - times[0] - lasted_s
    yield Row(
        "clock runs back, size changes, reset, damage, freeze, half a frame, codec changes: one recording",
        "each shown frame in it, times grow, its length to 1 s",
        f"{len(times)} of {stats.shown} frames, {stats.reconnects} reconnects, off by {off_s:+.2f} s",
        len(times) == stats.shown and times == sorted(set(times)) and abs(off_s) < 1 + place.slack_s,
    )


def flooded(place: Place) -> Iterator[Row]:
    """A minute of 720p with sound as fast as it can be sent; decoded and kept it would be 2 GB."""
    seconds = 10 if place.short else 60
    kind = {"size": (720, 1280), "sound": "aac"}
    body = _interleaved(place.clip("flood.mp4", seconds, **kind), place.folder / "flood.ts")
    calm = _interleaved(place.clip("calm.mp4", 8, **kind), place.folder / "calm.ts")
    frames = seconds * 25
    with serving(by_turns(spread(calm, 8.0, then=hang_up), raw(body, then=hold))) as port:
        with running(f"tcp://127.0.0.1:{port}", record=str(place.folder / "flooded.mp4")) as stream:
            until(lambda: stream.stats.parsed > 0)
            before_mb = peak_mb(lambda: stream.stats.reconnects == 1)
            had, began = stream.stats.captured, time.monotonic()
            flood_mb = peak_mb(lambda: stream.stats.captured >= had + frames - 10, 60)
            took_s = time.monotonic() - began
            stream.stop()
            stats = stream.stats
    yield Row(
        f"{frames} frames of 720p with sound, sent as fast as they are read",
        f"each shown or counted as dropped; memory peaks less than {FLOOD_MOST_MB} MB higher than before",
        f"{stats.captured} = {stats.shown} shown + {stats.drops.total} dropped, {frames / took_s:.0f} frames/s;"
        f" {before_mb:.0f} MB at most before, {flood_mb:.0f} MB during it: {flood_mb - before_mb:+.0f} MB",
        stats.captured == stats.shown + stats.drops.total and flood_mb - before_mb < FLOOD_MOST_MB,
    )


def _interleaved(made: Path, out: Path) -> bytes:
    """Sound beside the pictures of its time, as a camera sends it."""
    return media.with_late_sound(made, out, -1.0).read_bytes()


def refused(place: Place) -> Iterator[Row]:
    page = b"<html>Welcome</html>"
    wanted: dict[str, tuple[str, Answer | None]] = {
        "auth": ("rtsp", rtsp(None, "401 X")),
        "not found": ("http", http(b"", status=404)),
        "codec": ("http", http(page)),
        "ended": ("rtsp", hang_up),
        "refused": ("rtsp", None),
    }
    found = []
    for scheme, answer in wanted.values():
        with serving(answer or hang_up) as port:
            try:
                open_source(f"{scheme}://127.0.0.1:{port if answer else free_port()}/1").close()
                found.append("none")
            except SourceError as exc:
                found.append(str(exc.cause))
    yield Row(
        "401, 404, a page of text, hung up, nobody listens",
        "its own cause each",
        ", ".join(found),
        found == list(wanted),
    )


def stopped(place: Place) -> Iterator[Row]:
    took = {}
    with serving(hold) as port:
        for scheme in ("rtsp",) if place.short else ("rtsp", "tcp", "http", "udp", "rtmp"):
            with running(f"{scheme}://127.0.0.1:{port}/1") as stream:
                rest(0.5)
                took[f"{scheme} connects"] = stopping(stream)
        with running(f"rtsp://127.0.0.1:{port}/1") as stream:
            rest(0.5)
            child("demux").suspend()
            took["stuck"] = stopping(stream)
    with running(f"rtsp://127.0.0.1:{free_port()}/1") as stream:
        until(lambda: stream.stats.offline_since_s is not None)
        took["nobody listens"] = stopping(stream)
    with serving(rtsp(place.clip("second.ts", 1), then=hold)) as port:
        with running(f"rtsp://127.0.0.1:{port}/1") as stream:
            until(lambda: stream.stats.parsed > 0)
            child("inference").suspend()
            child("demux").suspend()
            took["silent, all processes stopped"] = stopping(stream)
    worst = max(took, key=lambda name: took[name])
    states = ", ".join(took)
    row = place.in_time(f"stopped while: {states}", "over", 3, took.values())
    yield Row(row.fault, row.promised, f"{took[worst]:.2f} s at most ({worst})", row.held)


def lost_often(place: Place) -> Iterator[Row]:
    warm, losses = (1, 3) if place.short else (10, 50)
    me = psutil.Process()

    def held() -> tuple[int, int, int, float]:
        """Most of the time: between two connections there is one process less, while one begins perhaps one more."""
        gc.collect()
        seen: list[tuple[int, int, int]] = []
        while len(seen) < 25:
            seen.append((threading.active_count(), me.num_fds(), len(me.children())))
            threading.Event().wait(0.1)
        return *max(set(seen), key=seen.count), me.memory_info().rss / 1e6

    with serving(rtsp(place.clip("second.ts", 1))) as port:
        out = str(place.folder / "often.mp4")
        with running(f"rtsp://127.0.0.1:{port}/1", record=out) as stream:
            until(lambda: stream.stats.parsed > 0 and stream.stats.reconnects >= warm, 60)
            captured(stream, 1)
            before = held()
            done = stream.stats.reconnects
            until(lambda: stream.stats.reconnects >= done + losses, 4 * losses)
            captured(stream, 1)
            after = held()
            reconnects = stream.stats.reconnects - done
    threads, files, processes, megabytes = (later - each for each, later in zip(before, after))
    yield Row(
        f"{losses} disconnects in a row, after {warm} more",
        "no growth",
        f"{reconnects} reconnects: threads {threads:+}, files {files:+}, processes {processes:+}, {megabytes:+.1f} MB",
        reconnects >= losses and (threads, files, processes) == (0, 0, 0) and megabytes < 20,
    )


def beside_others(place: Place) -> Iterator[Row]:
    """Three streams in one process, of which the third has nothing to do with the other two."""
    nobody = f"rtsp://127.0.0.1:{free_port()}/1"
    with camera(place, "tcp") as source, running(nobody) as absent, running(source.url, stall_after_s=1.0) as frozen:
        with running(PATTERN, record=str(place.folder / "beside.mp4")) as well:
            until(lambda: well.stats.parsed > 0 and frozen.stats.captured > 10)
            before = well.stats
            source.send_signal(signal.SIGSTOP)
            until(lambda: frozen.stats.offline_since_s is not None and absent.stats.offline_since_s is not None)
            rest(1 if place.short else 5)
            after = well.stats
    yield played("beside two other streams in one process, one that nobody answers, one that freezes", before, after)


def reader_lost(place: Place) -> Iterator[Row]:
    with camera(place, "rtsp") as source, running(source.url) as stream:
        captured(stream, 20)
        child("demux").kill()
        until(lambda: stream.stats.offline_since_s is not None)
        took_s = captured(stream, 1)
    yield place.in_time("kill -9 of the process that holds the connection", "next frame", 2, [took_s])


FAULTS = (killed, frozen, silent_udp, all_of_it, flooded, refused, stopped, lost_often, beside_others, reader_lost)
