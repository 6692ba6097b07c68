"""What a live stream is told: in Python, in a TOML file, or on the command line, under the same names."""

import re
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import msgspec

from pipeline import Look, ParserSettings, Size
from streamer.errors import ConfigError
from streamer.media.paths import VIDEO_SUFFIXES
from streamer.recording.codecs import Encoding

CLIP_S = 30.0
"""How much of what is recorded is kept for a clip."""
_SECONDS = {"ms": 1e-3, "": 1, "s": 1, "min": 60, "h": 3600}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

SYNCS = ("live", "exact")


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How a stream runs."""

    source: str
    """As for `open_source`."""
    parser: str = "lite"
    model_dir: str | None = None
    """The folder with the weights of a parser that is not bundled; None is where `streamer models pull` puts them."""
    size: tuple[int, int] | None = None
    """(height, width) of the network's input; None chooses by the frames."""
    runtime: str = "openvino"
    precision: str = "auto"
    threads: int | None = None
    parse_hz: float | None = None
    """Parse so many frames a second at most; None is as many as can be."""
    max_mask_age_s: float = 0.25
    """The size of the network's input, and how often it is used, are chosen so that masks on the screen are no older
    than this; `inf` parses at full size whatever happens. A `size` that is given is kept."""
    still_for_s: float = 1.0
    """A scene in which nothing moves is parsed again after so long; 0 parses every frame that it can."""
    sync: Literal["live", "exact"] = "live"
    """`live` shows each frame at once, with masks carried to it by motion; `exact` waits until it, or a frame after
    it, was parsed, and carries from both sides."""
    mask_ttl_s: float = 1.0
    """Masks older than this are not drawn: a frozen silhouette is worse than none."""
    mask_wait_s: float = 0.06
    """A frame that is being parsed is shown so much later at most, for masks of its own; 0 waits for none."""
    window: bool = False
    """Show it on the screen."""
    record: str | None = None
    """Write it into this video file."""
    segment_s: float | None = None
    """Begin a new file after so long, each named by when it began; None is one file."""
    keep_free_bytes: int = 500_000_000
    """When less than this is free on its disk, the recording ends, and the rest goes on; 0 is no such floor."""
    clip_seconds: float | None = None
    """Keep so much, encoded, for clips; 0 keeps nothing. None is half a minute of what is recorded; of what is not,
    nothing, for then it has to be encoded for this alone."""
    publish: str | None = None
    """Send the masks from this ZeroMQ address, as in `tcp://127.0.0.1:5556`."""
    stream: str = "live"
    """What the stream is called in its messages."""
    insecure: bool = False
    """Publish where other machines can listen, without keys."""
    duration_s: float | None = None
    """End so long after the first frame."""
    reconnect_for_s: float | None = None
    """How long to try again when a camera or stream cannot be had: 0 never, `inf` always. None is always, too, but
    what is heard of it first must not be that the address is wrong."""
    stall_after_s: float = 5.0
    """A camera or stream that gives no picture for so long is lost; HLS is given 20 s at least."""
    loop: bool = False
    """Begin a file again at its end."""
    opacity: float = 0.5
    outline: bool = True
    legend: bool = False
    tags: bool = True
    hide: tuple[str, ...] = ()
    """Names of classes not to draw."""
    codec: str = "h264"
    crf: int | None = None
    preset: str | None = None
    force: bool = False
    """Overwrite the file to record into."""

    def __post_init__(self) -> None:
        if self.sync not in SYNCS:
            raise ConfigError(f"sync is {' or '.join(SYNCS)}, not {self.sync!r}")
        above = ("parse_hz", "max_mask_age_s", "mask_ttl_s", "duration_s", "threads", "stall_after_s", "segment_s")
        for name in above:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is above 0, not {value}")
        for name in ("mask_wait_s", "still_for_s", "reconnect_for_s", "keep_free_bytes", "clip_seconds"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"{name} is 0 or more, not {value}")
        for name in ("mask_ttl_s", "mask_wait_s", "segment_s"):
            if (getattr(self, name) or 0) > threading.TIMEOUT_MAX:
                raise ConfigError(f"{name} is a time that can be waited, not {getattr(self, name)}")
        if self.record is not None and Path(self.record).suffix.lower() not in VIDEO_SUFFIXES:
            raise ConfigError(f"record is a file that ends with {', '.join(VIDEO_SUFFIXES)}, not {self.record!r}")
        _ = self.encoding  # raises ConfigError itself

    @property
    def parser_settings(self) -> ParserSettings:
        """Raises PipelineError when there is no such parser, or no such way to run it."""
        return ParserSettings(self.parser, self.model_dir, self.size, self.runtime, self.precision, self.threads)

    @property
    def look(self) -> Look:
        return Look(self.opacity, self.outline, self.legend, self.tags, frozenset(self.hide))

    @property
    def encodes(self) -> bool:
        """Whether pictures are encoded: for a recording, or for clips."""
        return self.record is not None or bool(self.clip_seconds)

    @property
    def keeps_s(self) -> float:
        """How much there is for a clip at any moment."""
        return CLIP_S if self.clip_seconds is None and self.record is not None else self.clip_seconds or 0.0

    @property
    def encoding(self) -> Encoding:
        return Encoding(self.codec, self.crf, self.preset)


def read_config(path: Path | None, given: Mapping[str, object]) -> StreamConfig:
    """The settings of a TOML file, with those that were given in their place.

    Args:
        path: a file of `key = value` lines, named as the fields of `StreamConfig`; None for none.
        given: more of them, which win.

    Raises:
        ConfigError: the file cannot be read, or a key or value cannot be; names file, key and value.
    """
    settings = dict(_read(path)) if path else {}
    settings |= given
    if "source" not in settings:
        raise ConfigError("no source: name one, or put `source = …` into the configuration file")
    return StreamConfig(**settings)  # type: ignore[arg-type]


def read_size(text: str) -> Size:
    """From `HEIGHTxWIDTH`, as in 256x448. Raises ConfigError."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ConfigError(f"{text!r} is not HEIGHTxWIDTH, as in 256x448")
    return Size(int(height), int(width))


def read_duration(text: str) -> float:
    """Seconds, from `250ms`, `30s`, `10min`, `1h` or a bare number of seconds. Raises ConfigError."""
    number, unit = _number(text)
    if number is None or unit not in _SECONDS or not number > 0:
        raise ConfigError(f"{text!r} is no time such as 30s, 10min or 1h")
    return number * _SECONDS[unit]


def read_age(text: str) -> float:
    """As `read_duration`; or infinite, from `any`."""
    return float("inf") if text == "any" else read_duration(text)


def read_bytes(text: str) -> int:
    """From `500MB` or `2GB`; 0 needs no unit. Raises ConfigError."""
    number, unit = _number(text)
    if number is None or (unit not in _BYTES and number != 0):
        raise ConfigError(f"{text!r} is no size such as 500MB or 2GB")
    return round(number * _BYTES.get(unit, 1))


def _number(text: str) -> tuple[float | None, str]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    return (float(found[1]), found[2]) if found else (None, "")


_READERS: Mapping[str, Callable[[str], object]] = {
    "size": read_size,
    "max_mask_age_s": read_age,
    "segment_s": read_duration,
    "keep_free_bytes": read_bytes,
}
"""Of settings that have a way of their own to be written as text."""


def _read(path: Path) -> dict[str, object]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}") from exc
    types = {each.name: each.type for each in fields(StreamConfig)}
    for key in found:
        if key not in types:
            raise ConfigError(f"{path}: no setting {key!r}; there are: {', '.join(types)}")
    return {key: _value(path, key, value, types[key]) for key, value in found.items()}


def _value(path: Path, key: str, value: object, wanted: object) -> object:
    if key in _READERS and isinstance(value, str):
        try:
            return _READERS[key](value)
        except ConfigError as exc:
            raise ConfigError(f"{path}: {key} = {exc}") from exc
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{path}: {key} = {value!r}: {str(exc).lower()}") from exc
