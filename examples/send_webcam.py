"""Sends the pictures of a camera or video to a service, and prints a line for each answer; needs opencv-python and
websockets, and nothing of this package.

python send_webcam.py 0                      the first webcam
python send_webcam.py film.mp4 ws://127.0.0.1:7860/api/v1/webcam?size=256x448
"""

import json
import os
import struct
import sys
import zlib
from typing import Any

import cv2
from websockets.sync.client import ClientConnection, connect

ADDRESS = "ws://127.0.0.1:7860/api/v1/webcam"
WIDTH = 640


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """The header of an answer, and its maps of classes and of people, a byte for each cell."""
    (length,) = struct.unpack(">I", message[:4])
    header = json.loads(message[4 : 4 + length])
    if "map" not in header:
        return header, b"", b""
    count = header["map"]["width"] * header["map"]["height"]
    cells = zlib.decompress(message[4 + length :], -15)
    return header, cells[:count], cells[count:]


def told(socket: ClientConnection) -> str:
    header, labels, _ = unpacked(socket.recv())  # type: ignore[arg-type]
    if "problem" in header:
        return f"frame {header.get('frame', '-')}: {header['problem']['detail']}"
    seen = 100 * (1 - labels.count(0) / len(labels))
    return f"frame {header['frame']}: {len(header['people'])} people, {seen:.0f} % of the picture"


def main() -> None:
    source = sys.argv[1]
    camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    token = os.environ.get("M2FP_STREAMER_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    with connect(sys.argv[2] if len(sys.argv) > 2 else ADDRESS, additional_headers=headers) as socket:
        while (taken := camera.read())[0]:
            height, width = taken[1].shape[:2]
            small = cv2.resize(taken[1], (WIDTH, round(WIDTH * height / width)))
            socket.send(cv2.imencode(".jpg", small)[1].tobytes())
            print(told(socket), flush=True)  # one at a time: what is sent before the answer would replace it


if __name__ == "__main__":
    main()
