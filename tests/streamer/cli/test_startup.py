"""What is loaded, and how long it takes, before a command is known."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from streamer.cli import COMMANDS, load_command
from tests.support.paths import ROOT

pytestmark = pytest.mark.process

LIBRARIES = {"av", "cv2", "msgspec", "numpy", "openvino", "rich", "zmq"}


def modules_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_alone_loads_no_library() -> None:
    assert not modules_after("import sys, streamer; print(*sys.modules)") & LIBRARIES


@pytest.mark.parametrize("page", ["--help", "--version"])
def test_pages_about_all_commands_load_no_library(page: str) -> None:
    code = f"""
import sys
from streamer.cli import main
sys.argv[1:] = ["{page}"]
try:
    main()
finally:
    print(*sys.modules)
"""
    loaded = modules_after(code)
    assert "typer" in loaded
    assert not loaded & (LIBRARIES | {"pipeline"})


def processor_s(*arguments: str) -> float:
    """The least that several runs took: what else the machine does only adds to it."""
    resource = pytest.importorskip("resource", reason="the time of a child is told by Unix alone")
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


@pytest.mark.parametrize("arguments", [("-c", "import streamer"), ("-m", "streamer", "--help")])
def test_it_starts_at_once(arguments: tuple[str, ...]) -> None:
    """In 0.15 s of processor time where a bare interpreter takes 0.04 s; with the libraries, it would be a second."""
    assert processor_s(*arguments) < max(0.15, 7 * processor_s("-c", "pass"))


def test_each_command_has_its_sentence() -> None:
    """The page of all commands shows, uncut, what the page of each begins with."""
    for name, (_, sentence) in COMMANDS.items():
        command = load_command(name)
        assert str(command.help).splitlines()[0] == sentence
        assert len(sentence) <= 64


def test_commands_complete_in_a_shell() -> None:
    def completed(words: str, count: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "streamer"],
            env=os.environ | {"_STREAMER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)},
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        return done.stdout.split()

    assert completed("streamer r", 1) == ["render", "run", "replay"]
    assert completed("streamer watch --fo", 2) == ["--follow"]


def test_public_names_are_told_alike_to_python_and_to_type_checkers() -> None:
    tree = ast.parse(Path(str(streamer.__file__)).read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {(node.module, name.name) for node in typed.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert told == {(module, name) for module, names in streamer._HOMES.items() for name in names}
    assert {name for _, name in told} | {"__version__"} == set(streamer.__all__) <= set(dir(streamer))
    with pytest.raises(AttributeError, match="has no attribute 'Steam'"):
        _ = streamer.Steam


def test_the_version(capfd: pytest.CaptureFixture[str]) -> None:
    subprocess.run([sys.executable, "-m", "streamer", "--version"], check=True, cwd=ROOT)
    assert capfd.readouterr().out == f"streamer {streamer.__version__}\n"
