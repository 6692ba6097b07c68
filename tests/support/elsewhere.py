"""Programs that run as on Windows, as far as that can be had on Linux; see `elsewhere/sitecustomize.py`."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

SHIM = Path(__file__).with_suffix("")


def run_elsewhere(
    code: str, *arguments: str, seen: Path, timeout_s: float = 90.0
) -> "subprocess.CompletedProcess[str]":
    """Runs a program, and its child processes, without what Windows lacks.

    Args:
        seen: an empty folder, in which there is a file for each process that ran so.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (SHIM, ROOT))), "ELSEWHERE": str(seen)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
