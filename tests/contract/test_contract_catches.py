"""The contract can fail: adapters that lie in the ways adapters do are each caught by the case that is meant for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from holdfast.core.amounts import ZERO
from holdfast.core.balances import Snapshot, Source
from holdfast.core.orders import OrderAck
from holdfast.core.venue import Capability, Venue
from holdfast.errors import HoldfastError, VenueError
from holdfast.testing.contract import Subject, cases_for, run_case
from holdfast.venues.kraken import KRAKEN
from tests.contract.subjects import SUBJECTS

Lie = Callable[[Any], None]


class Misled:
    """Kraken's adapter with one lie in every client and stream that it makes."""

    def __init__(self, lie: Lie, *, where: str = "client") -> None:
        self._lie = lie
        self._where = where

    def __getattr__(self, name: str) -> Any:
        return getattr(KRAKEN, name)

    def client(self, **parts: Any) -> Any:
        made = KRAKEN.client(**parts)
        if self._where == "client":
            self._lie(made)
        return made

    def stream(self, **parts: Any) -> Any:
        made = KRAKEN.stream(**parts)
        if self._where == "stream":
            self._lie(made)
        return made


def forgets_an_asset(client: Any) -> None:
    read = client.read_balances

    async def lying(name: str) -> Snapshot:
        snapshot: Snapshot = await read(name)
        kept = dict(list(snapshot.holdings.items())[1:])
        return msgspec.structs.replace(snapshot, holdings=kept)

    client.read_balances = lying


def calls_an_error_zero(client: Any) -> None:
    read = client.read_balances

    async def lying(name: str) -> Snapshot:
        try:
            snapshot: Snapshot = await read(name)
        except HoldfastError:
            now_s = client._clock.now_s()
            return Snapshot(read=name, source=Source.REST, as_of_s=now_s, holdings={}, states_holds=True)
        return snapshot

    client.read_balances = lying


def acknowledges_what_nobody_answered(client: Any) -> None:
    place = client.place_order

    async def lying(ticket: Any, **rest: Any) -> OrderAck:
        try:
            ack: OrderAck = await place(ticket, **rest)
        except VenueError:
            return OrderAck(order_id="O", client_order_id=ticket.client_order_id, as_of_s=0.0, via="rest")
        return ack

    client.place_order = lying


def sends_again(client: Any) -> None:
    place = client.place_order

    async def lying(ticket: Any, **rest: Any) -> OrderAck:
        try:
            first: OrderAck = await place(ticket, **rest)
        except VenueError:
            first = await place(ticket, **rest)
        return first

    client.place_order = lying


def hides_what_is_held(client: Any) -> None:
    read = client.read_balances

    async def lying(name: str) -> Snapshot:
        snapshot: Snapshot = await read(name)
        if not snapshot.states_holds:
            return snapshot
        free = {
            code: msgspec.structs.replace(each, held=ZERO, available=each.total)
            for code, each in snapshot.holdings.items()
        }
        return msgspec.structs.replace(snapshot, holdings=free)

    client.read_balances = lying


def never_lists_an_order(client: Any) -> None:
    read = client.open_orders

    async def lying() -> Any:
        return msgspec.structs.replace(await read(), orders={})

    client.open_orders = lying


def swallows_a_row(stream: Any) -> None:
    run = stream.run

    async def lying(sink: Any) -> None:
        told = sink.orders_changed
        sink.orders_changed = lambda changes: None if any(each.order is None for each in changes) else told(changes)
        await run(sink)

    stream.run = lying


@pytest.mark.parametrize(
    ("lie", "where", "capability"),
    [
        (forgets_an_asset, "client", Capability.BALANCE_SNAPSHOT),
        (calls_an_error_zero, "client", Capability.BALANCE_SNAPSHOT),
        (hides_what_is_held, "client", Capability.BALANCE_HOLDS),
        (never_lists_an_order, "client", Capability.OPEN_ORDERS),
        (acknowledges_what_nobody_answered, "client", Capability.ORDER_EVIDENCE),
        (sends_again, "client", Capability.ORDER_EVIDENCE),
        (swallows_a_row, "stream", Capability.ORDER_STREAM),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_a_lie_breaks_a_promise(lie: Lie, where: str, capability: Capability) -> None:
    venue: Venue = Misled(lie, where=where)
    subject: Subject = dataclasses.replace(SUBJECTS[0], venue=venue)
    broken = []
    for case in cases_for(KRAKEN):
        if case.capability is capability:
            try:
                run_case(case, subject)
            except (AssertionError, KeyError, HoldfastError):
                broken.append(case.name)
    assert broken
