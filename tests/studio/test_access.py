"""Which requests are answered, by host, origin, page token and access token."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from slic.studio.access import (
    ACCESS_COOKIE,
    PAGE_TOKEN_HEADER,
    SECURITY_HEADERS,
    AccessMiddleware,
    AccessPolicy,
)


def answer_inside(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client_of(policy: AccessPolicy, address: str = "http://127.0.0.1:7542") -> TestClient:
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(
        routes=[Route(path, answer_inside, methods=methods) for path in ("/", "/api/summary")]
    )
    return TestClient(AccessMiddleware(app, policy), address)


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
    assert (
        client.get("/api/summary", headers={"Cookie": f"{ACCESS_COOKIE}_7542=t"}).text == "inside"
    )
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


def test_only_hosts_off_this_machine_need_an_access_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        assert AccessPolicy.for_host(host).token is None
    for host in ("0.0.0.0", "::", "192.168.1.7", "studio.example"):
        assert len(AccessPolicy.for_host(host).token or "") >= 24
    assert AccessPolicy.for_host("0.0.0.0").token != AccessPolicy.for_host("0.0.0.0").token


def test_the_token_in_the_url_becomes_a_cookie() -> None:
    policy = AccessPolicy.for_host("192.168.1.7")
    client = client_of(policy, "http://192.168.1.7:7542")
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert (
        client.get(f"/api/summary?token={policy.token}").status_code == 401
    )  # only the page takes it
    answer = client.get(f"/?token={policy.token}", follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/").text == "inside"  # with the cookie
    assert client.post("/api/summary").status_code == 403  # the cookie is not the page token


@pytest.mark.parametrize("cookie", ["", "slic_studio_80", "slic_studio_80=wrong", "\\", "a=b; c"])
def test_a_wrong_cookie_is_refused(cookie: str) -> None:
    client = client_of(AccessPolicy(host="192.168.1.7", token="secret"), "http://192.168.1.7")
    assert client.get("/", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("other", ['a={"b":1}', "a[b]=1", "foo bar=1", 'a=b"c', "a"])
def test_malformed_cookies_of_other_programs_are_ignored(other: str) -> None:
    client = client_of(AccessPolicy(host="192.168.1.7", token="secret"), "http://192.168.1.7")
    cookies = {"Cookie": f"{other}; slic_studio_80=secret"}
    assert client.get("/", headers=cookies).text == "inside"


def test_two_studios_on_one_host_keep_their_own_tokens() -> None:
    tokens = {7542: "one", 7543: "two"}
    cookies: dict[str, str] = {}  # a browser sends a host's cookies to all its ports
    for again in (False, True):
        for port, token in tokens.items():
            policy = AccessPolicy(host="192.168.1.7", token=token)
            client = client_of(policy, f"http://192.168.1.7:{port}")
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
