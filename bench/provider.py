"""A provider as fast as Python makes one: it takes mails, counts them and remembers nothing else.

``python -m bench.provider PORT`` speaks just enough of SendGrid's v3 API for a client: 202 with an
id, connections kept. ``GET /seen`` says how many mails came, how many different ones, and how many
seconds there were from the first to the last; after ``GET /counted`` it counts anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from itertools import count
from time import perf_counter

_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_MAIL = re.compile(rb'"mail": ?"([^"]*)"')


class Counted:
    """What came so far."""

    def __init__(self) -> None:
        self.names = count(1)
        self.begin()

    def begin(self) -> None:
        self.mails: set[bytes] = set()
        self.requests, self.first, self.last = 0, 0.0, 0.0

    def take(self, body: bytes) -> bytes:
        """Counts a mail; the answer."""
        self.last = perf_counter()
        self.first = self.first or self.last
        self.requests += 1
        self.mails.update(_MAIL.findall(body))
        name = b"%024d" % next(self.names)
        return b"HTTP/1.1 202 Accepted\r\nX-Message-Id: %s\r\nContent-Length: 0\r\n\r\n" % name

    def said(self, anew: bool) -> bytes:
        """The counts so far, which may begin anew."""
        found = {
            "requests": self.requests,
            "mails": len(self.mails),
            "seconds": self.last - self.first,
        }
        if anew:
            self.begin()
        body = json.dumps(found).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, counted: Counted) -> None:
        self._counted, self._read = counted, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end]
            found = _LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._read) < whole:
                if b"100-continue" in head:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body, self._read = self._read[end + 4 : whole], self._read[whole:]
            self._transport.write(self._answer(head, body))
            if b"connection: close" in head.lower():
                self._transport.close()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET"):
            return self._counted.said(head.startswith(b"GET /counted"))
        return self._counted.take(body)


async def serve(port: int) -> None:
    """Takes mails until the process ends."""
    counted = Counted()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(counted), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
