"""What a URI names, and how it may be shown."""

import re
from pathlib import Path
from typing import Literal

from streamer.errors import ConfigError

Transport = Literal["auto", "tcp", "udp"]
"""How RTSP sends its packets: over the connection itself, or beside it; auto is tcp, or udp where that is refused."""


BARE_PASSWORD = "its password has a / ? or # in it, which ends an address: write %2F for /, %3F for ?, %23 for #"


def is_address(uri: str) -> bool:
    """Whether this is something like `rtsp://…`, of any kind."""
    return re.match(r"[a-z][a-z0-9+.-]+://", uri, re.IGNORECASE) is not None


def is_camera(uri: str) -> bool:
    """Whether this is `webcam:0`, `webcam:/dev/…`, a bare number or `/dev/video0`."""
    return re.fullmatch(r"webcam:.+|[0-9]{1,3}|/dev/video[0-9]+", uri) is not None


def is_screen(uri: str) -> bool:
    """Whether this is `screen:`, with or without more."""
    return uri.startswith("screen:")


def comes_by_itself(uri: str) -> bool:
    """Whether this is an address, a screen or a camera, so most likely live, and not a file."""
    return is_address(uri) or is_screen(uri) or (is_camera(uri) and not Path(uri).is_file())


def says_what_it_is(uri: str) -> bool:
    """Whether that no video comes from there means that there is none: of what is sent without a word about it, as
    over TCP, the beginning may just have been missed, or the sender not be ready."""
    return not uri.lower().startswith("tcp:")


def without_password(url: str) -> str:
    """An address that may be shown: without user, password, and what looks like one in the rest of it."""
    # Up to the last @, wherever it stands: passwords have / and @ in them that should have been %2F and %40.
    url = re.sub(r"(?s)://.*@", "://", url)
    return re.sub(r"(?i)(pass|passwd|password|pwd|pw|token|secret|key|auth|sig|signature)=[^&;/]*", r"\1=***", url)


def is_whole(url: str) -> bool:
    """Whether an address has a port where one is needed, and one that there can be."""
    port = re.match(r"(?s)[^:]+://(?:.*@)?(?:\[[^\]]*\]|[^:/?#]*)(?::(\d+))?", url)
    if port is None or port[1] is None:
        return not url.lower().startswith(("tcp:", "udp:"))
    return 0 < int(port[1]) < 65_536


def has_bare_password(url: str) -> bool:
    """Whether the password in an address has one of / ? # in it as it is, so that the host is taken from it."""
    found = re.match(r"(?s)[a-z][a-z0-9+.-]+://([^/?#]*)(?:[/?#].*@([^/?#@]*))?", url, re.IGNORECASE)
    if found is None or found[2] is None:
        return False
    taken, behind = found[1], found[2]
    if "@" not in taken and ":" in taken and not re.search(r":[0-9]{1,5}$", taken):
        return not re.fullmatch(r"\[[0-9a-f:.]+\]", taken, re.IGNORECASE)  # no port, so it is a user and a password
    return _is_surely_a_host(behind) and not _is_surely_a_host(taken.rpartition("@")[2], port=False)


def _is_surely_a_host(text: str, *, port: bool = True) -> bool:
    """Whether this is more likely the name of a host than anything else.

    Args:
        port: a port says so, too.
    """
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(:[0-9]{1,5})?", text, re.IGNORECASE)
    if found is None:
        return False
    return "." in found[1] or "[" in found[1] or found[1].lower() == "localhost" or (port and found[2] is not None)


def check_password(url: str) -> None:
    """Raises ConfigError for an address whose password would be taken for its path, without repeating it."""
    if has_bare_password(url):
        raise ConfigError(f"{without_password(url)}: {BARE_PASSWORD}")
