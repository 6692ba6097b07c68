"""The promises in seconds, each fault made on loopback with real processes: `benchmarks.reliability` measures them."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.mark.timeout(3600)
def test_every_promise_is_kept(short: bool) -> None:
    """The whole takes ten minutes and more, the short form a minute; neither writes the page."""
    command = [sys.executable, "-m", "benchmarks.reliability", "--dry", *(["--short"] if short else [])]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
