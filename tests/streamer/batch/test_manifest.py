"""The record of what became of each file."""

from pathlib import Path

import pytest

from streamer import ConfigError, SinkError
from streamer.batch.manifest import Entry, Manifest


def line(out: str, **more: object) -> Entry:
    return Entry(out=out, source=f"in/{out}", **{"state": "begun", **more})  # type: ignore[arg-type]


def test_the_last_line_of_each_file_counts(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        for entry in (line("a.mp4"), line("b.mp4"), line("a.mp4", state="done", exit=0, frames=3)):
            manifest.write(entry)
        assert manifest.path.name == "manifest.jsonl"
    with Manifest(tmp_path) as manifest:
        assert {name: each.state for name, each in manifest.last.items()} == {"a.mp4": "done", "b.mp4": "begun"}
        assert manifest.last["a.mp4"].frames == 3


@pytest.mark.parametrize("torn", [b'{"out":"b.mp4","sour', b"\xff\x00\n[]\n"])
def test_what_a_killed_run_left_torn_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.write(line("a.mp4"))
    with manifest.path.open("ab") as file:
        file.write(torn)
    with Manifest(tmp_path) as manifest:
        manifest.write(line("c.mp4"))
    with Manifest(tmp_path) as manifest:
        assert sorted(manifest.last) == ["a.mp4", "c.mp4"]


@pytest.mark.parametrize(
    ("first", "second"), [((1, 1), (1, 1)), ((1, 2), (1, 2)), ((1, 1), (2, 2)), ((2, 2), (1, 1)), ((1, 2), (3, 3))]
)
def test_a_second_run_over_the_same_files_is_told(
    tmp_path: Path, first: tuple[int, int], second: tuple[int, int]
) -> None:
    with (
        Manifest(tmp_path, *first),
        pytest.raises(ConfigError, match=r"another run writes into .* by its manifest.*: wait for its end, or give"),
    ):
        Manifest(tmp_path, *second)
    Manifest(tmp_path, *second).close()


def test_shards_write_a_folder_together_and_see_what_is_done(tmp_path: Path) -> None:
    with Manifest(tmp_path, 1, 2) as one, Manifest(tmp_path, 2, 2) as two:
        assert one.path != two.path
        one.write(line("a.mp4", state="done"))
        two.write(line("b.mp4", state="failed", exit=-11))
    with Manifest(tmp_path) as whole:
        assert {name: each.state for name, each in whole.last.items()} == {"a.mp4": "done", "b.mp4": "failed"}


def test_a_manifest_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(SinkError, match=r"cannot write .*manifest\.jsonl"):
        Manifest(tmp_path)
