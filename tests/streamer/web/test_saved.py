"""The folder of recordings and clips: only what was made in it is found, whatever name is given."""

import os
from pathlib import Path

import pytest

from streamer.web.problems import Problem
from streamer.web.streams.saved import Saved


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    (tmp_path / "jobs.sqlite").write_bytes(b"secret")
    return Saved(tmp_path / "recordings", lambda: 1_795_983_858.0)


def test_nothing_is_there_before_the_first(saved: Saved) -> None:
    assert saved.all() == []


def test_names_tell_what_when_and_of_which_camera(saved: Saved) -> None:
    path = saved.new("recording", "front-door")
    assert path.name.startswith("recording-front-door-20261129T202418Z-")
    assert saved.all() == []  # nothing is written yet
    path.write_bytes(b"12345")
    older = saved.new("clip", "Garten /../ 1")
    older.write_bytes(b"123")
    os.utime(older, (1_000, 1_000))
    found = saved.all()
    assert [(each.kind, each.source, each.size_bytes) for each in found] == [
        ("recording", "front-door", 5), ("clip", "Garten1", 3)
    ]  # fmt: skip
    assert found[1].changed_s == 1_000
    assert saved.path(path.name).read_bytes() == b"12345"


def test_names_of_files_before_there_was_a_time_in_them(saved: Saved) -> None:
    path = saved.new("clip", "door").with_name("clip-door-0123456789ab.mp4")
    path.write_bytes(b"1")
    assert [each.source for each in saved.all()] == ["door"]


@pytest.mark.parametrize(
    "name",
    [
        "../jobs.sqlite", "..", "", ".", "/etc/passwd", "clip-door-0123456789ab.mp4\n", "clip-door-0123456789ab.mp4/..",
        "clip-door-0123456789ab.mkv", "recording-..-0123456789ab.mp4", "clip-link-0123456789ab.mp4",
        "clip-folder-0123456789ab.mp4", "clip-none-0123456789ab.mp4",
    ],
)  # fmt: skip
def test_other_names_are_not_found(saved: Saved, name: str, tmp_path: Path) -> None:
    folder = saved.new("clip", "door").parent
    (folder / "clip-link-0123456789ab.mp4").symlink_to(tmp_path / "jobs.sqlite")
    (folder / "clip-folder-0123456789ab.mp4").mkdir()
    for work in (saved.path, saved.remove):
        with pytest.raises(Problem) as caught:
            work(name)
        assert caught.value.kind == "not-found"
    assert saved.all() == []
    assert (tmp_path / "jobs.sqlite").read_bytes() == b"secret"


def test_what_is_removed_is_gone(saved: Saved) -> None:
    path = saved.new("clip", "door")
    path.write_bytes(b"1")
    saved.remove(path.name)
    assert not path.exists()
    with pytest.raises(Problem):
        saved.remove(path.name)
