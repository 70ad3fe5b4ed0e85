"""Where requests to outside parties may go: everywhere on the public internet, and to networks that an admin allowed.

The address that a connection is made to is asked, not the name in the URL. So it changes nothing how an address is
written, or that a name has another address at every look-up.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

# Addresses that stand for IPv4 addresses, which are asked in their place.
_MAPPED, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_GLOBAL = IPv6Network("2000::/3")
# Parts of what is global that lead elsewhere: relays and tunnels into IPv4, documentation. Older versions of Python do
# not know all of them.
_NOT_PUBLIC = [
    ip_network(network)
    for network in ("192.88.99.0/24", "192.0.0.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]


# What a provider's machine tells about itself. In a network that may be allowed, but never meant.
_NEVER = IPv6Address("fd00:ec2::254")


def is_allowed(text: str, networks: Iterable[Network]) -> bool:
    """Whether requests may go to this numeric address: a public one, or one in these networks."""
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        address = IPv4Address(address.packed[-4:])
    if address == _NEVER:
        return False
    return any(address in network for network in networks) or _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL:
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def written_out(host: str) -> str | None:
    """The address that this host is, in whatever form it is written (127.1, 0x7f000001); None for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])


def addresses_of(host: str, port: int) -> list[str]:
    """The numeric addresses of a host. Raises OSError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(str(error)) from error
    return list(dict.fromkeys(str(place[4][0]) for place in found))
