"""The throw-away authority: good certificates convince strict clients, flawed ones convince nobody."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest

from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.core.tls import Certificates, Flaw, issue_certificates
from tests.simulators.core.fake_venue import ACME_BODY, AcmeVenue


def strict_client(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_https_and_wss_are_trusted_through_the_authority_alone(venue: AcmeVenue, host: str) -> None:
    with issue_certificates() as certificates:
        context = strict_client(certificates)
        async with serve_simulator(venue, tls=certificates) as served, aiohttp.ClientSession() as client:
            assert served.ready()["ca"] == str(certificates.ca)
            assert (served.rest[:8], served.ws[:6], served.admin[:8]) == ("https://", "wss://", "https://")
            async with client.get(f"https://{host}:{served.port}/0/public/Time", ssl=context) as reply:
                assert await reply.read() == ACME_BODY
            async with client.get(f"{served.admin}/truth", ssl=context) as reply:
                assert reply.status == 200
            async with client.ws_connect(f"wss://{host}:{served.port}/v2", ssl=context) as stream:
                assert "status" in (await stream.receive()).data


@pytest.mark.parametrize("flaw", ["expired", "wrong_host", "unknown_authority"])
async def test_flawed_certificate_is_refused(venue: AcmeVenue, flaw: Flaw) -> None:
    with issue_certificates(flaw=flaw) as certificates:
        context = strict_client(certificates)
        async with serve_simulator(venue, tls=certificates) as served, aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.get(f"{served.rest}/0/public/Time", ssl=context)
    assert venue.handled == []


async def test_nobody_trusts_it_by_default(venue: AcmeVenue) -> None:
    with issue_certificates() as certificates:
        async with serve_simulator(venue, tls=certificates) as served, aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.get(f"{served.rest}/0/public/Time")


async def test_reset_goes_through_tls_too(venue: AcmeVenue) -> None:
    with issue_certificates() as certificates:
        async with serve_simulator(venue, tls=certificates) as served, aiohttp.ClientSession() as client:
            served.plan.add({"kind": "rest", "action": {"do": "lose_reply", "how": "reset"}})
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.post(f"{served.rest}/0/private/Order", ssl=strict_client(certificates))
    assert len(venue.handled) == 1


def test_key_is_private_and_everything_is_gone_afterwards() -> None:
    with issue_certificates() as certificates:
        assert certificates.key.stat().st_mode & 0o777 == 0o600
        assert set(certificates.environment()) == {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}
        assert {Path(path) for path in certificates.environment().values()} == {certificates.ca}
    assert not certificates.key.exists()
    assert not certificates.ca.exists()
