"""Who may ask, and what every answer says: one middleware around the whole studio.

A page of another site that is open in the same browser can send requests here, and can make its
own name point here (DNS rebinding); another person on the network can, too, once the studio
listens there. So a request must name this machine as its host, must not come from another site,
must carry the page's own token when it changes something, and the access token off this machine.
"""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "slic_studio"
PAGE_TOKEN_HEADER = "x-slic-token"
SAFE_METHODS = ("GET", "HEAD")
ANSWER_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """What is asked of a request.

    Attributes:
        host: The address that the studio listens at.
        token: Needed to see anything; None where only this machine can connect.
        page_token: Given to the page, and asked of every request that changes something.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @classmethod
    def of(cls, host: str) -> "Access":
        """Return the access for an address: off this machine it takes a new token."""
        return cls(host=host, token=None if is_this_machine(host) else secrets.token_urlsafe(24))


def is_this_machine(host: str) -> bool:
    """Tell whether only this machine can connect to an address."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


class Guard:
    """The middleware."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ANSWER_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._instead(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _instead(self, scope: Scope) -> Response | None:
        """Return the answer to a request that does not reach the studio."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._knows(host):
            return _refused(421, "This address is not the studio's; use the one it printed.")
        page = scope["path"] == "/"
        if _from_elsewhere(headers, scheme=scope["scheme"], host=host, page=page):
            return _refused(403, "Refused: another site asked for this.")
        if self.access.token is not None and (answer := self._sign_in(scope)):
            return answer
        given = headers.get(PAGE_TOKEN_HEADER, "")
        if scope["method"] not in SAFE_METHODS and not _equal(given, self.access.page_token):
            return _refused(403, "The page is older than the studio; load it again.")
        return None

    def _knows(self, host: str) -> bool:
        """Tell whether a request's host is an address, localhost, or what we listen at by name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if is_this_machine(self.access.host):
            return is_this_machine(name)
        return _address(name) is not None or name in ("localhost", self.access.host.lower())

    def _sign_in(self, scope: Scope) -> Response | None:
        """Return None for who has the token, and take it out of the address into a cookie."""
        token = self.access.token or ""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        cookie = f"{COOKIE}_{scope['server'][1]}"  # browsers give a host's cookies to all its ports
        if scope["path"] == "/" and _equal(asked, token):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(cookie, token, httponly=True, samesite="strict", path="/")
            return answer
        if _equal(Request(scope).cookies.get(cookie, ""), token):
            return None
        return _refused(401, "Open the address with the token that `slic studio` printed.")


def _from_elsewhere(headers: Headers, *, scheme: str, host: str, page: bool) -> bool:
    """Tell whether a page of another origin asks; following a link to our page is allowed."""
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") and not page:
        return True
    origin = headers.get("origin")
    return origin is not None and origin != f"{scheme}://{host}"


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status_code=status)
