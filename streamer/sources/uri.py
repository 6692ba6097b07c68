"""What a URI names, and how it may be shown."""

import re
from pathlib import Path


def is_address(uri: str) -> bool:
    """Whether this is something like `rtsp://…`, of any kind."""
    return re.match(r"[a-z][a-z0-9+.-]+://", uri, re.IGNORECASE) is not None


def is_camera(uri: str) -> bool:
    """Whether this is `webcam:0`, `webcam:/dev/…`, a bare number or `/dev/video0`."""
    return re.fullmatch(r"webcam:.+|[0-9]{1,3}|/dev/video[0-9]+", uri) is not None


def comes_by_itself(uri: str) -> bool:
    """Whether this is an address or a camera, so most likely live, and not a file."""
    return is_address(uri) or (is_camera(uri) and not Path(uri).is_file())


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
