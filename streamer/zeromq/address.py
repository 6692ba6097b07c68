"""ZeroMQ addresses, `tcp://HOST:PORT` and `ipc://PATH`: what they may be, and who can reach them."""

import ipaddress
import re
import socket

from streamer.errors import ConfigError

IPC = "ipc://"
ANY_MACHINE = "tcp://127.0.0.1:PORT"
"""An address that every system has."""

_TCP = re.compile(r"tcp://(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d{1,5}|\*)")
_IPC = re.compile(r"ipc://.+")


def host_of(address: str) -> str:
    """The host in an address, "" for `ipc://`. Raises ConfigError for what is no address on this system."""
    if _IPC.fullmatch(address):
        if not hasattr(socket, "AF_UNIX"):
            raise ConfigError(f"{address}: {IPC} addresses are not supported on this system; use {ANY_MACHINE}")
        return ""
    match = _TCP.fullmatch(address)
    # ZeroMQ takes port 99999 for 34463.
    if match is None or (match["port"] != "*" and int(match["port"]) > 65535):
        raise ConfigError(f"{address!r} is not an address; use tcp://HOST:PORT or ipc://PATH")
    return match["host"].strip("[]")


def check_bindable(address: str, insecure: bool) -> None:
    """Raises ConfigError for what is no address, or, unless `insecure`, for one that other machines can reach."""
    host = host_of(address)
    if host and not insecure and not is_loopback(host):
        raise ConfigError(
            f"{address} can be reached from other machines, and anybody there would see who is in the picture; "
            f"listen on {ANY_MACHINE} or ipc://PATH, or allow it by --insecure (in Python insecure=True)"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_path(address: str) -> bool:
    """Whether an address is a path in the file system, known beforehand, that can be watched."""
    # @ is Linux's namespace without files, * a name that ZeroMQ makes up.
    return address.startswith(IPC) and address[len(IPC)] not in "@*"
