"""What a program tells other programs of its streams, and who reads it."""

import os
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from streamer import Snapshot, StreamConfig
from streamer.errors import Cause, Loss
from streamer.live import card as cards_of
from streamer.live.card import EVERY_S, MAX_BYTES, Card, StreamCard, Telling, card_of, cards, take_away
from streamer.live.stats import Drops
from streamer.masks.headers import Percentiles

DOOR = StreamConfig("rtsp://admin:hunter2@door/1")
AT = Snapshot(
    captured=90,
    shown=80,
    parsed=30,
    drops=Drops(behind=10),
    came="720x1280 at 25/s",
    captured_hz=25.0,
    shown_hz=24.5,
    parsed_hz=8.5,
    mask_age=Percentiles(0.12, 0.24, 0.3),
    delay_s=4.4,
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cards are."""
    place = tmp_path / "run" / "streams"
    monkeypatch.setattr(cards_of, "folder", lambda: place)
    return place


def test_a_card_has_the_figures_and_no_password(place: Path) -> None:
    told = card_of(DOOR, AT)
    assert told == StreamCard(
        source="rtsp://door/1",
        came="720x1280 at 25/s",
        captured=90,
        shown=80,
        dropped=10,
        parsed=30,
        captured_hz=25.0,
        shown_hz=24.5,
        parsed_hz=8.5,
        mask_age_s=0.12,
        mask_age_p95_s=0.24,
        delay_s=4.4,
    )
    lost = card_of(DOOR, Snapshot(offline_since_s=3.0, last_loss=Loss(Cause.REFUSED, "nobody listens there")))
    assert (lost.offline_s, lost.why_offline) == (3.0, "nobody listens there")


def test_it_is_there_while_the_stream_runs_and_for_its_user_alone(place: Path) -> None:
    assert cards() == []
    with Telling({"door": DOOR}) as telling:
        telling.tell({"door": AT}, 100.0)
        (found,) = cards()
        assert (found.pid, found.streams) == (os.getpid(), {"door": card_of(DOOR, AT)})
        telling.tell({"door": Snapshot()}, 100.0 + EVERY_S / 2)  # not so often
        assert cards() == [found]
        telling.tell({"door": Snapshot()}, 100.0 + EVERY_S)
        assert cards()[0].streams == {"door": card_of(DOOR, Snapshot())}
        if sys.platform != "win32":
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert list(place.iterdir()) == []


def test_a_stream_goes_on_where_nothing_can_be_written(place: Path) -> None:
    place.parent.parent.mkdir(exist_ok=True)
    place.parent.write_text("in the way")
    with Telling({"door": DOOR}) as telling:
        telling.tell({"door": AT}, 0.0)
    assert cards() == []


def test_what_others_put_there_is_passed_over(place: Path) -> None:
    place.mkdir(parents=True)
    good = Card(7, 1.0, {"door": card_of(DOOR, AT)})
    (place / "7.json").write_bytes(msgspec.json.encode(good))
    (place / "8.json").write_text("{")
    (place / "9.json").write_text('{"pid": "no"}')
    (place / "10.json").write_bytes(b" " * (MAX_BYTES + 1))
    assert cards() == [good]
    take_away(good)
    take_away(good)
    assert cards() == []


def test_a_folder_of_somebody_else_is_neither_read_nor_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(parents=True)
    (place / "7.json").write_bytes(msgspec.json.encode(Card(7, 1.0, {})))
    monkeypatch.setattr(cards_of, "is_ours", lambda place: False)
    with Telling({"door": DOOR}) as telling:
        telling.tell({"door": AT}, 0.0)
        assert [each.name for each in place.iterdir()] == ["7.json"]
        assert cards() == []
