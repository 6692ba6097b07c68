"""Of a file that breaks off all pictures are seen that are there."""

from pathlib import Path
from typing import Any

import av
import pytest

from streamer import open_source
from streamer.media import broken_end
from tests.support.media import Clip

FRAMES = 40


def whole(path: Path, codec: str) -> Path:
    """A clip whose pictures are not stored in the order in which they are shown, with the index before them."""
    ticks = range(0, FRAMES * 512, 512)
    clip = Clip(ticks=ticks, codec=codec, b_frames=3).make(path.with_name("plain.mp4"))
    with av.open(str(clip)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


def cut_in(path: Path, number: int) -> Path:
    """The file up to the middle of one of its packets, all of which are decoded before it."""
    with av.open(str(path)) as file:
        packet: Any = [each for each in file.demux(video=0) if each.size][number]
    cut = path.with_name(f"cut{number}.mp4")
    cut.write_bytes(path.read_bytes()[: packet.pos + packet.size // 2])
    return cut


def decoded_by_one_thread(path: Path) -> list[float]:
    """When each picture that can be decoded is shown, in seconds."""
    shown: list[float] = []
    with av.open(str(path)) as file:
        stream: Any = file.streams.video[0]
        stream.thread_type = "SLICE"
        for packet in file.demux(stream):
            try:
                shown += [float(frame.pts * stream.time_base) for frame in packet.decode()]
            except av.error.InvalidDataError:
                continue
    return shown


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_all_pictures_before_the_broken_one_are_there(tmp_path: Path, codec: str) -> None:
    path = whole(tmp_path / "whole.mp4", codec)
    for number in (2, 5, 12, 25, FRAMES - 1):
        cut = cut_in(path, number)
        with open_source(cut) as opened:
            shown = [frame.pts_s for frame in opened]
        assert shown == pytest.approx(decoded_by_one_thread(cut))
        assert len(shown) >= number


def test_what_is_whole_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_source(whole(tmp_path / "whole.mp4", "libx264")) as opened:
        monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("opened again"))
        assert len(list(opened)) == FRAMES


def test_what_is_gone_meanwhile_ends_without_its_last_pictures(tmp_path: Path) -> None:
    path = cut_in(whole(tmp_path / "whole.mp4", "libx264"), 25)
    with open_source(path) as opened:
        path.unlink()
        assert 20 <= len(list(opened)) <= 25


def test_more_than_is_kept_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cut_in(whole(tmp_path / "whole.mp4", "libx264"), 25)
    monkeypatch.setattr(broken_end, "MAX_BYTES", 100)
    with open_source(path) as opened:
        shown = [frame.pts_s for frame in opened]
    assert shown == sorted(set(shown))
    assert len(shown) >= 20
