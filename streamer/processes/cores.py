"""The processors that this process may use: fewer than the machine has, in a container or under taskset."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def cores(groups: Path = CGROUPS, own: Path = OWN) -> int:
    """At least 1: the least of the machine's processors, the affinity, and the quota of the control group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(groups, own)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _quota(groups: Path, own: Path) -> float | None:
    """The least quota from this group up to the root, in processors."""
    found = [quota for folder in _folders(groups, own) if (quota := _quota_of(folder)) is not None]
    return min(found, default=None)


def _folders(groups: Path, own: Path) -> list[Path]:
    """The folders of this process's group and of those around it: version 2's one tree, and version 1's of `cpu`."""
    places = {groups, groups / "cpu", groups / "cpu,cpuacct"}
    for line in _text(own).splitlines():
        _, kinds, path = line.split(":", 2)
        tree = groups if not kinds else groups / kinds
        if not kinds or "cpu" in kinds.split(","):
            inside = tree / path.lstrip("/")
            places |= {inside, *(each for each in inside.parents if each.is_relative_to(tree))}
    return sorted(places)


def _quota_of(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
    if not (quota.isdecimal() and period.isdecimal()) or not int(period) or not int(quota):
        return None  # max, -1, or none at all
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def pairs_of_cores() -> int:
    """Half as many as `cores`, at least 1: the processes with a network each that there are for pictures."""
    return max(1, cores() // 2)
