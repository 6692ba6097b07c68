"""Cameras for minutes: live HLS in pieces, recorded; and several RTSP cameras side by side, shown and published.

    python -m benchmarks.cameras hls                        720p30 in pieces of 4 s, a minute
    python -m benchmarks.cameras rtsp                       four at 720p25, 20 minutes after 5 of warming
    python -m benchmarks.cameras rtsp --record              the same, recorded and published

The figures of record of several cameras are those without `--record`: each is shown in a window of its own, on a
display without a monitor (Xvfb). With `--record` there are as many encoders of H.264, which is another question.

The cameras are processes of their own, on loopback, which send the bundled street clip, encoded beforehand. Printed is
what was asked of the program and what came of it: pictures captured, lost and shown, the delay, parsings, the age of
masks, memory of all its processes (PSS, what they share counted once), threads and files, the processor time that each
kind of its processes took, and how busy the machine was with other things. Ends with 1 if a picture was lost or
anything grew.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
import psutil

from benchmarks import render as bench_render
from benchmarks.reliability.measure import captured, until
from streamer import Stream, StreamConfig
from streamer.live.stats import Snapshot
from tests.support import media
from tests.support.display import display

EVERY_S = 1.0
MAX_GROWN_MB = 0.05
"""Each 1,000 frames."""
TICK = Fraction(1, 90_000)
HLS = (sys.executable, "-m", "tests.support.hls")


@dataclass(frozen=True)
class Sample:
    """The program at one moment."""

    frames: int
    megabytes: float
    threads: int
    files: int


def street(path: Path, rate: int, seconds: float) -> Path:
    """The street at this rate, played over and over, with a key picture each second."""
    once = path.with_suffix(".once.mp4")
    bench_render.make_clip(once, 4 * rate)
    with av.open(str(once)) as source, av.open(str(path), "w", format="mpegts") as out:
        stream: Any = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23", "g": str(rate)})
        stream.width, stream.height, stream.pix_fmt = bench_render.WIDTH, bench_render.HEIGHT, "yuv420p"
        stream.codec_context.max_b_frames = 0
        packets = []
        for number, frame in enumerate(source.decode(video=0)):
            if number == 4 * rate:
                break
            frame.pts, frame.time_base = number, Fraction(1, rate)
            packets.extend(bytes(each) for each in stream.encode(frame))
        packets.extend(bytes(each) for each in stream.encode(None))
        for number in range(max(len(packets), math.ceil(seconds * rate))):
            packet: Any = av.Packet(packets[number % len(packets)])
            packet.stream, packet.time_base = stream, TICK
            packet.dts = packet.pts = number * 90_000 // rate
            packet.is_keyframe = number % rate == 0
            out.mux(packet)
    return path


def busy_with_others(began: tuple[float, float]) -> str:
    """How much of the machine others took, since `clocks` was read."""
    all_s, ours_s = (after - before for after, before in zip(clocks(), began))
    return f"it and the cameras took {ours_s:.0f} s of processor time; {others_text(max(0.0, all_s - ours_s))}"


def others_text(spent_s: float) -> str:
    return f"others took {spent_s:.0f} s, load {os.getloadavg()[0]:.1f}"


def clocks() -> tuple[float, float]:
    """Processor seconds of the machine, and of this program and its processes."""
    times = psutil.cpu_times()
    all_s = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
    ours_s = 0.0
    for each in family():
        with suppress(psutil.Error):
            ours_s += each.cpu_times().user + each.cpu_times().system
    return all_s, ours_s


def family() -> list[psutil.Process]:
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


SCREEN = ("-screen", "0", "2560x1440x24")
KINDS = {
    "streamer.sources.demuxer.main": "connections",
    "streamer.inference.main": "parsing",
    "streamer.live.sinks.screen": "windows",
    "Xvfb": "display",
}
"""What a word of a process's command line says of it."""


def kind_of(process: psutil.Process, cameras: frozenset[int]) -> str:
    if process.pid == os.getpid():
        return "capture, drawing and publishing"
    if process.pid in cameras:
        return "cameras"
    words = {Path(word).name for word in process.cmdline()}
    return next((name for word, name in KINDS.items() if word in words), "others of it")


def spent(cameras: frozenset[int]) -> Counter[str]:
    """Processor seconds so far of each kind of process."""
    found: Counter[str] = Counter()
    for each in family():
        with suppress(psutil.Error):
            times = each.cpu_times()
            found[kind_of(each, cameras)] += times.user + times.system
    return found


def sampled(frames: int, beside: frozenset[int]) -> Sample:
    """Of this program and its processes, without those beside it."""
    megabytes = threads = files = 0.0
    for each in family():
        if each.pid not in beside:
            with suppress(psutil.Error):
                megabytes += each.memory_full_info().pss / 1e6
                threads, files = threads + each.num_threads(), files + each.num_fds()
    return Sample(frames, megabytes, int(threads), int(files))


def pieces(seconds: float, piece_s: int, folder: Path) -> bool:
    second, out = street(folder / "second.ts", 30, 1), folder / "pieces.mp4"
    clip = folder / "one.ts"
    with av.open(str(second)) as source, av.open(str(clip), "w") as made:
        stream = made.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number < 30 and packet.size:
                packet.stream = stream
                made.mux(packet)
    began, spent_s = clocks(), sum(os.times()[:4])
    with media.Camera(clip, "hls", (*HLS, "--piece", str(piece_s))) as camera:
        Event().wait(3.5 * piece_s)  # who comes early finds one piece alone, and waits for the next
        with Stream(StreamConfig(camera.url, record=str(out), force=True)) as stream:
            captured(stream, 1, 60)
            delays = [each.delay_s for each in followed(lambda: stream.stats, seconds)]
            stream.stop()
            stats = stream.stats
    times_s = [float(each) for each in media.pts_of(out)]
    gap_s = max(later - each for each, later in pairwise(times_s))
    lost = stats.captured - stats.drops.at_end - len(times_s)
    lost += round(sum(max(0.0, b - a - 1.5 / 30) for a, b in pairwise(times_s)) * 30)
    settled = delays[len(delays) // 4 :]
    print(f"HLS of 720p30 in pieces of {piece_s} s, recorded for {times_s[-1] - times_s[0] + 1 / 30:.1f} s")
    print(f"  {stats.captured} captured, {len(times_s)} recorded, {lost} lost; {gap_s * 1e3:.0f} ms apart at most")
    print(f"  shown {stats.shown / (times_s[-1] - times_s[0] + 1 / 30):.2f}/s of their own time")
    print(f"  kept back {min(settled):.2f} to {max(settled):.2f} s after the first quarter; {stats.parsed} parsed")
    ours_s = sum(os.times()[:4]) - spent_s  # its processes have ended, and are counted with it
    others_s = max(0.0, clocks()[0] - began[0] - ours_s)
    print(f"  it and the camera took {ours_s:.0f} s of processor time; {others_text(others_s)}")
    return lost == 0


def followed(look: Callable[[], Any], seconds: float) -> Iterator[Any]:
    """What it says each second."""
    pause, until_s = Event(), time.monotonic() + seconds
    while time.monotonic() < until_s:
        pause.wait(min(EVERY_S, max(0.0, until_s - time.monotonic())))
        yield look()


def several(number: int, minutes: float, warm: float, folder: Path, *, records: bool) -> bool:
    clip = street(folder / "street.ts", 25, 60 * (minutes + warm) + 120)
    with ExitStack() as stack:
        cameras = [stack.enter_context(media.Camera(clip)) for _ in range(number)]
        senders = frozenset(camera.pid for camera in cameras)
        screen: frozenset[int] = frozenset()
        if not records:
            os.environ["DISPLAY"], server = stack.enter_context(display(*SCREEN))
            screen = frozenset({server.pid})
        configs = [
            config_of(camera.url, folder / f"{place}.mp4" if records else None)
            for place, camera in zip(count(), cameras)
        ]
        streams = [stack.enter_context(Stream(config)) for config in configs]
        for stream in streams:
            until(lambda: stream.stats.parsed > 0, 120)  # noqa: B023
        list(followed(lambda: None, 60 * warm))
        began, before, at_s = clocks(), [stream.stats for stream in streams], time.monotonic()
        spent_s = spent(senders)
        told = lambda: sampled(sum(stream.stats.captured for stream in streams), senders | screen)  # noqa: E731
        samples = list(followed(told, 60 * minutes))
        after, took_s = [stream.stats for stream in streams], time.monotonic() - at_s
        spent_s = spent(senders) - spent_s
        busy = busy_with_others(began)
    for name, first, last in zip(count(1), before, after):
        print(f"camera {name}: {line_of(first, last, took_s)}")
    frames, megabytes = ([getattr(each, name) for each in samples] for name in ("frames", "megabytes"))
    slope = float(np.polyfit(np.array(frames) / 1000, megabytes, 1)[0])
    more = [getattr(samples[-1], name) - getattr(samples[0], name) for name in ("threads", "files")]
    print(f"memory {megabytes[0]:.0f} MB, then {megabytes[-1]:.0f} MB: {slope:+.4f} MB per 1,000 of their")
    print(f"  {frames[-1] - frames[0]} frames in {took_s / 60:.1f} min; threads {more[0]:+}, files {more[1]:+}")
    captured_all = sum(last.captured - first.captured for first, last in zip(before, after))
    each_ms = {name: 1e3 * seconds / captured_all for name, seconds in spent_s.most_common()}
    print(f"processor time for each of {captured_all} pictures captured: {sum(each_ms.values()):.2f} ms")
    print("\n".join(f"  {name} {ms:.2f} ms" for name, ms in each_ms.items()))
    print(f"  {busy}")
    return slope < MAX_GROWN_MB and max(more) <= 0


def config_of(url: str, file: Path | None) -> StreamConfig:
    """Recorded into a file, or shown in a window; published too."""
    if file is None:
        return StreamConfig(url, window=True, publish="tcp://127.0.0.1:*")
    return StreamConfig(url, record=str(file), segment_s=60, publish="tcp://127.0.0.1:*", force=True)


def line_of(first: Snapshot, last: Snapshot, took_s: float) -> str:
    shown, parsed, captured_ = (getattr(last, name) - getattr(first, name) for name in ("shown", "parsed", "captured"))
    return (
        f"captured {captured_ / took_s:.1f}/s, shown {shown / took_s:.1f}/s, parsed {parsed / took_s:.1f}/s,"
        f" masks {last.mask_age.p50_s * 1e3:.0f} ms old (p95 {last.mask_age.p95_s * 1e3:.0f}),"
        f" dropped {last.drops.total - first.drops.total}, reconnected {last.reconnects - first.reconnects}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("hls", "rtsp"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of hls")
    parser.add_argument("--piece", type=int, default=4, help="seconds of a piece of hls")
    parser.add_argument("--cameras", type=int, default=4, help="of rtsp")
    parser.add_argument("--minutes", type=float, default=20.0, help="of rtsp")
    parser.add_argument("--warm", type=float, default=5.0, help="minutes before them")
    parser.add_argument("--record", action="store_true", help="of rtsp: record the cameras, and show none")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.what == "hls":
            held = pieces(given.seconds, given.piece, Path(name))
        else:
            held = several(given.cameras, given.minutes, given.warm, Path(name), records=given.record)
    if not held:
        sys.exit(1)


if __name__ == "__main__":
    main()
