"""Addresses of objects: what is shown and stored of them, and what only requests have.

The query of a presigned address and a name with a password are secrets. They are kept in memory
only: ids, caches, logs and messages have the address without them.
"""

import re
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from slic.errors import CatalogError

PACKAGES: Final = {  # what reads a scheme
    "s3": "s3fs",
    "s3a": "s3fs",
    "http": "aiohttp",
    "https": "aiohttp",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
WEB: Final = ("http", "https")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_SECRET: Final = re.compile(r"(?i)sig|token|key|cred|secret|pass|auth|expire|policy")


class Address(NamedTuple):
    """An address in two forms.

    Attributes:
        url: What is shown and stored.
        request: What a request is made with; it may have secrets.
    """

    url: str
    request: str

    @property
    def scheme(self) -> str:
        """The scheme in lower case."""
        return self.url.partition(":")[0]

    @property
    def parts(self) -> tuple[str, str]:
        """The bucket, or the host with its port, and the key or the path of the page."""
        rest = self.url.partition("://")[2]
        if self.scheme in WEB:
            rest = rest.partition("?")[0]
        bucket, _, key = rest.partition("/")
        return bucket, key


def is_address(text: str) -> bool:
    """Return whether a text is an address and not a path, such as ``s3://bucket/film.mp4``.

    An address from which a path took one of the two slashes counts too.
    """
    found = _SCHEME.match(text)
    return bool(found) and found[1].lower() in PACKAGES if found else False


def parse_address(text: str) -> Address:
    """Return an address.

    Raises:
        CatalogError: Its scheme is not known, it has no bucket or host, or it is link-local.
    """
    found = _SCHEME.match(text)
    if found is None or found[1].lower() not in PACKAGES:
        known = ", ".join(f"{scheme}://" for scheme in PACKAGES)
        raise CatalogError(f"{text.partition('?')[0]}: not an address of {known}.")
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme not in WEB:
        scheme = {"s3a": "s3", "gcs": "gs"}.get(scheme, scheme)
        address = Address(f"{scheme}://{rest}", f"{scheme}://{rest}")
    else:
        address = _web_address(f"{scheme}://{rest}")
    if not address.parts[0]:
        raise CatalogError(f"{address.url}: names no bucket or host.")
    return address


def _web_address(text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise CatalogError(f"{text.partition('?')[0]}: not a web address ({error}).") from None
    refuse_host(host, f"{parts.scheme}://{host}")
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    secret = any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, True))
    shown = urlunsplit((parts.scheme, place, parts.path, "" if secret else parts.query, ""))
    return Address(shown, urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, "")))


def refuse_host(host: str, shown: str) -> None:
    """Raise for a link-local host: clouds hand out credentials there.

    Raises:
        CatalogError: It is one.
    """
    if is_link_local(host):
        raise CatalogError(f"{shown}: link-local addresses are not read.")


def is_link_local(host: str) -> bool:
    """Return whether a host is written as a link-local address, or as a cloud's metadata host."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".") == "metadata.google.internal"
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_link_local or str(mapped) == "fd00:ec2::254"
