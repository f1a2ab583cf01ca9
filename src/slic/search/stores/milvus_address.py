"""The address of a Milvus server or cluster, with what a collection is made with."""

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from slic.errors import SearchError

TOKEN_VARIABLE: Final = "SLIC_MILVUS_TOKEN"
DATABASE_VARIABLE: Final = "SLIC_MILVUS_DATABASE"
_BOUNDS: Final = {
    "shards": (1, 16), "partitions": (1, 1024), "loaded": (1, 1024), "replicas": (1, 64)
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MilvusAddress:
    """Where a collection is, and how it is divided.

    Attributes:
        server: Address without options, such as ``http://host:19530``.
        shards: Write channels of a new collection, which spread writes over nodes.
        partitions: Parts of a new collection, which can be loaded one by one.
        loaded: Partitions that may be in the memory of the cluster at a time; None for all.
        replicas: Copies in memory, each on nodes of its own; more searches a second.
    """

    server: str
    shards: int = 1
    partitions: int = 1
    loaded: int | None = None
    replicas: int = 1

    @property
    def token(self) -> str:
        """User and password, or an API key: from the environment, never from an index."""
        return os.environ.get(TOKEN_VARIABLE, "")

    @property
    def database(self) -> str:
        """Database of the server: from the environment; empty for the default one."""
        return os.environ.get(DATABASE_VARIABLE, "")


def parse_milvus_address(url: str) -> MilvusAddress:
    """Return what an address such as ``http://host:19530?shards=4&partitions=16`` says.

    Raises:
        SearchError: It has a password, an unknown option, or a number out of range.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise SearchError(
            f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}: an index would store the "
            f"password of this address; give user:password in {TOKEN_VARIABLE} instead."
        )
    server = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    return MilvusAddress(server=server, **{k: _number(server, k, v) for k, v in options.items()})


def _number(server: str, name: str, value: str) -> int:
    if name not in _BOUNDS:
        raise SearchError(
            f"{server}: there is no option {name[:40]!r} of a Milvus address; there are "
            f"{', '.join(_BOUNDS)}."
        )
    least, most = _BOUNDS[name]
    if not (value.isascii() and value.isdecimal() and least <= int(value[:9]) <= most):
        raise SearchError(f"{server}: {name}={value[:40]} is not a number from {least} to {most}.")
    return int(value)
