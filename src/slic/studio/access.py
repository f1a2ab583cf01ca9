"""Access control for the studio, as one ASGI middleware around the whole application.

Several parties can reach the port without being the user:

* Another user of this machine, and another machine if the studio listens on the network. So every
  request must carry the access token, which is in the address that the command prints.
* A page of another site, open in the same browser. It can send requests to the studio. So a
  request must come from the studio's own origin, and a change must carry the page's token.
* A site whose host name resolves to this machine (DNS rebinding). So the ``Host`` header must name
  an accepted host.

Starlette's ``TrustedHostMiddleware`` takes a list of names. The studio has to accept any loopback
address, or any IP address when it listens on the network, so the check is done here.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS_COOKIE = "slic_studio"
PAGE_TOKEN_HEADER = "x-slic-token"
SAFE_METHODS = ("GET", "HEAD")
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


TOKEN_NEEDED = "Open the address with the token that the studio printed in its terminal."
TOKEN_CHANGED = "Each start of the studio has a new token."
_TOKEN_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>slic studio</title></head><body>
<h1>This page needs the token of the studio</h1>
<p>{TOKEN_NEEDED} It ends in <code>?token=…</code></p>
<p>{TOKEN_CHANGED} An older address or an open page no longer works.</p>
</body></html>
"""


@dataclass(frozen=True, kw_only=True)
class AccessPolicy:
    """What a request needs to be answered.

    Attributes:
        host: Address or name that the studio listens on.
        token: Access token that every request needs: in the address of the page, then as a cookie.
        page_token: Token that is written into the page. Requests that change something need it.
    """

    host: str = "127.0.0.1"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def address(self, port: int) -> str:
        """Return the address of the page, with the token."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}/?token={self.token}"


def cookie_name(port: int) -> str:
    """Return the name of the access cookie of a studio.

    Browsers send a host's cookies to all its ports, and two studios may run on one host.
    """
    return f"{ACCESS_COOKIE}_{port}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a host.

    Args:
        host: ``"localhost"``, an IP address, or any other name, which counts as not loopback
            because another machine may resolve it.
    """
    address = _parse_ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


@dataclass(eq=False)
class AccessMiddleware:
    """ASGI middleware that refuses requests against the policy and sets the security headers.

    It wraps the application from outside, so that error responses of the framework get the headers
    too.

    Args:
        app: The application to protect.
        policy: What a request needs to reach it.
        on_entry: Called when the token of the address was used.
    """

    app: ASGIApp
    policy: AccessPolicy
    on_entry: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request, or pass the request on to the application."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":  # the studio has no websockets
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if enters and refusal is None:
                    headers.append("Set-Cookie", self._cookie(scope))
            await send(message)

        enters = self._has_token_in_address(scope)
        refusal = self._check_request(scope, enters=enters)
        await (refusal or self.app)(scope, receive, send_with_headers)

    def _check_request(self, scope: Scope, *, enters: bool) -> Response | None:
        """Return the response to a request that may not reach the application, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._accepts_host(host):
            return _refusal(421, "The studio does not have this address. Use the one it printed.")
        is_page = scope["path"] == "/"
        if _is_cross_origin(headers, scheme=scope["scheme"], host=host, is_page=is_page):
            return _refusal(403, "Refused: the request came from another site.")
        if enters:
            self.on_entry()
        elif not _tokens_equal(
            Request(scope).cookies.get(_cookie_of(scope), ""), self.policy.token
        ):
            return _token_needed(scope)
        given = headers.get(PAGE_TOKEN_HEADER, "")
        if scope["method"] not in SAFE_METHODS and not _tokens_equal(given, self.policy.page_token):
            return _refusal(403, "The page is older than the studio. Reload it.")
        return None

    def _accepts_host(self, host: str) -> bool:
        """Return whether a ``Host`` header names this studio."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if is_loopback(self.policy.host):
            return is_loopback(name)
        # A rebinding attack needs a host name of the attacker, so any IP address is safe.
        own_names = ("localhost", self.policy.host.lower())
        return name in own_names or _parse_ip_address(name) is not None

    def _has_token_in_address(self, scope: Scope) -> bool:
        """Return whether the address of the page has the token; no other address may have it."""
        if scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return _tokens_equal(given, self.policy.token)

    def _cookie(self, scope: Scope) -> str:
        return f"{_cookie_of(scope)}={self.policy.token}; HttpOnly; Path=/; SameSite=strict"


def _cookie_of(scope: Scope) -> str:
    return cookie_name((scope.get("server") or ("", 0))[1] or 0)


def _token_needed(scope: Scope) -> Response:
    """Return what to do: as a page to a person, as JSON to a program."""
    if scope["path"] == "/" and "text/html" in Headers(scope=scope).get("accept", ""):
        return HTMLResponse(_TOKEN_PAGE, 401)
    return _refusal(401, f"{TOKEN_NEEDED} {TOKEN_CHANGED}")


def _is_cross_origin(headers: Headers, *, scheme: str, host: str, is_page: bool) -> bool:
    """Return whether a page of another origin sent the request; a link to the page is allowed."""
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") and not is_page:
        return True
    origin = headers.get("origin")
    return origin is not None and origin != f"{scheme}://{host}"


def _tokens_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())  # in constant time


def _parse_ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refusal(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status_code=status)
