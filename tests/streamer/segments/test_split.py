"""Several processes parse a source to the same bytes as one."""

import os
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Frame, Parser, ParserSettings, Parsing, PipelineError, Size, load_parser
from streamer import ConfigError, Progress, Rendering, WorkerDied, open_source, render_file
from streamer.masks.sidecar import Sidecar
from streamer.parsings import resume
from streamer.parsings.parsed import parsed_frames
from streamer.parsings.resume import memory_path
from streamer.segments import main, split
from streamer.segments.messages import Averaged, Begun, Part, Segment, SentFrame, Wanted, packed, unpacked
from streamer.segments.renewed import Renewed
from streamer.segments.split import Split, threads_each
from tests.support import counting, slow_segments
from tests.support.samples import FOUR, clip_of

FRAMES = 14


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MAX_SEGMENT_FRAMES", 3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People in it are small, so that the parser changes the size that it looks at."""
    return clip_of("street.mp4", tmp_path_factory.mktemp("in"), FRAMES)


def rendered(clip: Path, out: Path, settings: Rendering, by: Split | None = None) -> bytes:
    masks = out.with_suffix(".hpm")
    done = render_file(clip, out, settings, masks=masks, by=by)
    assert done.frames == FRAMES
    return masks.read_bytes() + out.read_bytes()


def in_segments(parser: Parser, frames: list[Frame], of: int, *, stills: bool) -> tuple[list[Parsing], list[Wanted]]:
    """What processes would answer that are given the segments in turn."""
    parsings: list[Parsing] = []
    wanted: list[Wanted] = []
    memory, averages, sizes = b"", [b""], ()
    turns: list[Part] = []
    for before in range(0, len(frames), of):
        here = frames[before : before + of]

        def ask(message: object, here: list[Frame] = here, memory: bytes = memory) -> Any:
            if isinstance(message, Begun):
                turns.append(message.part)
                return averages[-1] if message.part is Part.AVERAGES else memory
            if isinstance(message, Averaged):
                assert turns[-1] is Part.AVERAGES  # whoever has the next segment need not wait for the people of this
                averages.append(message.memory)
                return None
            assert isinstance(message, Wanted)
            wanted.append(message)
            return here[message.place].picture.scaled(*message.size)  # type: ignore[union-attr]

        segment = unpacked(packed(Segment([SentFrame.of(each, sizes) for each in here], before, stills)))
        done = main.parsed(parser, segment, ask)
        parsings += done.parsings
        memory, sizes = done.memory, done.sizes
    in_turn = [] if stills else [Part.AVERAGES, Part.PEOPLE] if parser.size_is_given else [Part.ALL]
    assert turns == in_turn * (len(frames) // of)
    return parsings, wanted


@pytest.mark.process
def test_opencv_leaves_the_cores_of_a_process_to_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    process = Renewed("a process", counting.__name__, None)
    try:
        process.started(lambda: True)
        count = process.ask(None, lambda: True)
        assert isinstance(count, int)
        assert count <= 1
    finally:
        process.close()


@pytest.mark.parametrize(("stills", "size"), [(False, None), (True, None), (False, Size(128, 192))])
def test_segments_give_what_the_whole_gives(clip: Path, stills: bool, size: Size | None) -> None:
    parser = load_parser("lite", size=size, threads=1, refine=size is not None)
    with open_source(clip) as source:
        frames = list(islice(source, 6))
    whole = [parsing for _, parsing in parsed_frames(parser, frames, 1, stills=stills)]
    memory = parser.save()
    parser.reset()
    found, wanted = in_segments(parser, frames, 2, stills=stills)
    assert stills or parser.save() == memory
    for one, other in zip(found, whole, strict=True):
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.instances, other.instances)
        assert (one.people, one.pts_s, one.frame_index) == (other.people, other.pts_s, other.frame_index)
    # The first segment asks for each picture; the sizes that the last one was seen in come along with the next.
    assert {each.place for each in wanted} == {0, 1}
    assert len(wanted) <= 2 * 2 + 2


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("name", FOUR)
def test_by_two_and_four_processes_the_bytes_are_those_of_one(name: str, short: bool, tmp_path: Path) -> None:
    clip, settings = clip_of(name, tmp_path, FRAMES), Rendering(ParserSettings("lite"))
    wanted = rendered(clip, tmp_path / "one.mp4", settings)
    for workers in (2,) if short else (2, 4):
        with Split(settings.parser, workers) as by:
            assert rendered(clip, tmp_path / f"{workers}.mp4", settings, by) == wanted
        assert by.redone == 0


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
def test_a_process_killed_in_the_middle_changes_nothing(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Rendering(ParserSettings("lite", size=(128, 192)))
    rendered(clip, tmp_path / "one.mp4", settings)
    killed: list[int] = []
    with Split(settings.parser, 2) as by:

        def kill(so_far: Progress) -> bool:
            if so_far.done == 2:  # both have later segments then
                killed.extend(by.pids.values())
                for each in killed:
                    os.kill(each, signal.SIGKILL)
            return True

        masks = tmp_path / "two.hpm"
        done = render_file(clip, tmp_path / "two.mp4", settings, kill, masks=masks, by=by)
    assert done.frames == FRAMES
    assert killed
    assert by.redone >= 1
    assert "a process that parses ended with exit code -9" in caplog.text
    assert masks.read_bytes() == (tmp_path / "one.hpm").read_bytes()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
def test_a_slow_process_changes_nothing(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Rendering(ParserSettings("lite", size=(64, 96)))
    wanted = rendered(clip, tmp_path / "one.mp4", settings)
    monkeypatch.setattr(split, "_MODULE", "tests.support.slow_segments")
    monkeypatch.setenv(slow_segments.MARK, str(tmp_path / "slow"))
    with Split(settings.parser, 2) as by:
        assert rendered(clip, tmp_path / "two.mp4", settings, by) == wanted
    assert (tmp_path / "slow").exists()
    assert by.redone == 0


@pytest.mark.process
def test_frames_that_end_each_process_are_given_up(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_MODULE", "tests.support.dying")
    settings = Rendering(ParserSettings("lite", size=(64, 96)))
    with (
        pytest.raises(
            WorkerDied, match=r"frames 0 to 2 ended 3 processes that parsed them, the last ended with exit code 3"
        ),
        Split(settings.parser, 1) as by,
    ):
        render_file(clip, tmp_path / "a.mp4", settings, by=by)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_what_no_process_can_parse_is_told_once(clip: Path, tmp_path: Path) -> None:
    settings = Rendering(ParserSettings("lite", runtime="onnx", precision="bf16"))
    with pytest.raises(PipelineError, match="does not support bf16"), Split(settings.parser, 2) as by:
        render_file(clip, tmp_path / "a.mp4", settings, by=by)


@pytest.mark.process
@pytest.mark.slow
def test_stopped_in_the_middle_it_is_gone_on_with(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, masks = Rendering(ParserSettings("lite", size=(128, 192))), tmp_path / "two.hpm"
    wanted = rendered(clip, tmp_path / "one.mp4", settings)
    with Split(settings.parser, 2) as by:
        render_file(clip, tmp_path / "x.mp4", settings, lambda so_far: so_far.done < 8, masks=masks, by=by)
    assert memory_path(masks).exists()
    with Split(settings.parser, 2) as by:
        assert rendered(clip, tmp_path / "two.mp4", replace(settings, resume=True), by) == wanted
    assert not memory_path(masks).exists()
    with Sidecar(masks) as sidecar:
        assert [each.frame for each in sidecar.masks] == list(range(FRAMES))


@pytest.mark.parametrize("size", [None, (64, 96)])
def test_the_memory_is_saved_where_one_process_saves_it(
    clip: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] | None
) -> None:
    monkeypatch.setattr(main, "SAVE_EVERY", 2)
    assert resume.SAVE_EVERY == 100
    parser = load_parser("lite", size=size, threads=1)
    with open_source(clip) as source:
        frames = list(islice(source, 5))
    list(parsed_frames(parser, frames[:4], 1, stills=False))
    wanted = parser.save()
    parser.reset()

    def ask(message: object) -> Any:
        if isinstance(message, Wanted):
            return frames[message.place].picture.scaled(*message.size)  # type: ignore[union-attr]
        return b""

    done = main.parsed(parser, Segment([SentFrame.of(each, ()) for each in frames], 0, False), ask)
    assert [each.masks for each in done.saved] == [2, 4]
    assert done.saved[1].memory == wanted


def test_masks_between_parsed_frames_are_for_one_process() -> None:
    by = Split(ParserSettings("lite"), 2)
    with pytest.raises(ConfigError, match="parse_every 3 follows masks from frame to frame"):
        by.parsed([], 3, stills=False)


def test_the_cores_are_divided_among_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "cores", lambda: 8)
    assert threads_each(ParserSettings("lite"), 2).threads == 4
    assert threads_each(ParserSettings("lite"), 16).threads == 1
    assert threads_each(ParserSettings("lite", threads=3), 2).threads == 3
