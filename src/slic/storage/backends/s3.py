"""S3 and servers like it, with the credentials and the endpoint of the environment (s3fs)."""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import fsspec
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own)
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)

from slic.storage.addresses import Address
from slic.storage.backends import Count
from slic.storage.backends.loop import run
from slic.storage.retries import (
    Limits,
    TransientError,
    changed,
    check_range,
    check_status,
    refused,
    tried,
    unusable,
)
from slic.storage.states import ObjectState, object_state

LIST_SECONDS = 60.0  # of a page of a thousand objects
_NO_CREDENTIALS = "no credentials found; FSSPEC_S3_ANON=true reads public buckets"


class S3Backend:
    """Reads with the client that s3fs makes; its own retries are off, ours count."""

    def __init__(self) -> None:
        self._clients: dict[tuple[int, Limits], Any] = {}  # by process: a fork has its own

    def state(self, address: Address, limits: Limits) -> ObjectState:
        """Return the version that an object has now."""
        bucket, key = address.parts

        async def look() -> Any:
            client = await self._client(limits, bucket)
            return await client.head_object(Bucket=bucket, Key=key)

        about = _called(look, limits.seconds_of(0))
        return object_state(about["ContentLength"], about["LastModified"], about.get("ETag"))

    def read(
        self, address: Address, state: ObjectState, start: int, end: int, limits: Limits
    ) -> bytes:
        """Return a byte range of this version."""
        bucket, key = address.parts
        condition = {"IfMatch": state.tag} if state.tag else {}

        async def get() -> bytes:
            client = await self._client(limits, bucket)
            about = await client.get_object(
                Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}", **condition
            )
            async with about["Body"] as body:
                if state.tag and about.get("ETag", state.tag) != state.tag:
                    raise changed()
                if "ContentRange" not in about and about["ContentLength"] != end - start:
                    raise unusable("the storage does not give parts of objects")
                if "ContentRange" in about:
                    check_range(about["ContentRange"], start, end, state.size)
                return bytes(await body.read())

        data: bytes = _called(get, limits.seconds_of(end - start))
        return data

    def list(self, address: Address, limits: Limits, count: Count) -> dict[str, ObjectState]:
        """Return the versions below a folder by relative name."""
        bucket, key = address.parts
        prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
        found: dict[str, ObjectState] = {}
        token: dict[str, str] = {}
        while True:
            page = tried(partial(self._page, bucket, prefix, token, limits, count), limits)
            for row in page.get("Contents", ()):
                if name := row["Key"][len(prefix) :]:
                    found[name] = object_state(row["Size"], row["LastModified"], row.get("ETag"))
            if not page.get("IsTruncated"):
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(
        self, bucket: str, prefix: str, token: dict[str, str], limits: Limits, count: Count
    ) -> Any:
        async def get() -> Any:
            client = await self._client(limits, bucket)
            return await client.list_objects_v2(Bucket=bucket, Prefix=prefix, **token)

        count(listings=1)
        return _called(get, LIST_SECONDS)

    async def close(self) -> None:
        """Close the connections of this process."""
        for (process, _), system in self._clients.items():
            if process == os.getpid() and system._s3 is not None:
                await system._s3.close()

    async def _client(self, limits: Limits, bucket: str) -> Any:
        key = (os.getpid(), limits)
        if key not in self._clients:
            self._clients[key] = fsspec.filesystem(
                "s3",
                asynchronous=True,
                skip_instance_cache=True,
                config_kwargs={
                    "connect_timeout": limits.connect_seconds,
                    "read_timeout": limits.silent_seconds,
                    "retries": {"total_max_attempts": 1},
                },
            )
        system = self._clients[key]
        await system.set_session()
        return await system.get_s3(bucket)


def _called(call: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """Run a call of a client, and raise its errors as ours."""
    try:
        return run(call, seconds=seconds)
    except ClientError as error:
        about = error.response
        check_status(int(about.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) or 599)
        raise unusable(f"the storage answers {about.get('Error', {}).get('Code')}") from None
    except (NoCredentialsError, PartialCredentialsError):
        raise refused(_NO_CREDENTIALS) from None
    except (ConnectionError, HTTPClientError, ResponseStreamingError) as error:
        raise TransientError(f"no connection: {type(error).__name__}") from None
    except BotoCoreError as error:
        raise unusable(f"{type(error).__name__}: {error}") from None
