"""The door to other systems over HTTP, and the only file that names httpx.

    DoorError                 the call brought no answer
    ├── NotSentError          surely not sent: name, connection or TLS failed before the first byte
    │   └── ForbiddenError    not even tried: the address is not a public one
    └── UnsureError           something was sent, and nobody knows what came of it

Whatever the other side answers is an ``Answer``, never an error. Nothing follows a redirect, keeps
a cookie, reads a proxy from the environment or waits without an end.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import httpx

from worker.http.addresses import Resolve, is_public, lookup
from worker.kernel.clock import Clock, SystemClock
from worker.kernel.errors import DependencyDownError

Transport = httpx.BaseTransport
"""What carries a request; the one seam for tests (``httpx.MockTransport``)."""

MOST_BYTES = 32 << 20
"""An answer's body is read up to here, unpacked."""

_OURS = httpx.Headers(
    {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "Perennial"}
)
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=30)
_BEFORE_THE_FIRST_BYTE = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class DoorError(DependencyDownError):
    """The call brought no answer. Its text names the host, never the whole address."""


class NotSentError(DoorError):
    """Surely nothing was sent; calling again can double nothing."""


class ForbiddenError(NotSentError):
    """The host is not a public one."""


class UnsureError(DoorError):
    """Something was sent; what came of it is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Names of ``headers`` count in any case; ``cut``: the body was longer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


class Door:
    """Calls other systems. One for each purpose, kept: its connections are pooled.

    ``timeout`` bounds each wait for the other side, and the reading of the body as a whole.
    ``public_only`` refuses hosts inside the house: for addresses that somebody else may choose.
    Safe to use from several threads.
    """

    def __init__(
        self,
        timeout: timedelta,
        public_only: bool = False,
        transport: Transport | None = None,
        *,
        most_bytes: int = MOST_BYTES,
        resolve: Resolve = lookup,
        clock: Clock | None = None,
    ) -> None:
        self._seconds = timeout.total_seconds()
        self._most_bytes, self._clock = most_bytes, clock or SystemClock()
        if public_only:
            transport = _PublicOnly(transport, resolve, self._seconds)
        # No httpx.Client: what one adds to its transport is what this door must not do.
        self._transport = transport or _direct()
        self._waits = {"timeout": httpx.Timeout(self._seconds).as_dict()}

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Asks for ``url``, with ``params`` added to its query. Raises ``DoorError``."""
        return self._call("GET", url, None, headers, params)

    def post(self, url: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends ``content`` to ``url``. Raises ``DoorError``."""
        return self._call("POST", url, content, headers, None)

    def close(self) -> None:
        """Ends all connections."""
        self._transport.close()

    def _call(
        self,
        method: str,
        url: str,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
    ) -> Answer:
        try:
            address = _address(url)
            if params:
                address = address.copy_merge_params(dict(params))
            request = httpx.Request(
                method,
                address,
                content=content,
                headers=_headers(headers),
                extensions=self._waits,
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise NotSentError(f"this cannot be asked for: {error}") from error
        with _told(_host(address)):
            response = self._transport.handle_request(request)
            try:
                body, cut = self._body(response)
            finally:
                response.close()
        return Answer(response.status_code, response.headers, body, cut)

    def _body(self, response: httpx.Response) -> tuple[bytes, bool]:
        """The body, and whether it was cut; each piece in time, and all of them together."""
        end = self._clock.monotonic() + self._seconds
        body = bytearray()
        for piece in _pieces(response):
            body += piece
            if len(body) > self._most_bytes:
                return bytes(body[: self._most_bytes]), True
            if self._clock.monotonic() > end:
                raise httpx.ReadTimeout("the body does not end")
        return bytes(body), False


def _pieces(response: httpx.Response) -> Iterable[bytes]:
    """The body, unpacked; past the library's decoders where there is nothing to decode."""
    if "content-encoding" in response.headers:
        return response.iter_bytes()
    assert isinstance(response.stream, httpx.SyncByteStream)
    return response.stream


@contextmanager
def _told(host: str) -> Iterator[None]:
    """Turns what the library raises into the one bit that counts."""
    try:
        yield
    except _BEFORE_THE_FIRST_BYTE as error:
        raise NotSentError(f"{host}: {_reason(error, 'no connection in time')}") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise UnsureError(f"{host}: {_reason(error, 'no answer in time')}") from error


def _host(url: httpx.URL) -> str:
    return f"{url.host}:{url.port}" if url.port else url.host


def _reason(error: Exception, late: str) -> str:
    if isinstance(error, httpx.TimeoutException):
        return late
    return str(error) or type(error).__name__


def _headers(given: Mapping[str, str] | None) -> httpx.Headers:
    """Ours, and those that were given, which may name one of ours."""
    made = _OURS.copy()
    made.update(given)
    return made


_address = lru_cache(maxsize=256)(httpx.URL)  # the few that are called again and again


def _direct() -> Transport:
    return httpx.HTTPTransport(verify=_trust(), limits=_LIMITS)


def _trust() -> ssl.SSLContext:
    """The authorities that come with the library, and those of this machine: a company's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class _PublicOnly(httpx.BaseTransport):
    """Looks a host up once, judges its addresses, and connects to the very one that it judged.

    A name that answers differently a moment later (DNS rebinding) changes nothing. The request
    keeps its Host header, and TLS the name that the certificate must bear. Each host has
    connections of its own: two that share an address must not share a TLS session.
    """

    def __init__(self, transport: Transport | None, resolve: Resolve, seconds: float) -> None:
        self._given, self._resolve, self._seconds = transport, resolve, seconds
        self._by_host: dict[str, Transport] = {}
        self._adding = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        transport = self._transport(host)
        failure: httpx.ConnectError | None = None
        for address in self._judged(host, port)[:3]:
            try:
                return transport.handle_request(_aimed(request, host, address))
            except httpx.ConnectError as error:
                failure = error
        raise failure or httpx.ConnectError("its name does not resolve")

    def close(self) -> None:
        for transport in [self._given, *self._by_host.values()]:
            if transport is not None:
                transport.close()

    def _judged(self, host: str, port: int) -> list[str]:
        try:
            addresses = list(self._resolve(host, port, self._seconds))
        except OSError as error:
            raise httpx.ConnectError(f"its name does not resolve ({error})") from error
        wrong = next((address for address in addresses if not is_public(address)), None)
        if wrong is not None:
            raise ForbiddenError(f"{host} is not a public host: it leads to {wrong}")
        return addresses

    def _transport(self, host: str) -> Transport:
        if self._given is not None:
            return self._given
        with self._adding:
            return self._by_host.setdefault(host, _direct())


def _aimed(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The same request, to be carried to ``address`` and shown to ``host``."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # the Host header is among them
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
