"""A live stream of 720p at 30 frames a second on this machine: recorded and published, masks on every frame.

    python -m benchmarks.live
    python -m benchmarks.live --parser m2fp --size 256x448 --precision int8 --model-dir DIR

Two sources: a file played in real time and looped, and the same pictures over RTSP on loopback from a camera in a
process of its own. A subscriber in another process counts what it gets. Printed for each: frames captured, parsed
and shown a second, drops, delays from capture to shown, and the age of the masks on the pictures shown.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import render as bench_render
from streamer import Snapshot, Stream, StreamConfig, subscribe
from streamer.units import read_size
from tests.support import media

PORT = 5571
WARM_UP_S = 3.0
"""The network is loaded in this time; what happens in it is counted all the same."""


def camera(clip: Path) -> None:
    """Sends the clip in real time to whoever connects, once."""
    waiting = threading.Event()

    def pace(time_s: float) -> None:
        nonlocal began
        began = began or time.monotonic() - time_s
        waiting.wait(max(0.0, began + time_s - time.monotonic()))

    began = 0.0
    with media.serving(media.rtsp(clip, pace=pace)) as port:
        print(port, flush=True)
        sys.stdin.read()


def subscriber() -> None:
    count = 0
    with subscribe(f"tcp://127.0.0.1:{PORT}", timeout_s=20) as heard:
        for _ in heard:
            count += 1
    print(f"{count} parsings read, {heard.missed} lost")


def helper(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.live", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measured(given: argparse.Namespace, source: str, folder: Path, *, loop: bool) -> tuple[Snapshot, str]:
    config = StreamConfig(
        source,
        parser=given.parser,
        model_dir=given.model_dir,
        size=given.size and read_size(given.size),
        precision=given.precision,
        sync=given.sync,
        max_mask_age_s=given.max_mask_age,
        record=str(folder / "out.mp4"),
        publish=f"tcp://127.0.0.1:{PORT}",
        force=True,
        loop=loop,
        duration_s=given.seconds,
    )
    with helper("--subscriber") as reader:
        with Stream(config) as stream:
            stream.join(WARM_UP_S)
            stream.join()
        return stream.stats, reader.communicate()[0].strip()


def report(name: str, stats: Snapshot, heard: str) -> None:
    lost = 100 * stats.drops.total / stats.captured
    print(
        f"{name}: captured {stats.captured}, shown {stats.shown} at {stats.shown_hz:.1f}/s, parsed {stats.parsed}"
        f" at {stats.parsed_hz:.1f}/s, at {stats.size}, dropped {stats.drops.total} ({lost:.2f} %)\n"
        f"  capture to shown {_ms(stats.shown_after)}\n  capture to parsed {_ms(stats.parsed_after)}\n"
        f"  mask age {_ms(stats.mask_age)}\n  subscriber: {heard}",
        flush=True,
    )


def _ms(delay: object) -> str:
    return ", ".join(f"{name} {getattr(delay, name + '_s') * 1e3:.1f} ms" for name in ("p50", "p95", "p99"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--parser", default="lite")
    parser.add_argument("--model-dir", help="of its weights")
    parser.add_argument("--size", metavar="HxW", help="of the network's input; chosen by the age of the masks else")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--sync", default="live")
    parser.add_argument("--max-mask-age", type=float, default=0.25, metavar="SECONDS")
    parser.add_argument("--camera", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--subscriber", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.camera:
        return camera(given.camera)
    if given.subscriber:
        return subscriber()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        bench_render.make_clip(clip, round(given.seconds * bench_render.RATE) + 60)
        report("looped file", *measured(given, str(clip), folder, loop=True))
        # MPEG-TS repeats the decoder's settings in the stream itself, as cameras do.
        bench_render.make_clip(folder / "clip.ts", round(given.seconds * bench_render.RATE) + 60)
        with helper("--camera", str(folder / "clip.ts")) as sender:
            assert sender.stdout is not None
            address = f"rtsp://127.0.0.1:{sender.stdout.readline().strip()}/1"
            report("RTSP", *measured(given, address, folder, loop=False))
            sender.communicate()
    return None


if __name__ == "__main__":
    main()
