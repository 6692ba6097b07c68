"""The commands that render files into files."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import Look, Parser, ParserSettings, PipelineError, Size, load_parser
from streamer.batch.driver import Batch
from streamer.batch.events import Again, Event, Outcome, Share, Slow
from streamer.batch.manifest import Manifest
from streamer.batch.messages import Work
from streamer.cli.console import complain, progress, say, stop_on_interrupt, tell, tell_worth
from streamer.cli.options import Given, reading, with_options
from streamer.cli.targets import By, Job, Plan, Shard, cut_out, planned, read_workers, with_masks
from streamer.cluster.nodes import Cluster, pinned
from streamer.errors import ConfigError, SinkError, StreamerError
from streamer.interrupts import INTERRUPTED
from streamer.media.paths import free_name
from streamer.offline import Progress, Rendered, Rendering, redraw_file, render_file
from streamer.parsings.resume import is_finished
from streamer.parsings.threads import threads_beside
from streamer.recording.codecs import Encoding
from streamer.segments.renewed import Renewed, Start
from streamer.segments.split import Split
from streamer.settings import made, settings_of
from streamer.sources.lacks import sentences_of
from streamer.sources.open import sample
from streamer.sources.uri import without_password


class DemoClip(StrEnum):
    """The bundled clips, by name."""

    PEOPLE = "people"
    PORTRAIT = "portrait"
    STREET = "street"


RenderOne = Callable[[Job, Callable[[Progress], bool]], Rendered]
"""Renders a job, and tells how far it has come."""
DEMO_SIZES = {DemoClip.STREET: Size(576, 768)}
"""Network input sizes that are not chosen by the clip's people: those of `street` are small, so it is not reduced."""


def demo(
    clip: Annotated[
        DemoClip, typer.Option(help="people: one or two near the camera; portrait: a face; street: many, small.")
    ] = DemoClip.PEOPLE,
) -> None:
    """Parse a bundled clip into demo.mp4, in the current folder."""
    settings = Rendering(ParserSettings("lite", size=DEMO_SIZES.get(clip)), Look(legend="auto"))
    job = Job(str(sample(f"{clip}.mp4")), free_name(Path("demo.mp4")))
    parser = load_parser(threads_beside(settings.parser))
    done = _watched_render(job, lambda job, watch: render_file(job.source, job.out, settings, watch, parser))
    _report(done)


MAX_NAMES = 8
"""The maximum number of names in a line that lists files."""
GROUPS = ("parser", "look", "encoding")
"""The fields of `Rendering` that are settings of their own."""
OWN = tuple(each.field for each in settings_of(Rendering) if each.field not in GROUPS)
"""The other fields."""


RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Parse on the machines of a Ray cluster, by --workers of its cores, by default all.",
    ),
]


@with_options(ParserSettings, Look, Encoding, Rendering, without=GROUPS)
def render(
    given: Given,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Videos, pictures, folders of them or addresses; last, the file or folder to write.",
        ),
    ],
    recursive: Annotated[bool, typer.Option("--recursive", help="Take folders within folders, too.")] = False,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="FILE.hpm", help="Keep every parsing in this .hpm file."),
    ] = None,
    parsed: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.hpm", help="Draw the parsings that --masks kept, and parse nothing."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            parser=reading(read_workers),
            metavar="N",
            help="Parse by N processes: a file each, or one file together, to the same masks.",
            show_default=False,
        ),
    ] = None,
    shard: Annotated[
        Shard | None,
        typer.Option(
            parser=reading(Shard.read),
            metavar="I/N",
            help="Render each N-th of several files, from the I-th on: one of N jobs that share them.",
        ),
    ] = None,
    ray: RayAddress = None,
) -> None:
    """Draw every person's parts over videos and pictures.

    Every frame of a video is drawn, at its time, and its sound is kept. Of several videos, --masks and --from name a
    folder with a file for each.
    """
    look = made(Look, given)
    others: dict[str, Any] = {each: given[each] for each in OWN if each in given}
    settings = Rendering(made(ParserSettings, given), look, encoding=made(Encoding, given), **others)
    plan = planned(paths, recursive=recursive)
    by = By(workers, shard, ray)
    by.check(plan, settings, redraws=parsed is not None)
    plan = plan if shard is None else shard.part(plan)
    if parsed is not None:
        _check_only_drawn(given, masks)
        _redraw(with_masks(plan, parsed), settings, by)
        return
    parser = load_parser(threads_beside(settings.parser))
    tell_worth(settings.parser.age_gender)
    look.check(parser.label_set)  # refuses names that there are not, before anything is written
    plan = with_masks(plan, masks) if masks is not None else plan
    _parse(cut_out(plan) if look.is_cut else plan, settings, parser, by)


def _redraw(plan: Plan, settings: Rendering, by: By) -> None:
    plan = cut_out(plan) if settings.look.is_cut else plan
    if by.is_batch(plan, settings):
        _render_batch(plan, settings, by, redraws=True)
    else:
        _render_all(plan, lambda job, watch: _redrawn(job, settings, watch))


def _parse(plan: Plan, settings: Rendering, parser: Parser, by: By) -> None:
    if by.is_batch(plan, settings):
        # All machines are to parse in the same arithmetic.
        _render_batch(
            plan, settings if by.ray is None else replace(settings, parser=pinned(settings.parser, parser)), by
        )
        return
    resume = settings.resume and not settings.force
    with _helpers(plan, settings, parser, by) as helpers:

        def render_one(job: Job, watch: Callable[[Progress], bool]) -> Rendered:
            masks = _new_masks(job, plan)
            return render_file(job.source, job.out, settings, watch, parser, masks=masks, by=helpers)

        _render_all(plan, render_one, resume=resume)


@contextmanager
def _helpers(plan: Plan, settings: Rendering, parser: Parser, by: By) -> Iterator[Split | None]:
    """The processes that parse one file together."""
    if plan.folder is not None or (by.ray is None and (by.workers or 1) == 1):
        yield None
        return
    with _machines(by, settings.parser) as (start, workers):
        parsers = settings.parser if by.ray is None else pinned(settings.parser, parser)
        with Split(parsers, workers, start) as split:
            yield split


@contextmanager
def _machines(by: By, settings: ParserSettings, shared: Path | None = None) -> Iterator[tuple[Start, int]]:
    """Where processes are, and their number. Raises ConfigError.

    Args:
        shared: a file that all machines have to see, if they need files.
    """
    if by.ray is None:
        yield Renewed, by.workers or 1
        return
    with Cluster(by.ray, settings.threads or 1, shared) as cluster:
        yield cluster.start, cluster.workers(by.workers)


def _render_batch(plan: Plan, settings: Rendering, by: By, *, redraws: bool = False) -> None:
    """Renders the files of a folder by processes of their own, with a manifest of what became of each."""
    assert plan.folder is not None
    works = [Work(job.source, job.out, job.masks, redraws) for job in plan.jobs]
    number, of = (by.shard.number, by.shard.of) if by.shard is not None else (1, 1)
    settings = replace(settings, resume=settings.resume and not settings.force)
    with _no_empty_folders(plan):
        for folder in {file.parent for job in plan.jobs for file in (job.out, job.masks or job.out)} | {plan.folder}:
            _make_folder(folder)
        with (
            Manifest(plan.folder, number, of) as manifest,
            _machines(by, settings.parser, manifest.path) as (start, workers),
            stop_on_interrupt() as asked,
            progress(f"{len(works)} files" if len(works) > 1 else "1 file", "files") as show,
        ):
            teller = _Teller(len(works), show)
            batch = Batch(works, settings, workers, manifest, start, splits=by.ray is None)
            outcomes = batch.run(teller, asked)
    _say_skipped(plan)
    count = Counter(each.state for each in outcomes)
    say(f"{count['done']} rendered, {count['complete']} complete already, {count['failed']} failed: {manifest.path}")
    if asked() or count["stopped"]:
        say(
            f"stopped before the end: {len(works) - count['done'] - count['complete']} are left, which --resume renders"
        )
        raise typer.Exit(INTERRUPTED)
    if failed := [each.work.source for each in outcomes if each.state == "failed"]:
        raise StreamerError(f"{len(failed)} of {len(works)} could not be rendered: {_some(failed)}")


class _Teller:
    """Tells what happens in a batch, and how far all of it is."""

    def __init__(self, total: int, show: Callable[[float, int | None], None]) -> None:
        self._total, self._show = total, show
        self._over = 0
        self._shares: dict[Path, float] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Share):
            self._shares[event.work.out] = min(1.0, event.done / event.total) if event.total else 0.0
        elif isinstance(event, Again):
            tell("again", f"{without_password(event.work.source)}: {event.why}; it is rendered again", {})
        elif isinstance(event, Slow):
            times = (
                f"{event.network_s * 1000:.0f} ms for a frame, which takes {event.elsewhere_s * 1000:.0f} ms elsewhere"
            )
            source = without_password(event.work.source)
            tell("slow", f"{event.where} is slow: {times}; another process goes on with {source}", {})
        else:
            self._shares.pop(event.work.out, None)
            self._over += event.state != "stopped"
            self._tell_end(event)
        self._show(self._over + sum(self._shares.values()), self._total)

    def _tell_end(self, outcome: Outcome) -> None:
        if outcome.state == "failed":
            complain(outcome.why)
        elif outcome.rendered is not None:
            _say_rendered(outcome.rendered)
        elif outcome.state in ("complete", "done"):
            say(f"{outcome.work.out}: complete already")


def _redrawn(job: Job, settings: Rendering, watch: Callable[[Progress], bool]) -> Rendered:
    assert job.masks is not None
    return redraw_file(job.source, job.out, job.masks, settings, watch)


def _new_masks(job: Job, plan: Plan) -> Path | None:
    if job.masks is not None and plan.folder is not None:
        _make_folder(job.masks.parent)
    return job.masks


def _check_only_drawn(given: Given, masks: Path | None) -> None:
    """Raises ConfigError for options of parsing, where nothing is parsed."""
    names = {"parse_every", "resume", *(each.flat for each in settings_of(ParserSettings))} & given.keys()
    if masks is not None:
        names.add("masks")
    if names:
        options = ", ".join(sorted(f"--{name.replace('_', '-')}" for name in names))
        raise ConfigError(f"--from parses nothing, so leave out what is for parsing: {options}")


def _render_all(plan: Plan, render_one: RenderOne, *, resume: bool = False) -> None:
    with _no_empty_folders(plan):
        _render_each(plan, render_one, resume=resume)


def _render_each(plan: Plan, render_one: RenderOne, *, resume: bool) -> None:
    failed = []
    for job in plan.jobs:
        try:
            if plan.folder is not None:
                _make_folder(job.out.parent)
            if resume and is_complete(job):
                say(f"{job.out}: complete already")
                continue
            done = _watched_render(job, render_one)
        except (PipelineError, StreamerError) as exc:
            if len(plan.jobs) == 1:
                raise
            complain(exc)
            failed.append(job.source)
            continue
        _report(done)
    _say_skipped(plan)
    if failed:
        raise StreamerError(f"{len(failed)} of {len(plan.jobs)} could not be rendered: {_some(failed)}")


def _say_skipped(plan: Plan) -> None:
    if plan.skipped:
        say(f"skipped {len(plan.skipped)}, neither pictures nor videos by their names: {_some(plan.skipped)}")


def is_complete(job: Job) -> bool:
    """Whether nothing is left to do of a job whose masks are kept."""
    return job.masks is not None and job.out.exists() and is_finished(job.masks)


def _some(names: Sequence[object]) -> str:
    shown = ", ".join(without_password(str(name)) for name in names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SinkError(f"several files go into a folder, and {path} cannot be one: {exc.strerror}") from exc


@contextmanager
def _no_empty_folders(plan: Plan) -> Iterator[None]:
    """Removes the folders that are made meanwhile, if nothing was written into them."""
    files = [file for job in plan.jobs for file in (job.out, job.masks) if file is not None]
    inside = {folder for file in files for folder in (file.parent, *file.parent.parents)}
    new = sorted((folder for folder in inside if plan.folder is not None and not folder.exists()), reverse=True)
    try:
        yield
    finally:
        for folder in new:  # the inner ones first
            with suppress(OSError):  # something is in it, or it was never made
                folder.rmdir()


def _watched_render(job: Job, render_one: RenderOne) -> Rendered:
    with stop_on_interrupt() as asked, progress(Path(job.source).name, "frames") as show:

        def on_frame(so_far: Progress) -> bool:
            show(so_far.done, so_far.total)
            return not asked()

        return render_one(job, on_frame)


def _report(done: Rendered) -> None:
    _say_rendered(done)
    if done.stopped:
        say("stopped before the end; the file is complete as far as it goes")
        raise typer.Exit(130)


def _say_rendered(done: Rendered) -> None:
    rate = done.frames / done.seconds if done.seconds else 0.0
    frames = "1 frame" if done.frames == 1 else f"{done.frames} frames"
    say(f"{done.path}: {frames} in {done.seconds:.1f} s, {rate:.1f} frames/s")
    for sentence in sentences_of(done.lacks):
        say(sentence)
    if done.left_out:
        say(f"left out, for {done.path.suffix} files cannot hold it: {', '.join(done.left_out)}")
    for number in done.unseen:
        say(f"person:{number} was never seen, so nothing was selected by it; the numbers are at the heads")
