"""Takes from a Linux interpreter what there is on no Windows; Python loads it at the start of each of them.

It stands in no package: `elsewhere.py` puts this folder on `PYTHONPATH`, which child processes inherit.
"""

import os
import select
import signal
import socket
import sys
from pathlib import Path

_KILL = signal.SIGKILL
_statvfs = os.statvfs

for name in ("poll", "epoll"):
    delattr(select, name)
# After `select`, which these two ask what there is.
import shutil  # noqa: E402
import subprocess  # noqa: E402

for module, names in {
    os: (
        "fork",
        "forkpty",
        "statvfs",
        "sched_getaffinity",
        "killpg",
        "setsid",
        "getpgid",
        "mkfifo",
    ),
    socket: ("AF_UNIX", "socketpair", "send_fds", "recv_fds", "SO_REUSEPORT", "MSG_DONTWAIT", "MSG_NOSIGNAL"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT", "SIGALRM", "SIGPIPE", "pthread_kill"),
}.items():
    for name in names:
        delattr(module, name)
for name in ("fcntl", "termios", "resource", "pwd", "grp"):
    sys.modules[name] = None  # type: ignore[assignment]


def _disk_usage(path: str) -> "shutil._ntuple_diskusage":
    found = _statvfs(path)
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    return shutil._ntuple_diskusage(total, total - free, free)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(_KILL)


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Windows has no signals to end a process with, and no descriptors to hand down."""

    def __init__(self, *args: object, **more: object) -> None:
        for name in ("pass_fds", "preexec_fn", "start_new_session", "user", "group", "umask"):
            if more.get(name):
                raise ValueError(f"{name} is not supported on Windows platforms")
        super().__init__(*args, **more)  # type: ignore[call-overload]

    kill = terminate = _kill


shutil.disk_usage = _disk_usage  # type: ignore[assignment]
subprocess.Popen = _Popen  # type: ignore[misc]


def _is_open(path: "str | bytes | os.PathLike[str]") -> bool:
    wanted = os.path.realpath(os.fspath(path))
    for each in Path("/proc/self/fd").iterdir():
        try:
            if os.path.realpath(each) == wanted:
                return True
        except OSError:
            continue
    return False


_unlink, _rename, _replace = os.unlink, os.rename, os.replace


def _remove_closed(path: "str | os.PathLike[str]", **more: object) -> None:
    if _is_open(path):
        raise PermissionError(13, "another process uses the file", os.fspath(path))
    _unlink(path, **more)  # type: ignore[arg-type]


def _rename_closed(source: "str | os.PathLike[str]", target: "str | os.PathLike[str]", **more: object) -> None:
    if Path(target).exists():
        raise FileExistsError(17, "the file exists", os.fspath(target))
    _replace_closed(source, target, **more)


def _replace_closed(source: "str | os.PathLike[str]", target: "str | os.PathLike[str]", **more: object) -> None:
    for each in (source, target):
        if _is_open(each):
            raise PermissionError(13, "another process uses the file", os.fspath(each))
    _replace(source, target, **more)  # type: ignore[arg-type]


os.unlink = os.remove = _remove_closed  # type: ignore[assignment]
os.rename, os.replace = _rename_closed, _replace_closed  # type: ignore[assignment]


def _refuse(event: str, arguments: "tuple[object, ...]") -> None:
    if event != "open" or not isinstance(arguments[0], str):
        return
    path, mode = arguments[0], arguments[1]
    if path.startswith(("/proc/cpuinfo", "/dev/video")):
        raise FileNotFoundError(2, "no such file or directory", path)
    if isinstance(mode, str) and set(mode) & set("wax+") and set(Path(path).name) & set('<>:"|?*'):
        raise OSError(22, "the file name is not correct", path)


sys.addaudithook(_refuse)
# Who wants to know whether this was loaded by each process names a folder.
if folder := os.environ.get("ELSEWHERE"):
    Path(folder, str(os.getpid())).touch()
