"""How fast parsers are on this machine: milliseconds a picture, side by side."""

import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from pipeline import Frame, Parser, ParserSettings, RuntimeUnavailable, Size, load_parser

WARM_UP = 3
"""Parsings that are not counted: the first compiles the network, the next fill caches."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a figure was measured on."""

    processor: str
    cores: int
    """That this process may use."""
    system: str
    python: str
    openvino: str
    onnxruntime: str
    """Empty when not installed."""

    @classmethod
    def here(cls) -> "Machine":
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            openvino=_version("openvino"),
            onnxruntime=_version("onnxruntime"),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """What one setting took. Times are of a picture by itself: shrinking, network, labels and persons."""

    settings: ParserSettings
    input_size: Size
    """Of the network."""
    precision: str
    """That `auto` came to."""
    pictures: int
    median_ms: float
    p95_ms: float
    network_ms: float
    """Median of the network alone."""
    pictures_per_s: float
    """One after the other."""


@dataclass(frozen=True, slots=True)
class NotToBeHad:
    """A setting that this machine cannot run."""

    settings: ParserSettings
    why: str


def settings(
    parsers: Sequence[str],
    runtimes: Sequence[str],
    precisions: Sequence[str],
    threads: Sequence[int | None],
    sizes: Sequence[Size | None],
    model_dir: Path | None = None,
    refine: bool = False,
) -> Iterator[ParserSettings]:
    """Each combination.

    Args:
        parsers, runtimes, precisions, threads, sizes: to combine.
        model_dir: the folder with the weights of a parser that is not bundled.
        refine: as for `ParserSettings`.
    """
    for parser in parsers:
        folder = None if parser == "lite" else model_dir
        for size in sizes:
            for runtime in runtimes:
                for precision in precisions:
                    for count in threads:
                        yield ParserSettings(parser, folder, size, runtime, precision, count, refine=refine)


def measure(
    wanted: Iterable[ParserSettings],
    frames: Sequence[Frame],
    seconds: float,
) -> Iterator[Timing | NotToBeHad]:
    """Times each setting on the same pictures, in turn.

    Args:
        wanted: what to time.
        frames: pictures of one size, gone through again and again.
        seconds: how long to time each setting; at least as many pictures as there are frames.
    """
    for each in wanted:
        try:
            # A named size stays as it is, however small the people in the pictures are.
            size = each.size or load_parser(each).fit_for(frames[0].size).input_size
            yield _timed(each, load_parser(replace(each, size=size)), frames, seconds)
        except RuntimeUnavailable as exc:
            yield NotToBeHad(each, str(exc))


def _timed(wanted: ParserSettings, parser: Parser, frames: Sequence[Frame], seconds: float) -> Timing:
    frames = [replace(frame, pts_s=0.0) for frame in frames]  # no stream, whose answers are averaged
    for frame in frames[:WARM_UP]:
        parser(frame)
    whole: list[float] = []
    network: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(whole) < len(frames):
        frame = frames[len(whole) % len(frames)]
        began = time.perf_counter()
        parsing = parser(frame)
        whole.append(time.perf_counter() - began)
        network.append(parsing.inferred_s)
    input_size = parser.fit_for(frames[0].size).input_size
    return Timing(
        settings=wanted,
        input_size=input_size,
        precision=parser.network(input_size).precision,
        pictures=len(whole),
        median_ms=float(np.median(whole) * 1e3),
        p95_ms=float(np.percentile(whole, 95) * 1e3),
        network_ms=float(np.median(network) * 1e3),
        pictures_per_s=float(1 / np.mean(whole)),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
