"""
What a request has to be before it is looked at: for this host, from this page or from no page at all, and small.

Pure. A browser that was lured to another page, or whose resolver was made to point a stranger's name at us, sends a
``Host`` or an ``Origin`` that is not ours: that is refused before the address is even read. There is no CORS, and no
cookie that a foreign page could ride on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from holdfast.daemon.problems import RefusedError

__all__ = ["BODY_MAX", "Hosts", "bearer_of", "check_origin", "path_of", "security_headers"]

BODY_MAX: Final = 1024 * 1024
"""Most bytes of a request's body."""

_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
        "object-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
    )
)


def security_headers(*, is_tls: bool) -> dict[str, str]:
    """What every reply carries."""
    headers = {
        "Content-Security-Policy": _POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "Server": "holdfast",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if is_tls:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class Hosts:
    """
    The hosts that a request may ask for, and the origins that its page may come from.

    Args:
        names: Addresses and names, without a port; an IPv6 address without brackets.
        port: Where it is served.
        is_tls: Whether that is HTTPS.
    """

    def __init__(self, names: Iterable[str], *, port: int, is_tls: bool) -> None:
        scheme = "https" if is_tls else "http"
        default = 443 if is_tls else 80
        hosts: set[str] = set()
        for name in names:
            shown = f"[{name}]" if ":" in name else name.lower()
            hosts.add(f"{shown}:{port}")
            if port == default:
                hosts.add(shown)
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"{scheme}://{host}" for host in hosts)

    def with_names_behind_a_proxy(self, names: Iterable[str]) -> Hosts:
        """The same, and names under which a proxy hands requests on, at whatever port it has itself."""
        made = object.__new__(Hosts)
        given = {name.lower() for name in names}
        made.hosts = self.hosts | given
        made.origins = self.origins | {f"https://{name}" for name in given}
        return made

    def check(self, found: list[str]) -> None:
        """
        Refuse a request that is not for us.

        Raises:
            RefusedError: There is no Host, more than one, or another one (403).
        """
        if len(found) != 1 or found[0].lower() not in self.hosts:
            raise RefusedError(403, "wrong_host", "this request asks for another host than this one")


def check_origin(headers: Mapping[str, str], hosts: Hosts, *, is_page: bool) -> None:
    """
    Refuse what another page sends.

    Args:
        headers: Of the request.
        hosts: Ours.
        is_page: Whether the page itself is asked for: a link somewhere else may lead to it.

    Raises:
        RefusedError: It comes from another origin (403).
    """
    origin = headers.get("Origin")
    if origin is not None and origin.lower() not in hosts.origins:
        raise RefusedError(403, "wrong_origin", "this request comes from another page")
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none") and not is_page:
        raise RefusedError(403, "wrong_origin", "this request comes from another page")


def bearer_of(found: list[str]) -> str | None:
    """
    The bearer in the Authorization headers, None where there is no such header.

    Raises:
        RefusedError: There are several, or it is no bearer (401).
    """
    if not found:
        return None
    scheme, _, bearer = found[0].partition(" ")
    bearer = bearer.strip()
    if len(found) > 1 or scheme.lower() != "bearer" or not bearer or len(bearer) > 200 or not bearer.isascii():
        raise RefusedError(401, "bad_bearer", "say `Authorization: Bearer TOKEN`, once")
    return bearer


def path_of(raw: str) -> str:
    """
    The path of a request as it is matched: decoded nowhere, and free of what only an attack has.

    Raises:
        RefusedError: It has an encoded slash, a dot segment or a control character (400).
    """
    lowered = raw.lower()
    decoded = unquote(raw)
    if (
        not raw.startswith("/")
        or "%2f" in lowered
        or "%5c" in lowered
        or "%25" in lowered
        or "\\" in decoded
        or "//" in raw
        or any(part in (".", "..") for part in decoded.split("/"))
        or any(ord(each) < 0x20 or ord(each) == 0x7F for each in decoded)
        or "\ufffd" in decoded
    ):
        raise RefusedError(400, "bad_path", "this is no path of ours")
    return raw
