"""The simulated OKX over real sockets, with and without TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.core.tls import issue_certificates
from holdfast.simulators.okx import OkxSimulator
from holdfast.simulators.run import simulated_venue
from tests.simulators.okx.bench import iso, signed


def signed_headers(credential: dict[str, Any], at_us: int, text: str) -> dict[str, str]:
    stamp = iso(at_us)
    return {
        "OK-ACCESS-KEY": credential["key"],
        "OK-ACCESS-SIGN": signed(credential["secret"], stamp + text),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": credential["passphrase"],
        "x-simulated-trading": "0",
    }


async def heard(socket: aiohttp.ClientWebSocketResponse) -> Any:
    message = await socket.receive(timeout=5)
    return message.data if message.data == "pong" else json.loads(message.data)


@pytest.mark.parametrize("is_secure", [False, True])
async def test_rest_and_stream_are_served_on_one_port(is_secure: bool) -> None:
    venue = simulated_venue("okx", seed=7)
    assert isinstance(venue, OkxSimulator)
    async with AsyncExitStack() as stack:
        certificates = stack.enter_context(issue_certificates()) if is_secure else None
        served = await stack.enter_async_context(serve_simulator(venue, tls=certificates, clock=SystemClock()))
        ready = served.ready()
        assert ready["ws"].endswith("/ws/v5")
        (credential,) = ready["credentials"]
        trust = ssl.create_default_context(cafile=str(certificates.ca)) if certificates is not None else True
        async with aiohttp.ClientSession() as client:
            path = "/api/v5/account/balance?ccy=BTC,USDT"
            headers = signed_headers(credential, venue.now_us(), f"GET{path}")
            async with client.get(ready["rest"] + path, headers=headers, ssl=trust) as reply:
                assert reply.headers["X-Holdfast-Simulator"] == "okx/1"
                rows = (await reply.json())["data"][0]["details"]
                assert [row["ccy"] for row in rows] == ["USDT", "BTC"]
            async with client.ws_connect(f"{ready['ws']}/private", ssl=trust) as socket:
                await socket.send_str("ping")
                assert await heard(socket) == "pong"
                stamp = str(venue.now_us() // 1_000_000)
                sign = signed(credential["secret"], f"{stamp}GET/users/self/verify")
                login = {
                    "apiKey": credential["key"],
                    "passphrase": credential["passphrase"],
                    "timestamp": stamp,
                    "sign": sign,
                }
                await socket.send_str(json.dumps({"op": "login", "args": [login]}))
                assert (await heard(socket))["event"] == "login"
                await socket.send_str(json.dumps({"op": "subscribe", "args": [{"channel": "account"}]}))
                told = [await heard(socket) for _ in range(3)]
                assert [message.get("event", message.get("eventType")) for message in told] == [
                    "subscribe",
                    "channel-conn-count",
                    "snapshot",
                ]
        await asyncio.sleep(0)
        kinds = {(entry["kind"], entry.get("name")) for entry in served.front.journal.since(0)["entries"]}
        assert {("verdict", "GET account/balance"), ("ws_open", "/ws/v5/private"), ("ws_in", "login")} <= kinds
