"""What `run` makes of its options."""

from pathlib import Path

import pytest

from streamer.cli.run import wanted
from streamer.errors import ConfigError

PUBLISH = "tcp://127.0.0.1:5556"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, True),
        ({"window": False}, False),
        ({"record": "a.mp4"}, False),
        ({"record": "a.mp4", "window": True}, True),
        ({"publish": PUBLISH}, False),
        ({"masks": "a.hpm"}, False),
        ({"clip_seconds": 5.0}, True),
    ],
)
def test_a_window_opens_where_nothing_else_is_asked_for(given: dict[str, object], shown: bool) -> None:
    assert wanted({"source": "test:", **given}, None).window.show is shown


@pytest.mark.parametrize(
    ("text", "shown"), [("", True), ("window = false", False), ("[record]\nfile = 'a.mp4'", False)]
)
def test_a_file_counts_as_the_options_do(tmp_path: Path, text: str, shown: bool) -> None:
    (tmp_path / "door.toml").write_text(text)
    assert wanted({"source": "test:"}, tmp_path / "door.toml").window.show is shown


def test_options_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "door.toml").write_text("source = 'door.mp4'\nloop = true\n[masks]\nmask_ttl = '3s'\nparse_hz = 5\n")
    config = wanted({"loop": False, "mask_ttl_s": 2.0}, tmp_path / "door.toml")
    assert (config.source.uri, config.source.loop) == ("door.mp4", False)
    assert (config.masks.mask_ttl_s, config.masks.parse_hz) == (2, 5)


@pytest.mark.parametrize("given", [{"window": False}, {"publish": PUBLISH}])
def test_clips_that_nothing_could_write_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="there is none: add --window"):
        wanted({"source": "test:", "clip_seconds": 5.0, **given}, None)
    wanted({"source": "test:", "clip_seconds": 5.0, "record": "a.mp4", **given}, None)
