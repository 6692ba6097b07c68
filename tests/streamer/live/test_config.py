"""Settings of a stream: in Python, in a file, given over a file."""

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline import Size
from streamer.errors import ConfigError
from streamer.live.config import StreamConfig, read_bytes, read_config, read_duration


def test_a_file_and_what_is_given_over_it(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    path.write_text('source = "rtsp://door/1"\nsize = "256x448"\nparse_hz = 5\nhide = ["Hat"]\nlegend = true\n')
    config = read_config(path, {"parse_hz": 8.0, "record": "door.mp4"})
    assert config == StreamConfig(
        "rtsp://door/1", size=Size(256, 448), parse_hz=8.0, hide=("Hat",), legend=True, record="door.mp4"
    )
    assert config.look.legend
    assert config.look.hidden == frozenset({"Hat"})


def test_trying_for_ever_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    path.write_text('source = "rtsp://door/1"\nreconnect_for_s = inf\n')
    assert read_config(path, {}).reconnect_for_s == float("inf")


def test_every_setting_can_stand_in_a_file(tmp_path: Path) -> None:
    """A field of a type that TOML cannot say would be parsed and refused."""
    examples = {"str": '"x"', "int": "3", "float": "0.5", "bool": "true", "tuple[int, int]": "[64, 64]"}
    for field in fields(StreamConfig):
        kind = str(field.type).removesuffix(" | None").replace("<class '", "").removesuffix("'>")
        value = examples.get(kind, '["Hat"]')
        value = {"codec": '"h264"', "sync": '"exact"', "preset": '"medium"', "record": '"x.mp4"'}.get(field.name, value)
        path = tmp_path / f"{field.name}.toml"
        path.write_text(f"{field.name} = {value}\n")
        config = read_config(path, {} if field.name == "source" else {"source": "test:"})
        assert getattr(config, field.name) not in (None, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("parse_hz = 'fast'", r"door\.toml: parse_hz = 'fast': expected `float"),
        ("threads = 1.5", r"door\.toml: threads = 1\.5: expected `int"),
        ("sauce = 'test:'", r"door\.toml: no setting 'sauce'; there are: source, parser"),
        ("size = '300'", r"door\.toml: size = '300' is not HEIGHTxWIDTH"),
        ("source = ", r"door\.toml is not TOML"),
        ("parse_hz = 0", "parse_hz is above 0, not 0"),
        ("duration_s = -1", "duration_s is above 0, not -1"),
        ("mask_wait_s = -1", "mask_wait_s is 0 or more"),
        ("reconnect_for_s = -1", "reconnect_for_s is 0 or more, not -1"),
        ("stall_after_s = 0", "stall_after_s is above 0, not 0"),
        ("segment_s = 0", "segment_s is above 0, not 0"),
        ("segment_s = '10 days'", r"door\.toml: segment_s = '10 days' is no time such as 30s, 10min or 1h"),
        ("segment_s = '0s'", r"'0s' is no time such as"),
        ("keep_free_bytes = '500'", r"door\.toml: keep_free_bytes = '500' is no size such as 500MB or 2GB"),
        ("keep_free_bytes = '-1MB'", r"'-1MB' is no size"),
        ("keep_free_bytes = -1", "keep_free_bytes is 0 or more, not -1"),
        ("clip_seconds = -1", "clip_seconds is 0 or more, not -1"),
        ("segment_s = inf", "segment_s is a time that can be waited, not inf"),
        ("mask_wait_s = inf", "mask_wait_s is a time that can be waited, not inf"),
        ("mask_ttl_s = 1e300", "mask_ttl_s is a time that can be waited, not 1e\\+300"),
        ("record = 'door.avi'", r"record is a file that ends with \.mp4, \.mkv, \.mov, \.webm, not 'door\.avi'"),
        ("record = '.mp4'", "record is a file that ends with"),
        ("codec = 'divx'", "no codec 'divx'; there are: h264"),
        ("preset = 'hasty'", "h264 has no preset 'hasty'"),
        ("legend = 1", r"door\.toml: legend = 1: expected `bool"),
    ],
)
def test_what_cannot_be_names_file_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "door.toml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError, match=says):
        read_config(path, {} if text.startswith("source") else {"source": "test:"})


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10min", 600), ("1.5 h", 5400), ("90", 90)])
def test_times_as_people_write_them(text: str, seconds: float, tmp_path: Path) -> None:
    assert read_duration(text) == seconds
    (tmp_path / "door.toml").write_text(f'source = "test:"\nsegment_s = "{text}"\n')
    assert read_config(tmp_path / "door.toml", {}).segment_s == seconds


def test_masks_of_any_age(tmp_path: Path) -> None:
    (tmp_path / "door.toml").write_text('source = "test:"\nmax_mask_age_s = "any"\n')
    assert read_config(tmp_path / "door.toml", {}).max_mask_age_s == float("inf")


@pytest.mark.parametrize(("text", "count"), [("500MB", 500_000_000), ("2 GB", 2 * 10**9), ("1.5kB", 1500), ("0", 0)])
def test_sizes_as_people_write_them(text: str, count: int, tmp_path: Path) -> None:
    assert read_bytes(text) == count
    (tmp_path / "door.toml").write_text(f'source = "test:"\nkeep_free_bytes = "{text}"\n')
    assert read_config(tmp_path / "door.toml", {}).keep_free_bytes == count


def test_what_is_kept_for_clips() -> None:
    """Half a minute of what is encoded anyway; of the rest nothing unless somebody asks."""
    assert StreamConfig("test:", record="door.mp4").keeps_s == 30
    assert StreamConfig("test:", record="door.mp4", clip_seconds=0).keeps_s == 0
    assert StreamConfig("test:").keeps_s == 0
    assert not StreamConfig("test:").encodes
    assert StreamConfig("test:", clip_seconds=5).encodes


def test_a_recording_may_be_called_in_capitals() -> None:
    assert StreamConfig("test:", record="DOOR.MP4").encodes


def test_no_file_and_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        read_config(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="no source"):
        read_config(None, {})
