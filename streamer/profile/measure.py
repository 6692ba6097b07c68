"""The measurement: a service is started, left alone, given pictures one by one and by several clients, left alone."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.geometry import Size
from pipeline.m2fp.weights import WEIGHTS, write_made_up
from streamer.diagnose.bench import Machine
from streamer.diagnose.sampler import Costs, family
from streamer.profile.figures import (
    SCHEMA,
    ClientsFigures,
    Idle,
    Part,
    Point,
    ProcessFigures,
    Profile,
    Recording,
    Run,
    SizeFigures,
    Spread,
    Step,
)
from streamer.profile.pictures import pictures
from streamer.profile.recorder import Recorder, Window
from streamer.profile.service import Client, Service
from streamer.profile.settings import ProfileSettings
from streamer.version import __version__

MEGA = 1_000_000
WORKER = "streamer.stills.main"
Tell = Callable[[str], None]


def measure(settings: ProfileSettings, tell: Tell) -> Profile:
    """Measures the service of each parser.

    Args:
        tell: is told what is being measured.

    Raises:
        ServiceFailed: it does not start or does not answer.
        RuntimeUnavailable, WeightsError: weights are to be made up, and torch is missing or there is no room.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    began_s = time.time()
    runs = tuple(_run(parser, settings, tell) for parser in settings.parsers)
    return Profile(
        schema=SCHEMA,
        version=__version__,
        command=settings.command,
        unix_s=began_s,
        machine=Machine.here(),
        load=load,
        repeat=settings.repeat,
        rest_s=settings.rest_s,
        shared_size=settings.shared_size,
        runs=runs,
    )


def _run(parser: str, settings: ProfileSettings, tell: Tell) -> Run:
    options = ["--parser", parser, "--precision", settings.precision]
    if settings.workers is not None:
        options += ["--workers", str(settings.workers)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weights, environment = _weights(parser, folder / "cache", tell)
        tell(f"{parser}: once to warm up the disk's cache, and the network's files")
        _warm_up(options, folder, environment, settings.sizes)
        (folder / "counted").mkdir()
        started_s = time.time()
        with (
            Service(options, folder / "counted", environment) as service,
            Recorder(lambda: _named(family(service.pid, {WORKER: "stills"}))) as recorder,
        ):
            measured = _Measured(recorder, recorder.mark(), started_s)
            return _followed(measured, service, parser, settings, weights, tell)


def _named(found: Mapping[int, str]) -> dict[int, str]:
    """With a number for each process for stills."""
    stills = sorted(pid for pid, role in found.items() if role == "stills")
    return {pid: f"stills {stills.index(pid)}" if role == "stills" else "web" for pid, role in found.items()}


def _weights(parser: str, cache: Path, tell: Tell) -> tuple[str, dict[str, str]]:
    """Where a parser's weights are from, and the environment in which a service finds them."""
    source = WEIGHTS.get(parser)
    if source is None:
        return "bundled", {}
    if source.ready:
        return "on this machine", {}
    tell(f"{parser}: its weights are not here; some are made up, which take as long and see nothing")
    write_made_up(parser, cache / parser)
    return "made up", {"M2FP_STREAMER_CACHE": str(cache)}


def _warm_up(options: Sequence[str], folder: Path, environment: Mapping[str, str], sizes: Sequence[Size]) -> None:
    (folder / "warm").mkdir()
    with Service(options, folder / "warm", environment) as service:
        service.wait_ready()
        with service.connect() as client:
            for size in sizes:
                client.parse(pictures(size, 1)[0])


@dataclass
class _Measured:
    """A measurement under way."""

    recorder: Recorder
    first: Costs
    started_s: float
    """Unix time of the service's start."""
    parts: list[Part] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[Callable[[], Window]]:
        """A part with a mark at its beginning; call what it yields at its end, for the window."""
        began = self.recorder.mark()
        yield lambda: self._ended(name, began)

    def _ended(self, name: str, began: Costs) -> Window:
        window = self.recorder.since(began)
        self.parts.append(Part(name, self._at_s(window.began), self._at_s(window.ended)))
        return window

    def _at_s(self, costs: Costs) -> float:
        return round(costs.unix_s - self.started_s, 3)

    def points(self) -> tuple[Point, ...]:
        return tuple(
            Point(self._at_s(each), _mega(each.rss_bytes), _mega_or_none(each.pss_bytes), round(each.cpu_s, 3))
            for each in self.recorder.samples
            if each.samples
        )

    def step(self, name: str, unix_s: float) -> Step:
        behind = next((each for each in self.recorder.samples if each.unix_s >= unix_s), self.recorder.samples[-1])
        return Step(name, round(unix_s - self.started_s, 3), round(behind.cpu_s, 2), _mega(behind.rss_bytes))


def _followed(
    measured: _Measured, service: Service, parser: str, settings: ProfileSettings, weights: str, tell: Tell
) -> Run:
    tell(f"{parser}: starting")
    with measured.part("start") as ended:
        steps = service.wait_ready()
        ended()
    tell(f"{parser}: idle")
    with measured.part("idle") as ended:
        _rest(settings.rest_s)
        before = ended()
    with service.connect() as client:
        sizes = [_of_size(measured, client, size, settings.repeat, tell) for size in settings.sizes]
    clients = [_of_clients(measured, service, count, settings, tell) for count in settings.clients]
    tell(f"{parser}: idle again")
    with measured.part("cool-down") as ended:
        _rest(settings.rest_s)
        after = ended()
    recorder = measured.recorder
    return Run(
        parser=parser,
        precision=settings.precision,
        weights=weights,
        workers=sum(each.role.startswith("stills") for each in before.ended.samples),
        steps=tuple(measured.step(name, unix_s) for name, unix_s in steps.items()),
        idle=_idle(before),
        sizes=tuple(sizes),
        clients=tuple(clients),
        growth_mb=_growth_mb(before.ended, after.ended),
        recording=Recording(
            round(after.ended.at_s - measured.first.at_s, 1),
            len(recorder.samples),
            recorder.missed,
            round(recorder.cpu_s, 3),
        ),
        parts=tuple(measured.parts),
        points=measured.points(),
    )


def _rest(seconds: float) -> None:
    threading.Event().wait(seconds)


def _idle(window: Window) -> Idle:
    processes = tuple(
        ProcessFigures(each.role, _mega(each.rss_bytes), _mega_or_none(each.pss_bytes), each.threads)
        for each in window.ended.samples
    )
    return Idle(processes, round(window.cpu_s / window.seconds, 4))


def _of_size(measured: _Measured, client: Client, size: Size, repeat: int, tell: Tell) -> SizeFigures:
    tell(f"pictures of {size.width}x{size.height}, one by one")
    sent = pictures(size, repeat + 1)
    client.parse(sent[0])  # the first one of a size compiles the network for it
    totals: list[float] = []
    answers: list[dict[str, Any]] = []
    with measured.part(f"{size.width}x{size.height}") as ended:
        for each in sent[1:]:
            began_s = time.monotonic()
            answers.append(client.parse(each))
            totals.append(time.monotonic() - began_s)
        window = ended()
    stages = [stage for stage in answers[0]["timings"] if stage != "total_s"]
    return SizeFigures(
        width=size.width,
        height=size.height,
        pictures=repeat,
        people=sum(len(each["people"]) for each in answers),
        total_s=Spread.of([round(each, 4) for each in totals]),
        stages={each.removesuffix("_s"): median(answer["timings"][each] for answer in answers) for each in stages},
        cpu_s=round(window.cpu_s / repeat, 4),
        peak_rss_mb=_mega(window.peak_rss_bytes),
        peak_pss_mb=_mega_or_none(window.peak_pss_bytes),
    )


def _of_clients(
    measured: _Measured, service: Service, count: int, settings: ProfileSettings, tell: Tell
) -> ClientsFigures:
    size = settings.shared_size
    tell(f"pictures of {size.width}x{size.height} from {count} at a time")
    sent = pictures(size, settings.repeat)

    def one(_: int) -> list[float]:
        totals = []
        with service.connect() as client:
            for each in sent:
                began_s = time.monotonic()
                client.parse(each)
                totals.append(round(time.monotonic() - began_s, 4))
        return totals

    with measured.part(f"{count} clients" if count > 1 else "1 client") as ended, ThreadPoolExecutor(count) as threads:
        totals = [total for own in threads.map(one, range(count)) for total in own]
        window = ended()
    return ClientsFigures(
        clients=count,
        pictures=len(totals),
        total_s=Spread.of(totals),
        pictures_per_s=round(len(totals) / window.seconds, 2),
        cpu_s=round(window.cpu_s / len(totals), 4),
        peak_rss_mb=_mega(window.peak_rss_bytes),
        peak_pss_mb=_mega_or_none(window.peak_pss_bytes),
    )


def _growth_mb(before: Costs, after: Costs) -> float | None:
    if before.pss_bytes is None or after.pss_bytes is None:
        return round(_mega(after.rss_bytes) - _mega(before.rss_bytes), 1)
    return round(_mega(after.pss_bytes) - _mega(before.pss_bytes), 1)


def _mega(count: int) -> float:
    return round(count / MEGA, 1)


def _mega_or_none(count: int | None) -> float | None:
    return None if count is None else _mega(count)
