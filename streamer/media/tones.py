"""HDR video where only ordinary video can be held, and the other way round."""

from functools import lru_cache
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from pipeline.hdr import USUAL_PEAK_NITS, from_sdr, to_sdr
from pipeline.types import Picture
from pipeline.yuv import DEEP_FORMAT, TRUE_COLOURS, YUV_FORMATS
from streamer.media.colour_table import ColourTable
from streamer.media.light import Light

BT709, LIMITED_RANGE = 1, 1
"""H.273's numbers of what ordinary video is."""
_FINE_RGB = "gbrp10le"


class ToSdr:
    """Makes ordinary video of HDR, as an ordinary display shows it. Threads may share it."""

    def __init__(self, transfer: int, light: Light | None) -> None:
        """
        Args:
            transfer: H.273; one of `pipeline.hdr.HDR`.
            light: what the video says of its brightness.
        """
        self._table = ColourTable(lambda coded: to_sdr(coded, transfer, _peak_nits(light)))
        self._to_rgb, self._to_yuv = VideoReformatter(), VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Of planes of red, green and blue: the same of BT.709."""
        return self._table.of(frame)

    def video(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Of any kind: 8-bit 4:2:0, BT.709."""
        fine = self.rgb(self._to_rgb.reformat(frame, format=_FINE_RGB, interpolation=TRUE_COLOURS))
        shown = self._to_yuv.reformat(
            fine,
            format=YUV_FORMATS[0],
            interpolation=TRUE_COLOURS,
            dst_colorspace=BT709,
            dst_color_range=LIMITED_RANGE,
        )
        shown.colorspace, shown.color_range = cast(Any, BT709), cast(Any, LIMITED_RANGE)
        shown.color_primaries, shown.color_trc = cast(Any, BT709), cast(Any, BT709)
        return shown


def hdr_of(bgr: Picture, transfer: int, matrix: int) -> av.VideoFrame:
    """An ordinary picture as HDR video has it, limited range; white has the brightness of a white wall.

    Args:
        transfer: one of `pipeline.hdr.HDR`.
        matrix: H.273.
    """
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgr24").reformat(format="gbrp")
    return (
        _from_sdr(transfer)
        .of(rgb)
        .reformat(format=DEEP_FORMAT, interpolation=TRUE_COLOURS, dst_colorspace=matrix, dst_color_range=LIMITED_RANGE)
    )


@lru_cache(maxsize=2)
def _from_sdr(transfer: int) -> ColourTable:
    return ColourTable(lambda coded: from_sdr(coded, transfer))


def _peak_nits(light: Light | None) -> float:
    if light is not None and light.content is not None and light.content[0] > 0:
        return float(light.content[0])
    if light is not None and light.display is not None and light.display[-1] > 0:
        return float(light.display[-1])
    return USUAL_PEAK_NITS
