"""A run that was killed is gone on with, and its sidecar becomes that of one that nobody killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Parser, load_parser
from streamer import ConfigError, Progress, Rendered, Rendering, SinkError, open_source, render_file
from streamer.masks.sidecar import Sidecar
from streamer.parsings import resume
from streamer.parsings.resume import is_finished, memory_path
from streamer.sources.open import sample
from tests.support.media import Clip, pictures_of
from tests.support.waiting import eventually

FRAMES = 16
SEED = 7


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("lite", size=(256, 352), threads=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with open_source(sample("street.mp4")) as source:
        shots = [frame.bgr for frame, _ in zip(source, range(FRAMES))]
    return Clip(size=shots[0].shape[:2], ticks=range(0, FRAMES * 512, 512)).make(
        tmp_path_factory.mktemp("in") / "street.mp4", shots
    )


@pytest.fixture(autouse=True)
def saved_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", 5)


@pytest.fixture(scope="module")
def whole(parser: Parser, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    render_file(clip, folder / "a.mp4", Rendering(parser.settings), parser=parser, masks=folder / "a.hpm")
    assert is_finished(folder / "a.hpm")
    return folder


def go_on(clip: Path, folder: Path, parser: Parser, **changes: object) -> Rendered:
    settings = replace(Rendering(parser.settings, resume=True), **changes)
    return render_file(clip, folder / "a.mp4", settings, parser=parser, masks=folder / "a.hpm")


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_point_it_goes_on_to_the_same_bytes(
    kills: int, parser: Parser, clip: Path, whole: Path, tmp_path: Path
) -> None:
    """What a kill leaves is copied while a run goes on, and torn as a write that did not end."""
    left = tmp_path / "left"
    left.mkdir()

    def copy(so_far: Progress) -> bool:
        for path in (left / "run.hpm", memory_path(left / "run.hpm")):
            if path.exists():
                shutil.copy(path, left / f"{so_far.done}{path.name[3:]}")
        return True

    render_file(clip, left / "run.mp4", Rendering(parser.settings), copy, parser, masks=left / "run.hpm")
    assert not memory_path(left / "run.hpm").exists()
    chance = random.Random(SEED)
    for number in range(kills):
        done = chance.randrange(1, FRAMES)
        folder = tmp_path / str(number)
        folder.mkdir()
        content = (left / f"{done}.hpm").read_bytes()
        content = content[: len(content) - chance.choice((0, chance.randrange(300)))]
        with_memory = memory_path(left / f"{done}.hpm").exists()
        if with_memory:
            shutil.copy(memory_path(left / f"{done}.hpm"), memory_path(folder / "a.hpm"))
            with Sidecar(left / f"{done}.hpm") as sidecar:
                content = max(content, (left / f"{done}.hpm").read_bytes()[: sidecar.masks[done // 5 * 5 - 1].offset])
                if done % 5 == 0:  # what the memory is of is on the disk before it
                    content = (left / f"{done}.hpm").read_bytes()
        (folder / "a.hpm").write_bytes(content)
        made = go_on(clip, folder, parser)
        assert made.frames == FRAMES
        assert (folder / "a.hpm").read_bytes() == (whole / "a.hpm").read_bytes()
        assert is_finished(folder / "a.hpm")
    assert (folder / "a.mp4").read_bytes() == (whole / "a.mp4").read_bytes()


@pytest.mark.parametrize("length", [0, 4, 10, 30])
def test_killed_at_once_it_begins_anew(parser: Parser, clip: Path, whole: Path, tmp_path: Path, length: int) -> None:
    wanted = (whole / "a.hpm").read_bytes()
    (tmp_path / "a.hpm").write_bytes(wanted[:length])
    if length == 30:
        with pytest.raises(ConfigError, match=r"a\.hpm does not say what it is of"):
            go_on(clip, tmp_path, parser)
        return
    go_on(clip, tmp_path, parser)
    assert (tmp_path / "a.hpm").read_bytes() == wanted


def test_stopped_it_can_be_read_and_goes_on(parser: Parser, clip: Path, whole: Path, tmp_path: Path) -> None:
    settings, masks = Rendering(parser.settings), tmp_path / "a.hpm"
    render_file(clip, tmp_path / "half.mp4", settings, lambda so_far: so_far.done < 8, parser, masks=masks)
    with Sidecar(masks) as sidecar:
        assert (sidecar.has_index, len(sidecar)) == (True, 8)
    assert not is_finished(masks)
    asked: list[int] = []
    start = parser.start
    parser.start = lambda frame: asked.append(frame.index) or start(frame)  # type: ignore[method-assign,func-returns-value]
    try:
        go_on(clip, tmp_path, parser)
    finally:
        del parser.start
    assert asked == list(range(8, FRAMES)), "what is there is parsed again"
    assert masks.read_bytes() == (whole / "a.hpm").read_bytes()


def test_what_is_complete_is_read(parser: Parser, clip: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "a.hpm", tmp_path / "a.hpm")
    parser.start, started = None, parser.start  # type: ignore[method-assign,assignment]
    try:
        go_on(clip, tmp_path, parser)
    finally:
        parser.start = started  # type: ignore[method-assign]
        del parser.start
    assert (tmp_path / "a.mp4").read_bytes() == (whole / "a.mp4").read_bytes()


def test_what_is_of_another_run_is_refused_by_name(parser: Parser, clip: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "a.hpm", tmp_path / "a.hpm")
    before = (tmp_path / "a.hpm").read_bytes()
    other = Clip().make(tmp_path / "other.mp4")
    with pytest.raises(ConfigError, match=r"of another run: the source is other\.mp4 \(.*\), not street\.mp4"):
        go_on(other, tmp_path, parser)
    with pytest.raises(ConfigError, match="the parser's size is 64x96, not 256x352"):
        go_on(clip, tmp_path, load_parser("lite", size=(64, 96)))
    with pytest.raises(ConfigError, match="the parse every is 3, not 1"):
        go_on(clip, tmp_path, parser, parse_every=3)
    changed = Parser(replace(parser.model, weights=lambda: "another"), parser.settings)
    with pytest.raises(ConfigError, match="the parser's weights is another, not "):
        go_on(clip, tmp_path, changed)
    read_anew = Parser(replace(parser.model, reading=parser.model.reading + 1), parser.settings)
    with pytest.raises(ConfigError, match=r"the parser's reading is (\d+), not "):
        go_on(clip, tmp_path, read_anew)
    assert (tmp_path / "a.hpm").read_bytes() == before
    with pytest.raises(ConfigError, match="resume goes on with masks that were kept, and none are"):
        render_file(clip, tmp_path / "b.mp4", Rendering(parser.settings, resume=True), parser=parser)


def test_with_masks_between_parsed_frames_it_is_refused(parser: Parser, clip: Path, tmp_path: Path) -> None:
    settings, masks = Rendering(parser.settings, parse_every=3), tmp_path / "a.hpm"
    render_file(clip, tmp_path / "half.mp4", settings, lambda so_far: so_far.done < 8, parser, masks=masks)
    masks.write_bytes(masks.read_bytes()[:-40])
    with pytest.raises(ConfigError, match="with parse_every 3 it cannot be resumed"):
        go_on(clip, tmp_path, parser, parse_every=3)


def test_a_memory_that_does_not_belong_there_is_told(parser: Parser, clip: Path, whole: Path, tmp_path: Path) -> None:
    masks = tmp_path / "a.hpm"
    masks.write_bytes((whole / "a.hpm").read_bytes()[:-40])
    for content, says in ((b"old", "is of another version"), (b"HPMmemo1" + bytes(24) + b"x", "does not belong to")):
        memory_path(masks).write_bytes(content)
        with pytest.raises(ConfigError, match=says):
            go_on(clip, tmp_path, parser)


def test_a_memory_that_cannot_be_written_is_told(parser: Parser, clip: Path, tmp_path: Path) -> None:
    memory_path(tmp_path / "a.hpm").mkdir()
    (memory_path(tmp_path / "a.hpm") / "in the way").touch()
    with pytest.raises(SinkError, match=r"cannot write .*a\.hpm\.memory"):
        render_file(clip, tmp_path / "a.mp4", Rendering(parser.settings), parser=parser, masks=tmp_path / "a.hpm")


@pytest.mark.process
@pytest.mark.slow
def test_a_process_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    street = sample("street.mp4")
    command = [
        sys.executable,
        "-m",
        "streamer",
        "render",
        str(street),
        "a.mp4",
        "--masks",
        "a.hpm",
        "--size",
        "256x352",
    ]
    done = subprocess.run([*command, "--masks", "whole.hpm", "--force"], cwd=tmp_path, check=False)
    assert done.returncode == 0
    wanted, masks = (tmp_path / "whole.hpm").read_bytes(), tmp_path / "a.hpm"
    chance = random.Random(SEED)
    (tmp_path / "a.mp4").unlink()
    for share in sorted(chance.random() for _ in range(3)):
        until = int(share * 0.9 * len(wanted))
        running = subprocess.Popen([*command, "--resume"], cwd=tmp_path)
        assert eventually(lambda: masks.exists() and masks.stat().st_size > until, 120)  # noqa: B023  (at once)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        assert not (tmp_path / "a.mp4").exists()
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert masks.read_bytes() == wanted
    assert len(pictures_of(tmp_path / "a.mp4")) == 80
    again = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.stdout == "a.mp4: complete already\n"
