"""The network leaves cores to what else renders a file."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import ParserSettings
from streamer import Rendering, offline, render_file
from streamer.parsings import threads
from streamer.parsings.threads import threads_beside


@pytest.fixture
def have_cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda pairs: monkeypatch.setattr(threads, "pairs_of_cores", lambda: pairs)


@pytest.mark.parametrize("pairs", [1, 4])
def test_lite_has_a_thread_for_two_cores(pairs: int, have_cores: Callable[[int], None]) -> None:
    have_cores(pairs)
    assert threads_beside(ParserSettings("lite", sensitivity="high")) == ParserSettings(
        "lite", sensitivity="high", threads=pairs
    )


@pytest.mark.parametrize(
    "settings",
    [ParserSettings("lite", threads=3), ParserSettings("lite", in_flight=2), ParserSettings("m2fp")],
    ids=["named", "several at a time", "a large network"],
)
def test_what_was_asked_for_or_needs_all_cores_has_them(
    settings: ParserSettings, have_cores: Callable[[int], None]
) -> None:
    have_cores(1)
    assert threads_beside(settings) is settings


def test_a_file_is_rendered_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def load(settings: ParserSettings) -> SimpleNamespace:
        raise Asked(settings)

    monkeypatch.setattr(offline, "load_parser", load)
    with pytest.raises(Asked) as asked:
        render_file("test:", tmp_path / "out.mp4", Rendering())
    assert asked.value.args == (threads_beside(ParserSettings()),)
