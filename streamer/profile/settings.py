"""What a profile measures."""

import re
from dataclasses import dataclass

from pipeline.geometry import Size
from pipeline.network.options import PRECISIONS
from pipeline.parsing.settings import PARSERS
from streamer.errors import ConfigError
from streamer.units import duration_text

MAX_SIDE_PX = 16_384
MAX_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """What a profile measures. Raises ConfigError where nothing can be measured like this."""

    parsers: tuple[str, ...] = ("lite",)
    """Each is measured in a service of its own."""
    sizes: tuple[Size, ...] = (Size(480, 640), Size(768, 1024), Size(1080, 1920))
    """Of the pictures, (height, width)."""
    repeat: int = 5
    """Pictures of each size, and for each client, after one that is not counted."""
    clients: tuple[int, ...] = (1, 2, 4)
    """Clients at the same time; they send pictures of the second size, or the only one."""
    rest_s: float = 10.0
    """Time for which the idle service is watched, before and after."""
    precision: str = "auto"
    """Of the networks."""
    workers: int | None = None
    """Processes for pictures; by default as the service chooses."""

    def __post_init__(self) -> None:
        if not self.parsers or not self.sizes or not self.clients:
            raise ConfigError("a profile needs a parser, a size and a number of clients")
        for name in self.parsers:
            if name not in PARSERS:
                raise ConfigError(f"no parser {name!r}; there are: {', '.join(PARSERS)}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"no precision {self.precision!r}; there are: {', '.join(PRECISIONS)}")
        if self.workers is not None and not 1 <= self.workers <= MAX_CLIENTS:
            raise ConfigError(f"workers is between 1 and {MAX_CLIENTS}, not {self.workers}")
        if not 1 <= self.repeat <= 1000:
            raise ConfigError(f"repeat is between 1 and 1000, not {self.repeat}")
        for count in self.clients:
            if not 1 <= count <= MAX_CLIENTS:
                raise ConfigError(f"concurrency is between 1 and {MAX_CLIENTS} clients, not {count}")
        if not 1 <= self.rest_s <= 600:
            raise ConfigError(f"rest is between 1 s and 10 min, not {self.rest_s:g} s")

    @property
    def command(self) -> str:
        """The command that measures this."""
        default = ProfileSettings()
        words = ["streamer profile"]
        if self.sizes != default.sizes:
            words.append(f"--sizes {','.join(f'{each.width}x{each.height}' for each in self.sizes)}")
        if self.repeat != default.repeat:
            words.append(f"--repeat {self.repeat}")
        if self.clients != default.clients:
            words.append(f"--concurrency {','.join(map(str, self.clients))}")
        if self.parsers != default.parsers:
            words.append(f"--parser {','.join(self.parsers)}")
        if self.precision != default.precision:
            words.append(f"--precision {self.precision}")
        if self.workers is not None:
            words.append(f"--workers {self.workers}")
        if self.rest_s != default.rest_s:
            words.append(f"--rest {duration_text(self.rest_s)}")
        return " ".join(words)

    @property
    def shared_size(self) -> Size:
        """Of the pictures that clients send at the same time."""
        return self.sizes[min(1, len(self.sizes) - 1)]


def read_picture_size(text: str) -> Size:
    """A picture's size as pictures have it, WIDTHxHEIGHT. Raises ConfigError."""
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text.strip())
    size = Size(int(found[2]), int(found[1])) if found else Size(0, 0)
    if not min(size) >= 1 or max(size) > MAX_SIDE_PX:
        raise ConfigError(
            f"the size of a picture is WIDTHxHEIGHT, each side of 1 to {MAX_SIDE_PX} pixels, as in 640x480, not {text}"
        )
    return size


def read_count(text: str) -> int:
    """A number of clients. Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,3}", text.strip()):
        raise ConfigError(f"concurrency is a number of clients, as in 4, not {text}")
    return int(text)
