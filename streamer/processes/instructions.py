"""The vector instructions of this processor: another one's sums of numbers end in other digits."""

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_KINDS = ("avx", "fma", "amx", "asimd", "sve", "bf16", "i8mm")


def instructions(cpu_info: Path = _CPU_INFO) -> tuple[str, ...]:
    """Their names in order, behind the machine's kind; on systems without such a file, the kind alone."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        lines = []
    flags = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    return (platform.machine(), *sorted(flag for flag in flags if flag.startswith(_KINDS)))
