"""Ends connections whose request nobody reads to its end."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOTHING = (b"", b"0")


class Closing:
    """Says ``Connection: close`` with an answer that is given before the whole request has come.

    Else the server would go on to receive, and to throw away, a body that never ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unread = _has_body(scope)

        async def hear() -> Message:
            nonlocal unread
            message = await receive()
            if not message.get("more_body", False):
                unread = False
            return message

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start" and unread:
                headers: dict[bytes, bytes] = dict(message["headers"])
                if b"connection" not in headers:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, hear, say)


def _has_body(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"") not in _NOTHING
