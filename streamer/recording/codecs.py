"""How video is encoded: the codecs there are, and what can be asked of them."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2

from streamer.errors import ConfigError
from streamer.media.light import Light

_AVX_512 = 13
"""`CPU_AVX_512F` in OpenCV's C++, whose Python has no name for it."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to encode video."""

    encoder: str
    """FFmpeg's name of it."""
    crf: int | None
    """Its quality when none is asked for; lower is better and larger. None where it has no such thing."""
    max_crf: int
    presets: tuple[str, ...]
    """How much work to spend, the usual first; empty where the encoder has no such thing."""
    options: tuple[tuple[str, str], ...] = ()
    live: tuple[tuple[str, str], ...] = ()
    """Options in which it holds no picture back, and begins anew, needing nothing from before, where it is told to."""
    live_crf: int | None = None
    """What is as good as `crf` then; None is the same."""
    pixels: str = "yuv420p"
    deep: str = ""
    """Kind of pixels with 10 bits, which players of the codec take; empty where there is none."""
    has_fields: bool = False
    """Whether it keeps interlaced video as it is."""
    has_aspect: bool = False
    """Whether the video itself says which shape its pixels have; of others only the file can."""
    alpha: str = ""
    """Kind of pixels with transparency; empty where it has none."""
    alpha_options: tuple[tuple[str, str], ...] = ()


_X264_PRESETS = ("veryfast", "ultrafast", "superfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AT_ONCE = (("tune", "zerolatency"), ("forced-idr", "1"))
_QUIET = (("x265-params", "log-level=error"),)
CODECS = {
    "h264": Codec("libx264", 20, 51, _X264_PRESETS, live=_AT_ONCE, live_crf=22, has_fields=True, has_aspect=True),
    "h265": Codec("libx265", 23, 51, _X264_PRESETS, _QUIET, _AT_ONCE, deep="yuv420p10le", has_aspect=True),
    "vp9": Codec(
        "libvpx-vp9",
        31,
        63,
        (),
        (("deadline", "realtime"), ("cpu-used", "7"), ("row-mt", "1"), ("b", "0")),
        (("lag-in-frames", "0"),),
        alpha="yuva420p",
        # libvpx has no alternative reference frames with transparency.
        alpha_options=(("auto-alt-ref", "0"),),
    ),
    "av1": Codec(
        "libsvtav1",
        32,
        63,
        ("10", *(str(each) for each in range(14) if each != 10)),
        live=(("svtav1-params", "pred-struct=1:lookahead=0"),),
        deep="yuv420p10le",
    ),
}
"""The codecs that most files can have."""
EDITING = {
    "prores": Codec(
        "prores_ks", None, 0, (), pixels="yuv422p10le", alpha="yuva444p10le", alpha_options=(("profile", "4444"),)
    )
}
"""What programs that cut films take, in .mov; large."""
_TRANSPARENT = {".webm": "vp9", ".mkv": "vp9", ".mov": "prores"}
_ALSO_CALLED = {
    **dict.fromkeys(("h264", "x264", "avc", "avc1"), "h264"),
    **dict.fromkeys(("h265", "x265", "hevc", "hvc1"), "h265"),
    **dict.fromkeys(("vpx", "vpx-vp9"), "vp9"),
    **dict.fromkeys(("svtav1", "aom", "aom-av1"), "av1"),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a recording is encoded."""

    codec: str = "h264"
    """Codec of the video: h264, h265, vp9, av1, or prores for a .mov that is edited."""
    crf: int | None = None
    """Constant rate factor: lower is better and larger; by default what is usual with the codec."""
    preset: str | None = None
    """Effort spent on a small file, as in ultrafast or medium; by default what is usual with the codec."""

    def __post_init__(self) -> None:
        known = CODECS | EDITING
        if self.codec not in known:
            meant = _ALSO_CALLED.get(self.codec.lower().removeprefix("lib").replace(".", ""))
            raise ConfigError(
                f"no codec {self.codec!r}; there are: {', '.join(known)}{f'; did you mean {meant}?' if meant else ''}"
            )
        most = known[self.codec].max_crf
        if self.crf is not None and known[self.codec].crf is None:
            raise ConfigError(f"{self.codec} has no crf: its quality is always the same; leave crf out")
        if self.crf is not None and not 0 <= self.crf <= most:
            raise ConfigError(f"crf of {self.codec} is between 0 and {most}, not {self.crf}")
        presets = known[self.codec].presets
        if self.preset is not None and self.preset not in presets:
            raise ConfigError(f"{self.codec} has no preset {self.preset!r}; there are: {', '.join(presets) or 'none'}")

    @property
    def details(self) -> Codec:
        """What is known of the codec."""
        return (CODECS | EDITING)[self.codec]

    def options(
        self, *, live: bool, alpha: bool = False, light: Light | None = None, fields: str | None = None
    ) -> dict[str, str]:
        """The encoder's own options.

        Args:
            live: it holds nothing back.
            alpha: it has transparency.
            light: of HDR.
            fields: the field that is first, as libx264 names it: tff or bff; None where there are none.
        """
        codec = self.details
        usual = codec.live_crf if live and codec.live_crf is not None else codec.crf
        crf = usual if self.crf is None else self.crf
        options = dict(codec.options) | ({} if crf is None else {"crf": str(crf)})
        options |= dict(codec.alpha_options) if alpha else {}
        preset = self.preset or next(iter(codec.presets), None)
        options |= ({"preset": preset} if preset else {}) | (dict(codec.live) if live else {})
        own = [("x264-params", f"{fields}=1" if fields else ""), ("x264-params", _steady())]
        own += [("x265-params", light.x265), ("svtav1-params", light.svt)] if light is not None else []
        for name, more in own:
            if more and name.startswith(codec.encoder.removeprefix("lib")):
                options[name] = ":".join(text for text in (options.get(name), more) if text)
        return options


@cache
def _steady() -> str:
    """What makes libx264 give the same bytes for the same pictures.

    With AVX-512 it reads beyond pictures that are not a multiple of 64 pixels wide: of the same 12 pictures of 96x64,
    742 encodings came in 12 ways. Without, all are one, and 720p takes as long.
    """
    return "asm=avx2" if cv2.checkHardwareSupport(_AVX_512) else ""


def transparent(encoding: Encoding, file: str | Path | None) -> Encoding:
    """The encoding of what has transparency, for a file; the default codec becomes the usual one of such a file.

    Args:
        file: None for no file, as for clips alone.

    Raises:
        ConfigError: such a file, or the codec that was chosen, holds no transparency.
    """
    suffix = ".webm" if file is None else Path(file).suffix.lower()
    if suffix not in _TRANSPARENT:
        raise ConfigError(
            f"{file} holds no transparency, which cut needs: write .webm (VP9), .mov (ProRes 4444), .webp or .png; or"
            " name a background in its place"
        )
    codec = _TRANSPARENT[suffix] if encoding.codec == Encoding().codec else encoding.codec
    if codec != _TRANSPARENT[suffix]:
        raise ConfigError(f"{codec} in {suffix} holds no transparency, which cut needs: {_TRANSPARENT[suffix]} does")
    return replace(encoding, codec=codec)
