"""Who is let in: by host, site, page token and access token."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from slic.studio.guard import ANSWER_HEADERS, COOKIE, PAGE_TOKEN_HEADER, Access, Guard


def inside(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client_of(access: Access, address: str = "http://127.0.0.1:7542") -> TestClient:
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(routes=[Route(path, inside, methods=methods) for path in ("/", "/api/about")])
    return TestClient(Guard(app, access), address)


@pytest.mark.parametrize("host", ["127.0.0.1:7542", "localhost:7542", "[::1]:7542", "127.0.0.1"])
def test_this_machine_by_any_of_its_names_is_let_in(host: str) -> None:
    assert client_of(Access()).get("/api/about", headers={"Host": host}).text == "inside"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # DNS rebinding: a name of the attacker's that points here
        "127.0.0.1.evil.example:7542",
        "localhost.evil.example",
        "192.168.1.7:7542",
        "",
        "[::1",
        "user@evil.example",
    ],
)
def test_another_host_is_refused(host: str) -> None:
    answer = client_of(Access()).get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "inside" not in answer.text


def test_off_this_machine_addresses_are_hosts_and_names_of_others_are_not() -> None:
    access = Access(host="0.0.0.0", token="t")
    client = client_of(access, "http://192.168.1.7:7542")
    assert client.get("/api/about", headers={"Cookie": f"{COOKIE}_7542=t"}).text == "inside"
    assert client.get("/api/about", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("path", ["/api/about"])
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
def test_another_site_is_refused(path: str, headers: dict[str, str]) -> None:
    assert client_of(Access()).get(path, headers=headers).status_code == 403


def test_a_link_from_another_site_opens_the_page() -> None:
    assert client_of(Access()).get("/", headers={"Sec-Fetch-Site": "cross-site"}).text == "inside"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("token", [None, "", "wrong", "right"])
def test_a_change_needs_the_token_of_the_page(method: str, token: str | None) -> None:
    access = Access()
    given = access.page_token if token == "right" else token
    headers = {} if given is None else {PAGE_TOKEN_HEADER: given}
    answer = client_of(access).request(method, "/api/about", headers=headers)
    assert answer.status_code == (200 if token == "right" else 403)


def test_only_other_machines_need_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        assert Access.of(host).token is None
    for host in ("0.0.0.0", "::", "192.168.1.7", "studio.example"):
        assert len(Access.of(host).token or "") >= 24
    assert Access.of("0.0.0.0").token != Access.of("0.0.0.0").token


def test_the_token_in_the_address_becomes_a_cookie() -> None:
    access = Access.of("192.168.1.7")
    client = client_of(access, "http://192.168.1.7:7542")
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get(f"/api/about?token={access.token}").status_code == 401  # only at the page
    answer = client.get(f"/?token={access.token}", follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/").text == "inside"  # the client sends the cookie
    assert client.post("/api/about").status_code == 403  # which is no page token


@pytest.mark.parametrize("cookie", ["", "slic_studio_80", "slic_studio_80=wrong", "\\", "a=b; c"])
def test_a_strange_cookie_is_refused(cookie: str) -> None:
    client = client_of(Access(host="192.168.1.7", token="secret"), "http://192.168.1.7")
    assert client.get("/", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("other", ['a={"b":1}', "a[b]=1", "foo bar=1", 'a=b"c', "a"])
def test_cookies_of_other_programs_do_not_matter(other: str) -> None:
    client = client_of(Access(host="192.168.1.7", token="secret"), "http://192.168.1.7")
    cookies = {"Cookie": f"{other}; slic_studio_80=secret"}
    assert client.get("/", headers=cookies).text == "inside"


def test_two_studios_of_one_host_know_their_own_tokens() -> None:
    tokens = {7542: "one", 7543: "two"}
    cookies: dict[str, str] = {}  # which a browser keeps by host, whatever the port
    for again in (False, True):
        for port, token in tokens.items():
            access = Access(host="192.168.1.7", token=token)
            client = client_of(access, f"http://192.168.1.7:{port}")
            client.cookies.update(cookies)
            address = "/" if again else f"/?token={token}"
            assert client.get(address).text == "inside"
            cookies |= dict(client.cookies)


def test_every_answer_forbids_what_a_page_could_do_elsewhere() -> None:
    client = client_of(Access())
    requests: list[dict[str, Any]] = [{}, {"headers": {"Host": "evil.example"}}]
    for request in requests:
        answer = client.get("/", **request)
        assert {name: answer.headers[name] for name in ANSWER_HEADERS} == ANSWER_HEADERS
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
