"""What the wire carries: masks of 288x512 to one subscriber a second, and the latency of eight, plain and with keys.

    python -m benchmarks.wire [--masks 2000] [--rounds 3] [--seconds 5]

Bars: 2,000 masks/s to one subscriber; 8 subscribers at 30/s with a p99 under 10 ms from `publish` to the loop; with
CURVE within 15 % of both the rate and the processor time without. Publisher and subscribers are processes of their own.
Both kinds take turns, and of the rounds the median counts. Exits with 1 if a bar is not met.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from pipeline import CIHP, Box, Parsing, Person, Size
from streamer.zeromq.curve import new_keys
from streamer.zeromq.subscriber import Publisher, subscribe

MAP_SIZE, FRAME_SIZE = Size(288, 512), Size(1080, 1920)
MIN_MASKS_S, SUBSCRIBERS, PUBLISH_HZ, MAX_P99_MS, MAX_MORE = 2000, 8, 30, 10.0, 0.15
AHEAD = 100
"""Masks that may be on their way: of more a subscriber forgets the oldest."""
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """The keys of both sides; all None without."""

    key: Path | None = None
    allow: Path | None = None
    client_key: Path | None = None
    server_key: Path | None = None

    @classmethod
    def made(cls, folder: Path) -> "Access":
        server, server_pub = new_keys("server", folder)
        client, client_pub = new_keys("client", folder)
        allow = folder / "allowed"
        allow.mkdir()
        (allow / client_pub.name).write_bytes(client_pub.read_bytes())
        return cls(server, allow, client, server_pub)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a subscriber had of the masks that count."""

    seconds: float
    """From the first to the last of them."""
    processor_s: float
    missed: int
    ages_s: tuple[float, ...]


def listen(address: str, access: Access, latest: bool, pipe: Connection) -> None:
    ages_s: list[float] = []
    began_s = began_processor_s = 0.0
    joined = False
    with subscribe(
        address, latest=latest, timeout_s=PATIENCE_S, key=access.client_key, server_key=access.server_key
    ) as masks:
        for parsing in masks:
            if not joined:
                pipe.send(0)
                joined = True
            if parsing.pts_s < 0 or masks.end_reason:
                continue  # a warm-up, or the last mask after its end
            ages_s.append(time.monotonic() - parsing.captured_s)
            began_s, began_processor_s = began_s or time.monotonic(), began_processor_s or time.process_time()
            if len(ages_s) % (AHEAD // 4) == 0:
                pipe.send(len(ages_s))
            last_s, processor_s = time.monotonic(), time.process_time()
        pipe.send(Heard(last_s - began_s, processor_s - began_processor_s, masks.missed, tuple(ages_s)))


def parsings() -> list[Parsing]:
    """A second of two persons with ragged outlines who walk."""
    random, (rows, columns) = np.random.default_rng(0), np.indices(MAP_SIZE)
    people = tuple(Person(index, 0.9, Box(400 * index, 100, 400 * index + 350, 1080)) for index in (1, 2))
    made = []
    for step in range(PUBLISH_HZ):
        instances = np.zeros(MAP_SIZE, np.uint8)
        for index, middle in enumerate((100 + 4 * step, 400 - 4 * step), start=1):
            reach = 40 + random.integers(0, 4, (MAP_SIZE.height, 1))
            instances[(abs(columns - middle) < reach) & (rows > 30)] = index
        labels = np.where(instances > 0, rows // 18 + 1, 0).astype(np.uint8)
        made.append(Parsing(labels, instances, people, CIHP, 0, 0.0, 0.0, FRAME_SIZE, 0.02, 0))
    return made


def said(pipe: Connection) -> Heard | int:
    if not pipe.poll(PATIENCE_S):
        sys.exit(f"a subscriber said nothing for {PATIENCE_S:.0f} s")
    answer: Heard | int = pipe.recv()
    return answer


def measured(access: Access, masks: int, count: int, hz: float | None) -> tuple[list[Heard], float]:
    """Publishes to so many subscribers; what they had, and the publisher's processor time for it."""
    spawn, made, pause = get_context("spawn"), parsings(), threading.Event()
    with Publisher("tcp://127.0.0.1:*", key=access.key, allow=access.allow) as publisher:
        pipes, processes = [], []
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            processes.append(spawn.Process(target=listen, args=(publisher.address, access, hz is not None, theirs)))
            processes[-1].start()
            pipes.append(ours)
        waiting, number = set(pipes), 0
        while waiting:
            send(publisher, made[0], number, -1.0)
            number += 1
            waiting -= {pipe for pipe in waiting if pipe.poll(0.02) and pipe.recv() == 0}
        began_s, began_processor_s, taken = time.monotonic(), time.process_time(), 0
        for index in range(masks):
            if hz is not None:
                pause.wait(max(0.0, began_s + index / hz - time.monotonic()))
            while hz is None and index - taken > AHEAD:
                answer = said(pipes[0])
                taken = answer if isinstance(answer, int) else taken
            send(publisher, made[index % len(made)], number + index, index / PUBLISH_HZ)
        processor_s = time.process_time() - began_processor_s
    heard = []
    for pipe in pipes:
        while not isinstance(answer := said(pipe), Heard):
            pass
        heard.append(answer)
    for process in processes:
        process.join(PATIENCE_S)
    return heard, processor_s


def send(publisher: Publisher, parsing: Parsing, frame: int, pts_s: float) -> None:
    shown = Parsing(
        parsing.labels,
        parsing.instances,
        parsing.people,
        CIHP,
        frame,
        pts_s,
        time.monotonic(),
        FRAME_SIZE,
        0.02,
        frame,
    )
    publisher.publish(shown)
    publisher.tick(time.monotonic())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    rates: dict[str, list[float]] = {"plain": [], "CURVE": []}
    costs: dict[str, list[float]] = {"plain": [], "CURVE": []}
    late: dict[str, list[float]] = {"plain": [], "CURVE": []}
    with tempfile.TemporaryDirectory() as folder:
        ways = {"plain": Access(), "CURVE": Access.made(Path(folder))}
        for _ in range(given.rounds):
            for name, access in ways.items():
                (one,), publisher_s = measured(access, given.masks, 1, None)
                rates[name].append((len(one.ages_s) - 1) / one.seconds)
                costs[name].append((publisher_s + one.processor_s) / given.masks * 1e3)
                several, _ = measured(access, int(given.seconds * PUBLISH_HZ), SUBSCRIBERS, PUBLISH_HZ)
                late[name] += [age_s * 1e3 for each in several for age_s in each.ages_s]
    rate, cost = ({name: statistics.median(each) for name, each in kept.items()} for kept in (rates, costs))
    met = rate["plain"] >= MIN_MASKS_S
    for name in ways:
        p50, p99 = np.percentile(late[name], (50, 99)).tolist()
        met = met and p99 < MAX_P99_MS
        print(
            f"{name}: {rate[name]:.0f} masks/s to one subscriber, {cost[name]:.3f} ms of processor time each;"
            f" {SUBSCRIBERS} subscribers at {PUBLISH_HZ}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )
    slower, dearer = 1 - rate["CURVE"] / rate["plain"], cost["CURVE"] / cost["plain"] - 1
    print(f"CURVE: {slower:.0%} fewer masks/s, {dearer:.0%} more processor time")
    met = met and max(slower, dearer) <= MAX_MORE
    print("bars met" if met else "BARS NOT MET")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
