"""The certificate that a venue shows: verified for its name, or the points are lost with the reason."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from holdfast.core.readiness import CheckOutcome, Finding
from holdfast.runtime.readiness.surroundings import look_at_tls
from holdfast.simulators.core.tls import Flaw, issue_certificates


def test_without_tls_there_is_nothing_to_look_at() -> None:
    found = asyncio.run(look_at_tls("http://127.0.0.1:1"))
    assert found.outcome is CheckOutcome.EXEMPT


def test_nobody_there_is_lost_with_a_fix() -> None:
    found = asyncio.run(look_at_tls("https://127.0.0.1:1"))
    assert found.outcome is CheckOutcome.LOST
    assert "could not be reached" in found.evidence
    assert found.fix


@pytest.mark.parametrize(
    ("flaw", "outcome"),
    [
        ("none", CheckOutcome.EARNED),
        ("expired", CheckOutcome.LOST),
        ("wrong_host", CheckOutcome.LOST),
        ("unknown_authority", CheckOutcome.LOST),
    ],
)
def test_a_certificate_is_verified_with_the_authority_that_is_named(flaw: Flaw, outcome: CheckOutcome) -> None:
    with issue_certificates(flaw=flaw) as made:
        found = asyncio.run(_looked(made.certificate, made.key, made.ca))
    assert found.outcome is outcome
    if outcome is CheckOutcome.EARNED:
        assert "TLSv1.3" in found.evidence
    else:
        assert "Somebody may stand between" in found.fix


def test_an_authority_of_nobody_is_not_believed() -> None:
    with issue_certificates() as made:
        found = asyncio.run(_looked(made.certificate, made.key, None))
    assert found.outcome is CheckOutcome.LOST


async def _looked(certificate: Path, key: Path, ca: Path | None) -> Finding:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        return await look_at_tls(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", ca_file=ca)
