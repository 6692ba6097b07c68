"""What reaches a program that reads, when it reaches it, and what a person who presses Ctrl-C sees."""

import configparser
import csv
import itertools
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import typer
from typer.main import get_command

from pipeline import CIHP, Parsing, Size
from streamer.cli import app
from streamer.cli.watch import watch
from streamer.errors import ConfigError
from streamer.export.table import COLUMNS
from streamer.zeromq.publisher import Publisher
from tests.support.media import Clip
from tests.support.paths import ROOT
from tests.support.scenes import frame_of, parsing_of, texture
from tests.support.waiting import eventually

PATIENCE_S = 60.0
SELDOM = ("too_slow", "figures")
"""Events of a machine that is busy."""
# A pipe's reader must be served without this, which shells of developers often have.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    "PYTHONPATH": str(ROOT),
}
COMMAND = [sys.executable, "-m", "streamer"]


@contextmanager
def publishing_one() -> Iterator[str]:
    """The address of a publisher that says one parsing again and again, for whoever comes late."""
    maps = np.zeros((6, 8), np.uint8)
    over = threading.Event()
    addresses: queue.Queue[str] = queue.Queue(1)

    def send() -> None:
        with Publisher("tcp://127.0.0.1:*", stream="door", parser="lite") as publisher:
            addresses.put(publisher.address)
            index = 0
            while not over.wait(0.2):
                index += 1
                publisher.publish(
                    Parsing(maps, maps, (), CIHP, index, index / 5, time.monotonic(), Size(60, 80), 0.01, index)
                )

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield addresses.get(timeout=PATIENCE_S)
    finally:
        over.set()
        thread.join(PATIENCE_S)


def lines_of(pipe: IO[str]) -> "queue.Queue[str]":
    """The lines of a pipe as they come, read by a thread that ends with the pipe."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in pipe]).start()
    return lines


@pytest.mark.process
@pytest.mark.parametrize("form", [["--json"], []])
def test_each_mask_is_a_line_at_once(form: list[str]) -> None:
    """Some kilobytes are kept back in a pipe that is not flushed: here, about a minute of lines."""
    with publishing_one() as address:
        command = [*COMMAND, "watch", address, *form, "--timeout", "60"]
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            lines = lines_of(watching.stdout)
            first, second = (lines.get(timeout=PATIENCE_S) for _ in range(2))
            assert first != second
            assert not form or json.loads(second)["people"] == []
            watching.send_signal(signal.SIGINT)


@pytest.mark.process
def test_several_streams_are_told_apart_in_a_table(tmp_path: Path) -> None:
    parsing = parsing_of(frame_of(texture(0)), [np.ones((9, 16), np.bool_)])
    with (
        Publisher(f"ipc://{tmp_path}/door", stream="door") as door,
        Publisher(f"ipc://{tmp_path}/gate", stream="gate") as gate,
    ):
        command = [*COMMAND, "watch", door.address, gate.address, "--csv", "--timeout", "60"]
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as it:
            assert it.stdout is not None
            assert it.stderr is not None
            lines = lines_of(it.stdout)
            heard: list[str] = []

            def told(number: int) -> bool:
                door.publish(replace(parsing, frame_index=2 * number))
                gate.publish(replace(parsing, frame_index=2 * number + 1))
                heard.extend(lines.get() for _ in range(lines.qsize()))
                return {line.split(",")[0] for line in heard} >= {"door", "gate"}

            numbers = itertools.count()
            assert eventually(lambda: told(next(numbers)), PATIENCE_S)
            door.close("over")
            gate.close("over")
            assert "the publisher ended: over" in it.stderr.read()
            assert it.wait(PATIENCE_S) == 0
    rows = list(csv.DictReader(heard))
    assert tuple(rows[0]) == ("stream", *COLUMNS)
    assert {(row["stream"], int(row["frame"]) % 2) for row in rows} == {("door", 0), ("gate", 1)}


def test_a_table_is_no_json() -> None:
    with pytest.raises(ConfigError, match="leave one out"):
        watch(["tcp://127.0.0.1:1"], as_json=True, as_csv=True)


@pytest.mark.process
def test_a_reader_that_has_seen_enough_gets_no_complaint() -> None:
    with publishing_one() as address:
        command = [*COMMAND, "watch", address, "--timeout", "60"]
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout is not None
            assert watching.stderr is not None
            watching.stdout.readline()
            watching.stdout.close()
            assert watching.stderr.read() == ""
            assert watching.wait(PATIENCE_S) == 1


@pytest.mark.process
def test_a_run_is_told_in_json(tmp_path: Path) -> None:
    Clip(size=(96, 128)).make(tmp_path / "in.mp4")
    command = [*COMMAND, "run", "in.mp4", "--record", "out.mp4", "--stream", "door", "--log-format", "json"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {each["stream"] for each in events} == {"door"}
    assert [each["event"] for each in events if each["event"] not in SELDOM] == [
        "started",
        "opened",
        "ended",
        "written",
    ]
    assert events[-2]["shown"] > 0
    assert events[-1]["path"] == "out.mp4"


@pytest.mark.process
def test_an_error_is_told_in_json(tmp_path: Path) -> None:
    command = [*COMMAND, "run", "no.mp4", "--record", "out.mp4", "--log-format", "json"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    *_, error = (json.loads(line) for line in done.stderr.splitlines())
    assert (done.returncode, error["event"]) == (1, "error")
    assert error["text"] == "cannot open no.mp4: No such file or directory"


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "test:", "--size", "3", "--log-format", "json"], "Invalid value for '--size': '3' is not a size"),
        (["fleet", "--log-format=json"], "Missing argument"),
    ],
    ids=["a value", "an argument"],
)
def test_an_error_of_usage_is_told_in_json(arguments: list[str], says: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    error = json.loads(line)
    assert (done.returncode, error["event"]) == (2, "error")
    assert error["text"].startswith(says)


@pytest.mark.process
def test_ctrl_c_while_the_program_loads_leaves_no_traceback(tmp_path: Path) -> None:
    """A module that takes for ever to load, in place of one that takes a second."""
    (tmp_path / "typer.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(100)\n")
    (tmp_path / "av.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(100)\n")
    for path in (f"{tmp_path}:{ROOT}", f"{ROOT}:{tmp_path}"):
        environment = {**ENVIRONMENT, "PYTHONPATH": path}
        with subprocess.Popen(
            [*COMMAND, "run", "test:"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as loading:
            assert loading.stdout is not None
            assert loading.stdout.readline() == "loading\n"
            loading.send_signal(signal.SIGINT)
            assert loading.communicate(timeout=PATIENCE_S) == ("", "")
        assert loading.returncode == -signal.SIGINT
        (tmp_path / "typer.py").unlink(missing_ok=True)


FLEET = """
size = [64, 96]
record = "{camera}.mp4"
[camera.gone]
source = "nothing.mp4"
[camera.yard]
source = "test:size=96x128,rate=20,frames=40"
"""


@pytest.mark.process
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_fleet_is_told_camera_by_camera(tmp_path: Path, form: str) -> None:
    (tmp_path / "fleet.toml").write_text(FLEET)
    command = [*COMMAND, "fleet", "fleet.toml", "--log-format", form]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    if form == "text":
        assert "gone: FAILED: cannot open nothing.mp4: No such file or directory\n" in done.stderr
        assert done.stderr.endswith("error: 1 of 2 cameras failed: gone\n")
        assert "yard: yard.mp4: 40 frames\n" in done.stdout
        return
    events = [json.loads(line) for line in done.stderr.splitlines()]
    (failed,) = (each for each in events if each["event"] == "camera_failed")
    assert failed["stream"] == "gone"
    assert [each["event"] for each in events if each.get("stream") == "yard" and each["event"] not in SELDOM] == [
        "started",
        "opened",
        "camera_ended",
        "ended",
        "written",
    ]
    assert events[-1]["event"] == "error"


@pytest.mark.process
def test_a_camera_that_goes_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text("[camera.door]\nsource = 'test:'\n")
    done = subprocess.run(
        [*COMMAND, "fleet", "fleet.toml"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "camera door goes nowhere: give it record, publish, masks, virtual_camera or window" in done.stderr


def test_the_unit_file_calls_what_there_is() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "docs" / "streamer.service")
    service = unit["Service"]
    program, name, *options = shlex.split(service["ExecStart"])
    assert (Path(program).name, service["Type"]) == ("streamer", "notify")
    group = get_command(app)
    with group.make_context("streamer", [name], resilient_parsing=True) as context:
        _, command, _ = group.resolve_command(context, [name])  # type: ignore[attr-defined]
    with command.make_context(name, options) as context:
        assert context.params["log_format"].value == "json"
    with pytest.raises(typer.BadParameter):
        command.make_context(name, ["--log-format", "xml"])
