"""The window, on a screen that the test makes; and no screen at all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually

from streamer import SinkError
from streamer.window import Window

COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]


@pytest.fixture
def screen() -> Iterator[str]:
    """An X display without a monitor; .ci/run installs what it takes."""
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        pytest.skip("Xvfb and xdotool are not installed")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            yield f":{number.readline().strip()}"
        server.terminate()


def xdotool(screen: str, *arguments: str) -> str:
    done = subprocess.run(
        ["xdotool", *arguments], env=os.environ | {"DISPLAY": screen}, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_keys_reach_the_stream(screen: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"} | {"DISPLAY": screen}
    with subprocess.Popen(
        [*COMMAND, "run", "test:size=240x320,rate=20", "--window"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as viewer:
        assert eventually(lambda: xdotool(screen, "search", "--name", "streamer") != "", 30)
        window = xdotool(screen, "search", "--name", "streamer").split()[-1]
        xdotool(screen, "windowfocus", window)

        def snapped() -> bool:
            xdotool(screen, "key", "s")
            return any(tmp_path.glob("snapshot-*.png"))

        assert eventually(snapped, 20)
        xdotool(screen, "key", "q")
        out, errors = viewer.communicate(timeout=20)
    assert viewer.returncode == 0
    assert errors == ""
    assert "shown" in out


def test_without_a_display_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match=r"no display .* record to a file or publish instead"):
        Window("nothing")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(SinkError, match="no display answers at :4711"):
        Window("nothing")
