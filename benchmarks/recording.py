"""What a kill costs a recording, and what recordings and clips cost.

    python -m benchmarks.recording

A stream of 720p at 25 frames a second with sound, played in real time and recorded in a process of its own, is killed
at random moments with a signal that nothing can catch; what its file lacks is counted from the picture that was due at
that moment. Then, in this process and as fast as it can: how long encoder and files take for each picture, what is kept
for clips, how long it takes to write one or to change files, and how far sound drifts from pictures in ten minutes, as
it is copied and, of a camera's telephone sound, as it becomes AAC or, in .webm, Opus.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np

from benchmarks import render as bench_render
from pipeline import Size
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer import Encoding, SourceInfo, Stream, StreamConfig, open_source
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import VideoTags
from streamer.recording.clip_buffer import Recent
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing
from streamer.recording.transcode import AAC, OPUS, Coding, Recoder
from tests.support import clicks, media

RATE = 25
CLIP_S = 12
KILL_AFTER_S = (0.5, 4.0)


def make_source(folder: Path) -> Path:
    """Pictures of a street, and a tone."""
    bench_render.make_clip(folder / "silent.mp4", CLIP_S * RATE)
    ticks = range(0, CLIP_S * RATE * 512, 512)
    clip = media.Clip(size=(720, 1280), ticks=ticks, sound="aac")
    with open_source(folder / "silent.mp4") as street:
        return clip.make(folder / "source.mp4", (frame.bgr for frame in street))


def stream(source: str, out: str) -> None:
    """Records, and says when picture 0 was due."""
    with Stream(StreamConfig(source, record=out, clip_seconds=0)) as live:
        while not live.join(0.005):
            if live.stats.captured:
                break
        print(time.monotonic(), flush=True)
        live.join()


def lost_s(source: Path, out: Path, after_s: float) -> float:
    """Records, kills, and says how much is missing."""
    command = [sys.executable, "-m", "benchmarks.recording", "--stream", str(source), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        began_s = float(writer.stdout.readline())
        threading.Event().wait(max(0.0, began_s + after_s - time.monotonic()))
        writer.kill()
        killed_s = time.monotonic()
    try:
        shown = media.pts_of(out)
    except av.error.FFmpegError:  # the first half second is not there yet
        shown = []
    return killed_s - began_s - (float(shown[-1]) if shown else 0.0)


def report_kills(source: Path, folder: Path, kills: int) -> None:
    chance = random.Random(kills)
    for suffix in (".mp4", ".mkv"):
        moments = [chance.uniform(*KILL_AFTER_S) for _ in range(kills)]
        lost = [lost_s(source, folder / f"{number}{suffix}", after_s) for number, after_s in enumerate(moments)]
        print(
            f"{suffix} killed at {kills} moments between {KILL_AFTER_S[0]} and {KILL_AFTER_S[1]} s:"
            f" lost p50 {np.median(lost):.2f} s, most {max(lost):.2f} s",
            flush=True,
        )


def street(source: Path, seconds: float) -> Iterator[tuple[Picture | Yuv420, float]]:
    with open_source(source) as opened:
        pictures = [frame.picture for frame in islice(opened, 75)]
    there_and_back = pictures + pictures[-2:0:-1]
    for index, picture in enumerate(islice(cycle(there_and_back), round(seconds * RATE))):
        yield picture, index / RATE


def report_costs(source: Path, folder: Path, seconds: float) -> None:
    info = SourceInfo("street", Size(720, 1280), Fraction(RATE), tags=VideoTags())
    for name, filing, recent in (
        ("recorded, without clips", Filing(folder / "a.mp4"), None),
        ("recorded, 30 s for clips", Filing(folder / "b.mp4"), Recent(30)),
        ("recorded in files of 2 s", Filing(folder / "c.mp4", segment_s=2), None),
        ("30 s for clips alone", None, Recent(30)),
    ):
        took, begun_s = [], time.process_time()
        with LiveRecorder(info, PacketQueue(), Encoding(), filing, recent) as recorder:
            for picture, pts_s in street(source, seconds):
                start_s = time.perf_counter()
                recorder.write(picture, pts_s)
                took.append(time.perf_counter() - start_s)
        cpu_ms = (time.process_time() - begun_s) / len(took) * 1e3
        line = f"{name}: {cpu_ms:.1f} ms of one core a picture, at most {max(took[5:]) * 1e3:.0f} ms to be given one"
        if recent is not None:
            start_s = time.perf_counter()
            recent.clip(folder / "clip.mp4", force=True)
            line += f", {recent.bytes / 1e6:.1f} MB kept, a clip in {(time.perf_counter() - start_s) * 1e3:.0f} ms"
        print(line, flush=True)


def report_drift(folder: Path, minutes: float) -> None:
    """A sender whose rate is not what it says it is; its clock runs as fast as it is read."""
    ticks = [round(index * 12_800 / 5.1) for index in range(round(minutes * 60 * 5.1) + 10)]
    made = media.Clip(size=(32, 32), ticks=ticks, sound="libmp3lame").make(folder / "clip.mp4")
    broadcast = folder / "broadcast.ts"
    with av.open(str(made)) as source, av.open(str(broadcast), "w") as out:
        streams = {each: out.add_stream_from_template(each, opaque=True) for each in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
            packet.stream = streams[packet.stream]
            out.mux(packet)
    for suffix in (".mp4", ".mkv"):
        out_path = folder / f"drift{suffix}"
        with ExitStack() as stack:
            opened = stack.enter_context(open_source(broadcast, audio=True))
            recorder = LiveRecorder(opened.info, opened.audio, Encoding(), Filing(out_path), None)
            stack.enter_context(recorder)
            for frame in opened:
                recorder.write(frame.picture, frame.pts_s)
        pictures = [float(a - b) for a, b in zip(media.pts_of(broadcast), media.pts_of(out_path), strict=True)]
        sound = [
            float(a - b)
            for (a, _), (b, _) in zip(media.sound_of(broadcast)[0], media.sound_of(out_path)[0], strict=True)
        ]
        apart = [each - pictures[0] for each in sound]
        print(
            f"{suffix} of {minutes:g} minutes: sound drifts {(apart[-1] - apart[0]) * 1e3:+.2f} ms against pictures,"
            f" at most {max(map(abs, apart)) * 1e3:.2f} ms apart; pictures move by"
            f" {(max(pictures) - min(pictures)) * 1e3:.2f} ms",
            flush=True,
        )


def report_telephone(folder: Path, minutes: float) -> None:
    """Flashes and clicks, as they are seen and heard in the end."""
    marks = [10.0 * number + 1 for number in range(round(6 * minutes))]
    source = clicks.flashing(folder / "telephone.nut", 60 * minutes, marks)
    for suffix, codec, coding in ((".mp4", "h264", AAC), (".mkv", "h264", AAC), (".webm", "vp9", OPUS)):
        out_path = folder / f"telephone{suffix}"
        with open_source(source, audio=True) as opened:
            with LiveRecorder(opened.info, opened.audio, Encoding(codec), Filing(out_path), None) as recorder:
                for frame in opened:
                    recorder.write(frame.picture, frame.pts_s)
        seen, heard = clicks.seen_and_heard(out_path)
        late = [(click - flash) * 1e3 for flash, click in zip(seen, heard, strict=True)]
        print(
            f"{suffix} of {minutes:g} minutes of telephone sound: {len(late)} clicks drift {late[-1] - late[0]:+.2f} ms"
            f" against their flashes, at most {max(map(abs, late)):.2f} ms apart; {1e3 * cost_s(source, coding):.1f} ms"
            " of one core a second",
            flush=True,
        )


def cost_s(source: Path, coding: Coding) -> float:
    """Seconds that a second of a file's sound takes to become another kind."""
    with av.open(str(source)) as container:
        sound = container.streams.audio[0]
        packets = [packet for packet in container.demux(sound) if packet.size]
        begun_s, convert = time.process_time(), Recoder(sound, coding).convert
        made = [each for packet in packets for each in convert(packet)]
        return (time.process_time() - begun_s) / float(made[-1].pts * made[-1].time_base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="Of each kind of file.")
    parser.add_argument("--seconds", type=float, default=40, help="How much is encoded for what it costs.")
    parser.add_argument("--minutes", type=float, default=10, help="How long sound may drift.")
    parser.add_argument("--stream", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stream:
        stream(*given.stream)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_source(folder)
        if given.kills:
            report_kills(source, folder, given.kills)
        if given.seconds:
            report_costs(source, folder, given.seconds)
        if given.minutes:
            report_drift(folder, given.minutes)
            report_telephone(folder, given.minutes)


if __name__ == "__main__":
    main()
