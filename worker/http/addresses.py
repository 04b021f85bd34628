"""Which addresses of the internet a call may go to when a stranger named the host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Resolve = Callable[[str, int, float], Sequence[str]]
"""From host, port and seconds to wait to addresses; raises ``OSError`` when there are none."""

# Beside what `ipaddress` knows: shared space of providers, relays of the transition to IPv6.
_NOT_PUBLIC_4 = (IPv4Network("100.64.0.0/10"), IPv4Network("192.88.99.0/24"))
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = (  # Teredo, ORCHID, documentation, 6to4
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet.

    Private, loopback, link-local, multicast, reserved and carrier-grade NAT addresses are not, nor
    is any IPv6 address that stands for an IPv4 one: mapped, NAT64, 6to4, Teredo.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        return address in _UNICAST_6 and not any(address in net for net in _NOT_PUBLIC_6)
    return _is_public_4(address)


def _is_public_4(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved)
        and not any(address in net for net in _NOT_PUBLIC_4)
    )


def lookup(host: str, port: int, seconds: float) -> Sequence[str]:
    """The addresses of ``host``, each once, in the system's order.

    The system's own question has no timeout, so it is asked in a thread that is left behind when
    ``seconds`` are over. Raises ``OSError``.
    """
    found: list[str] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except OSError as error:
            failed.append(error)
        except UnicodeError:  # a label that is too long, say
            failed.append(OSError("not the name of a host"))

    asking = threading.Thread(target=ask, name="lookup", daemon=True)
    asking.start()
    asking.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError("its name could not be looked up in time")
    return found
