"""The README and docs/: what they show is run, what they link to is there, and their form."""

import importlib.util
import os
import queue
import re
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from pipeline import CIHP, Box, Parsing, Person, Size
from scripts import print_messages, print_sidecar
from streamer.cli import app
from streamer.live.config import read_config
from streamer.live.fleet import read_fleet
from streamer.zeromq.publisher import Publisher
from tests.support.media import Clip
from tests.support.paths import ROOT
from tests.test_rooms import USES

PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md"), ROOT / "sample_videos" / "README.md"]
)
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
MAX_COLUMNS = 120
MAX_README_LINES = 120

CAMERA = "test:size=96x128,rate=20,frames=20"
"""Stands in for a camera, as the names in the documents do for files that the tests make."""
ADDRESS = "tcp://127.0.0.1:5556"
LINES = 3
"""So many lines a subscriber prints before its publisher ends."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def _blocks(language: str) -> list[Block]:
    found = (Block(page, *match) for page, text in TEXTS.items() for match in _fenced(text))
    return [block for block in found if block.language == language]


def _fenced(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _shown(word: str) -> list[str]:
    """The command lines of shell blocks that begin with a word, without their comments."""
    lines = (line for block in _blocks("sh") for line in block.text.replace("\\\n", " ").splitlines())
    parts = (part.strip() for line in lines for part in line.split("&&"))
    bare = (re.sub(r"\s+#\s.*", "", part).removeprefix(".venv/bin/") for part in parts)
    return sorted({command for command in bare if command.startswith(f"{word} ")})


def _named(word: str) -> list[str]:
    """The commands in sentences, which may lack their arguments."""
    spans = {" ".join(span.split()) for text in TEXTS.values() for span in re.findall(r"`([^`]+)`", _prose(text))}
    return sorted(span for span in spans if span.startswith(f"{word} "))


# The form


@pytest.mark.parametrize("page", TEXTS)
def test_lines_fit_and_do_not_repeat(page: str) -> None:
    lines = TEXTS[page].splitlines()
    # A row of a table cannot be broken; the README does without such rows.
    long = [
        line for line in lines if len(line) > MAX_COLUMNS and (page == "README.md" or not line.lstrip().startswith("|"))
    ]
    assert not long
    assert not [line for line, following in pairwise(lines) if line.strip() and line == following]


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_has_one_title(page: str) -> None:
    titles = re.findall(r"^# .+", _prose(TEXTS[page]), re.MULTILINE)
    assert len(titles) == 1
    assert page.startswith(".github") or TEXTS[page].startswith(titles[0])


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("page", TEXTS)
def test_what_a_page_links_to_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)\s]+)\)", _prose(TEXTS[page]))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = folder / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_the_site_is_in_its_index() -> None:
    """And in the README, but for those that only the index names."""
    pages = {Path(page).stem for page in TEXTS if page.startswith("docs/")} - {"index"}
    (tree,) = [text for language, text in _fenced(TEXTS["docs/index.md"]) if language == "{toctree}"]
    assert set(tree.split()) - {":hidden:"} == pages
    assert {f"({page}.md)" for page in pages if f"({page}.md)" not in TEXTS["docs/index.md"]} == set()


def test_every_picture_and_figure_is_shown() -> None:
    shown = "".join(TEXTS.values())
    files = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".jpg", ".png", ".txt")]
    assert [path.name for path in files if path.name not in shown] == []


# What they say of the code


@pytest.mark.process
def test_ci_runs_the_readmes_tests() -> None:
    (cut,) = re.findall(r"command=\$\((sed .+)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    run = subprocess.run(["bash", "-c", cut], capture_output=True, text=True, check=True, cwd=ROOT)
    blocks = [block for block in _blocks("sh") if block.page == "README.md"]
    assert run.stdout == blocks[1].text
    assert run.stdout.rstrip().endswith("python -m pytest")


def test_the_architecture_names_every_room() -> None:
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", TEXTS["docs/architecture.md"], re.MULTILINE))
    assert set(rows) == {*USES, "pipeline", "streamer"}
    assert all(len(sentence) > 10 for sentence in rows.values())


def test_the_messages_are_shown_as_they_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    print_messages.main()
    assert f"```\n{capsys.readouterr().out}```\n" in TEXTS["docs/messages.md"]


def test_the_sidecar_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    print_sidecar.main()
    assert f"```\n{capsys.readouterr().out}```\n" in TEXTS["docs/sidecar.md"]


def test_extras_that_are_named_exist() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {name for text in TEXTS.values() for name in re.findall(r'"?(?:\.|m2fp-streamer)\[([a-z,0-9]+)\]', text)}
    assert named
    assert {part for name in named for part in name.split(",")} <= extras
    table = re.findall(r"^\| `(\w+)` \|", TEXTS["docs/install.md"], re.MULTILINE)
    assert set(table) == extras


def test_settings_files_can_be_read(tmp_path: Path) -> None:
    blocks = _blocks("toml")
    assert blocks
    for block in blocks:
        path = tmp_path / "door.toml"
        path.write_text(block.text)
        assert read_fleet(path) if "[camera." in block.text else read_config(path, {}).source


def test_files_that_are_named_exist() -> None:
    """In `code` that has the form of a path into the repository."""
    spans = {span for text in TEXTS.values() for span in re.findall(r"`([^`\s]+/[^`\s]+)`", _prose(text))}
    tops = ("pipeline/", "streamer/", "training/", "benchmarks/", "tests/", "scripts/", "docs/", "sample_videos/")
    paths = [span for span in spans if span.startswith(tops)]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


# The commands


def _parsed(command: Any, words: list[str]) -> None:
    """Reads a command line as the program does, down to its last word, and runs nothing."""
    if isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        with command.make_context(command.name, list(words), resilient_parsing=True) as context:
            _, chosen, rest = command.resolve_command(context, words)
        assert chosen is not None, f"no such command: {words}"
        _parsed(chosen, rest)
    elif isinstance(command, TyperGroup):  # --version and the like would run at once
        with command.make_context(command.name, [], resilient_parsing=True) as context:
            assert set(words) <= {name for each in command.get_params(context) for name in each.opts}
    else:
        command.make_context(command.name, list(words)).close()


@pytest.mark.parametrize("command", _shown("streamer"))
def test_streamer_takes_what_is_shown(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is there, and every value of its kind."""
    monkeypatch.chdir(tmp_path)
    _make_media(tmp_path)
    with suppress(typer.Exit):  # of --help
        _parsed(get_command(app), shlex.split(command)[1:])


def _whole(words: list[str]) -> Iterator[str]:
    """With something for each value that is left open."""
    for before, word in pairwise(["", *words]):
        if word != "...":
            yield word.removesuffix("...")
        elif before.startswith("--"):
            yield "any"


@pytest.mark.parametrize("command", _named("streamer"))
def test_streamer_takes_what_is_named(command: str) -> None:
    try:
        _parsed(get_command(app), list(_whole(shlex.split(command)[1:])))
    except (typer.Exit, typer.BadParameter) as exc:
        assert type(exc).__name__ in ("Exit", "MissingParameter")  # noqa: PT017


@pytest.mark.parametrize(
    "words", ["run a.mp4 --no-such", "rnu a.mp4", "run a.mp4 --duration soon", "models pull --no-such"]
)
def test_what_streamer_does_not_take_would_be_noticed(words: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|soon"):
        _parsed(get_command(app), words.split())


NEEDS_MORE = ("m2fp", "--window", "webcam:0", "--images", "--nobody", "run test:", "--from", "--shard", "--age-gender")
"""Weights of networks, a screen, labels, masks that were kept, a folder of videos, or somebody who ends it."""
RUN = [each for each in _shown("streamer") if re.match("streamer (render|run|evaluate) ", each)]
RUN = [each for each in RUN if not any(word in each for word in NEEDS_MORE)]


@pytest.mark.process
@pytest.mark.parametrize("command", RUN)
def test_what_can_run_here_runs(command: str, tmp_path: Path) -> None:
    _make_media(tmp_path)
    words = shlex.split(command.replace("rtsp://camera/1", CAMERA).replace(ADDRESS, "tcp://127.0.0.1:*"))
    if words[1] == "run" and "--record" not in words:
        words += ["--record", "door.mp4"]  # else a window would open
    program = [sys.executable, "-c", "from streamer.cli import main; main()"]
    done = subprocess.run(
        [*program, *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def _make_media(folder: Path) -> None:
    for name in ("holiday.mp4", "first.mp4", "second.mkv", "long.mp4", "clip.mp4", "street.mp4"):
        Clip(size=(96, 128)).make(folder / name)
    cv2.imwrite(str(folder / "photo.jpg"), np.full((96, 128, 3), 90, np.uint8))
    for name in ("DIR", "photos"):
        (folder / name).mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "photos" / "first.png"), np.full((96, 128, 3), 90, np.uint8))
    (folder / "door.toml").write_text('source = "test:"\n')


MODULES = _shown("python -m") + _named("python -m")


@pytest.mark.process
@pytest.mark.parametrize("module", sorted({command.split()[2] for command in MODULES}))
def test_modules_take_what_is_shown(module: str) -> None:
    if module in ("pytest", "sphinx", "streamer"):
        assert importlib.util.find_spec(module)
        return
    if importlib.util.find_spec("modelscope") is None and module == "benchmarks.m2fp":
        source = (ROOT / "benchmarks" / "m2fp.py").read_text()
        shown_options = {option for command in MODULES if command.split()[2] == module for option in _options(command)}
        assert shown_options <= set(re.findall(r'"(--[\w-]+)"', source))
        return
    verbs = _verbs(_help(module))
    shown: dict[str, set[str]] = {}
    for command in MODULES:
        words = command.split()[2:]
        if words[0] == module:
            verb = words[1] if len(words) > 1 and words[1] in verbs else ""
            shown.setdefault(verb, set()).update(_options(command))
    for verb, options in shown.items():
        assert options <= set(_options(_help(module, *filter(None, [verb])))), (module, verb)


def _help(*module_and_verb: str) -> str:
    asked = [sys.executable, "-m", *module_and_verb, "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _verbs(told: str) -> set[str]:
    """Return the subcommands that a module's help lists, a line each with what it does."""
    return set(re.findall(r"^ {2,4}([a-z][\w-]*)(?= +\w)", told, re.MULTILINE))


def _options(text: str) -> Iterator[str]:
    yield from re.findall(r"(?<=[\s\[])--[\w-]+", text)


# The snippets


def _snippet(number: int, block: Block) -> Any:
    marks = [pytest.mark.process] if "Stream(" in block.text else []
    return pytest.param(block, id=f"{block.page}-{number}", marks=marks)


SNIPPETS = [_snippet(*each) for each in enumerate(_blocks("python"))]


@pytest.mark.parametrize("block", SNIPPETS)
def test_snippets_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand there, but for the camera, the address and where the clips are."""
    monkeypatch.chdir(tmp_path)
    _make_media(tmp_path)
    text = block.text.replace("rtsp://camera/1", CAMERA).replace("sample_videos/", f"{ROOT}/sample_videos/")
    lines: list[str] = []
    names = {"print": lambda *values: lines.append(" ".join(map(str, values)))}
    if "subscribe" in text:
        with _published(lambda: len(lines) >= LINES) as address:
            exec(compile(text.replace(ADDRESS, address), block.page, "exec"), names)
    else:
        exec(compile(text.replace(ADDRESS, "tcp://127.0.0.1:*"), block.page, "exec"), names)
    assert lines or "Stream(" in text  # which may be over before the first masks
    assert "record=" not in text or (tmp_path / "door.mp4").exists()


@contextmanager
def _published(enough: Callable[[], bool]) -> Iterator[str]:
    """The address of a publisher that sends the same parsing until there is enough, and then ends."""
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 2:5] = CIHP.id_of("Hair")
    people = (Person(3, 0.9, Box(20, 10, 50, 30)),)
    maps = (labels, (labels > 0).astype(np.uint8))
    parsing = Parsing(*maps, people, CIHP, 5, 0.2, time.monotonic(), Size(60, 80), 0.01, 5)
    addresses: queue.Queue[str] = queue.Queue(1)
    over = threading.Event()

    def send() -> None:
        with Publisher("tcp://127.0.0.1:*", stream="door", parser="lite") as publisher:
            addresses.put(publisher.address)
            while not enough() and not over.wait(0.02):
                publisher.publish(parsing)

    thread = threading.Thread(target=send, name="publisher")
    thread.start()
    try:
        yield addresses.get(timeout=120)
    finally:
        over.set()
        thread.join(120)
