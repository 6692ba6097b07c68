"""Which file each source becomes."""

from pathlib import Path

import pytest

from streamer.cli.targets import Job, Shard, planned, with_masks
from streamer.errors import ConfigError, SourceError


def touched(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def jobs(*paths: object, recursive: bool = False) -> list[tuple[str, str]]:
    plan = planned([str(path) for path in paths], recursive=recursive)
    return [(job.source, str(job.out)) for job in plan.jobs]


@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("a.mp4", "b.mkv"),
        ("a.mp4", "b"),
        ("a.png", "b.png"),
        ("a.png", "b.mp4"),
        ("frames/*.png", "b.mp4"),
        ("https://door/live.m3u8", "door.mp4"),
    ],
)
def test_one_source_becomes_the_file_that_is_named(source: str, out: str) -> None:
    assert jobs(source, out) == [(source, out)]


def test_a_folder_of_pictures_can_become_a_video(tmp_path: Path) -> None:
    touched(tmp_path, "a.png", "b.png")
    assert jobs(tmp_path, "out.mp4") == [(str(tmp_path), "out.mp4")]


def test_several_go_into_a_folder_under_their_own_names(tmp_path: Path) -> None:
    sources = ["x/a.mp4", "y/b.avi", "c.jpg", "https://me:secret@door/day/live.m3u8?key=1", "rtsp://door"]
    plan = planned([*sources, str(tmp_path / "out")])
    assert [job.out.name for job in plan.jobs] == ["a.mp4", "b.mp4", "c.jpg", "live.mp4", "stream.mp4"]
    assert [job.source for job in plan.jobs] == sources
    assert plan.folder == tmp_path / "out"
    assert not plan.folder.exists()


def test_one_goes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    assert jobs("a.mp4", tmp_path) == [("a.mp4", str(tmp_path / "a.mp4"))]
    assert jobs("a.png", tmp_path / "new") == [("a.png", str(tmp_path / "new" / "a.png"))]


def test_a_folder_gives_all_that_can_be_read(tmp_path: Path) -> None:
    touched(tmp_path, "in/b10.jpg", "in/b9.JPG", "in/c.avi", "in/d.mov", "in/notes.txt", "in/._a.jpg", "in/._c.avi")
    touched(tmp_path, "in/deep/e.png", "in/deep/er/f.mp4", "in/out/b9.JPG")
    out = tmp_path / "in" / "out"
    plan = planned([str(tmp_path / "in"), str(out)])
    assert [job.out for job in plan.jobs] == [out / name for name in ("b9.JPG", "b10.jpg", "c.mp4", "d.mov")]
    assert [path.name for path in plan.skipped] == ["._a.jpg", "._c.avi", "notes.txt"]
    deep = planned([str(tmp_path / "in"), str(out)], recursive=True)
    assert deep.jobs == (
        *plan.jobs,
        Job(str(tmp_path / "in/deep/e.png"), out / "deep/e.png"),
        Job(str(tmp_path / "in/deep/er/f.mp4"), out / "deep/er/f.mp4"),
    )


def test_a_pattern_gives_each_of_its_files(tmp_path: Path) -> None:
    touched(tmp_path, "b10.png", "b9.png", "c.jpg")
    assert jobs(tmp_path / "*.png", tmp_path / "out") == [
        (str(tmp_path / name), str(tmp_path / "out" / name)) for name in ("b9.png", "b10.png")
    ]


def test_several_files_have_a_sidecar_each(tmp_path: Path) -> None:
    touched(tmp_path, "in/a.mov", "in/a.mp4", "in/deep/b.avi")
    plan = planned([str(tmp_path / "in"), str(tmp_path / "out")], recursive=True)
    masks = [job.masks for job in with_masks(plan, tmp_path / "masks").jobs]
    assert masks == [tmp_path / "masks" / name for name in ("a.mov.hpm", "a.mp4.hpm", "deep/b.mp4.hpm")]
    with pytest.raises(ConfigError, match=r"several files have their masks in a folder, and a\.hpm is a file"):
        with_masks(plan, Path("a.hpm"))


def test_one_file_has_the_sidecar_that_is_named(tmp_path: Path) -> None:
    plan = planned(["a.mp4", str(tmp_path / "b.mp4")])
    assert [job.masks for job in with_masks(plan, Path("a.hpm")).jobs] == [Path("a.hpm")]
    assert [job.masks for job in with_masks(plan, tmp_path).jobs] == [tmp_path / "b.mp4.hpm"]


@pytest.mark.parametrize("of", [1, 2, 3, 9])
def test_each_file_is_in_one_shard(tmp_path: Path, of: int) -> None:
    touched(tmp_path, *(f"in/{index}.mp4" for index in range(7)), "in/notes.txt")
    plan = planned([str(tmp_path / "in"), str(tmp_path / "out")])
    parts = [Shard.read(f"{number}/{of}").part(plan) for number in range(1, of + 1)]
    assert sorted(job.source for part in parts for job in part.jobs) == sorted(job.source for job in plan.jobs)
    assert [len(part.skipped) for part in parts] == [1, *[0] * (of - 1)]
    assert max(len(part.jobs) for part in parts) - min(len(part.jobs) for part in parts) <= 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3/2", "there is no shard 3/2: the first number is 1 to 2"),
        ("0/2", "there is no shard 0/2: the first number is 1 to 2"),
        ("1/0", "there is no shard 1/0"),
        ("half", "'half' is not a shard; write the second of four as 2/4"),
    ],
)
def test_a_shard_that_cannot_be_is_told(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Shard.read(text)


def test_one_file_has_no_shards() -> None:
    with pytest.raises(ConfigError, match="--shard divides several files, and there is one: leave it out"):
        Shard(1, 2).part(planned(["a.mp4", "b.mp4"]))


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name what to read"):
        jobs("a.mp4")
    with pytest.raises(ConfigError, match="two of the sources would become"):
        jobs("x/a.mp4", "y/a.mp4", tmp_path / "no")
    touched(tmp_path, "one/a.avi", "other/a.mp4", "none/notes.txt", "deep/er/a.png")
    with pytest.raises(ConfigError, match=r"two of the sources would become .*a\.mp4"):
        jobs(tmp_path / "one", tmp_path / "other", tmp_path / "no")
    with pytest.raises(SourceError, match=r"no pictures or videos in .*none$"):
        jobs(tmp_path / "none", tmp_path / "no")
    with pytest.raises(SourceError, match=r"no pictures or videos in .*deep; --recursive looks into its folders, too"):
        jobs(tmp_path / "deep", tmp_path / "no")
    assert not (tmp_path / "no").exists()
