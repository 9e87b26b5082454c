"""What a run of readiness has to know of a broker beside its supervisor."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from holdfast.core.readiness import Finding
from holdfast.core.readiness.judging import earned, exempt, lost
from holdfast.core.venue import VenueFacts
from holdfast.runtime.readiness.shelf import Shelf

__all__ = ["Surroundings", "look_at_tls"]

_WITHIN_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """
    One broker's place.

    Attributes:
        facts: Its venue's.
        rest_url: Where its REST calls go.
        shelf: Where its reports are kept; None where nothing is kept.
        look_at_tls: Looks at the certificate and protocol of an address.
    """

    facts: VenueFacts
    rest_url: str
    shelf: Shelf | None
    look_at_tls: Callable[[str], Awaitable[Finding]]


async def look_at_tls(url: str, *, ca_file: str | Path | None = None) -> Finding:
    """
    Connect to *url*, verify its certificate for its name, and say which protocol was agreed on. Suspends, 10 s at most.

    Nothing is asked of the venue: the connection is closed again. Never raises for what is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return exempt(f"{url} is spoken to in the clear.", "a simulator on loopback needs no TLS")
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    except ssl.SSLError as error:
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
        return lost(
            f"{parts.hostname}: {why}",
            "Somebody may stand between this machine and the venue, or its certificates are old: do not trade; update "
            "the machine's certificates, look for a proxy, and name a private one under `ca_file` only if it is yours.",
        )
    except (OSError, TimeoutError) as error:
        return lost(
            f"{parts.hostname} could not be reached for TLS: {str(error) or 'no answer in time'}",
            "See whether this machine has a network, and its name server and proxies let the address through.",
        )
    found = writer.get_extra_info("ssl_object")
    protocol, cipher = found.version(), found.cipher()
    writer.close()
    return earned(
        f"{parts.hostname}: a verified certificate, {protocol}, {cipher[0] if cipher else 'no cipher named'}."
    )
