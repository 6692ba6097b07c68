import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.processes.cores import cores

HAVE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tree(root: Path, files: dict[str, str], own: str) -> tuple[Path, Path]:
    for name, text in files.items():
        path = root / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "own").write_text(own)
    return root / "groups", root / "own"


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", HAVE),
        ({"cpu.max": "max 100000\n"}, "0::/\n", HAVE),
        ({"cpu.max": "100000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "50000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "9900000 100000\n"}, "0::/\n", HAVE),
        ({"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 1),
        ({"a/cpu.max": "100000 100000\n"}, "0::/other\n", HAVE),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu,cpuacct:/\n", 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu:/\n", HAVE),
        ({"cpu.max": "garbage"}, "0::/\n", HAVE),
        ({"cpu.max": "0 0"}, "0::/\n", HAVE),
    ],
)
def test_the_quota_of_a_control_group_counts(files: dict[str, str], own: str, expected: int, tmp_path: Path) -> None:
    assert cores(*_tree(tmp_path, files, own)) == expected


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux's affinity")
def test_the_affinity_counts() -> None:
    code = "import os; os.sched_setaffinity(0, {0}); from streamer.processes.cores import cores; print(cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
