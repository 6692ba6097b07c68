"""A plot of the figures of a video: areas of parts over time, and who was there when."""

from pathlib import Path

import numpy as np

from pipeline import LabelSet
from pipeline.errors import RuntimeUnavailable, installs
from streamer.errors import ConfigError, SinkError
from streamer.export.stats import Figures, shares_over_time

MAX_PARTS, MAX_PEOPLE = 10, 40


def write_plot(figures: Figures, label_set: LabelSet, out: Path) -> None:
    """Draws the plot into a PNG, SVG or PDF, by the name's end.

    Raises:
        RuntimeUnavailable: matplotlib is not installed.
        ConfigError: the name ends otherwise.
        SinkError: it cannot be written.
    """
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"a plot ends with .png, .svg or .pdf, not {out.name!r}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise RuntimeUnavailable(f"matplotlib is not installed; {installs('plot')} adds it") from exc
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    times = np.array([sample.pts_s for sample in figures.samples])
    parts = sorted(figures.parts, key=lambda name: -figures.parts[name].area_s)[:MAX_PARTS]
    colours = [f"#{label_set.classes[label_set.id_of(name)].rgb}" for name in parts]
    shares = [100 * shares_over_time(figures, name) for name in parts]
    if parts:
        above.stackplot(times, *shares, labels=parts, colors=colours, linewidth=0)
        above.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    above.set_ylabel("share of the picture, %")
    people = list(figures.people.values())[:MAX_PEOPLE]
    for row, person in enumerate(people):
        spans = [(visit.from_s, max(0.04, visit.until_s - visit.from_s)) for visit in person.visits]
        below.broken_barh(spans, (row - 0.4, 0.8), color="#3b6ea5")
    below.set_yticks(range(len(people)), [str(person.id) for person in people])
    below.set_ylabel("person")
    below.set_xlabel("time in the video, s")
    below.invert_yaxis()
    try:
        figure.savefig(out)
    except OSError as exc:
        raise SinkError(f"cannot write {out}: {exc.strerror}") from exc
