"""Keys from the command line: made, refused, and a stream that only their owners hear."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer import ConfigError, Stream, StreamConfig, subscribe
from streamer.cli import app as streamer
from streamer.cli.keys import app
from streamer.zeromq.curve import new_keys

SMALL = {"size": (96, 128)}


def made(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["new", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_pair_is_made_in_a_folder_that_is_made_too(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "keys"
    said = made("door", "--dir", str(folder))
    assert "door.key: the secret" in said
    assert "door.pub: for a publisher's --allow folder" in said
    assert stat.S_IMODE((folder / "door.key").stat().st_mode) == 0o600
    assert "secret-key" in (folder / "door.key").read_text()
    assert "secret-key" not in (folder / "door.pub").read_text()
    with pytest.raises(ConfigError, match="a key is never overwritten"):
        made("door", "--dir", str(folder))


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be a folder for keys"):
        made("door", "--dir", str(tmp_path / "file"))


def test_a_stream_refuses_its_keys_before_anything_runs(tmp_path: Path) -> None:
    new_keys("door", tmp_path)
    config = {"publish": f"ipc://{tmp_path}/sock", "key": tmp_path / "door.key", "allow": tmp_path / "friends"}
    with pytest.raises(ConfigError, match="no folder"):
        Stream(StreamConfig("test:", **config))  # type: ignore[arg-type]
    (tmp_path / "friends").mkdir()
    Stream(StreamConfig("test:", **config))  # type: ignore[arg-type]
    (tmp_path / "door.key").chmod(0o640)
    with pytest.raises(ConfigError, match=r"door\.key can be read by others; chmod 600"):
        Stream(StreamConfig("test:", **config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--publish", "tcp://127.0.0.1:*", "--insecure", "--key", "a.key", "--allow", "."], "insecure means without"),
        (["--publish", "tcp://127.0.0.1:*", "--key", "a.key"], "key and allow belong together"),
        (["--insecure"], "insecure is for publishing"),
    ],
)
def test_replaying_refuses_keys_that_mean_nothing(options: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CliRunner().invoke(streamer, ["replay", "none.hpm", *options], catch_exceptions=False)


@pytest.mark.process
def test_a_stream_with_keys_is_heard_by_whom_it_admits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    friends = tmp_path / "friends"
    friends.mkdir()
    for name in ("door", "display", "stranger"):
        new_keys(name, tmp_path)
    (tmp_path / "display.pub").rename(friends / "display.pub")
    config = StreamConfig(
        "test:size=96x128,rate=30",
        publish=f"ipc://{tmp_path}/sock",
        key=tmp_path / "door.key",
        allow=friends,
        **SMALL,  # type: ignore[arg-type]
    )
    with Stream(config) as stream:
        heard = subscribe(
            f"ipc://{tmp_path}/sock",
            key=tmp_path / "display.key",
            server_key=tmp_path / "door.pub",
            timeout_s=60,
        )
        assert next(iter(heard)).frame_size == (96, 128)
        others = [subscribe(f"ipc://{tmp_path}/sock", timeout_s=2)]
        others.append(
            subscribe(
                f"ipc://{tmp_path}/sock",
                key=tmp_path / "stranger.key",
                server_key=tmp_path / "door.pub",
                timeout_s=2,
            )
        )
        for other in others:
            with pytest.raises(Exception, match="nothing heard"):
                next(iter(other))
        stream.stop()
        stream.join()
    assert "refused a subscriber" in caplog.text
