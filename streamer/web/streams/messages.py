"""The messages between the service and the process of a live stream: JSON, and pictures as bytes behind it."""

import json
import struct
from typing import Any

_LENGTH = struct.Struct(">I")


def packed(head: dict[str, Any], body: bytes = b"") -> bytes:
    """A header as JSON with its length before it, and bytes behind it."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + body


def unpacked(message: bytes | memoryview) -> tuple[dict[str, Any], bytes]:
    """What `packed` was given. Raises ValueError."""
    view = memoryview(message)
    if len(view) < _LENGTH.size or (length := _LENGTH.unpack(view[: _LENGTH.size])[0]) > len(view) - _LENGTH.size:
        raise ValueError("a message that ends within its header")
    head = json.loads(bytes(view[_LENGTH.size : _LENGTH.size + length]))
    return head, bytes(view[_LENGTH.size + length :])
