"""The settings of a live stream, in groups: each part of a stream is handed its own group.

Inside its group a setting is a field; outside it has a name of its own, one for Python's keywords, TOML's keys and the
options of the command line: `StreamConfig("webcam:0", mask_ttl_s=2)`, `mask_ttl = "2s"`, `--mask-ttl 2s`.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args, get_type_hints

from pipeline import Look
from pipeline.drawing.look import Colours, LegendPlace, View
from pipeline.parsing.settings import ParserSettings
from streamer.errors import ConfigError
from streamer.masks.records import check_sidecar_name
from streamer.media.paths import VIDEO_SUFFIXES
from streamer.recording.codecs import Encoding, transparent
from streamer.settings import Setting, above_0, at_least_0, made, read, read_toml, settings_of, unknown
from streamer.sources.timing.playout import Latency
from streamer.sources.uri import Transport, check_password

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CLIP_S = 30.0
"""The part of a recording that is kept for a clip."""
KEEP_FREE_BYTES = 500_000_000
NOT_LIVE = frozenset({"in_flight", "refine"})
"""Settings of a parser that only files can have."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where the frames come from, and for how long."""

    uri: str
    """The source: rtsp://…, rtmp://…, http://…, tcp://…, udp://… or srt://… (MPEG-TS), webcam:0, screen:, a file,
    - for standard input, or test:"""
    loop: bool = False
    """Begin a file again at its end."""
    duration_s: float | None = None
    """Time after the first frame at which the stream ends; by default it goes on."""
    reconnect_for_s: float | None = None
    """Time to go on trying when a camera or stream is lost or absent: 0 never, inf always. By default always, unless
    it refuses us from the first."""
    stall_after_s: float = 5.0
    """Silence after which a camera or stream counts as lost; HLS is given 20 s at least."""
    video_track: int | None = None
    """Number of the video track to parse, from 1; by default the one that a file says, else its largest."""
    rtsp_transport: Transport = "auto"
    """How RTSP sends its packets: auto tries tcp, and udp where the camera refuses that."""
    poll_hz: float = 5.0
    """Pictures per second that are fetched from a camera which gives one JPEG per HTTP request."""
    latency_s: Latency = "auto"
    """Time that pictures of a camera or stream are kept back, so that what arrives in bursts is shown steadily. auto
    measures how much is needed: none where they come evenly, and some seconds for HLS."""

    def __post_init__(self) -> None:
        check_password(self.uri)
        if isinstance(self.latency_s, str) and self.latency_s != "auto":
            raise ConfigError(f"latency_s must be auto or seconds, not {self.latency_s!r}")
        if self.rtsp_transport not in get_args(Transport):
            raise ConfigError(f"rtsp_transport must be auto, tcp or udp, not {self.rtsp_transport!r}")
        above_0(self, "duration_s", "stall_after_s", "video_track", "poll_hz")
        at_least_0(self, "reconnect_for_s", "latency_s")
        if self.latency_s != "auto":
            _finite(self, "latency_s")


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """The masks: where they are kept, how often frames are parsed, and which masks each frame is shown with."""

    sidecar: str | None = None
    """Keep every parsing in this .hpm file."""
    parse_hz: float | None = None
    """Maximum parsings per second; unlimited by default."""
    max_mask_age_s: float = 0.25
    """Maximum age of the masks shown, from which follows how large and how often frames are parsed; any parses at full
    size whatever happens. A size that is given is kept."""
    still_for_s: float = 1.0
    """Time after which a scene without motion is parsed again; 0 parses every frame that it can."""
    sync: Literal["live", "exact"] = "live"
    """How frames and masks meet: live shows each frame at once, with masks carried to it by motion; exact delays it
    until it, or a frame after it, is parsed."""
    mask_ttl_s: float = 1.0
    """Age at which masks are no longer drawn: a frozen silhouette is worse than none."""
    mask_wait_s: float = 0.06
    """Maximum time to delay a frame that is being parsed, for masks of its own; 0 waits for none."""

    def __post_init__(self) -> None:
        (choices,) = (each.choices for each in settings_of(MaskSettings) if each.field == "sync")
        if self.sync not in choices:
            raise ConfigError(f"sync must be {' or '.join(choices)}, not {self.sync!r}")
        above_0(self, "parse_hz", "max_mask_age_s", "mask_ttl_s")
        at_least_0(self, "still_for_s", "mask_wait_s")
        _finite(self, "mask_ttl_s", "mask_wait_s")
        if self.sidecar is not None:
            check_sidecar_name(Path(self.sidecar))


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """The window on the screen, and the camera that other programs see."""

    show: bool = False
    """Show the stream in a window. Keys: h help, q quit, f full screen, space pause, o opacity, l legend, s snapshot,
    c clip."""
    virtual_camera: str | None = None
    """Give the stream to other programs as this camera of v4l2loopback (Linux), as in /dev/video9."""


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """The recording, and what is kept for clips."""

    file: str | None = None
    """Record into this video file."""
    segment_s: float | None = None
    """Begin a new file after this time, named by when it began: door.mp4 becomes door-20261122-071500.mp4, …"""
    keep_free_bytes: int = KEEP_FREE_BYTES
    """End the recording when less than this is free on its disk; 0 sets no such limit."""
    clip_seconds: float | None = None
    """Time that is kept, encoded, for clips; by default 30s of a recording and nothing without one, for then it is
    encoded for clips alone."""
    force: bool = False
    """Overwrite the file to record into."""

    def __post_init__(self) -> None:
        above_0(self, "segment_s")
        at_least_0(self, "keep_free_bytes", "clip_seconds")
        _finite(self, "segment_s")
        if self.file is not None:
            if Path(self.file).suffix.lower() not in VIDEO_SUFFIXES:
                raise ConfigError(f"record must end with {', '.join(VIDEO_SUFFIXES)}, not be {self.file!r}")
            return
        unused = {"segment_s": None, "keep_free_bytes": KEEP_FREE_BYTES, "force": False}
        for name, usual in unused.items():
            if getattr(self, name) != usual:
                raise ConfigError(
                    f"{name} is for a recording, and nothing is recorded: set record, or leave {name} out"
                )

    @property
    def encodes(self) -> bool:
        """Whether pictures are encoded: for a recording, or for clips."""
        return self.file is not None or bool(self.clip_seconds)

    @property
    def keeps_s(self) -> float:
        """The length of a clip that could be had at any moment, seconds."""
        return CLIP_S if self.clip_seconds is None and self.file is not None else self.clip_seconds or 0.0


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """The masks sent to other programs."""

    address: str | None = None
    """Publish the masks at this ZeroMQ address, as in tcp://127.0.0.1:5556."""
    insecure: bool = False
    """Publish where other machines can listen, without keys."""
    key: str | Path | None = None
    """The .key file of this publisher, as `streamer keys new` makes it; what is published is then encrypted."""
    allow: str | Path | None = None
    """A folder with the .pub files of the subscribers that are admitted; with none in it nobody is."""

    def __post_init__(self) -> None:
        for name in ("insecure", "key", "allow"):
            if getattr(self, name) and self.address is None:
                raise ConfigError(f"{name} is for publishing, and nothing is published: set publish, or leave it out")
        if (self.key is None) != (self.allow is None):
            raise ConfigError("key and allow belong together: the publisher's .key file, and a folder of .pub files")
        if self.insecure and self.key is not None:
            raise ConfigError("insecure means without keys, and there is a key: leave one of them out")


class Flat(TypedDict, total=False):
    """The settings inside the groups, by their names outside of them."""

    loop: bool
    duration_s: float | None
    reconnect_for_s: float | None
    stall_after_s: float
    video_track: int | None
    rtsp_transport: Transport
    poll_hz: float
    latency_s: Latency
    model_dir: str | Path | None
    size: tuple[int, int] | None
    runtime: str
    precision: str
    threads: int | None
    sensitivity: str
    faces: bool
    age_gender: bool
    face_model: str
    parse_hz: float | None
    max_mask_age_s: float
    still_for_s: float
    sync: Literal["live", "exact"]
    mask_ttl_s: float
    mask_wait_s: float
    opacity: float
    outline: bool
    legend: LegendPlace | bool
    tags: bool
    hide: frozenset[str] | tuple[str, ...]
    only: frozenset[str] | tuple[str, ...]
    view: View
    colours: Colours
    effect: tuple[str, ...]
    on: str
    virtual_camera: str | None
    segment_s: float | None
    keep_free_bytes: int
    clip_seconds: float | None
    force: bool
    codec: str
    crf: int | None
    preset: str | None
    insecure: bool
    key: str | Path | None
    allow: str | Path | None


@dataclass(frozen=True, slots=True, init=False)
class StreamConfig:
    """How a stream runs."""

    source: SourceSettings
    parser: ParserSettings
    masks: MaskSettings
    look: Look
    window: WindowSettings
    record: RecordSettings
    encoding: Encoding
    publish: PublishSettings
    stream: str = "live"
    """Name of the stream: in its messages, and as the title of its window."""

    def __init__(
        self,
        source: SourceSettings | str,
        *,
        parser: ParserSettings | str = "lite",
        masks: MaskSettings | str | None = None,
        look: Look | None = None,
        window: WindowSettings | bool = False,
        record: RecordSettings | str | None = None,
        encoding: Encoding | None = None,
        publish: PublishSettings | str | None = None,
        stream: str = "live",
        **settings: Unpack[Flat],
    ) -> None:
        """
        Args:
            source, parser, masks, window, record, publish: a group, or its first field alone.
            look, encoding: a group.
            stream: the name of the stream.
            **settings: fields of the groups; they win over those of a group that is given.

        Raises:
            ConfigError, PipelineError: a value that is not possible, or a name that there is not.
        """
        given: dict[str, Any] = {"source": source, "parser": parser, "masks": masks}
        given |= {"window": window, "record": record, "publish": publish}
        groups: dict[str, Any] = {"look": look, "encoding": encoding}
        flat: dict[str, object] = dict(settings)
        for name, value in given.items():
            whole = isinstance(value, GROUPS[name])
            groups[name] = value if whole else None
            flat |= {} if whole else {name: value}
        for name in flat:
            if name not in SETTINGS:
                raise unknown(name, SETTINGS)
        for name, group in GROUPS.items():
            object.__setattr__(self, name, made(group, flat, groups[name]))
        object.__setattr__(self, "stream", stream)
        self._check()

    def _check(self) -> None:
        for name in NOT_LIVE:
            if getattr(self.parser, name) != getattr(ParserSettings(), name):
                raise ConfigError(f"{name} is for files; a live stream cannot have it")
        if self.look.is_cut and self.record.encodes:
            transparent(self.encoding, self.record.file)
        if self.encoding != Encoding() and not self.record.encodes:
            raise ConfigError(
                "codec, crf and preset are for a recording or clips, and nothing is encoded: set record or"
                " clip_seconds, or leave them out"
            )


GROUPS: Mapping[str, "type[DataclassInstance]"] = {
    name: group
    for name, group in get_type_hints(StreamConfig).items()
    if isinstance(group, type) and is_dataclass(group)
}
"""The class of each group."""
SETTINGS: Mapping[str, tuple[str, Setting]] = {
    setting.flat: (name, setting)
    for name, group in GROUPS.items()
    for setting in settings_of(group)
    if setting.field not in NOT_LIVE
}
"""The settings of all groups by their names outside of them, each with the name of its group."""


def read_config(path: Path | None, given: Mapping[str, object]) -> StreamConfig:
    """The settings of a TOML file, with those that were given in their place.

    Args:
        path: see `read_settings`; None for none.
        given: settings by their names outside of the groups; they win over the file's.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not possible; names file, key and value.
        PipelineError: the same, of a setting of the parser or the drawing.
    """
    return configured({**(read_settings(path) if path else {}), **given})


def configured(settings: Mapping[str, object]) -> StreamConfig:
    """A stream's configuration from settings by their names outside of the groups. Raises as `read_config`."""
    if "source" not in settings:
        raise ConfigError("no source: name one, or put `source = …` into the configuration file")
    values: dict[str, Any] = dict(settings)
    return StreamConfig(**values)


def read_settings(path: Path) -> dict[str, object]:
    """The settings in a TOML file, by their names outside of the groups.

    The file has a table for each group, with a key for each of its fields, named as outside or inside the group, with
    or without the unit at the end: `[masks]` and `mask_ttl = "2s"`. Without the tables, keys are named as outside.

    Raises:
        ConfigError: it cannot be read, or has keys or values that are not possible; names file, key and value.
    """
    return read_toml(path, settings_from)


def settings_from(found: Mapping[str, object]) -> dict[str, object]:
    """The same from what a file holds."""
    settings: dict[str, object] = {}
    for key, value in found.items():
        new = _of_table(key, value) if isinstance(value, dict) else _of_key(key, value, _FLAT_KEYS)
        twice = settings.keys() & new.keys()
        if twice:
            raise ConfigError(f"{twice.pop()} stands there twice")
        settings |= new
    return settings


def _of_table(name: str, table: Mapping[str, object]) -> dict[str, object]:
    if name not in GROUPS:
        raise unknown(f"[{name}]", [f"[{each}]" for each in GROUPS], "table")
    keys = {key: setting for group, setting in SETTINGS.values() if group == name for key in setting.keys}
    settings: dict[str, object] = {}
    for key, value in table.items():
        settings |= _of_key(key, value, keys)
    return settings


def _of_key(key: str, value: object, keys: Mapping[str, Setting]) -> dict[str, object]:
    if key not in keys:
        raise unknown(key, keys)
    return {keys[key].flat: read(keys[key], value)}


NAME = next(each for each in settings_of(StreamConfig) if each.field == "stream")
"""The one setting that is in no group."""
_FLAT_KEYS = {
    **{key: setting for _, setting in SETTINGS.values() for key in (setting.flat, setting.short)},
    "stream": NAME,
}


def _finite(group: object, *names: str) -> None:
    """Raises ConfigError for a time that a thread cannot wait for."""
    for name in names:
        value = getattr(group, name)
        if value is not None and value > threading.TIMEOUT_MAX:
            raise ConfigError(f"{name} must be finite, not {value}")
