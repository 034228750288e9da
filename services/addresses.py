"""Where the platform may connect to at a caller's word: public addresses, and what an operator allowed by name.

Decision: what is judged is the address that is connected to, not the name: the name is resolved once, every answer
must be allowed, and the connection goes to the very address that was judged, so a name that changes its mind in
between (DNS rebinding) gains nothing. Spellings such as `127.1` or `0x7f000001` need no rule of their own: the
resolver turns them into addresses.

Decision: an entry of the allow-list is a host, `host:port`, an address or a network (`10.1.0.0/16`). It also permits
plain http, which is refused elsewhere; an inner network often has no certificates.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from models.errors import Fault, ForbiddenError, InvalidInputError, UnavailableError

LONGEST_URL: Final = 2_048
HOST: Final = re.compile(r"(?!-)[0-9a-z_-]{1,63}(?:\.[0-9a-z_-]{1,63})*\.?")
ENTRY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z_.-]{1,253})(?::([0-9]{1,5}))?")
PORTS: Final = {"http": 80, "https": 443}
REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # a cloud's metadata on a public address
        "192.0.0.0/24",  # kept for protocols; a cloud's metadata lies in it
        "192.88.99.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96",  # carry an IPv4 address
    )
)  # fmt: skip

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL: where it points, and what is sent there."""

    scheme: str
    host: str
    port: int
    url: str


class AddressRefusedError(ForbiddenError):
    """Địa chỉ không được phép | The address is not allowed"""

    code = "address-refused"


def parse_target(url: str, pointer: str) -> Target:
    """The target of a URL. Raises InvalidInputError when it is no plain http or https URL."""
    try:
        parsed = httpx.URL(url)
        scheme, host, port = parsed.scheme, parsed.raw_host.decode("ascii").lower(), parsed.port
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise _malformed(pointer) from error
    plain = bool(HOST.fullmatch(host)) or _address(host) is not None
    if (
        not plain or scheme not in PORTS or len(url) > LONGEST_URL or not url.isascii() or parsed.userinfo
        or parsed.fragment or not (port is None or 0 < port < 65_536) or any(sign in url for sign in " \\\t\r\n")
    ):  # fmt: skip
        raise _malformed(pointer)
    return Target(scheme, host, port or PORTS[scheme], url)


def parse_allowed(entries: Sequence[str], pointer: str) -> list[str]:
    """The entries of an allow-list in one spelling. Raises InvalidInputError naming the one that cannot be read."""
    found = []
    for place, entry in enumerate(entries):
        text = entry.strip().lower()
        if _network(text) is None and ENTRY.fullmatch(text) is None:
            vi = "Cần tên máy, tên máy:cổng, địa chỉ hoặc dải địa chỉ (10.1.0.0/16)."
            en = "Expected a host, host:port, an address or a network (10.1.0.0/16)."
            raise InvalidInputError("Danh sách cho phép không hợp lệ.", "The allow-list is not valid.",
                                    (Fault(f"{pointer}/{place}", vi, en),), code="bad-entry")  # fmt: skip
        found.append(text)
    return list(dict.fromkeys(found))


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host by the system's resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(row[4][0]) for row in rows]


async def admit(target: Target, allowed: Sequence[str], resolve: Resolve = system_resolve) -> str:
    """The address to connect to.

    Raises AddressRefusedError when an address of the host is not public and nothing in `allowed` names it, or for
    plain http that is not allowed; UnavailableError when the host has no address now.
    """
    named = any(_names(entry, target) for entry in allowed)
    try:
        answers = [str(_address(target.host))] if _address(target.host) else await resolve(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise _unknown() from error
    addresses = [address for text in answers if (address := _address(text)) is not None]
    if not addresses:
        raise _unknown()
    networks = [network for entry in allowed if (network := _network(entry)) is not None]
    open_ = named or all(any(address in network for network in networks) for address in addresses)
    if not open_ and (target.scheme != "https" or not all(map(is_public, addresses))):
        raise AddressRefusedError(
            "Chỉ gửi tới địa chỉ công cộng qua https; địa chỉ nội bộ phải được người vận hành cho phép.",
            "Only public addresses over https are called; an inner address must be allowed by the operator.",
        )
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, and hides no other one inside."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_public(mapped)
    return (
        address.is_global and not address.is_multicast and not address.is_reserved
        and not any(address in network for network in REFUSED)
    )  # fmt: skip


def _names(entry: str, target: Target) -> bool:
    match = ENTRY.fullmatch(entry)
    if match is None or match[1].strip("[]").rstrip(".") != target.host.rstrip("."):
        return False
    return match[2] is None or int(match[2]) == target.port


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text) if "/" in text else None
    except ValueError:
        return None


def _malformed(pointer: str) -> InvalidInputError:
    vi, en = "Cần một URL http(s) không có tài khoản, khoảng trắng hay #.", "Expected a plain http(s) URL."
    return InvalidInputError.at(pointer, vi, en, code="bad-url")


def _unknown() -> UnavailableError:
    return UnavailableError("Tên máy không có địa chỉ.", "The host has no address.", 5, code="host-unknown")
