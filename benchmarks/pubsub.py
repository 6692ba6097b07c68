"""What subscribers cost each other: eight of them, one stopped, one slow.

    python -m benchmarks.pubsub [--seconds 20]

Bars: the others lose nothing; publishing takes less than 1 ms; the slow one's masks are less than 100 ms old.
Exits with 1 if one of them is not met.
"""

import argparse
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np

from pipeline import CIHP, Box, Parsing, Person, Size
from pipeline.types import LabelMap
from streamer.zeromq.subscriber import Publisher, subscribe

SUBSCRIBERS = 8
PUBLISH_HZ = 30
SLOW_HZ = 4
PATIENCE_S = 30.0
MAP_SIZE = Size(252, 448)
FRAME_SIZE = Size(1080, 1920)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a subscriber says when its publisher has ended."""

    missed: int
    last_frame: int
    ages_s: tuple[float, ...]
    """From the publishing of each mask to the moment that the loop had it."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Subscriber:
    process: BaseProcess
    pipe: Connection

    def said(self) -> Heard:
        if not self.pipe.poll(PATIENCE_S):
            sys.exit(f"{self.process.name} said nothing for {PATIENCE_S:.0f} s")
        heard: Heard = self.pipe.recv()
        return heard


def listen(address: str, pause_s: float, pipe: Connection) -> None:
    ages_s: list[float] = []
    pause = threading.Event()
    joined = False
    with subscribe(address, timeout_s=PATIENCE_S) as subscription:
        for parsing in subscription:
            if not joined:
                pipe.send("joined")
                joined = True
            # Captured is here when published. The last mask grows old with nothing to replace it, so it does not count.
            if parsing.pts_s >= 0 and not subscription.end_reason:
                ages_s.append(time.monotonic() - parsing.captured_s)
            pause.wait(pause_s)
        pipe.send(Heard(subscription.missed, parsing.frame_index, tuple(ages_s)))


def started(address: str, count: int) -> list[Subscriber]:
    spawn = get_context("spawn")
    subscribers = []
    for index in range(count):
        ours, theirs = spawn.Pipe()
        pause_s = 1 / SLOW_HZ if index == 1 else 0.0
        process = spawn.Process(target=listen, args=(address, pause_s, theirs), name=f"subscriber {index}")
        process.start()
        subscribers.append(Subscriber(process, ours))
    return subscribers


def people_walking() -> list[tuple[LabelMap, LabelMap]]:
    """Maps of two persons with ragged outlines, as many as there are frames in a second."""
    random = np.random.default_rng(0)
    rows, columns = np.indices(MAP_SIZE)
    pictures: list[tuple[LabelMap, LabelMap]] = []
    for step in range(PUBLISH_HZ):
        instances = np.zeros(MAP_SIZE, np.uint8)
        for index, middle in enumerate((100 + 4 * step, 340 - 4 * step), start=1):
            reach = 40 + random.integers(0, 4, (MAP_SIZE.height, 1))
            instances[(abs(columns - middle) < reach) & (rows > 30)] = index
        labels = np.where(instances > 0, rows // 16 + 1, 0).astype(np.uint8)
        pictures.append((labels, instances))
    return pictures


def publish(publisher: Publisher, frames: int, subscribers: list[Subscriber], seconds_each: list[float]) -> None:
    """Thirty parsings a second; with no number of frames, until all subscribers have one."""
    maps = people_walking()
    people = tuple(Person(index, 0.9, Box(400 * index, 100, 400 * index + 350, 1080)) for index in (1, 2))
    waiting = {each.pipe for each in subscribers}
    pause = threading.Event()
    began_s = time.monotonic()
    frame = 0
    while frame < frames or (not frames and waiting):
        pause.wait(max(0.0, began_s + frame / PUBLISH_HZ - time.monotonic()))
        labels, instances = maps[frame % len(maps)]
        now_s = time.monotonic()
        pts_s = frame / PUBLISH_HZ if frames else -1.0  # below 0: does not count yet
        parsing = Parsing(labels, instances, people, CIHP, frame, pts_s, now_s, FRAME_SIZE, 0.02, frame)
        before_s = time.perf_counter()
        publisher.publish(parsing)
        seconds_each.append(time.perf_counter() - before_s)
        publisher.tick(time.monotonic())
        waiting -= {pipe for pipe in waiting if pipe.poll() and pipe.recv()}
        frame += 1


def percentiles_ms(seconds: list[float]) -> Percentiles:
    p50, p95, p99, most = np.percentile(np.array(seconds) * 1e3, (50, 95, 99, 100)).tolist()
    return Percentiles(p50, p95, p99, most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    frames = int(parser.parse_args().seconds * PUBLISH_HZ)
    times_s: list[float] = []
    with Publisher("tcp://127.0.0.1:*") as publisher:
        subscribers = started(publisher.address, SUBSCRIBERS)
        stopped, slow, *others = subscribers
        publish(publisher, 0, subscribers, [])
        assert stopped.process.pid is not None
        os.kill(stopped.process.pid, signal.SIGSTOP)
        publish(publisher, frames, [], times_s)
    heard = [each.said() for each in others]
    slowly = slow.said()
    stopped.process.kill()
    for each in subscribers:
        each.process.join()
    lost = [each.missed + frames - 1 - each.last_frame for each in heard]
    taken = percentiles_ms(times_s)
    other = percentiles_ms([age_s for each in heard for age_s in each.ages_s])
    age = percentiles_ms(list(slowly.ages_s))
    print(
        f"{frames} messages, {PUBLISH_HZ} a second, {SUBSCRIBERS} subscribers: one stopped, one at {SLOW_HZ} a second"
    )
    print(f"lost by the other {len(others)}: {lost}")
    print(f"publishing: p50 {taken.p50:.2f} ms, p99 {taken.p99:.2f} ms, most {taken.most:.2f} ms")
    print(f"age of the others' masks: p50 {other.p50:.1f} ms, p95 {other.p95:.1f} ms, most {other.most:.1f} ms")
    print(f"age of the slow one's masks: p50 {age.p50:.1f} ms, p95 {age.p95:.1f} ms, most {age.most:.1f} ms")
    met = not any(lost) and taken.p99 < 1.0 and age.most < 100
    print("bars met" if met else "BARS NOT MET")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
