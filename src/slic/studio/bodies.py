"""A size limit for the bodies of requests, as an ASGI middleware."""

from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_JSON_BYTES: Final = 4 << 20  # 100,000 ids of moments in one request take 2 MB
OWN_LIMITS: Final = frozenset({"/api/uploads", "/api/labels/import"})  # these routes count bytes
UNREAD: Final = frozenset({"GET", "HEAD"})  # their bodies are not read
TOO_LARGE: Final = (
    f"The body of a request may have {MAX_JSON_BYTES >> 20} MB. Select fewer moments."
)


@dataclass(eq=False)
class BodyLimitMiddleware:
    """Refuses a body of more than `MAX_JSON_BYTES` with 413, before it is read where it can.

    A chunked body has no length in advance, so its bytes are counted as they come.

    Args:
        app: The application to protect.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a body that is counted."""
        if scope["type"] != "http" or scope["path"] in OWN_LIMITS or scope["method"] in UNREAD:
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > MAX_JSON_BYTES):
            refusal = JSONResponse({"error": TOO_LARGE}, 413, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_JSON_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self.app(scope, receive_counted, send)
