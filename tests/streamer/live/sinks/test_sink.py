"""The contract of sinks: who is dropped, who goes on, and what is told of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline import Look
from pipeline.yuv import Yuv420
from streamer import SinkError, Stream, StreamConfig
from streamer.live.sinks.controls import OPACITIES, Controls
from streamer.live.sinks.sink import Drawn, Remaining, SinkSet
from streamer.live.sinks.snapshots import Save, Saver
from streamer.live.sinks.state import words_of
from streamer.live.sinks.table import ROWS, Row, Rows
from streamer.live.sinks.viewer import ASKED_EVERY_S, SAVED_FOR_S, Viewer
from streamer.live.sinks.words import Word, with_words
from streamer.live.stats import SinkEnd, Snapshot

PICTURE = Drawn(np.full((240, 320, 3), 90, np.uint8), 7, 0.28, None)


class Kept:
    """A sink that remembers what it was given, and fails when it is told to."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.endings: list[str] = []
        self.fails: SinkError | None = None
        self.fails_at_close: SinkError | None = None
        self.wanted = True
        self.on_close: Callable[[], None] = lambda: None

    def write(self, item: Drawn) -> None:
        if self.fails:
            raise self.fails
        self.got.append(item.index)

    def tick(self) -> bool:
        return self.wanted

    def close(self, ending: str) -> None:
        self.endings.append(ending)
        self.on_close()
        if self.fails_at_close:
            raise self.fails_at_close


class Told:
    """Two sinks, and what is told of them."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []
        self.kept: list[SinkError] = []
        self.stopped = False
        self.one, self.other = Kept(), Kept()
        self.set = SinkSet[Drawn](
            Remaining({"one", "other"}, on_end=self.end, keep=self.kept.append, on_last_closed=self.stop)
        )
        self.set.add("one", self.one)
        self.set.add("other", self.other)

    def end(self, name: str, why: str) -> None:
        self.ended.append((name, why))

    def stop(self) -> None:
        self.stopped = True


def test_a_sink_that_fails_is_dropped_and_the_others_go_on() -> None:
    told, error = Told(), SinkError("the disk is full")
    told.set.write(PICTURE)
    told.one.fails = error
    for _ in range(2):
        told.set.write(PICTURE)
    assert (told.one.got, told.other.got) == ([7], [7, 7, 7])
    assert told.one.endings == ["failed"]
    assert told.ended == [("one", "the disk is full")]
    assert told.kept == [error]
    assert len(told.set) == 1


def test_a_sink_that_is_closed_for_a_failure_is_counted_as_ended_then() -> None:
    told, seen = Told(), list[tuple[str, str]]()
    told.one.fails = SinkError("the disk is full")
    told.one.on_close = lambda: seen.extend(told.ended)
    told.set.write(PICTURE)
    assert seen == [("one", "the disk is full")]


def test_the_last_sink_that_fails_ends_the_stream() -> None:
    told = Told()
    told.one.fails, told.other.fails = SinkError("first"), SinkError("second")
    with pytest.raises(SinkError, match="second"):
        told.set.write(PICTURE)
    assert told.ended == [("one", "first")]
    assert told.other.endings == ["failed"]


def test_what_closing_a_dropped_sink_fails_with_does_not_hide_why_it_was_dropped() -> None:
    told = Told()
    told.one.fails, told.one.fails_at_close = SinkError("the disk is full"), SinkError("it cannot be completed")
    told.set.write(PICTURE)
    assert told.ended == [("one", "the disk is full")]


def test_a_sink_that_its_user_closes_is_no_failure() -> None:
    told = Told()
    told.one.wanted = False
    told.set.tick()
    assert told.ended == [("one", "it was closed")]
    assert (told.kept, told.stopped) == ([], False)
    told.other.wanted = False
    told.set.tick()
    assert told.stopped
    assert told.ended == [("one", "it was closed")]  # the stream does not go on without the last one


def test_all_are_closed_even_if_one_cannot_be() -> None:
    told = Told()
    told.other.fails_at_close = SinkError("no picture came")
    with pytest.raises(SinkError, match="no picture came"), told.set:
        told.set.write(PICTURE)
    assert told.one.endings == told.other.endings == ["ended"]
    told.set.close("stopped")
    assert told.one.endings == ["ended"]  # once


def test_what_ended_the_stream_is_not_hidden_by_what_closing_fails_with() -> None:
    told = Told()
    told.one.fails_at_close = SinkError("no picture came")
    with pytest.raises(ValueError, match="what happened"), told.set:
        raise ValueError("what happened")
    assert told.one.endings == told.other.endings == ["failed"]


def test_a_part_that_fails_is_told_and_nothing_ends() -> None:
    told = Told()
    remaining = Remaining({"one"}, on_end=told.end, keep=told.kept.append, on_last_closed=told.stop)
    remaining.failed_partly("one", SinkError("no more files"))
    assert told.ended == [("one", "no more files")]
    with pytest.raises(SinkError, match="gone"):
        remaining.failed("one", SinkError("gone"))


@pytest.mark.process
@pytest.mark.parametrize("fails", [False, True])
def test_another_sink_is_one_row(tmp_path: Path, fails: bool) -> None:
    sink = Kept()
    sink.fails = SinkError("nobody looks") if fails else None
    rows = Rows((*ROWS.pictures, Row("memory", lambda config: True, lambda place: sink)), ROWS.parsings)
    config = StreamConfig("test:size=64x64,rate=30,frames=20", record=str(tmp_path / "out.mp4"), size=(96, 128))
    with Stream(config, rows) as stream:
        if fails:
            with pytest.raises(SinkError, match="nobody looks"):
                stream.join(120)
        else:
            assert stream.join(120)
    assert stream.stats.shown == 20
    assert sink.got == ([] if fails else list(range(20)))
    assert stream.stats.sinks_ended == ((SinkEnd("memory", "nobody looks"),) if fails else ())


# The window


class Screen:
    """A window of which a test presses the keys and sees the pictures."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.shown: list[np.ndarray] = []
        self.full_screen = False

    def show(self, make: Callable[[], np.ndarray]) -> None:
        self.shown.append(make())

    def refit(self) -> None:
        pass

    def close(self) -> None:
        pass

    def pressed(self) -> Iterator[str]:
        while self.keys:
            yield self.keys.pop(0)


class Viewing:
    """A viewer of a stream, its clock and its words."""

    def __init__(self) -> None:
        self.screen, self.now_s = Screen(), 0.0
        self.words: list[Word] = []
        self.stopped = 0
        self.saves: list[Save] = []
        self.controls = Controls(Look(), Saver(0, self.saves.append), self.stop)
        self.viewer = Viewer(self.screen, self.controls, lambda: self.words, lambda: self.now_s)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.stopped += 1

    def press(self, *keys: str) -> bool:
        self.screen.keys += keys
        return self.viewer.tick()

    @property
    def plain(self) -> bool:
        """Whether the picture that is shown has no words on it."""
        return bool((self.screen.shown[-1] == PICTURE.picture).all())


def test_paused_stands_still_and_says_so() -> None:
    viewing = Viewing()
    viewing.viewer.write(PICTURE)
    assert viewing.plain
    viewing.press(" ")
    assert not viewing.plain
    pictures = len(viewing.screen.shown)
    viewing.viewer.write(PICTURE)
    assert len(viewing.screen.shown) == pictures
    viewing.press(" ")
    assert viewing.plain


def test_pictures_are_converted_for_a_window_that_takes_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    viewing = Viewing()
    monkeypatch.setattr(viewing.screen, "show", lambda make: None)  # busy: it leaves them out
    picture = Yuv420(av.VideoFrame(32, 16, "yuv420p"))
    viewing.viewer.write(Drawn(picture, 0, 0.0, None))
    assert "bgr" not in vars(picture)


def test_words_are_drawn_on_nothing_but_what_the_window_shows() -> None:
    viewing = Viewing()
    viewing.words = [Word("OFFLINE 3 s")]
    cut = Yuv420(av.VideoFrame(320, 240, "yuv420p")).cleared()
    viewing.viewer.write(Drawn(cut, 0, 0.0, None))
    assert viewing.screen.shown[-1].any()
    assert not cut.pixels.any()


def test_words_come_onto_a_picture_that_stays() -> None:
    """A camera is lost: no frame comes, and the last one must not look as if all were well."""
    viewing = Viewing()
    viewing.viewer.write(PICTURE)
    viewing.now_s += 2 * ASKED_EVERY_S
    viewing.words = [Word("OFFLINE 1 s")]
    viewing.viewer.tick()
    assert not viewing.plain
    pictures = len(viewing.screen.shown)
    viewing.viewer.tick()
    assert len(viewing.screen.shown) == pictures  # not drawn again for nothing


def test_words_are_shown_before_there_is_a_picture() -> None:
    viewing = Viewing()
    viewing.viewer.tick()
    assert viewing.screen.shown == []
    viewing.now_s += 2 * ASKED_EVERY_S
    viewing.words = [Word("OFFLINE 1 s")]
    viewing.viewer.tick()
    assert viewing.screen.shown[-1].any()


def test_escape_leaves_one_thing_at_a_time() -> None:
    viewing = Viewing()
    viewing.viewer.write(PICTURE)
    viewing.press("f", "h")
    assert viewing.screen.full_screen
    assert not viewing.plain
    viewing.press("\x1b")
    assert viewing.plain
    assert viewing.screen.full_screen
    viewing.press("\x1b")
    assert not viewing.screen.full_screen
    assert viewing.stopped == 0
    viewing.press("\x1b")
    assert viewing.stopped == 1


def test_keys_reach_what_others_share() -> None:
    viewing = Viewing()
    viewing.viewer.write(PICTURE)
    viewing.press("l", "o")
    assert viewing.controls.look.legend == "auto"
    assert viewing.controls.look.opacity == 0.75
    viewing.press(*"ooooo")
    assert viewing.controls.look.opacity == 0.75
    assert len(OPACITIES) == 5
    viewing.press("q")
    assert viewing.stopped == 1
    assert not viewing.press("closed")


def test_a_saved_file_is_named_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    viewing = Viewing()
    viewing.controls.saver.show(PICTURE)
    viewing.viewer.write(PICTURE)
    viewing.press("s")
    assert (tmp_path / "snapshot-000007.png").exists()
    assert not viewing.plain
    viewing.now_s += SAVED_FOR_S + 1
    viewing.viewer.tick()
    assert viewing.plain


@pytest.mark.parametrize("size", [(64, 64), (96, 128), (240, 320), (720, 1280), (2160, 3840), (1280, 720)])
def test_words_of_any_length_fit_pictures_of_any_size(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 128, np.uint8)
    words = [Word("paused"), Word("cannot open rtsp://camera.example.org/stream/1: nobody listens there [refused]")]
    drawn = with_words(picture.copy(), words, [Word(f"line {number}") for number in range(9)])
    assert drawn.shape == picture.shape
    assert (drawn != picture).any()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (Snapshot(), []),
        (Snapshot(shown=3), ["recording"]),
        (Snapshot(shown=3, sinks_ended=(SinkEnd("recording", "full"),)), ["recording ended"]),
        (Snapshot(offline_since_s=12.2), ["OFFLINE 12 s"]),
        (Snapshot(people_too_small=True), ["people too small for this machine"]),
    ],
)
def test_the_state_in_words(at: Snapshot, said: list[str]) -> None:
    assert [word.text for word in words_of(at, records=True)] == said


def test_what_is_not_recorded_is_not_said_to_be() -> None:
    assert words_of(Snapshot(shown=3), records=False) == []
