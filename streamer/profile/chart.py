"""The figure of a profile: memory and processor over time, the parts of the measurement shaded."""

import io
from itertools import pairwise
from typing import Any

from pipeline.errors import RuntimeUnavailable, installs
from streamer.profile.figures import Profile, Run

SHADES = ("#dbe7f5", "#f3f3f3")
RSS, PSS, CORES = "#0b5cad", "#11663a", "#c2410c"
CORES_OVER = 5
"""Processor time is shown over so many samples: it is counted in steps of 10 ms."""


def figure_class() -> Any:
    """matplotlib's figure. Raises RuntimeUnavailable where it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise RuntimeUnavailable(f"matplotlib is not installed; {installs('plot')} adds it") from exc
    return Figure


def chart(profile: Profile) -> bytes:
    """The figure as SVG: two plots below each other for each parser. Raises RuntimeUnavailable."""
    import matplotlib as mpl

    rows = 2 * len(profile.runs)
    with mpl.rc_context({"svg.hashsalt": "m2fp-streamer", "svg.fonttype": "none", "font.size": 9}):
        figure = figure_class()(figsize=(10, 2.1 * rows), layout="constrained")
        for index, run in enumerate(profile.runs):
            _draw(figure.add_subplot(rows, 1, 2 * index + 1), figure.add_subplot(rows, 1, 2 * index + 2), run)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return b"\n".join(line.rstrip() for line in out.getvalue().splitlines()) + b"\n"


def _draw(memory: Any, cores: Any, run: Run) -> None:
    memory.plot([each.at_s for each in run.points], [each.rss_mb for each in run.points], color=RSS, label="RSS")
    known = [(each.at_s, each.pss_mb) for each in run.points if each.pss_mb is not None]
    if known:
        memory.plot(*zip(*known), color=PSS, label="PSS")
    seen = run.points[::CORES_OVER]
    spent = [(later.cpu_s - one.cpu_s) / max(1e-3, later.at_s - one.at_s) for one, later in pairwise(seen)]
    cores.plot([each.at_s for each in seen[1:]], [max(0.0, each) for each in spent], color=CORES)
    memory.set_title(f"{run.parser}, {run.precision}, weights {run.weights}", loc="left", pad=16)
    memory.set_ylabel("memory, MB")
    memory.legend(loc="lower right")
    cores.set_ylabel("cores in use")
    cores.set_xlabel("seconds after the service was started")
    end_s = run.points[-1].at_s if run.points else 1.0
    for axes in (memory, cores):
        axes.set_xlim(0, end_s)
        axes.set_ylim(bottom=0)
        for index, part in enumerate(run.parts):
            axes.axvspan(part.from_s, part.to_s, color=SHADES[index % 2], zorder=0, linewidth=0)
    for index, part in enumerate(run.parts):
        height = 1.01 if index % 2 == 0 else 1.09
        middle = (part.from_s + part.to_s) / 2
        memory.text(middle, height, part.name, transform=memory.get_xaxis_transform(), ha="center", fontsize=7)
