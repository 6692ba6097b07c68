"""HDR: the display that a video was made for, and how bright it becomes."""

import struct
from dataclasses import dataclass
from typing import Any, cast

import av
from av.sidedata.sidedata import Type as SideData

_RATIONALS = 10
"""Red, green, blue and white as x and y, then the least and the most light."""
_XY_UNIT, _LIGHT_UNIT = 50_000, 10_000
"""H.265 and x265 count in these parts."""


@dataclass(frozen=True, slots=True)
class Light:
    """The metadata of SMPTE ST 2086 and CTA-861.3."""

    display: tuple[float, ...] | None
    """x and y of red, green, blue and white, then the least and the most light in candela a square metre."""
    content: tuple[int, int] | None
    """The most light of a pixel and of the mean of a picture."""

    @property
    def x265(self) -> str:
        """As parameters of x265."""
        said = []
        if self.display is not None:
            (*xy, least, most) = self.display
            r, g, b, w = (f"({round(xy[i] * _XY_UNIT)},{round(xy[i + 1] * _XY_UNIT)})" for i in range(0, 8, 2))
            light = f"({round(most * _LIGHT_UNIT)},{round(least * _LIGHT_UNIT)})"
            said.append(f"hdr10=1:master-display=G{g}B{b}R{r}WP{w}L{light}")
        if self.content is not None:
            said.append(f"max-cll={self.content[0]},{self.content[1]}")
        return ":".join(said)

    @property
    def svt(self) -> str:
        """As parameters of SVT-AV1."""
        said = []
        if self.display is not None:
            (*xy, least, most) = self.display
            r, g, b, w = (f"({xy[i]:.5f},{xy[i + 1]:.5f})" for i in range(0, 8, 2))
            said.append(f"mastering-display=G{g}B{b}R{r}WP{w}L({most:.4f},{least:.4f})")
        if self.content is not None:
            said.append(f"content-light={self.content[0]},{self.content[1]}")
        return ":".join(said)


def light_of(frame: av.VideoFrame) -> Light | None:
    """What a frame says of it; None if nothing."""
    try:
        data = cast(Any, frame.side_data)
    except ValueError:  # beside it is something that PyAV has no name for, such as EXIF
        return None
    display, content = data.get(SideData.MASTERING_DISPLAY_METADATA), data.get(SideData.CONTENT_LIGHT_LEVEL)
    shown = None
    if display is not None:
        numbers = struct.unpack(f"={2 * _RATIONALS}i", bytes(display)[: 8 * _RATIONALS])
        pairs = list(zip(numbers[::2], numbers[1::2]))
        shown = tuple(over / under for over, under in pairs) if all(under for _, under in pairs) else None
    level = None if content is None else struct.unpack("=2I", bytes(content)[:8])
    return None if shown is None and level is None else Light(shown, level)
