"""Which requests are answered, by host, origin, page token and access token."""

from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from slic.studio.access import (
    PAGE_TOKEN_HEADER,
    SECURITY_HEADERS,
    AccessMiddleware,
    AccessPolicy,
    cookie_name,
)


def answer_inside(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client_of(
    policy: AccessPolicy, address: str = "http://127.0.0.1:7542", *, known: bool = True
) -> TestClient:
    """Return a client of a small application; ``known``: it has the cookie already."""
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(
        routes=[Route(path, answer_inside, methods=methods) for path in ("/", "/api/summary")]
    )
    client = TestClient(AccessMiddleware(app, policy), address)
    if known:
        client.cookies.set(cookie_name(urlsplit(address).port or 80), policy.token)
    return client


@pytest.mark.parametrize("host", ["127.0.0.1:7542", "localhost:7542", "[::1]:7542", "127.0.0.1"])
def test_any_loopback_host_is_accepted(host: str) -> None:
    assert client_of(AccessPolicy()).get("/api/summary", headers={"Host": host}).text == "inside"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # DNS rebinding: the attacker's name resolves to this machine
        "127.0.0.1.evil.example:7542",
        "localhost.evil.example",
        "192.168.1.7:7542",
        "",
        "[::1",
        "user@evil.example",
    ],
)
def test_another_host_is_refused(host: str) -> None:
    answer = client_of(AccessPolicy()).get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "inside" not in answer.text


def test_on_the_network_any_ip_address_is_accepted_but_no_other_name() -> None:
    policy = AccessPolicy(host="0.0.0.0", token="t")
    client = client_of(policy, "http://192.168.1.7:7542")
    assert client.get("/api/summary").text == "inside"
    assert client.get("/api/summary", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},  # another program of this machine
        {"Origin": "https://127.0.0.1:7542"},
        {"Origin": "null"},
    ],
)
def test_another_origin_is_refused(headers: dict[str, str]) -> None:
    assert client_of(AccessPolicy()).get("/api/summary", headers=headers).status_code == 403


def test_a_link_from_another_site_opens_the_page() -> None:
    assert (
        client_of(AccessPolicy()).get("/", headers={"Sec-Fetch-Site": "cross-site"}).text
        == "inside"
    )


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("token", [None, "", "wrong", "right"])
def test_a_change_needs_the_page_token(method: str, token: str | None) -> None:
    policy = AccessPolicy()
    given = policy.page_token if token == "right" else token
    headers = {} if given is None else {PAGE_TOKEN_HEADER: given}
    answer = client_of(policy).request(method, "/api/summary", headers=headers)
    assert answer.status_code == (200 if token == "right" else 403)


def test_every_start_has_new_tokens() -> None:
    tokens = [token for _ in range(50) for token in vars(AccessPolicy()).values()]
    assert len(set(tokens)) == 101  # and one host
    assert all(len(token) >= 32 for token in tokens if token != "127.0.0.1")
    assert "127.0.0.1" not in AccessPolicy().token


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/?token=t"),
        ("localhost", "http://localhost:80/?token=t"),
        ("::1", "http://[::1]:80/?token=t"),
        ("0.0.0.0", "http://127.0.0.1:80/?token=t"),
        ("192.168.1.7", "http://192.168.1.7:80/?token=t"),
    ],
)
def test_the_address_of_the_page_has_the_token(host: str, address: str) -> None:
    assert AccessPolicy(host=host, token="t").address(80) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.7"])
def test_the_token_in_the_address_becomes_a_cookie(host: str) -> None:
    policy = AccessPolicy(host=host)
    client = client_of(policy, f"http://{host}:7542", known=False)
    for path in ("/", "/?token=wrong", "/?token=", f"/api/summary?token={policy.token}"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
    answer = client.get(f"/?token={policy.token}")
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.text) == (200, "inside")
    assert cookie.startswith(f"slic_studio_7542={policy.token};")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/").text == "inside"  # with the cookie
    assert client.post("/api/summary").status_code == 403  # the cookie is not the page token


def test_a_person_without_the_token_gets_a_page_and_a_program_a_line() -> None:
    client = client_of(AccessPolicy(), known=False)
    page = client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    for answer in (page, client.get("/api/summary", headers={"Accept": "text/html"})):
        assert answer.status_code == 401
        assert "Open the address with the token that the studio printed" in answer.text
        assert "Each start of the studio has a new token." in answer.text
    assert set(client.get("/").json()) == {"error"}


def test_a_token_of_the_address_is_told_once_it_was_used() -> None:
    used: list[bool] = []
    policy = AccessPolicy()

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return PlainTextResponse("inside")(scope, receive, send)

    middleware = AccessMiddleware(app, policy, lambda: used.append(True))
    client = TestClient(middleware, "http://127.0.0.1:7542")
    client.get("/?token=wrong")
    assert used == []
    assert client.get(f"/?token={policy.token}").text == "inside"
    assert used == [True]


@pytest.mark.parametrize("cookie", ["", "slic_studio_80", "slic_studio_80=wrong", "\\", "a=b; c"])
def test_a_wrong_cookie_is_refused(cookie: str) -> None:
    client = client_of(
        AccessPolicy(host="192.168.1.7", token="secret"), "http://192.168.1.7", known=False
    )
    assert client.get("/", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("other", ['a={"b":1}', "a[b]=1", "foo bar=1", 'a=b"c', "a"])
def test_malformed_cookies_of_other_programs_are_ignored(other: str) -> None:
    client = client_of(
        AccessPolicy(host="192.168.1.7", token="secret"), "http://192.168.1.7", known=False
    )
    cookies = {"Cookie": f"{other}; slic_studio_80=secret"}
    assert client.get("/", headers=cookies).text == "inside"


def test_two_studios_on_one_host_keep_their_own_tokens() -> None:
    tokens = {7542: "one", 7543: "two"}
    cookies: dict[str, str] = {}  # a browser sends a host's cookies to all its ports
    for again in (False, True):
        for port, token in tokens.items():
            policy = AccessPolicy(host="192.168.1.7", token=token)
            client = client_of(policy, f"http://192.168.1.7:{port}", known=False)
            client.cookies.update(cookies)
            address = "/" if again else f"/?token={token}"
            assert client.get(address).text == "inside"
            cookies |= dict(client.cookies)


def test_every_response_has_the_security_headers() -> None:
    client = client_of(AccessPolicy())
    requests: list[dict[str, Any]] = [{}, {"headers": {"Host": "evil.example"}}]
    for request in requests:
        answer = client.get("/", **request)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
