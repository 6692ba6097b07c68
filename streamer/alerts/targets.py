"""Where messages go: a broker of MQTT, an address of the web, a file of lines."""

import json
import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from streamer.errors import ConfigError, SinkError

KINDS = ("mqtt", "webhook", "jsonl")
TIMEOUT_S = 5.0
MQTT_PORT = 1883
_LOG = logging.getLogger(__name__)


class Target(Protocol):
    """Takes messages. For one thread."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises SinkError when nothing can be sent any more."""

    def close(self) -> None: ...


def open_target(kind: str, url: str) -> Target:
    """A target of one of `KINDS`.

    Args:
        url: `mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC`; the address that a webhook is posted to; or a file's path.

    Raises:
        ConfigError: no such kind, or no such address.
        SinkError: it cannot be reached or written.
    """
    if kind not in KINDS:
        raise ConfigError(f"to {kind!r}: it is {', '.join(KINDS)}")
    if kind == "jsonl":
        return _Lines(Path(url))
    parts = urlsplit(url)
    if kind == "webhook" and parts.scheme in ("http", "https") and parts.hostname:
        return _Webhook(url)
    if kind == "mqtt" and parts.scheme == "mqtt" and parts.hostname and len(parts.path) > 1:
        return _Mqtt(url)
    form = "mqtt://HOST/TOPIC" if kind == "mqtt" else "http://HOST/PATH or https://HOST/PATH"
    raise ConfigError(f"{url!r} is no address for {kind}; write {form}")


class _Lines:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as exc:
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc

    def send(self, message: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()
        except OSError as exc:
            raise SinkError(f"cannot write {self._path}: {exc.strerror}") from exc

    def close(self) -> None:
        self._file.close()


class _Webhook:
    """Posts JSON. A server that does not answer misses the message, and the log says so the first time."""

    def __init__(self, url: str) -> None:
        self._url, self._told = url, False

    def send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps(message).encode()
        request = Request(self._url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                answer.read(1)
            self._told = False
        except (URLError, OSError) as exc:
            if not self._told:
                _LOG.warning("%s took no message: %s", urlsplit(self._url).hostname, exc)
            self._told = True

    def close(self) -> None:
        """Nothing is held."""


class _Mqtt:
    """Publishes with quality of service 1; paho connects again by itself, and keeps what could not be sent."""

    def __init__(self, url: str) -> None:
        try:
            mqtt: Any = import_module("paho.mqtt.client")
        except ImportError as exc:
            raise ConfigError("mqtt needs paho-mqtt; install it by: pip install paho-mqtt") from exc
        parts = urlsplit(url)
        self._host, self._topic = parts.hostname, parts.path[1:]
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        try:
            self._client.connect(parts.hostname, parts.port or MQTT_PORT)
        except OSError as exc:
            raise SinkError(f"no broker of MQTT answers at {self._host}: {exc.strerror or exc}") from exc
        self._client.loop_start()

    def send(self, message: Mapping[str, Any]) -> None:
        try:
            self._sent = self._client.publish(self._topic, json.dumps(message), qos=1)
        except ValueError as exc:
            raise SinkError(f"cannot publish at {self._host}, topic {self._topic!r}: {exc}") from exc

    def close(self) -> None:
        if getattr(self, "_sent", None) is not None and self._client.is_connected():
            self._sent.wait_for_publish(TIMEOUT_S)
        self._client.disconnect()
        self._client.loop_stop()
