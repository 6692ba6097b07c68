"""What can go wrong with streams.

StreamerError
├── ConfigError        a value that cannot be; says which, and what is allowed
├── SourceError
│   ├── CannotOpen     never gave a frame
│   └── SourceLost     gave frames, then failed for good
├── WorkerDied         the inference process ended, or stopped answering
├── SinkError          cannot encode or write; names the path
├── BadMessage         bytes from the network that are not ours, or of another version
└── ShutdownTimeout    something did not end in time; names it
"""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a source gives no frames."""

    AUTH = "auth"
    """User name or password is wrong or missing."""
    NOT_FOUND = "not found"
    """There is no such stream at that host, no such device, no such kind of address."""
    REFUSED = "refused"
    """Nobody listens there."""
    UNREACHABLE = "unreachable"
    """There is no such host, or no way to it."""
    TIMEOUT = "timeout"
    """It is silent."""
    CODEC = "codec"
    """What comes is not a video, or none that can be decoded."""
    ENDED = "ended"
    """It said that it was over, or hung up."""
    UNUSABLE = "unusable"
    """It does not do what it is asked for, and will not by being asked again."""
    FAILED = "failed"
    """Something else."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a source was lost, or cannot be opened."""

    cause: Cause
    why: str

    def __str__(self) -> str:
        return f"{self.why} [{self.cause}]"


class StreamerError(Exception):
    """Raised, by way of a subclass, when a stream cannot go on; the message says what to do about it."""


class ConfigError(StreamerError):
    """Raised when a setting has a value that it cannot have."""


class SourceError(StreamerError):
    """Raised when frames cannot be had from a source."""

    def __init__(self, message: str, cause: Cause = Cause.FAILED) -> None:
        super().__init__(message)
        self.cause = cause


class CannotOpen(SourceError):
    """Raised when a source never gave a frame."""


class SourceLost(SourceError):
    """Raised when a source gave frames and then failed for good."""


class WorkerDied(StreamerError):
    """Raised when the inference process ended by itself or stopped answering."""


class SinkError(StreamerError):
    """Raised when a picture or a message cannot be encoded or written."""


class BadMessage(StreamerError):
    """Raised when bytes received are not a message of ours, or one of another major version."""


class ShutdownTimeout(StreamerError):
    """Raised when a thread or process did not end within its time."""
