"""How video is encoded: the codecs there are, and what can be asked of them."""

from dataclasses import dataclass

from streamer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to encode video."""

    encoder: str
    """FFmpeg's name of it."""
    crf: int
    """Its quality when none is asked for; lower is better and larger."""
    max_crf: int
    presets: tuple[str, ...]
    """How much work to spend, the usual first; empty where the encoder has no such thing."""
    options: tuple[tuple[str, str], ...] = ()
    live: tuple[tuple[str, str], ...] = ()
    """Options in which it holds no picture back, and begins anew, needing nothing from before, where it is told to."""
    live_crf: int | None = None
    """What is as good as `crf` then; None is the same."""


_X264_PRESETS = ("veryfast", "ultrafast", "superfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AT_ONCE = (("tune", "zerolatency"), ("forced-idr", "1"))
_QUIET = (("x265-params", "log-level=error"),)
CODECS = {
    "h264": Codec("libx264", 20, 51, _X264_PRESETS, live=_AT_ONCE, live_crf=22),
    "h265": Codec("libx265", 23, 51, _X264_PRESETS, _QUIET, _AT_ONCE),
    "vp9": Codec(
        "libvpx-vp9",
        31,
        63,
        (),
        (("deadline", "realtime"), ("cpu-used", "7"), ("row-mt", "1"), ("b", "0")),
        (("lag-in-frames", "0"),),
    ),
    "av1": Codec(
        "libsvtav1",
        32,
        63,
        ("10", *(str(each) for each in range(14) if each != 10)),
        live=(("svtav1-params", "pred-struct=1:lookahead=0"),),
    ),
}
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
    """Codec of the video: h264, h265, vp9 or av1."""
    crf: int | None = None
    """Constant rate factor: lower is better and larger; by default what is usual with the codec."""
    preset: str | None = None
    """Effort spent on a small file, as in ultrafast or medium; by default what is usual with the codec."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            meant = _ALSO_CALLED.get(self.codec.lower().removeprefix("lib").replace(".", ""))
            raise ConfigError(
                f"no codec {self.codec!r}; there are: {', '.join(CODECS)}{f'; did you mean {meant}?' if meant else ''}"
            )
        most = CODECS[self.codec].max_crf
        if self.crf is not None and not 0 <= self.crf <= most:
            raise ConfigError(f"crf of {self.codec} is between 0 and {most}, not {self.crf}")
        presets = CODECS[self.codec].presets
        if self.preset is not None and self.preset not in presets:
            raise ConfigError(f"{self.codec} has no preset {self.preset!r}; there are: {', '.join(presets) or 'none'}")

    def options(self, *, live: bool) -> dict[str, str]:
        """The encoder's own options; `live`, it holds nothing back."""
        codec = CODECS[self.codec]
        usual = codec.live_crf if live and codec.live_crf is not None else codec.crf
        options = dict(codec.options) | {"crf": str(usual if self.crf is None else self.crf)}
        preset = self.preset or next(iter(codec.presets), None)
        return options | ({"preset": preset} if preset else {}) | (dict(codec.live) if live else {})
