"""A child process that says how many threads OpenCV has in it."""

import cv2

from streamer.processes.parent import Parent
from streamer.segments.messages import packed


def serve(parent: Parent) -> None:
    while True:
        parent.receive()
        parent.send(packed(cv2.getNumThreads()))
