"""The settings of the service: one list for the command line and Python."""

import ipaddress
import math
import os
from dataclasses import dataclass, field

from pipeline.parsing.settings import PARSERS
from streamer.errors import ConfigError
from streamer.settings import above_0, at_least_0

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
        if self.host == "localhost":
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
    workers: int | None = None
    """Processes for pictures; by default one for two cores."""
    max_wait_s: float = 5.0
    """Longest time that a picture may be expected to wait: where it would be longer, it is refused at once."""
    deadline_s: float = 30.0
    """Longest time for a request, from its first byte to its answer."""
    max_upload_bytes: int = 20_000_000
    """Largest picture that is taken."""
    max_megapixels: float = 50.0
    """Most pixels of a picture that is taken, in millions."""
    cache_bytes: int = 64_000_000
    """Memory for pictures and what was seen in them, kept for 15 minutes; 0 keeps nothing."""

    def __post_init__(self) -> None:
        for name in self.parser:
            if name not in PARSERS:
                raise ConfigError(f"no parser {name!r}; there are: {', '.join(PARSERS)}")
        if not self.parser or len(set(self.parser)) < len(self.parser):
            raise ConfigError("parser names each parser once, and at least one")
        above_0(self, "workers", "max_wait_s", "deadline_s", "max_upload_bytes", "max_megapixels")
        at_least_0(self, "cache_bytes")
        if not math.isfinite(self.max_wait_s) or not math.isfinite(self.deadline_s):
            raise ConfigError("max_wait and deadline must be finite")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of the service."""

    access: AccessSettings = field(default_factory=AccessSettings)
    work: WorkSettings = field(default_factory=WorkSettings)
