"""Figures of what was seen, of parsings that are known to the pixel."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib.font_manager  # noqa: F401 - makes its list of fonts, by a program that a quick test must not start
import numpy as np
import pytest

from pipeline import CIHP, Frame
from streamer.errors import ConfigError
from streamer.export.colours import Colours, colour_text
from streamer.export.plot import write_plot
from streamer.export.stats import figures_of, write_samples
from tests.streamer.export.test_formats import FRAME, MAP, PARSINGS, full


def later(parsing, by_s: float, people: int = 2):
    instances = np.where(parsing.instances <= people, parsing.instances, 0).astype(np.uint8)
    index = parsing.frame_index + round(by_s * 10)
    return replace(
        parsing, pts_s=parsing.pts_s + by_s, frame_index=index, people=parsing.people[:people], instances=instances
    )


SEEN = [*PARSINGS, *(later(each, 3.0, people=1) for each in PARSINGS)]
"""Two persons for .6 s; 2.5 s of nothing, one of which counts; then one of them for .6 s."""


def test_presence_dwell_and_visits() -> None:
    figures = figures_of(SEEN)
    assert figures.duration_s == pytest.approx(0.5 + 1.0 + 0.6)
    assert figures.most_at_once == 2
    first, second = figures.people[7], figures.people[8]
    assert first.seen_s == pytest.approx(2.1)
    assert second.seen_s == pytest.approx(1.5)
    assert [(visit.from_s, visit.until_s) for visit in first.visits] == [(0.0, 1.5), (3.0, pytest.approx(3.6))]
    assert first.dwell_s == pytest.approx(2.1)
    assert first.area == pytest.approx((64 + 28 * 12) / MAP.area)
    assert set(first.garments_s) == {"Coat"}
    assert figures.as_json()["parsings"] == 12


def test_areas_of_parts_over_time(tmp_path: Path) -> None:
    figures = figures_of(SEEN)
    assert set(figures.parts) == {"Face", "Coat"}
    assert figures.parts["Face"].max_share == pytest.approx(128 / MAP.area)
    write_samples(figures, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    faces = [float(row["share"]) for row in rows if (row["kind"], row["name"]) == ("part", "Face")]
    assert faces == pytest.approx([128 / MAP.area] * 12)
    assert sum(row["kind"] == "person" and row["name"] == "8" for row in rows) == 6


def test_colours_of_garments_are_those_in_the_video() -> None:
    frames = []
    for parsing in PARSINGS:
        bgr = np.full((*FRAME, 3), 240, np.uint8)
        bgr[(full(parsing, "instances") == 1)] = (72, 40, 28)
        bgr[(full(parsing, "instances") == 2)] = (32, 32, 192)
        frames.append(Frame(bgr, parsing.frame_index, parsing.pts_s, 0.0))
    figures = figures_of(PARSINGS, Colours(iter(frames)))
    assert figures.people[7].colours == {"Coat": "navy #1c2848"}
    assert figures.people[8].colours == {"Coat": "red #c02020"}


@pytest.mark.parametrize(("bgr", "text"), [((16, 16, 16), "black #101010"), ((250, 250, 250), "white #fafafa")])
def test_names_of_colours(bgr: tuple[int, int, int], text: str) -> None:
    assert colour_text(np.array(bgr, float)) == text


@pytest.mark.slow
def test_the_plot_shows_each_part_in_its_colour(tmp_path: Path) -> None:
    write_plot(figures_of(SEEN), CIHP, tmp_path / "out.png")
    picture = cv2.imread(str(tmp_path / "out.png"))
    assert picture is not None
    for name in ("Face", "Coat"):
        assert (picture == CIHP.palette[CIHP.id_of(name)]).all(axis=2).sum() > 500
    with pytest.raises(ConfigError, match=r"a plot ends with \.png, \.svg or \.pdf, not 'out\.txt'"):
        write_plot(figures_of(SEEN), CIHP, tmp_path / "out.txt")


def test_no_parsings_are_no_figures() -> None:
    figures = figures_of([])
    assert (figures.duration_s, figures.most_at_once, figures.parts, figures.people) == (0.0, 0, {}, {})
