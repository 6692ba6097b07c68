"""Parsings as a video to lay over their own: the classes' colours, transparent where nobody is. VP9 in WebM."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline import Parsing
from pipeline.types import Picture
from streamer.errors import SinkError
from streamer.export.maps import enlarged
from streamer.masks.sidecar import Sidecar

TIME_BASE = Fraction(1, 1000)
OPTIONS = {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "7", "auto-alt-ref": "0"}
"""Alpha has no frames that are not shown."""


def write_webm(sidecar: Sidecar, out: Path) -> None:
    """Writes the video, of the first frame's size, made even. Raises OSError, SinkError, BadMessage."""
    first = sidecar.read(sidecar.masks[0])
    height, width = (side + side % 2 for side in first.frame_size)
    try:
        with av.open(str(out), "w", format="webm") as container:
            stream: Any = container.add_stream("libvpx-vp9", 30, OPTIONS)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuva420p"
            stream.codec_context.time_base = stream.time_base = TIME_BASE
            last = -1
            for parsing in sidecar:
                frame = av.VideoFrame.from_ndarray(_coloured(parsing, height, width), format="bgra")
                # Times that repeat or run back would end the file.
                last = max(last + 1, round(parsing.pts_s / TIME_BASE))
                frame.pts, frame.time_base = last, TIME_BASE
                container.mux(stream.encode(frame.reformat(format="yuva420p")))
            container.mux(stream.encode(None))
    except av.error.FFmpegError as exc:
        raise SinkError(f"cannot write {out}: {exc.strerror}") from exc


def _coloured(parsing: Parsing, height: int, width: int) -> Picture:
    palette = np.dstack((parsing.label_set.palette[None], np.full((1, len(parsing.label_set), 1), 255, np.uint8)))[0]
    palette[0] = 0
    coloured = palette[parsing.labels]
    return np.asarray(enlarged(coloured, type(parsing.frame_size)(height, width)), np.uint8)
