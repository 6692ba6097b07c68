"""Readers without this package print the same lines of the golden messages, and of a live stream."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.fuzz_reader import results
from scripts.print_messages import LINES, TWO_CLASSES, golden, parsing
from streamer import Publisher
from tests.support.paths import ROOT
from tests.support.waiting import eventually

EXAMPLES, GOLDEN = ROOT / "examples", ROOT / "tests" / "golden" / "messages.msgpack"
MAX_LINES = 60


def test_the_golden_messages_are_what_the_script_makes() -> None:
    """What changes them changes the protocol: readers in other languages are then to be changed, too."""
    assert GOLDEN.read_bytes() == golden()
    assert GOLDEN.with_suffix(".txt").read_text() == LINES


@pytest.mark.parametrize("name", ["read_masks.py", "read_masks.mjs"])
def test_a_reader_is_short_and_needs_nothing_of_ours(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert len(text.splitlines()) < MAX_LINES
    assert "pipeline" not in text
    assert "streamer" not in text


@pytest.fixture(params=["python", "node", "c++"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "python":
        return [sys.executable, str(EXAMPLES / "read_masks.py")]
    if request.param == "node":
        if not shutil.which("node") or not (EXAMPLES / "node_modules" / "zeromq").is_dir():
            pytest.skip("needs node, and: npm install --no-save --prefix examples zeromq @msgpack/msgpack fzstd")
        return ["node", str(EXAMPLES / "read_masks.mjs")]
    built = tmp_path / "read_masks"
    build = ["g++", "-std=c++17", "-DMSGPACK_NO_BOOST", str(EXAMPLES / "read_masks.cpp"), "-o", str(built)]
    needs = shutil.which("g++") and all(
        Path("/usr/include", each).exists() for each in ("zmq_addon.hpp", "msgpack.hpp", "zstd.h")
    )
    if not needs:
        pytest.skip("needs g++, and: apt install cppzmq-dev libmsgpack-cxx-dev libzstd-dev")
    subprocess.run([*build, "-lzmq", "-lzstd"], check=True, timeout=300)
    return [str(built)]


@pytest.mark.process
def test_each_reader_prints_the_golden_lines(reader: list[str]) -> None:
    done = subprocess.run([*reader, str(GOLDEN)], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.returncode) == (LINES, 0), done.stderr


@pytest.mark.process
def test_each_reader_prints_a_live_stream(reader: list[str], tmp_path: Path) -> None:
    with Publisher(f"ipc://{tmp_path}/sock", stream="door") as publisher, (tmp_path / "lines").open("w+") as out:
        process = subprocess.Popen([*reader, publisher.address], stdout=out)

        def heard() -> bool:
            publisher.publish(parsing())
            return LINES.splitlines()[1] in (tmp_path / "lines").read_text()

        assert eventually(heard, 60)
        publisher.close("the source ended")
        assert process.wait(120) == 0
    lines = (tmp_path / "lines").read_text().splitlines()
    assert lines[-1] == "door end: the source ended"
    assert lines[0] == f"door schema two: {', '.join(TWO_CLASSES.names)}"


def test_mutated_messages_are_read_or_refused() -> None:
    """`python -m scripts.fuzz_reader` does the same with a million."""
    found = list(results(4000, seed=1))
    assert {"refused", "mask read", "schema", "heartbeat", "end"} <= set(found)
