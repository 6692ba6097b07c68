"""The cameras of this machine and the modes that each has: by V4L2 on Linux, elsewhere by what FFmpeg lists."""

import errno
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av

from pipeline import Size
from streamer.media.images import natural_order

# <linux/videodev2.h>: the numbers and layouts of requests, the same on all processors of 64 bits.
_QUERYCAP, _ENUM_FMT = 0x80685600, 0xC0405602
_ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0xC02C564A, 0xC034564B
_CAPABILITY = struct.Struct("16s32s32s3I12x")
_FORMAT = struct.Struct("3I32s2I12x")
_CAPTURE, _DEVICE_CAPS = 0x1, 0x80000000
_VIDEO_CAPTURE = 1
_DISCRETE = 1
MAX_MODES = 500
"""A driver that lists for ever is cut off."""


@dataclass(frozen=True, slots=True)
class Mode:
    """What a camera can send."""

    pixels: str
    """FourCC, as MJPG or YUYV."""
    size: Size | None
    """The largest of a range; None where it is not told."""
    rates: tuple[float, ...]
    """Pictures a second, the highest first; empty where they are not told."""


@dataclass(frozen=True, slots=True)
class Device:
    """A camera."""

    source: str
    """What `streamer run` takes for it."""
    name: str
    modes: tuple[Mode, ...] = ()
    trouble: str = ""
    """Why its modes are not known."""


def devices() -> list[Device]:
    """The cameras of this machine; on Linux without the nodes that give no pictures, as those of metadata."""
    if not sys.platform.startswith("linux"):
        return listed(_log_of("dshow" if sys.platform == "win32" else "avfoundation"))
    nodes = sorted(Path("/dev").glob("video*"), key=natural_order)
    return [found for node in nodes if (found := device_at(node)) is not None]


def _log_of(kind: str) -> str:
    """What FFmpeg prints of the devices of a kind."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as lines, suppress(OSError, ValueError, av.error.FFmpegError):
            av.open("dummy" if kind == "dshow" else "", format=kind, options={"list_devices": "true"}).close()
    finally:
        av.logging.set_level(level)
    return "".join(text for _, _, text in lines)


def device_at(node: Path) -> Device | None:
    """A camera at a device file; None if it gives no pictures."""
    number = node.name.removeprefix("video")
    source = f"webcam:{number}" if number.isdecimal() else str(node)
    if sys.platform == "win32":
        return None
    try:
        file = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError:
        return Device(source, "?", trouble="it may not be read: add yourself to the group 'video'")
    except OSError as exc:
        gone = exc.errno in (errno.ENODEV, errno.ENXIO, errno.ENOENT)
        return None if gone else Device(source, "?", trouble=exc.strerror or "it cannot be opened")
    try:
        _, card, _, _, capabilities, own = _CAPABILITY.unpack(_asked(file, _QUERYCAP, bytes(_CAPABILITY.size)))
        if not (own if capabilities & _DEVICE_CAPS else capabilities) & _CAPTURE:
            return None
        return Device(source, _text(card), tuple(_modes(file)))
    except OSError as exc:
        return None if exc.errno in (errno.ENOTTY, errno.EINVAL) else Device(source, "?", trouble=exc.strerror or "?")
    finally:
        os.close(file)


def _modes(file: int) -> Iterator[Mode]:
    for index in range(MAX_MODES):
        try:
            answer = _asked(file, _ENUM_FMT, _FORMAT.pack(index, _VIDEO_CAPTURE, 0, b"", 0, 0))
        except OSError:  # there are no more
            return
        code = _FORMAT.unpack(answer)[4]
        pixels = struct.pack("<I", code).decode("latin-1").strip()
        sizes = list(_sizes(file, code))
        if not sizes:
            yield Mode(pixels, None, ())
        for size in sizes:
            yield Mode(pixels, size, tuple(sorted(_rates(file, code, size), reverse=True)))


def _sizes(file: int, code: int) -> Iterator[Size]:
    with suppress(OSError):
        for index in range(MAX_MODES):
            answer = _asked(file, _ENUM_FRAMESIZES, struct.pack("3I32x", index, code, 0))
            kind, *numbers = struct.unpack_from("7I", answer, 8)
            if kind != _DISCRETE:  # smallest and largest width and their step, then the same of height
                yield Size(numbers[4], numbers[1])
                return
            yield Size(numbers[1], numbers[0])


def _rates(file: int, code: int, size: Size) -> Iterator[float]:
    with suppress(OSError):
        for index in range(MAX_MODES):
            asked = struct.pack("5I32x", index, code, size.width, size.height, 0)
            kind, over, under = struct.unpack_from("3I", _asked(file, _ENUM_FRAMEINTERVALS, asked), 16)
            if over:
                yield under / over
            if kind != _DISCRETE:
                return


def _asked(file: int, request: int, body: bytes) -> bytes:
    """Raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "not on Windows")
    import fcntl

    return fcntl.ioctl(file, request, body)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(errors="replace")


def listed(log: str) -> list[Device]:
    """The cameras in what FFmpeg prints for `-f dshow -list_devices true -i dummy` or the same of avfoundation."""
    found: list[Device] = []
    in_video = True
    for line in log.splitlines():
        text = re.sub(r"^\[[^\]]*\]\s*", "", line).strip()
        if re.search(r"(video|audio) devices", text, re.IGNORECASE):
            in_video = "video" in text.lower()
        elif avfoundation := re.fullmatch(r"\[(\d+)\] (.+)", text):
            if in_video and "capture screen" not in avfoundation[2].lower():
                found.append(Device(f"webcam:{avfoundation[1]}", avfoundation[2]))
        elif dshow := re.fullmatch(r'"([^"]+)"( \((.+)\))?', text):
            kind = dshow[3]
            if "video" in kind if kind else in_video:
                found.append(Device(f"webcam:{len(found)}", dshow[1]))
    return found
