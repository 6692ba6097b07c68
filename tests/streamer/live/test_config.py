"""Settings of a stream: in Python, in a file, given over a file."""

import math
import tomllib
from dataclasses import MISSING, replace
from pathlib import Path
from typing import get_type_hints

import pytest

from pipeline import Look, ParserSettings, PipelineError, Size
from streamer.errors import ConfigError
from streamer.live.config import (
    GROUPS,
    SETTINGS,
    Flat,
    MaskSettings,
    PublishSettings,
    RecordSettings,
    SourceSettings,
    StreamConfig,
    WindowSettings,
    read_config,
)
from streamer.recording.codecs import Encoding

EXAMPLES = {
    "source": '"webcam:0"',
    "latency_s": '"250ms"',
    "parser": '"m2fp"',
    "model_dir": '"weights"',
    "size": '"256x448"',
    "runtime": '"onnx"',
    "precision": '"int8"',
    "sensitivity": '"high"',
    "face_model": '"cydral"',
    "masks": '"door.hpm"',
    "hide": '["Hat", "Hair"]',
    "only": '["Hat"]',
    "effect": '"blur"',
    "on": '"Face,Hair"',
    "virtual_camera": '"/dev/video9"',
    "record": '"door.mp4"',
    "codec": '"h265"',
    "preset": '"medium"',
    "publish": '"tcp://127.0.0.1:5556"',
    "key": '"door.key"',
    "allow": '"friends"',
}
"""A value of each setting for which the examples by type are none."""
BY_TYPE = {int: "3", float: "0.75"}
NEEDS = {
    "record": ("segment_s", "keep_free_bytes", "force", "codec", "crf", "preset"),
    "publish": ("insecure", "key", "allow"),
    "key": ("allow",),
    "allow": ("key",),
    "effect": ("on",),
    "faces": ("age_gender",),
}
"""Settings that mean something only beside another one."""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "door.toml"
    path.write_text(text + "\n")
    return path


def test_a_file_and_what_is_given_over_it(tmp_path: Path) -> None:
    text = 'source = "rtsp://door/1"\nsize = "256x448"\nparse_hz = 5\nhide = ["Hat"]\nopacity = 0.7'
    config = read_config(written(tmp_path, text), {"parse_hz": 8.0, "record": "door.mp4"})
    assert config == StreamConfig(
        "rtsp://door/1", size=Size(256, 448), parse_hz=8.0, hide=("Hat",), opacity=0.7, record="door.mp4"
    )
    assert config.look == Look(opacity=0.7, hidden=frozenset({"Hat"}))


def test_settings_come_in_groups() -> None:
    """Alone, in a group, and over a group."""
    config = StreamConfig(
        SourceSettings("webcam:0", stall_after_s=2),
        parser="m2fp",
        masks=MaskSettings(parse_hz=5, mask_ttl_s=3),
        record=RecordSettings("door.mp4", segment_s=60),
        publish="tcp://127.0.0.1:5556",
        window=True,
        encoding=Encoding("h265"),
        stream="door",
        mask_ttl_s=2,
        crf=30,
    )
    assert config.source == SourceSettings("webcam:0", stall_after_s=2.0)
    assert config.parser == ParserSettings("m2fp")
    assert config.masks == MaskSettings(parse_hz=5, mask_ttl_s=2)
    assert config.record == RecordSettings("door.mp4", segment_s=60)
    assert config.encoding == Encoding("h265", 30)
    assert config.publish == PublishSettings("tcp://127.0.0.1:5556")
    assert config.window == WindowSettings(show=True)
    assert config.stream == "door"
    assert replace(config, window=False) == replace(config, window=WindowSettings())


def test_no_two_settings_have_one_name() -> None:
    assert len(SETTINGS) == sum(len(get_type_hints(group)) for group in GROUPS.values()) - 2  # two are not for streams
    assert not SETTINGS.keys() & (GROUPS.keys() - {"source", "parser", "masks", "window", "record", "publish"})


def test_the_keywords_are_the_fields_of_the_groups() -> None:
    """What a type checker knows of the keywords is written out; it is not to drift."""
    types = {name: setting.type for name, (_, setting) in SETTINGS.items() if name not in GROUPS}
    for name in ("hide", "only"):
        types[name] |= tuple[str, ...]
    types["legend"] |= bool
    assert get_type_hints(Flat) == types


def example(name: str) -> str:
    setting = SETTINGS[name][1]
    if setting.choices:
        return f'"{setting.choices[-1]}"'
    if setting.kind is bool:
        return "false" if setting.default else "true"
    return EXAMPLES.get(name) or BY_TYPE[setting.kind]


def beside(name: str) -> dict[str, object]:
    """What else has to be set for this one."""
    given: dict[str, object] = {} if name == "source" else {"source": "test:"}
    needed = [need for need, names in NEEDS.items() if name in names]
    return given | tomllib.loads("\n".join(f"{need} = {example(need)}" for need in needed))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_stand_in_a_file(tmp_path: Path, name: str) -> None:
    """Alone, by its names with and without unit, and in the table of its group."""
    group, setting = SETTINGS[name]
    lines = [f"{key} = {example(name)}" for key in (setting.flat, setting.short)]
    tables = [f"[{group}]\n{key} = {example(name)}" for key in setting.keys]
    read = {read_config(written(tmp_path, text), beside(name)) for text in lines + tables}
    assert len(read) == 1
    value = getattr(getattr(read.pop(), group), setting.field)
    assert value not in (None, MISSING, setting.default)


def test_each_setting_says_what_it_is_for() -> None:
    for name, (_, setting) in SETTINGS.items():
        assert setting.sentence[:1].isupper() or setting.sentence.startswith("("), name
        assert setting.sentence.endswith((".", ":", "…")), name


def test_times_and_amounts_are_written_with_their_units(tmp_path: Path) -> None:
    text = """
source = "test:"
duration = "10min"
[masks]
mask_ttl = "250ms"
mask_wait_s = "0.1"
max_mask_age = "any"
still_for = 2
[record]
file = "door.mp4"
segment = "1h"
keep_free = "2GB"
clip_seconds = "1min"
"""
    config = read_config(written(tmp_path, text), {"reconnect_for_s": "inf"})
    assert (config.source.duration_s, config.source.reconnect_for_s) == (600, math.inf)
    masks = config.masks
    assert (masks.mask_ttl_s, masks.mask_wait_s, masks.max_mask_age_s, masks.still_for_s) == (0.25, 0.1, math.inf, 2)
    record = config.record
    assert (record.segment_s, record.keep_free_bytes, record.keeps_s) == (3600, 2 * 10**9, 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("parse_hz = 'fast'", r"door\.toml: parse_hz = 'fast': expected `float"),
        ("threads = 1.5", r"door\.toml: threads = 1\.5: expected `int"),
        ("sauce = 'test:'", r"door\.toml: no setting 'sauce'; did you mean 'source'\?"),
        ("zzz = 1", r"door\.toml: no setting 'zzz'; there are: source, loop, duration_s, duration"),
        ("[mask]\nmask_ttl = 1", r"door\.toml: no table '\[mask\]'; did you mean '\[masks\]'\?"),
        ("[masks]\nttl = 1", r"door\.toml: no setting 'ttl'; there are: sidecar, masks, parse_hz, "),
        ("[masks]\nopacity = 1", r"door\.toml: no setting 'opacity'; "),
        ("mask_ttl = 1\nmask_ttl_s = 1", r"door\.toml: mask_ttl_s stands there twice"),
        ("mask_ttl = 1\n[masks]\nmask_ttl = 1", r"door\.toml: mask_ttl_s stands there twice"),
        ("size = '300'", r"door\.toml: size = '300' is not a size; write it as HEIGHTxWIDTH"),
        ("source = ", r"door\.toml is not TOML"),
        ("parse_hz = 0", "parse_hz must be above 0, not 0"),
        ("duration_s = -1", "duration_s must be above 0, not -1"),
        ("mask_wait_s = -1", "mask_wait_s must be 0 or more"),
        ("reconnect_for_s = -1", "reconnect_for_s must be 0 or more, not -1"),
        ("stall_after_s = 0", "stall_after_s must be above 0, not 0"),
        ("segment_s = 0", "segment_s must be above 0, not 0"),
        ("segment_s = '10 days'", r"door\.toml: segment_s = '10 days' is not a time; write it as 250ms, 30s"),
        ("segment_s = '0s'", r"segment_s must be above 0, not 0"),
        ("keep_free_bytes = '500'", r"door\.toml: keep_free_bytes = '500' is not an amount of data"),
        ("keep_free_bytes = -1", "keep_free_bytes must be 0 or more, not -1"),
        ("clip_seconds = -1", "clip_seconds must be 0 or more, not -1"),
        ("segment_s = inf", "segment_s must be finite, not inf"),
        ("mask_wait_s = inf", "mask_wait_s must be finite, not inf"),
        ("mask_ttl_s = 1e300", "mask_ttl_s must be finite, not 1e\\+300"),
        ("record = 'door.avi'", r"record must end with \.mp4, \.mkv, \.mov, \.webm, not be 'door\.avi'"),
        ("record = '.mp4'", "record must end with"),
        ("masks = 'door.mp4'", r"masks must end with \.hpm, not be 'door\.mp4'"),
        ("codec = 'divx'\nrecord = 'a.mp4'", "no codec 'divx'; there are: h264"),
        ("preset = 'hasty'\nrecord = 'a.mp4'", "h264 has no preset 'hasty'"),
        ("outline = 1", r"door\.toml: outline = 1: expected `bool"),
        ("sync = 'late'", r"door\.toml: sync = 'late': sync is live or exact"),
        ("segment = '1h'", "segment_s is for a recording, and nothing is recorded: set record, or leave segment_s out"),
        ("keep_free = '1GB'", "keep_free_bytes is for a recording"),
        ("force = true", "force is for a recording"),
        ("crf = 20", "codec, crf and preset are for a recording or clips, and nothing is encoded"),
        ("insecure = true", "insecure is for publishing, and nothing is published"),
        ("key = 'door.key'\nallow = 'friends'", "key is for publishing, and nothing is published"),
        ("publish = 'tcp://127.0.0.1:1'\nkey = 'door.key'", "key and allow belong together"),
        (
            "publish = 'tcp://127.0.0.1:1'\nkey = 'door.key'\nallow = 'friends'\ninsecure = true",
            "insecure means without keys, and there is a key",
        ),
        ("refine = true", "no setting 'refine'"),
    ],
)
def test_what_cannot_be_names_file_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_config(written(tmp_path, text), {} if text.startswith("source") else {"source": "test:"})


def test_what_cannot_be_in_python() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'mask_tl_s'; did you mean 'mask_ttl_s'\?"):
        StreamConfig("test:", mask_tl_s=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="refine is for files; a live stream cannot have it"):
        StreamConfig("test:", parser=ParserSettings(refine=True))
    with pytest.raises(PipelineError, match="no parser 'big'"):
        StreamConfig("test:", parser="big")
    with pytest.raises(ConfigError, match="sync must be live or exact, not 'late'"):
        MaskSettings(sync="late")  # type: ignore[arg-type]


def test_what_is_kept_for_clips() -> None:
    """Half a minute of what is encoded anyway; of the rest nothing unless somebody asks."""
    assert StreamConfig("test:", record="door.mp4").record.keeps_s == 30
    assert StreamConfig("test:", record="door.mp4", clip_seconds=0).record.keeps_s == 0
    assert StreamConfig("test:").record.keeps_s == 0
    assert not StreamConfig("test:").record.encodes
    assert StreamConfig("test:", clip_seconds=5, crf=30).record.encodes


def test_a_recording_may_be_called_in_capitals() -> None:
    assert StreamConfig("test:", record="DOOR.MP4").record.encodes


def test_no_file_and_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        read_config(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="no source"):
        read_config(None, {})
