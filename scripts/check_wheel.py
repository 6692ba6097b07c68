"""Looks into built packages: what has to be in them is there, and nothing of the workshop is.

    python -m build && python scripts/check_wheel.py dist

Exit status 1, with what is wrong, if one of them is not as it should be.
"""

import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = (
    "pipeline/py.typed",
    "streamer/py.typed",
    "pipeline/faces/yunet.onnx",
    "pipeline/lite/lite.onnx",
    "pipeline/lite/NOTICE",
    "pipeline/m2fp/people.jpg",
    "streamer/samples/README.md",
)
WORKSHOP = ("training/", "tests/", "benchmarks/", "scripts/", "docs/")
MAX_WHEEL_BYTES = 16_000_000
"""The bundled network has 6 MB, and the clips 1."""


def main() -> int:
    folder = Path(sys.argv[1])
    wheels, archives = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    faults = [] if len(wheels) == 1 and len(archives) <= 1 else [f"{folder} has {len(wheels)} wheels, not 1"]
    faults += [fault for wheel in wheels for fault in wheel_faults(wheel)]
    faults += [fault for archive in archives for fault in archive_faults(archive)]
    print("\n".join(faults) or f"{folder}: as it should be")
    return bool(faults)


def wheel_faults(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    clips = {f"streamer/samples/{clip.name}" for clip in (ROOT / "sample_videos").glob("*.mp4")}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = {f"{name.replace('.', '/')}/__init__.py" for name in settings["packages"]} - {
        "streamer/samples/__init__.py"
    }
    for name in sorted({*NEEDED, *clips, *rooms} - names):
        yield f"{wheel.name} lacks {name}"
    for name in sorted(each for each in names if each.startswith(WORKSHOP)):
        yield f"{wheel.name} has {name}"
    for licence in ("LICENSE", "NOTICE"):
        if not any(each.endswith(f".dist-info/licenses/{licence}") for each in names):
            yield f"{wheel.name} lacks {licence}"
    if wheel.stat().st_size > MAX_WHEEL_BYTES:
        yield f"{wheel.name} has {wheel.stat().st_size} bytes, {MAX_WHEEL_BYTES} at most"


def archive_faults(archive: Path) -> Iterator[str]:
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for name in ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "pipeline/lite/lite.onnx"):
        if name not in names:
            yield f"{archive.name} lacks {name}"


if __name__ == "__main__":
    sys.exit(main())
