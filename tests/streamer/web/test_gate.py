"""Who is let in: by its headers, before a byte of the body is read."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from streamer.errors import ConfigError
from streamer.web.gate import COOKIE, HEADERS
from streamer.web.settings import AccessSettings
from tests.support.service import BASE, Running, run_with

TOKEN = "a-token-of-more-than-128-bits"


def _status(method: str, path: str, headers: Mapping[str, str], access: AccessSettings | None = None) -> httpx.Response:
    found: list[httpx.Response] = []

    async def work(running: Running) -> None:
        found.append(await running.client.request(method, path, headers=headers))

    run_with(work, access=access)
    return found[0]


OWN = "127.0.0.1:7860"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": OWN}, 200),
        ({"Host": "localhost:7860"}, 200),
        ({"Host": "[::1]:7860"}, 200),
        ({"Host": "evil.test:7860"}, 421),
        ({"Host": "127.0.0.1:7861"}, 421),
        ({"Host": "127.0.0.1.evil.test:7860"}, 421),
        ({"Host": "evil.test", "Origin": "http://evil.test"}, 421),
        ({"Host": OWN, "Origin": f"http://{OWN}"}, 200),
        ({"Host": OWN, "Origin": "http://evil.test"}, 403),
        ({"Host": OWN, "Origin": "http://127.0.0.1:9999"}, 403),
        ({"Host": OWN, "Origin": f"http://{OWN}.evil.test"}, 403),
        ({"Host": OWN, "Origin": f"http://{OWN}@evil.test"}, 403),
        ({"Host": OWN, "Origin": "null"}, 403),
        ({"Host": OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": OWN, "Sec-Fetch-Site": "none"}, 200),
        ({"Host": OWN, "Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": OWN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
def test_other_pages_and_names_are_kept_out(headers: Mapping[str, str], status: int) -> None:
    answer = _status("GET", "/healthz", headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_link_may_lead_to_the_page() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert _status("GET", "/", headers).status_code != 403
    assert _status("GET", "/api/v1/labels", headers).status_code == 403
    assert _status("POST", "/", headers).status_code == 403


def test_preflights_are_refused_but_of_pages_that_were_let_in() -> None:
    page = "https://friend.test"
    headers = {"Origin": page, "Sec-Fetch-Site": "cross-site"}
    assert _status("OPTIONS", "/api/v1/parse", {"Origin": f"http://{OWN}"}).status_code == 403
    access = AccessSettings(cors=(page,))
    answer = _status("GET", "/api/v1/labels", headers, access)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == page
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    preflight = _status("OPTIONS", "/api/v1/parse", {**headers, "Access-Control-Request-Method": "POST"}, access)
    assert preflight.status_code == 204
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    assert _status("GET", "/api/v1/labels", {"Origin": "https://other.test"}, access).status_code == 403


def test_a_token_is_asked_for_everywhere_but_at_the_door() -> None:
    async def work(running: Running) -> None:
        client = running.client
        for path in ("/healthz", "/readyz", "/api/v1/openapi.json", "/problems/no-token"):
            assert (await client.get(path)).status_code == 200, path
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"{COOKIE}=x"}):
            answer = await client.get("/api/v1/labels", headers=shown)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await client.get(f"/api/v1/labels?token={TOKEN}")).status_code == 401
        assert (await client.get("/api/v1/labels", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        assert (await client.post("/api/v1/parse", content=b"x")).status_code == 401
        assert (await client.post("/session", json={"token": "wrong"})).status_code == 401
        answer = await client.post("/session", json={"token": TOKEN})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get("/api/v1/labels")).status_code == 200  # by the cookie

    run_with(work, access=AccessSettings(token=TOKEN))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "people.example"])
def test_beyond_loopback_a_token_is_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M2FP_STREAMER_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="--token auto"):
        AccessSettings(host=host)
    AccessSettings(host=host, insecure=True)
    AccessSettings(host=host, token="auto")
    monkeypatch.setenv("M2FP_STREAMER_TOKEN", TOKEN)
    assert AccessSettings(host=host).secret == TOKEN


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="can be guessed"):
        AccessSettings(token="short")
    with pytest.raises(ConfigError, match="belong together"):
        AccessSettings(tls_cert="a.pem")
    with pytest.raises(ConfigError, match="root_path"):
        AccessSettings(root_path="people/")
    with pytest.raises(ConfigError, match="port"):
        AccessSettings(port=70000)
    assert TOKEN not in repr(AccessSettings(token=TOKEN))


def test_by_an_address_and_by_names_that_were_given() -> None:
    access = AccessSettings(host="0.0.0.0", token=TOKEN, allow_host=("people.example",))
    for host, status in (
        ("192.168.1.7:7860", 200),
        ("[fe80::1]:7860", 200),
        ("people.example", 200),
        ("people.example:443", 200),
        ("evil.test", 421),
        ("1.2.3.4.evil.test", 421),
    ):
        assert _status("GET", "/healthz", {"Host": host}, access).status_code == status, host


def test_bodies_that_are_too_large_are_refused() -> None:
    async def many() -> Any:
        for _ in range(70):
            yield bytes(2**20)

    async def work(running: Running) -> None:
        early = await running.client.post("/session", content=bytes(70_000))
        counted = await running.client.post("/api/v1/parse", content=many())
        for answer in (early, counted):
            assert answer.status_code == 413
            assert answer.json()["type"] == "/problems/too-many-bytes"

    run_with(work)


def test_every_error_is_a_problem() -> None:
    async def work(running: Running) -> None:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("GET", "/problems/unheard-of", 404),
            ("DELETE", "/api/v1/parse", 405),
            ("POST", "/session", 422),
            ("GET", "/api/v1/results/r_x/overlay.jpg", 404),
            ("GET", "/api/v1/results/../../etc/passwd", 404),
            ("GET", "/api/v1/results/r_x/..%2f..%2fetc%2fpasswd", 404),
        ):
            answer = await running.client.request(method, path)
            assert answer.status_code == status, path
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["status"] == status
            assert problem["request_id"] == answer.headers["x-request-id"]
            page = await running.client.get(problem["type"])
            assert page.status_code == 200
            assert problem["title"] in page.text

    run_with(work)


def test_the_documents_are_there() -> None:
    async def work(running: Running) -> None:
        document = (await running.client.get("/api/v1/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert {"/api/v1/parse", "/api/v1/parse/batch", "/api/v1/labels", "/healthz"} <= document["paths"].keys()
        assert BASE not in str(document)

    run_with(work)
