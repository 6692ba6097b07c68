"""The table of the streams that run on this machine."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from streamer.cli.machine import NOTHING, table_of
from streamer.diagnose.overview import SILENT_S, Overview, Running
from streamer.live import card as cards_of
from streamer.live.card import Card, StreamCard, cards
from tests.support.waiting import eventually

DOOR = StreamCard(
    source="rtsp://door/1",
    came="720x1280 at 25/s",
    dropped=10,
    captured_hz=25.0,
    shown_hz=24.5,
    parsed_hz=8.5,
    mask_age_s=0.12,
    mask_age_p95_s=0.24,
    delay_s=4.4,
)
YARD = StreamCard(source="webcam:0", offline_s=12.0, why_offline="nobody listens there")


def lines_of(*found: Running, columns: int = 160) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=columns).print(table_of(found))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_a_line_for_each_stream_and_the_costs_of_its_program_once() -> None:
    head, door, yard = lines_of(Running(4711, {"door": DOOR, "yard": YARD}, 312_400_000, 0.874, 0.0))
    assert head == "stream source shows in/s out/s parsed/s masks ms p95 dropped pid MB cores"
    assert door == "door rtsp://door/1 720x1280 at 25/s, 4.4 s late 25.0 24.5 8.5 120 240 10 4711 312 0.87"
    assert yard == "yard webcam:0 OFFLINE 12 s: nobody listens there 0.0 0.0 0.0 0 0 0"


def test_one_that_is_silent_and_one_that_begins() -> None:
    _, silent = lines_of(Running(1, {"door": DOOR}, 0, None, 33.0))
    assert "SILENT 33 s" in silent
    _, new = lines_of(Running(1, {"new": StreamCard("test:")}, 0, None, 0.0))
    assert new.startswith("new test: starting 0.0")
    assert any(NOTHING in line for line in lines_of())


def test_eighty_columns_hold_the_figures() -> None:
    lines = lines_of(Running(4711, {"door": DOOR}, 312_400_000, 0.874, 0.0), columns=80)
    assert len(lines) == 2
    assert lines[1].endswith("25.0 24.5 8.5 120 240 10 4711 312 0.87")


def test_this_program_costs_memory_and_time() -> None:
    told = [Card(os.getpid(), time.time(), {"door": DOOR})]
    overview = Overview(lambda: told)
    (first,) = overview.look()
    assert first.cores is None
    assert first.memory_bytes > 10_000_000
    began_s = time.process_time()
    while time.process_time() - began_s < 0.2:
        pass
    (second,) = overview.look()
    assert second.cores is not None
    assert second.cores > 0
    assert second.silent_s == 0
    told[0] = Card(os.getpid(), time.time() - SILENT_S - 1, {"door": DOOR})
    assert overview.look()[0].silent_s > SILENT_S


@pytest.mark.process
def test_the_card_of_a_dead_program_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards_of, "folder", lambda: tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    reused = Card(os.getpid(), 1000.0, {})  # it has told before this one began
    for card in (Card(process.pid, time.time(), {"door": DOOR}), reused):
        (tmp_path / f"{card.pid}.json").write_bytes(cards_of.msgspec.json.encode(card))
    assert len(cards()) == 2
    assert Overview().look() == []
    assert cards() == []


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "streamer", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="the folder is moved by a variable of XDG")
def test_a_stream_that_runs_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    out = str(tmp_path / "out.mp4")
    with running("run", "test:size=96x128,rate=10", "--record", out, "--stream", "yard", "--size", "96x128") as stream:
        assert eventually(lambda: any(each.streams["yard"].shown for each in cards()), 120)
        with running("top", "--json", "--every", "0.5") as top:
            told = json.loads(top.communicate(timeout=120)[0])
        assert told["pid"] == stream.pid
        assert told["streams"]["yard"]["source"] == "test:size=96x128,rate=10"
        assert told["memory_bytes"] > 10_000_000
        stream.terminate()
        stream.wait(timeout=120)
    assert cards() == []


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="it is tried on a terminal of Unix")
def test_q_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        return
    import pty

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    mine, its = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "streamer", "top"], stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        seen = b""
        while b"no stream runs here" not in seen:
            seen += os.read(mine, 4096)
        os.write(mine, b"q")
        try:
            while os.read(mine, 4096):
                pass
        except OSError:  # it has left
            pass
        assert process.wait(timeout=120) == 0
    os.close(mine)
