"""The sidecar: what is written is read, whatever happens to the process or to the bytes in between."""

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import CIHP, LabelSet, Parsing
from pipeline.labels import LabelClass
from streamer.errors import BadMessage, CannotOpen, SinkError
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter
from tests.support.parsings import a_parsing
from tests.support.paths import ROOT
from tests.support.waiting import eventually

FACES = LabelSet("faces", (LabelClass("None", "000000"), LabelClass("Face", "ff0000")))
KILLS = 20
SEED = 18


PARSINGS = [a_parsing(index, CIHP if index < 8 else FACES) for index in range(12)]


def write(path: Path, parsings: list[Parsing] = PARSINGS) -> bytes:
    with SidecarWriter.create(path) as writer:
        for each in parsings:
            writer.write(each)
    return path.read_bytes()


def assert_same(read: Parsing, written: Parsing) -> None:
    np.testing.assert_array_equal(read.labels, written.labels)
    np.testing.assert_array_equal(read.instances, written.instances)
    assert read.label_set == written.label_set
    assert (read.people, read.frame_index, read.pts_s) == (written.people, written.frame_index, written.pts_s)
    assert (read.frame_size, read.carried_from) == (written.frame_size, written.carried_from)


def read_all(path: Path) -> list[Parsing]:
    with Sidecar(path) as sidecar:
        return list(sidecar)


def test_what_is_written_is_read_and_any_of_it_found(tmp_path: Path) -> None:
    path = tmp_path / "clip.hpm"
    write(path)
    with Sidecar(path) as sidecar:
        assert sidecar.has_index
        assert len(sidecar) == len(PARSINGS)
        for read, written in zip(sidecar, PARSINGS, strict=True):
            assert_same(read, written)
        for index in (11, 0, 7, 8):
            assert_same(sidecar.read(sidecar.masks[index]), PARSINGS[index])
        found = sidecar.at(4.5 / 25)
        assert found is not None
        assert found.frame == 4
        assert sidecar.at(-0.01) is None


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    later = [replace(each, captured_s=each.captured_s + 5, inferred_s=0.2) for each in PARSINGS]
    assert write(tmp_path / "one.hpm") == write(tmp_path / "other.hpm", later)


def test_times_of_capture_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    with SidecarWriter.create(tmp_path / "live.hpm") as writer:
        writer.write(PARSINGS[0], unix_offset_s=1e9)
    (read,) = read_all(tmp_path / "live.hpm")
    assert (read.captured_s, read.inferred_s) == (1e9 + PARSINGS[0].captured_s, PARSINGS[0].inferred_s)


def ends_of(whole: bytes, path: Path) -> list[int]:
    """The offset behind each mask."""
    path.write_bytes(whole)
    with Sidecar(path) as sidecar:
        starts = [each.offset for each in (*sidecar.entries[1:],)] + [sidecar.end]
        return [end for each, end in zip(sidecar.entries, starts, strict=True) if each.is_mask]


def test_cut_off_anywhere_all_whole_parsings_are_there_and_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "clip.hpm"
    whole = write(path)
    ends = ends_of(whole, path)
    for cut in [*random.Random(SEED).sample(range(10, len(whole)), 60), *ends, len(whole)]:
        path.write_bytes(whole[:cut])
        complete = sum(end <= cut for end in ends)
        with Sidecar(path) as sidecar:
            assert len(sidecar) == complete
            assert sidecar.has_index == (cut == len(whole))
            assert sidecar.damaged_bytes == 0
            for read, written in zip(sidecar, PARSINGS):
                assert_same(read, written)
        with SidecarWriter.resume(path) as writer:
            assert writer.masks == complete
            for each in PARSINGS[complete:]:
                writer.write(each)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("closed", [True, False], ids=["with its index", "without"])
def test_a_damaged_byte_costs_one_parsing_and_gives_no_wrong_one(closed: bool, tmp_path: Path) -> None:
    path = tmp_path / "clip.hpm"
    whole = write(path)
    with Sidecar(path) as sidecar:
        end = sidecar.end
        first = next(each.offset for each in sidecar.masks)
        second_schema = sidecar.entries[9].offset
        after_schema = sidecar.entries[10].offset
    for place in random.Random(SEED).sample(range(first, end), 60):
        if second_schema <= place < after_schema:
            continue
        damaged = bytearray(whole if closed else whole[:end])
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        read = []
        with Sidecar(path) as sidecar:
            for each in sidecar.masks:
                with suppress(BadMessage):
                    read.append(sidecar.read(each))
            assert closed or sidecar.damaged_bytes > 0 or place >= sidecar.end
        assert len(read) == len(PARSINGS) - 1
        for each in read:
            assert_same(each, PARSINGS[each.frame_index])


def test_without_the_schema_its_masks_are_not_read_with_another(tmp_path: Path) -> None:
    path = tmp_path / "clip.hpm"
    whole = bytearray(write(path))
    with Sidecar(path) as sidecar:
        whole[sidecar.entries[9].offset + 20] ^= 0x55
        assert not sidecar.entries[9].is_mask
        path.write_bytes(whole[: sidecar.end])
    with Sidecar(path) as sidecar:
        for index, each in enumerate(sidecar.masks):
            if index < 8:
                assert_same(sidecar.read(each), PARSINGS[index])
            else:
                with pytest.raises(BadMessage):
                    sidecar.read(each)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a .hpm file"),
        (b"\0\0\0\x18ftypmp42" * 9, "is not a .hpm file"),
        (b"\x89HPM\r\n\x1a\n\x00\x07", "is of version 7; this program reads version 1"),
    ],
    ids=["empty", "a video", "later"],
)
def test_what_is_no_sidecar_is_told(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.hpm"
    path.write_bytes(content)
    for opening in (Sidecar, SidecarWriter.resume):
        with pytest.raises(CannotOpen, match=says):
            opening(path)
    assert path.read_bytes() == content


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    before = write(tmp_path / "clip.hpm")
    with pytest.raises(SinkError, match="exists"):
        SidecarWriter.create(tmp_path / "clip.hpm")
    assert (tmp_path / "clip.hpm").read_bytes() == before


def test_after_an_error_there_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(KeyError), SidecarWriter.create(tmp_path / "clip.hpm") as writer:
        writer.write(PARSINGS[0])
        raise KeyError
    with Sidecar(tmp_path / "clip.hpm") as sidecar:
        assert (sidecar.has_index, len(sidecar)) == (False, 1)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkError, match=r"cannot write /dev/full: No space left"),
        Path("/dev/full").open("wb", 0) as full,
    ):
        SidecarWriter(full, (), None).write(PARSINGS[0])


def write_for_ever(path: Path) -> None:
    """Says a byte, in a file beside it, for each parsing that is written."""
    said = os.open(path.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writer = SidecarWriter.create(path)
    for index in range(50_000):
        writer.write(PARSINGS[index % 8])
        os.write(said, b".")


def fork_writers() -> None:
    """For each path that is read, says the process id of one that writes to it, and, when that is over, how it ended.

    For a process that has one thread: a lock that another thread has at that moment is never free in what is forked.
    """
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            try:
                write_for_ever(Path(line.rstrip("\n")))
            finally:
                os._exit(1)
        os.write(sys.stdout.fileno(), f"{pid}\n".encode())
        os.write(sys.stdout.fileno(), f"{os.waitpid(pid, 0)[1]}\n".encode())


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each of many processes would take seconds to start")
def test_killed_at_any_moment_all_that_was_written_is_there(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", f"from {fork_writers.__module__} import fork_writers; fork_writers()"]
    with subprocess.Popen(
        command, cwd=ROOT, env=one_thread, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        for number in range(KILLS):
            path, until = tmp_path / f"{number}.hpm", chance.randrange(10, 100_000)
            print(path, file=writers.stdin, flush=True)
            pid = int(writers.stdout.readline())
            try:
                assert eventually(lambda: path.exists() and path.stat().st_size > until)  # noqa: B023  (called at once)
            finally:
                os.kill(pid, signal.SIGKILL)
            assert int(writers.stdout.readline()) == signal.SIGKILL
            _check_killed(path)
        writers.stdin.close()


def _check_killed(path: Path) -> None:
    count = path.with_suffix(".said").stat().st_size
    with Sidecar(path) as sidecar:
        assert len(sidecar) >= count
        assert not sidecar.has_index
        for index, each in enumerate(sidecar):
            assert_same(each, PARSINGS[index % 8])
