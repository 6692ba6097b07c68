"""The settings of the service: one list for the command line and Python."""

import ipaddress
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_state_path

from pipeline.faces.names import FACE_MODELS
from pipeline.parsing.settings import PARSERS
from streamer.errors import ConfigError
from streamer.live.cameras import camera_names
from streamer.processes.cores import cores, pairs_of_cores
from streamer.settings import above_0, at_least_0, read_toml

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MIN_TOKEN_CHARACTERS = 22
"""As many as 128 bits take in base 64."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who is let in."""

    host: str = "127.0.0.1"
    """The address to listen at. Beyond loopback a token is needed."""
    port: int = 7860
    """The port to listen at; 0 takes a free one."""
    uds: str | None = None
    """The file of a Unix socket to listen at in place of host and port; programs of this user alone reach it."""
    token: str | None = field(default=None, repr=False)
    """What clients must show, at least 22 characters; `auto` makes one. By default that of the environment variable
    M2FP_STREAMER_TOKEN, and none on loopback."""
    insecure: bool = False
    """Listen beyond loopback without a token."""
    allow_host: tuple[str, ...] = ()
    """Names that clients may know this service by, as behind a proxy; NAME or NAME:PORT."""
    cors: tuple[str, ...] = ()
    """Origins of other pages that may use the API, as in https://example.org."""
    root_path: str = ""
    """The path that a proxy has this service under, as in /people."""
    trusted_proxy: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For is believed."""
    tls_cert: str | None = None
    """The certificate, a PEM file, to serve HTTPS; a phone's camera needs that."""
    tls_key: str | None = None
    """The certificate's key, a PEM file."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is between 0 and 65535, not {self.port}")
        if self.uds is not None and self.host != "127.0.0.1":
            raise ConfigError(f"uds takes the place of host: leave out --host {self.host}, or --uds {self.uds}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key belong together: give both, or neither")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ConfigError(f"root_path begins with / and does not end with it, not {self.root_path!r}")
        token = self.secret
        if token is not None and token != "auto" and len(token) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(f"a token of {len(token)} characters can be guessed; take {MIN_TOKEN_CHARACTERS} or more")
        if not self.is_loopback and token is None and not self.insecure:
            raise ConfigError(
                f"{self.host} is reached from other machines: set --token auto (or M2FP_STREAMER_TOKEN), or --insecure"
            )

    @property
    def secret(self) -> str | None:
        """The token that was given, here or in the environment."""
        return self.token or os.environ.get("M2FP_STREAMER_TOKEN") or None

    @property
    def is_loopback(self) -> bool:
        """True if no other machine reaches the address."""
        if self.uds is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """What is served, and how much of it at once."""

    parser: tuple[str, ...] = ("lite",)
    """The parsers that requests may name: lite, m2fp, m2fp-single; the first is the default."""
    precision: str = "auto"
    """The arithmetic of the networks: f32, bf16, int8, or auto."""
    age_gender: bool = False
    """Estimate the age and the gender of faces, where faces are asked for: guesses, often wrong."""
    face_model: str = "hse"
    """The network that estimates: hse, or cydral, faster and worse."""
    workers: int | None = None
    """Processes for pictures; by default one for two cores and, with lite alone, one for each core while pictures
    wait."""
    max_wait_s: float = 5.0
    """Longest time that a picture may be expected to wait: where it would be longer, it is refused at once."""
    deadline_s: float = 30.0
    """Longest time for a request, from its first byte to its answer."""
    idle_unload_s: float | None = None
    """Give the memory of a network back when no picture came for this time; the next one waits until it is loaded
    again. By default it is kept."""
    max_upload_bytes: int = 20_000_000
    """Largest picture that is taken."""
    max_megapixels: float = 50.0
    """Most pixels of a picture that is taken, in millions."""
    cache_bytes: int = 64_000_000
    """Memory for pictures and what was seen in them, kept for 15 minutes; 0 keeps nothing."""

    @property
    def processes(self) -> int:
        """Processes for pictures that there are from the beginning."""
        return self.workers or pairs_of_cores()

    @property
    def spare(self) -> int:
        """Processes more while pictures wait. A network of M2FP takes 500 MB, and all cores by itself."""
        return 0 if self.workers or self.parser != ("lite",) else cores() - self.processes

    def __post_init__(self) -> None:
        for name in self.parser:
            if name not in PARSERS:
                raise ConfigError(f"no parser {name!r}; there are: {', '.join(PARSERS)}")
        if self.face_model not in FACE_MODELS:
            raise ConfigError(f"no face model {self.face_model!r}; there are: {', '.join(FACE_MODELS)}")
        if not self.parser or len(set(self.parser)) < len(self.parser):
            raise ConfigError("parser names each parser once, and at least one")
        above_0(self, "workers", "max_wait_s", "deadline_s", "idle_unload_s", "max_upload_bytes", "max_megapixels")
        at_least_0(self, "cache_bytes")
        if not math.isfinite(self.max_wait_s) or not math.isfinite(self.deadline_s):
            raise ConfigError("max_wait and deadline must be finite")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Where videos are kept, and how long."""

    data: str | None = None
    """The folder for videos and what is made of them; by default the user's folder for a program's state."""
    max_video_bytes: int = 2_000_000_000
    """Largest video that is taken."""
    keep_results_s: float = 86_400.0
    """Time for which a job's results are kept after its end."""
    data_max_bytes: int = 5_000_000_000
    """Most that the folder may hold: the oldest recordings are removed where it holds more, and no video is taken
    while it still does."""
    keep_free_bytes: int = 500_000_000
    """No video is taken that would leave less than this free on the disk."""

    def __post_init__(self) -> None:
        above_0(self, "max_video_bytes", "keep_results_s", "data_max_bytes")
        at_least_0(self, "keep_free_bytes")

    @property
    def folder(self) -> Path:
        """The folder that is used."""
        return Path(self.data) if self.data else user_state_path("m2fp-streamer") / "serve"


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """The cameras."""

    sources: tuple[str, ...] = ()
    """Files of cameras, TOML: of one, as `streamer run --config` reads it, which has the name of the file, or of
    several, as `streamer fleet` reads it."""
    any_source: bool = False
    """Let clients name cameras by address; on loopback only."""

    def __post_init__(self) -> None:
        for each in self.sources:
            if not Path(each).is_file():
                raise ConfigError(f"no file {each} for a camera")
        found = [camera for each in self.sources for camera in _cameras_in(Path(each))]
        names = [each.name for each in found]
        if len(set(names)) < len(names):
            raise ConfigError(f"two cameras of one name: {', '.join(names)}; rename a file, or a table [camera.NAME]")

    @property
    def cameras(self) -> dict[str, "Camera"]:
        """The cameras of all files by their names. Raises ConfigError."""
        return {camera.name: camera for each in self.sources for camera in _cameras_in(Path(each))}


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that clients may name."""

    name: str
    file: Path
    """Absolute."""
    in_fleet: bool
    """Whether the file has a table for it, or is its own."""


def _cameras_in(file: Path) -> tuple[Camera, ...]:
    names = read_toml(file, camera_names)
    return tuple(Camera(name, file.resolve(), in_fleet=bool(names)) for name in names or (file.stem,))


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of the service."""

    access: AccessSettings = field(default_factory=AccessSettings)
    work: WorkSettings = field(default_factory=WorkSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    live: LiveSettings = field(default_factory=LiveSettings)

    def __post_init__(self) -> None:
        if self.live.any_source and not self.access.is_loopback:
            raise ConfigError("any_source is for loopback: others could have this machine open addresses for them")
