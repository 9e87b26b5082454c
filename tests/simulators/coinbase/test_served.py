"""The simulated Coinbase over real sockets, with and without TLS."""

from __future__ import annotations

import json
import ssl
import uuid
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from holdfast.simulators.coinbase import CoinbaseSimulator
from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.core.tls import issue_certificates
from holdfast.simulators.run import simulated_venue
from tests.simulators.coinbase.bench import V3, signed_token


def token(venue: CoinbaseSimulator, uri: str | None) -> str:
    (credential,) = venue.credentials()
    begins = venue.now_us() // 1_000_000 - 5
    claims = {"sub": credential["key"], "iss": "cdp", "nbf": begins, "exp": begins + 120}
    header = {"alg": "ES256", "typ": "JWT", "kid": credential["key"], "nonce": uuid.uuid4().hex}
    return signed_token(credential, claims if uri is None else {**claims, "uri": uri}, header)


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads((await socket.receive(timeout=10)).data)
    return frame


@pytest.mark.parametrize("is_secure", [False, True])
async def test_rest_and_stream_are_served_on_one_port(is_secure: bool) -> None:
    venue = simulated_venue("coinbase", seed=7)
    assert isinstance(venue, CoinbaseSimulator)
    async with AsyncExitStack() as stack:
        certificates = stack.enter_context(issue_certificates()) if is_secure else None
        served = await stack.enter_async_context(serve_simulator(venue, tls=certificates, clock=SystemClock()))
        ready = served.ready()
        assert ready["venue"] == "coinbase"
        assert ready["ws"].startswith("wss://" if is_secure else "ws://")
        trust = ssl.create_default_context(cafile=str(certificates.ca)) if certificates is not None else True
        host = ready["rest"].partition("://")[2]
        async with aiohttp.ClientSession() as client:
            # The host in a token is the venue's own, or the one that the client called.
            for named in ("api.coinbase.com", host):
                headers = {"authorization": f"Bearer {token(venue, f'GET {named}{V3}/accounts')}"}
                async with client.get(f"{ready['rest']}{V3}/accounts", headers=headers, ssl=trust) as reply:
                    assert reply.status == 200
                    assert reply.headers["X-Holdfast-Simulator"] == "coinbase/1"
                    assert reply.headers["x-ratelimit-limit"] == "30"
                    assert (await reply.json())["size"] == 7
            async with client.get(f"{ready['rest']}{V3}/accounts", ssl=trust) as reply:
                assert (reply.status, await reply.text()) == (401, "Unauthorized\n")
            async with client.ws_connect(ready["ws"], ssl=trust) as socket:
                await socket.send_str(json.dumps({"type": "subscribe", "channel": "user", "jwt": token(venue, None)}))
                told = [await heard(socket) for _ in range(2)]
                assert [(frame["channel"], frame["sequence_num"]) for frame in told] == [
                    ("subscriptions", 0),
                    ("user", 1),
                ]
        (credential,) = venue.credentials()
        entries = served.front.journal.since(0)["entries"]
        kinds = {(entry["kind"], entry.get("name"), entry.get("key")) for entry in entries}
        assert ("verdict", "ListAccounts", credential["key"]) in kinds
        assert ("ws_in", "subscribe", credential["key"]) in kinds
        assert [entry["outcome"] for entry in entries if entry["kind"] == "verdict"] == ["ok", "ok", "401"]


async def test_refused_order_stands_in_the_journal_with_its_word() -> None:
    venue = simulated_venue("coinbase", seed=7)
    assert isinstance(venue, CoinbaseSimulator)
    async with serve_simulator(venue, clock=SystemClock()) as served, aiohttp.ClientSession() as client:
        body = {
            "client_order_id": "bot-1",
            "product_id": "BTC-USD",
            "side": "BUY",
            "order_configuration": {"limit_limit_gtc": {"base_size": "1000", "limit_price": "39000"}},
        }
        headers = {"authorization": f"Bearer {token(venue, f'POST api.coinbase.com{V3}/orders')}"}
        async with client.post(f"{served.ready()['rest']}{V3}/orders", json=body, headers=headers) as reply:
            assert (reply.status, (await reply.json())["success"]) == (200, False)
        (verdict,) = [e for e in served.front.journal.since(0)["entries"] if e["kind"] == "verdict"]
        assert (verdict["outcome"], verdict["client_order_id"]) == ("INSUFFICIENT_FUND", "bot-1")
