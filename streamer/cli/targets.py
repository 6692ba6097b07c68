"""Which file each source becomes: files into files, folders into folders."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Self
from urllib.parse import urlsplit

from streamer.cli.console import tell
from streamer.errors import ConfigError, SourceError
from streamer.masks.records import SUFFIX
from streamer.media.images import ONLY_READ, is_animated, is_picture, natural_order
from streamer.media.paths import ANIMATION_SUFFIXES, VIDEO_SUFFIXES, opaque_or_not
from streamer.offline import Rendering
from streamer.processes.cores import cores
from streamer.sources.uri import is_address

READ_SUFFIXES = frozenset(
    {*VIDEO_SUFFIXES, ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".wmv"}
)
"""Files in a folder that are taken for videos; one that is named outright may be called anything."""


@dataclass(frozen=True, slots=True)
class Job:
    """A source, and the file or folder that it becomes."""

    source: str
    """As for `open_source`."""
    out: Path
    masks: Path | None = None
    """The sidecar to write, or to read the parsings from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    jobs: tuple[Job, ...]
    skipped: tuple[Path, ...] = ()
    """Files in the folders that are neither pictures nor videos by their names."""
    folder: Path | None = None
    """The folder that the files go into, if they go into one."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a plan, for one of several machines or jobs that share the work."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """From `2/4`. Raises ConfigError."""
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None:
            raise ConfigError(f"{text!r} is not a shard; write the second of four as 2/4")
        number, of = int(match[1]), int(match[2])
        if not 1 <= number <= of:
            raise ConfigError(f"there is no shard {text}: the first number is 1 to {of or 'as many as there are'}")
        return cls(number, of)

    def part(self, plan: Plan) -> Plan:
        """Its jobs of a plan: each job is in exactly one shard, whichever machine counts them.

        Raises ConfigError for a plan of one file, which no second shard could help with.
        """
        if plan.folder is None:
            raise ConfigError("--shard divides several files, and there is one: leave it out")
        skipped = plan.skipped if self.number == 1 else ()
        return replace(plan, jobs=plan.jobs[self.number - 1 :: self.of], skipped=skipped)


def with_masks(plan: Plan, masks: Path) -> Plan:
    """The plan with a sidecar for each job: the file itself, or of several jobs one each in a folder of that name.

    There `clip.mp4` has `clip.mp4.hpm`, for a folder may have a clip.mov, too.

    Raises ConfigError where several jobs would share a file.
    """
    if plan.folder is None:
        if masks.is_dir():
            masks = masks / sidecar_name(plan.jobs[0].out).name
        return replace(plan, jobs=tuple(replace(job, masks=masks) for job in plan.jobs))
    if masks.is_file() or (masks.suffix == SUFFIX and not masks.is_dir()):
        raise ConfigError(f"several files have their masks in a folder, and {masks} is a file: name a folder")
    jobs = [replace(job, masks=masks / sidecar_name(job.out.relative_to(plan.folder))) for job in plan.jobs]
    return replace(plan, jobs=tuple(jobs))


def sidecar_name(out: Path) -> Path:
    """The name of what is kept of a file's parsings in a folder."""
    return out.with_name(out.name + SUFFIX)


def planned(paths: Sequence[str], *, recursive: bool = False) -> Plan:
    """The plan for the arguments of `render`: the last one is where to write, the others are sources.

    A source alone becomes the file that is named; pictures of a folder can become one video so. Several sources, and
    the files in a folder, go into a folder, each under its own name. Nothing is made or written.

    Args:
        recursive: take the files in the folders within a folder, too, and keep these folders.

    Raises:
        ConfigError: fewer than two paths, or two sources that would become the same file.
        SourceError: a folder without anything that can be rendered.
    """
    *sources, last = paths
    if not sources:
        raise ConfigError("name what to read and, last, what to write: streamer render IN... OUT")
    out = Path(last)
    if len(sources) == 1 and _goes_into_a_file(sources[0], out):
        return Plan((Job(sources[0], out),))
    skipped: list[Path] = []
    jobs = [job for source in sources for job in _jobs(source, out, recursive, skipped)]
    _check_apart(jobs)
    if not jobs:
        raise SourceError(_nothing_in(sources, recursive=recursive))
    return Plan(tuple(jobs), tuple(skipped), out)


def cut_out(plan: Plan) -> Plan:
    """The plan for what has transparency: in a folder, files without become .png or .webm. Raises ConfigError."""
    if plan.folder is None:
        return plan
    jobs = [replace(job, out=job.out.with_name(opaque_or_not(job.out.name, cut=True))) for job in plan.jobs]
    _check_apart(jobs)
    return replace(plan, jobs=tuple(jobs))


def _check_apart(jobs: Sequence[Job]) -> None:
    for target, times in Counter(job.out for job in jobs).items():
        if times > 1:
            raise ConfigError(f"two of the sources would become {target}; render them into folders of their own")


def _goes_into_a_file(source: str, out: Path) -> bool:
    if out.is_dir():
        return False
    if out.suffix.lower() in (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES):
        return True
    return not Path(source).is_dir() and not _is_pattern(source) and (bool(out.suffix) or not _is_still(source))


def _jobs(source: str, out: Path, recursive: bool, skipped: list[Path]) -> Iterator[Job]:
    folder = Path(source)
    if _is_pattern(source):
        for path in sorted(map(Path, glob(source)), key=natural_order):  # noqa: PTH207  (absolute ones too)
            yield Job(str(path), out / _name(str(path)))
    elif is_address(source) or not folder.is_dir():
        yield Job(source, out / _name(source))
    else:
        for path in _files(folder, out, recursive):
            if is_picture(path) or (path.suffix.lower() in READ_SUFFIXES and not path.name.startswith(".")):
                yield Job(str(path), out / path.relative_to(folder).parent / _name(str(path)))
            else:
                skipped.append(path)


def _files(folder: Path, out: Path, recursive: bool) -> Iterator[Path]:
    """The files in a folder in the order of their names; what was written there before is not read."""
    for name, folders, files in os.walk(folder):
        here = Path(name)
        yield from sorted((here / each for each in files), key=natural_order)
        folders[:] = sorted(each for each in folders if recursive and not _same(here / each, out))


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _name(source: str) -> str:
    """The name of what a source becomes in a folder."""
    path = PurePosixPath(urlsplit(source).path) if is_address(source) else Path(source)
    suffix = path.suffix.lower()
    if is_picture(Path(path.name)) and not (isinstance(path, Path) and is_animated(path)):
        return f"{path.stem}.jpg" if suffix in ONLY_READ else path.name
    return path.name if suffix in VIDEO_SUFFIXES else f"{path.stem or 'stream'}.mp4"


def _is_still(source: str) -> bool:
    path = Path(source)
    return not is_address(source) and is_picture(path) and not is_animated(path)


def _is_pattern(source: str) -> bool:
    return has_magic(source) and not is_address(source) and not Path(source).exists()


def _nothing_in(sources: Sequence[str], *, recursive: bool) -> str:
    named = ", ".join(sources)
    inside = any(each.is_dir() for source in sources if Path(source).is_dir() for each in Path(source).iterdir())
    deeper = "; --recursive looks into its folders, too" if inside and not recursive else ""
    return f"no pictures or videos in {named}{deeper}"


@dataclass(frozen=True, slots=True)
class By:
    """Who renders."""

    workers: int | None
    shard: Shard | None
    ray: str | None = None
    """Address of a cluster, whose machines parse."""

    def is_batch(self, plan: Plan, settings: Rendering) -> bool:
        """Whether processes of their own render the files, with a manifest."""
        asked = self.workers is not None or self.shard is not None or self.ray is not None or settings.resume
        return plan.folder is not None and asked

    def check(self, plan: Plan, settings: Rendering, *, redraws: bool) -> None:
        """Raises ConfigError for what several processes cannot do."""
        if self.workers is None and self.ray is None:
            return
        option = "--workers" if self.ray is None else "--ray"
        several = self.ray is not None or (self.workers or 1) > 1
        if redraws and plan.folder is None:
            raise ConfigError(f"{option} parse a file together, and --from parses nothing: leave it out")
        if several and plan.folder is None and settings.parse_every > 1:
            raise ConfigError(f"--parse-every follows masks from frame to frame, in one process: leave out {option}")
        if self.ray is None and (self.workers or 1) > cores():
            tell("workers", f"{self.workers} workers share {cores()} cores: more than one a core only takes memory", {})


def read_workers(text: str) -> int:
    """Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise ConfigError(f"there must be 1 worker at least, not {text}")
    return int(text)
