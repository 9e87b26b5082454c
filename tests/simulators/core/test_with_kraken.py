"""The whole of it: a simulated Kraken behind the socket front, commanded through the admin API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from holdfast.simulators.core.server import Served, serve_simulator
from holdfast.simulators.run import simulated_venue


class Caller:
    """A signing client of a few lines, and the admin API."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self.served = served
        self.session = session
        self.nonce = 1
        credential = served.front.venue.credentials()[0]
        self.key: str = credential["key"]
        self._secret = base64.b64decode(credential["secret"])

    async def private(self, method: str, body: str = "") -> Any:
        self.nonce += 1
        path = f"/0/private/{method}"
        signed = f"nonce={self.nonce}{body}"
        message = path.encode() + hashlib.sha256(f"{self.nonce}{signed}".encode()).digest()
        signature = base64.b64encode(hmac.digest(self._secret, message, "sha512")).decode()
        headers = {
            "API-Key": self.key,
            "API-Sign": signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.session.post(self.served.rest + path, data=signed, headers=headers) as reply:
            return json.loads(await reply.read())

    async def admin(self, page: str, document: Any = None) -> Any:
        method = "GET" if document is None else "POST"
        async with self.session.request(method, f"{self.served.admin}/{page}", json=document) as reply:
            answer = await reply.json()
            assert reply.status == 200, answer
            return answer

    async def truth(self, asset: str) -> Decimal:
        return Decimal((await self.admin("truth"))["accounts"]["master"]["assets"][asset]["total"])


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with serve_simulator(simulated_venue("kraken", seed=3)) as served, aiohttp.ClientSession() as session:
        yield Caller(served, session)


async def test_deposit_is_true_and_read_at_once(caller: Caller) -> None:
    before = await caller.truth("USD")
    await caller.admin("events", {"kind": "deposit", "asset": "USD", "amount": "12.34"})
    assert await caller.truth("USD") == before + Decimal("12.34")
    assert Decimal((await caller.private("BalanceEx"))["result"]["ZUSD"]["balance"]) == before + Decimal("12.34")


async def test_faults_of_the_venue_and_of_the_transport_come_and_go_together(caller: Caller) -> None:
    await caller.admin(
        "faults",
        {
            "add": [
                {"kind": "refuse", "name": "BalanceEx", "for_s": 600},
                {"kind": "rest", "name": "Balance", "action": {"do": "mutate", "how": "remove", "field": "error"}},
            ]
        },
    )
    assert (await caller.private("BalanceEx"))["error"] == ["EService:Unavailable"]
    assert "error" not in await caller.private("Balance")
    await caller.admin("faults", {"clear": True})
    assert (await caller.private("BalanceEx"))["error"] == []
    assert (await caller.private("Balance"))["error"] == []


async def test_order_whose_answer_was_lost_exists(caller: Caller) -> None:
    await caller.admin(
        "faults", {"add": [{"kind": "rest", "name": "AddOrder", "action": {"do": "lose_reply", "how": "close"}}]}
    )
    order = "&pair=XBTUSD&type=buy&ordertype=limit&price=20000&volume=0.01&cl_ord_id=holdfast-1"
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.private("AddOrder", order)
    (found,) = (await caller.private("OpenOrders"))["result"]["open"].values()
    assert found["cl_ord_id"] == "holdfast-1"

    verdict, reply = [
        entry for entry in (await caller.admin("journal"))["entries"] if entry["kind"] in ("verdict", "reply")
    ][:2]
    assert (verdict["outcome"], verdict["client_order_id"], verdict["key"]) == ("ok", "holdfast-1", caller.key)
    assert (reply["of"], reply["outcome"]) == (verdict["of"], "close")


async def test_stale_nonce_is_a_verdict_in_the_journal(caller: Caller) -> None:
    await caller.private("Balance")
    caller.nonce -= 1
    assert (await caller.private("Balance"))["error"] == ["EAPI:Invalid nonce"]
    last = (await caller.admin("journal"))["entries"][-1]
    assert (last["kind"], last["outcome"], last["nonce"]) == ("verdict", "EAPI:Invalid nonce", str(caller.nonce))
