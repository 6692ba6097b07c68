"""The settings, the figures' file, the page and the figure of a profile whose figures are made up."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib.font_manager  # noqa: F401 - makes its list of fonts, by a program that a quick test must not start
import numpy as np
import pytest

from pipeline import Size
from streamer.diagnose.bench import Machine
from streamer.errors import ConfigError
from streamer.profile.chart import chart
from streamer.profile.figures import (
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
    read_profile,
)
from streamer.profile.pictures import pictures
from streamer.profile.report import comparison, report
from streamer.profile.service import steps_in
from streamer.profile.settings import ProfileSettings, read_count, read_picture_size

STAGES = {"upload": 0.001, "decode": 0.01, "network": 0.02}
RUN = Run(
    parser="lite",
    precision="auto",
    weights="bundled",
    workers=1,
    steps=(Step("service imported", 0.5, 0.4, 60.0), Step("ready", 2.5, 2.0, 250.0)),
    idle=Idle((ProcessFigures("web", 60.0, 40.0, 4), ProcessFigures("stills 0", 200.0, 120.0, 5)), 0.02),
    sizes=(
        SizeFigures(640, 480, 5, 10, Spread(0.05, 0.04, 0.06), STAGES, 0.04, 300.0, 200.0),
        SizeFigures(1920, 1080, 5, 12, Spread(0.1, 0.08, 0.2), STAGES, 0.08, 340.0, 240.0),
    ),
    clients=(
        ClientsFigures(1, 5, Spread(0.1, 0.1, 0.1), 10.0, 0.08, 340.0, 240.0),
        ClientsFigures(2, 10, Spread(0.15, 0.1, 0.3), 12.0, 0.08, 342.0, 242.0),
    ),
    growth_mb=42.0,
    recording=Recording(30.0, 290, 10, 0.6),
    parts=(Part("start", 0.0, 2.5), Part("idle", 2.5, 12.5)),
    points=tuple(
        Point(index / 10, 100.0 + index, 50.0 if index % 10 == 0 else None, index / 50) for index in range(99)
    ),
)
MACHINE = Machine("a processor", 2, "Linux x86_64", "3.11.0", "2026.4", "")
PROFILE = Profile(1, "0.1.0", "streamer profile", 1e9, MACHINE, 0.3, 5, 10.0, (1080, 1920), (RUN,))


def _rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]


def test_the_page_has_every_figure() -> None:
    page = report(PROFILE, "resources.svg")
    rows = _rows(page)
    assert ["ready", "2.50", "2.00", "250"] in rows
    assert ["all", "260", "160", "9"] in rows
    assert ["1920x1080", "0.100", "0.080 to 0.200", "80", "340", "240", "12"] in rows
    assert ["640x480", "1.0", "10.0", "20.0"] in rows
    assert ["2", "0.150", "0.300", "12.0", "80", "342", "+50 %"] in rows
    assert "+42 MB against before" in page
    assert "290 samples in 30 s, 10 missed; taking them cost 2.0 % of a core" in page
    assert "![Memory and processor time of the service over the whole measurement](resources.svg)" in page
    assert "```sh\nstreamer profile\n```" in page
    assert max(len(line) for line in page.splitlines() if not line.startswith("|")) <= 120


def test_the_published_figures_stand_beside_ours() -> None:
    rows = _rows(report(PROFILE))
    assert ["memory, idle", "1,050 MB", "260 MB RSS, 160 PSS"] in rows
    assert ["memory with a picture of 1920x1080", "1,650 MB", "340 MB RSS, 240 PSS"] in rows
    assert ["time for a picture of 1920x1080", "6.1 s", "0.100 s"] in rows
    assert ["time with two clients", "+124 %", "+50 %"] in rows
    unmeasured = replace(PROFILE, runs=(replace(RUN, sizes=RUN.sizes[:1], clients=RUN.clients[:1]),))
    assert "6.1 s" not in report(replace(unmeasured, shared_size=(480, 640)))


def test_what_to_give_it_follows_from_what_was_measured() -> None:
    rows = {row[0]: row[1:] for row in _rows(report(PROFILE))}
    # .8 of a core at 80 ms a picture; 242 MB of PSS and 64 of cache, and a quarter more, in whole fifties.
    assert rows["one person trying"] == ["1", "400", "`--workers 1`", "10"]
    # Two processes of 202 MB beside the web process's 40, and 256 of cache.
    assert rows["an API with some load"] == ["4", "900", "`--workers 2 --cache 256MB`", "40"]


def test_a_busy_machine_and_made_up_weights_are_told() -> None:
    assert "Something else used this machine" not in report(PROFILE)
    busy = replace(PROFILE, load=1.1, runs=(replace(RUN, weights="made up"),))
    assert "Something else used this machine when it began (load 1.1 on 2 cores)" in report(busy)
    assert "Made-up weights take the time and memory of real ones" in report(busy)


def test_a_system_without_pss_is_told_of() -> None:
    bare = replace(RUN, idle=Idle((ProcessFigures("web", 60.0, None, 4),), 0.0), growth_mb=None)
    assert ["all", "60", "unknown", "4"] in _rows(report(replace(PROFILE, runs=(bare,))))


def test_the_file_is_read_again_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resources.json"
    path.write_bytes(PROFILE.as_json())
    assert read_profile(path) == PROFILE
    path.write_bytes(replace(PROFILE, schema=2).as_json())
    with pytest.raises(ConfigError, match="has schema 2; this version reads 1: measure again"):
        read_profile(path)
    path.write_text('{"schema": 1}')
    with pytest.raises(ConfigError, match="is not the JSON of a profile"):
        read_profile(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_profile(tmp_path / "none.json")


def test_two_profiles_are_compared() -> None:
    slower = replace(RUN, sizes=(replace(RUN.sizes[0], cpu_s=0.06), *RUN.sizes[1:]))
    rows = {row[0]: row[1:] for row in _rows(comparison(PROFILE, replace(PROFILE, runs=(slower,))))}
    assert rows["lite: 640x480, processor ms"] == ["40", "60", "1.50"]
    assert rows["lite: idle memory, MB"] == ["160", "160", "1.00"]
    with pytest.raises(ConfigError, match="nothing in common"):
        comparison(PROFILE, replace(PROFILE, runs=(replace(RUN, parser="m2fp"),)))


def test_the_figure_is_an_svg_with_the_parts_named() -> None:
    drawn = chart(PROFILE)
    root = ET.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"start", "idle", "memory, MB", "RSS", "PSS", "cores in use"} <= texts
    assert chart(PROFILE) == drawn


def test_steps_are_read_from_the_services_log() -> None:
    lines = [
        {"message": "imported", "time": 10.0},
        {"message": "listening", "time": 10.5, "port": 1},
        {"message": "request", "time": 11.0},
    ]
    assert steps_in(lines) is None
    reached = {"imports": 12.0, "network": 13.0, "picture": 14.0}
    steps = steps_in([*lines, {"message": "worker-ready", "time": 14.5, "reached": reached}])
    assert steps == {
        "service imported": 10.0,
        "service listens": 10.5,
        "worker imported": 12.0,
        "network loaded": 13.0,
        "first picture parsed": 14.0,
        "ready": 14.5,
    }


def test_settings_say_what_they_are() -> None:
    settings = ProfileSettings()
    assert [(each.width, each.height) for each in settings.sizes] == [(640, 480), (1024, 768), (1920, 1080)]
    assert (settings.repeat, settings.clients, settings.shared_size) == (5, (1, 2, 4), Size(768, 1024))
    assert settings.command == "streamer profile"
    given = ProfileSettings(("lite", "m2fp"), (Size(96, 128),), 2, (1,), 1.0, "int8", 2)
    assert given.shared_size == Size(96, 128)
    assert given.command == (
        "streamer profile --sizes 128x96 --repeat 2 --concurrency 1 --parser lite,m2fp --precision int8 --workers 2"
        " --rest 1s"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"parsers": ("liter",)}, "no parser 'liter'; there are: lite, m2fp"),
        ({"sizes": ()}, "needs a parser, a size"),
        ({"repeat": 0}, "repeat is between 1 and 1000, not 0"),
        ({"clients": (0,)}, "between 1 and 64 clients, not 0"),
        ({"rest_s": 0.5}, "rest is between 1 s and 10 min"),
        ({"precision": "int4"}, "no precision 'int4'"),
        ({"workers": 0}, "workers is between 1 and 64, not 0"),
    ],
)
def test_settings_refuse_what_cannot_be_measured(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProfileSettings(**wrong)  # type: ignore[arg-type]


def test_sizes_are_read_width_first() -> None:
    assert read_picture_size("640x480") == Size(480, 640)
    for wrong in ("640", "0x480", "640x20000", "x", "640x480x3"):
        with pytest.raises(ConfigError, match="WIDTHxHEIGHT"):
            read_picture_size(wrong)
    assert read_count("4") == 4
    with pytest.raises(ConfigError, match="number of clients"):
        read_count("four")


def test_pictures_are_of_the_size_and_differ() -> None:
    made = pictures(Size(96, 64), 3)
    shapes = {cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR).shape for each in made}
    assert shapes == {(96, 64, 3)}
    assert len(set(made)) == 3
    assert len(pictures(Size(96, 64), 200)) == 200
