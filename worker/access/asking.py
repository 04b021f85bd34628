"""What comes with a request, before anything is believed: its origin, its body, its fields."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Request
from starlette.requests import ClientDisconnect

from worker.kernel.forms import Fields

LARGEST = 256 * 1024
"""Bytes of a form: room for two thousand licences and a note."""
MOST_FIELDS = 5000
SLOWEST = 10.0
"""Seconds that a form may take to arrive."""

_LONGEST_PATH = 2000

TOO_LARGE, TOO_SLOW, UNFIT = 413, 408, 400


async def body_of(request: Request) -> bytes | int:
    """The body of a request, or the status that refuses it."""
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said) > LARGEST:
        return TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST:
                    return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW
    except ClientDisconnect:
        return UNFIT
    return bytes(body)


def fields_of(request: Request, body: bytes) -> Fields | None:
    """The fields of a form as browsers send them; ``None`` when it is not one that we can read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        text = body.decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        return None


def is_one_click(request: Request, body: bytes) -> bool:
    """Whether a program's button was pressed: ``List-Unsubscribe=One-Click`` as RFC 8058 has it,
    in either form of a form."""
    fields = fields_of(request, body)
    if fields is not None:
        return fields.get("List-Unsubscribe") == ["One-Click"]
    kind = request.headers.get("content-type", "").encode("latin-1")
    if not kind.lower().startswith(b"multipart/form-data") or b"\n" in kind or b"\r" in kind:
        return False
    parts = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + body).walk()
    return any(
        part.get_param("name", header="content-disposition") == "List-Unsubscribe"
        and (part.get_payload(decode=True) or b"").strip() == b"One-Click"  # type: ignore[union-attr]  # bytes, of a leaf
        for part in parts
    )


def is_own(request: Request, base_url: str) -> bool:
    """Whether a form was sent from our own page, as far as the browser tells.

    ``Sec-Fetch-Site`` cannot be set by a page. Where it is missing ``Origin`` must be ours or
    missing, too: a browser always sends one of them with a form of another site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    own = urlsplit(base_url)
    return origin is None or origin.lower() == f"{own.scheme}://{own.netloc}".lower()


def own_path(text: str) -> str:
    """Where to go after signing in: ``text`` when it is a path of ours, else ``/``.

    A browser reads ``//host`` as another site, and ``/\\host`` as well; and it drops tabs and line
    breaks before it reads.
    """
    if not text.startswith("/") or text.startswith("//") or len(text) > _LONGEST_PATH:
        return "/"
    if "\\" in text or not text.isprintable():
        return "/"
    return quote(text, safe="/?&=%+:,;@!$'()*~#-._")
