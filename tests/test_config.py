"""Settings of a stream: in Python, in a file, given over a file."""

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline import Size
from streamer.config import StreamConfig, read_config
from streamer.errors import ConfigError


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
        if field.name == "codec":
            value = '"h264"'
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
        ("legend = 1", r"door\.toml: legend = 1: expected `bool"),
    ],
)
def test_what_cannot_be_names_file_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "door.toml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError, match=says):
        read_config(path, {} if text.startswith("source") else {"source": "test:"})


def test_no_file_and_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        read_config(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="no source"):
        read_config(None, {})
