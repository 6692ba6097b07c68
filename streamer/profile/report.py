"""A profile as a page of Markdown, and two profiles side by side."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from streamer.errors import ConfigError
from streamer.profile.figures import ClientsFigures, Profile, Run, SizeFigures

PUBLISHED = {
    "memory, idle": "1,050 MB",
    "memory with a picture of 1920x1080": "1,650 MB",
    "time for a picture of 1920x1080": "6.1 s",
    "time with two clients": "+124 %",
}
"""What the published report of the known M2FP service has, quoted."""
COLUMNS = 116
FULL_HD = (1920, 1080)
SCENARIOS = (
    ("one person trying", 1, 1, ""),
    ("a small site", 2, 1, ""),
    ("an API with some load", 4, 2, "--cache 256MB"),
    ("an edge box", 1, 1, "--cache 16MB"),
)
"""Each with its cores, workers, and other options."""
CACHE_MB = {"": 64, "--cache 256MB": 256, "--cache 16MB": 16}
SHARE = 0.8
"""Of the processor, that a rate may take."""
MARGIN = 1.25
"""Memory to give, over that which was needed."""


def report(profile: Profile, figure: str | None = None) -> str:
    """The page.

    Args:
        figure: the name of the file with the figure, if there is one.
    """
    return "\n".join(_page(profile, figure)) + "\n"


def _page(profile: Profile, figure: str | None) -> Iterator[str]:
    yield "# What the service costs"
    yield ""
    yield "```sh"
    yield profile.command
    yield "```"
    yield ""
    yield _paragraph(_about(profile))
    if profile.is_busy:
        yield ""
        yield _paragraph(
            f"Something else used this machine when it began (load {profile.load:.1f} on {profile.machine.cores} cores)"
            ". Times by the clock are upper bounds then, and processor time is higher than on a quiet machine, whose"
            " caches are not shared. Memory holds."
        )
    if figure is not None:
        yield ""
        yield f"![Memory and processor time of the service over the whole measurement]({figure})"
    for run in profile.runs:
        yield ""
        yield from _run(profile, run)
    yield ""
    yield from _sizing(profile)


def _about(profile: Profile) -> str:
    machine = profile.machine
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.system}, Python {machine.python}, OpenVINO"
        f" {machine.openvino}; streamer {profile.version}. A real service answers {profile.repeat} JPEGs of each size,"
        " with people in them, after one that is not counted; none of them from what it remembers. Stages are timed by"
        " the service itself, memory and processor time from outside. MB are millions of bytes; PSS is memory with"
        " what processes share divided between them."
    )


def _paragraph(text: str) -> str:
    return textwrap.fill(text, COLUMNS, break_on_hyphens=False)


def _run(profile: Profile, run: Run) -> Iterator[str]:
    workers = "one process" if run.workers == 1 else f"{run.workers} processes"
    yield f"## {run.parser}"
    yield ""
    about = f"Precision {run.precision}, weights {run.weights}, {workers} for pictures."
    if run.weights == "made up":
        about += " Made-up weights take the time and memory of real ones and see nothing: there is less to encode."
    yield _paragraph(about)
    yield ""
    steps = ((each.name, f"{each.at_s:.2f}", f"{each.cpu_s:.2f}", _mb(each.rss_mb)) for each in run.steps)
    yield from _table(("step of the start", "after, s", "processor, s", "RSS, MB"), steps)
    yield ""
    idle = [(each.role, _mb(each.rss_mb), _mb(each.pss_mb), str(each.threads)) for each in run.idle.processes]
    whole = ("all", _mb(run.idle.rss_mb), _mb(run.idle.pss_mb), str(sum(each.threads for each in run.idle.processes)))
    yield from _table(("idle process", "RSS, MB", "PSS, MB", "threads"), [*idle, whole])
    yield ""
    yield f"Idle, it uses {100 * run.idle.cores:.1f} % of a core."
    yield ""
    yield from _table(
        ("picture", "median, s", "least to most", "processor, ms", "peak RSS, MB", "peak PSS, MB", "people"),
        map(_size_row, run.sizes),
    )
    yield ""
    names = list(run.sizes[0].stages)
    stages = ((_name(each), *(f"{1e3 * each.stages[name]:.1f}" for name in names)) for each in run.sizes)
    yield from _table(("median ms of a stage", *names), stages)
    yield ""
    height, width = profile.shared_size
    yield f"Clients at the same time, each with {profile.repeat} pictures of {width}x{height}:"
    yield ""
    yield from _table(
        ("clients", "median, s", "slowest, s", "pictures/s", "processor, ms", "peak RSS, MB", "against one client"),
        (_clients_row(each, run.clients) for each in run.clients),
    )
    yield ""
    yield _paragraph(_afterwards(profile, run))
    yield ""
    yield from _table(
        ("the known M2FP service's published report", "there", "here"),
        ((name, value, here) for (name, value), here in zip(PUBLISHED.items(), _ours(run)) if here),
    )


def _afterwards(profile: Profile, run: Run) -> str:
    recording = run.recording
    share = 100 * recording.cpu_s / recording.seconds
    growth = "" if run.growth_mb is None else (
        f"After all of it and {profile.rest_s:g} s of rest it has {run.growth_mb:+.0f} MB against before its first"
        " picture: the networks for these sizes stay. "
    )  # fmt: skip
    return growth + (
        f"{recording.samples} samples in {recording.seconds:.0f} s, {recording.missed} missed; taking them cost"
        f" {share:.1f} % of a core, which is in none of the figures."
    )


def _size_row(each: SizeFigures) -> tuple[str, ...]:
    total = each.total_s
    spread = f"{total.low:.3f} to {total.high:.3f}"
    memory = _mb(each.peak_rss_mb), _mb(each.peak_pss_mb)
    return _name(each), f"{total.median:.3f}", spread, f"{1e3 * each.cpu_s:.0f}", *memory, str(each.people)


def _clients_row(each: ClientsFigures, all_of_them: Sequence[ClientsFigures]) -> tuple[str, ...]:
    rate, spent = f"{each.pictures_per_s:.1f}", f"{1e3 * each.cpu_s:.0f}"
    change = _change(each, all_of_them) or ""
    times = f"{each.total_s.median:.3f}", f"{each.total_s.high:.3f}"
    return str(each.clients), *times, rate, spent, _mb(each.peak_rss_mb), change


def _change(each: ClientsFigures, all_of_them: Sequence[ClientsFigures]) -> str | None:
    """The median time against that of one client."""
    alone = next((other.total_s.median for other in all_of_them if other.clients == 1), None)
    if alone is None or each.clients == 1:
        return None
    return f"{100 * (each.total_s.median / alone - 1):+.0f} %"


def _ours(run: Run) -> tuple[str | None, ...]:
    """Our figures for those of `PUBLISHED`; None for what was not measured."""
    hd = next((each for each in run.sizes if (each.width, each.height) == FULL_HD), None)
    two = next((each for each in run.clients if each.clients == 2), None)
    idle = f"{_mb(run.idle.rss_mb)} MB RSS, {_mb(run.idle.pss_mb)} PSS"
    memory = None if hd is None else f"{_mb(hd.peak_rss_mb)} MB RSS, {_mb(hd.peak_pss_mb)} PSS"
    total = None if hd is None else f"{hd.total_s.median:.3f} s"
    return idle, memory, total, None if two is None else _change(two, run.clients)


def _sizing(profile: Profile) -> Iterator[str]:
    """What to give it, by the figures of the first parser."""
    run = profile.runs[0]
    height, width = profile.shared_size
    spent_s = next(each.cpu_s for each in run.sizes if (each.height, each.width) == (height, width))
    yield "## What to give it"
    yield ""
    yield _paragraph(
        f"With {run.parser} and pictures of {width}x{height}. The rate keeps the processor under {100 * SHARE:.0f} %,"
        " by the processor time above; the memory is the peak above for that many processes, with the cache full, and"
        f" {100 * (MARGIN - 1):.0f} % more."
    )
    yield ""
    yield from _table(
        ("scenario", "cores", "memory, MB", "settings", "pictures/s"),
        (
            (
                name,
                str(cores),
                _mb(_memory_mb(run, workers, CACHE_MB[options])),
                f"`{f'--workers {workers} {options}'.strip()}`",
                f"{SHARE * cores / spent_s:.0f}",
            )
            for name, cores, workers, options in SCENARIOS
        ),
    )


def _memory_mb(run: Run, workers: int, cache_mb: int) -> float:
    """Memory to give, in whole fifties."""
    web = next((each for each in run.idle.processes if each.role == "web"), run.idle.processes[0])
    own = web.rss_mb if web.pss_mb is None else web.pss_mb
    seen: tuple[SizeFigures | ClientsFigures, ...] = (*run.sizes, *run.clients)
    peaks = [each.peak_rss_mb if each.peak_pss_mb is None else each.peak_pss_mb for each in seen]
    needed = own + (max(peaks) - own) / run.workers * workers + cache_mb
    return 50 * math.ceil(MARGIN * needed / 50)


def comparison(before: Profile, now: Profile) -> str:
    """A table of the figures that both have, with their ratios. Raises ConfigError if there are none."""
    rows = []
    old = {name: value for run in before.runs for name, value in _compared(run)}
    for name, value in (each for run in now.runs for each in _compared(run)):
        if old.get(name):
            rows.append((name, f"{old[name]:.4g}", f"{value:.4g}", f"{value / old[name]:.2f}"))
    if not rows:
        raise ConfigError("the two profiles have nothing in common: they are of other parsers")
    return "\n".join(_table(("figure", "before", "now", "ratio"), rows)) + "\n"


def _compared(run: Run) -> Iterator[tuple[str, float]]:
    idle = run.idle.rss_mb if run.idle.pss_mb is None else run.idle.pss_mb
    yield f"{run.parser}: idle memory, MB", idle
    yield f"{run.parser}: ready after, s", run.steps[-1].at_s
    for each in run.sizes:
        yield f"{run.parser}: {_name(each)}, median s", each.total_s.median
        yield f"{run.parser}: {_name(each)}, processor ms", 1e3 * each.cpu_s
        yield f"{run.parser}: {_name(each)}, peak RSS, MB", each.peak_rss_mb
    for one in run.clients:
        yield f"{run.parser}: {one.clients} clients, processor ms", 1e3 * one.cpu_s


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'---:|' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _name(each: SizeFigures) -> str:
    return f"{each.width}x{each.height}"


def _mb(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"
