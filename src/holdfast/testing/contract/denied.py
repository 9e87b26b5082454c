"""Cases of what a venue lacks: asked for all the same, it is denied by name, and nothing is sent."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from holdfast.core.venue import Capability, Channel, VenueMode
from holdfast.errors import UnsupportedError
from holdfast.testing.contract.bench import Bench, raised
from holdfast.testing.contract.registry import denial

__all__: list[str] = []


async def _is_denied(bench: Bench, call: Awaitable[Any], capability: Capability) -> None:
    sent = len(bench.http.requests)
    error = await raised(call)
    assert isinstance(error, UnsupportedError), f"{capability.value} is not offered, and was not denied: {error!r}"
    assert error.capability == capability.value, f"denied as {error.capability}, and not as {capability.value}"
    assert bench.subject.venue.facts.lacks[capability] in str(error), "the denial does not tell the reason"
    assert len(bench.http.requests) == sent, "something was sent for what the venue does not offer"


@denial(Capability.LEDGER)
async def rows_of_a_ledger_are_denied(bench: Bench) -> None:
    await bench.client.load()
    await _is_denied(bench, bench.client.ledger_rows(), Capability.LEDGER)


@denial(Capability.POSITIONS)
async def margin_positions_are_denied(bench: Bench) -> None:
    await bench.client.load()
    await _is_denied(bench, bench.client.positions(), Capability.POSITIONS)


@denial(Capability.ORDER_CHECK)
async def a_dry_run_is_denied_and_places_nothing(bench: Bench) -> None:
    await bench.client.load()
    await _is_denied(bench, bench.client.check_order(bench.ticket(), deadline_s=5.0), Capability.ORDER_CHECK)
    assert bench.log() == []


@denial(Capability.DEAD_MAN_SWITCH)
async def a_dead_man_switch_is_denied(bench: Bench) -> None:
    await bench.client.load()
    await _is_denied(bench, bench.client.cancel_all_after(60, deadline_s=5.0), Capability.DEAD_MAN_SWITCH)
    assert bench.subject.venue.facts.dead_man_s is None


@denial(Capability.BALANCE_STREAM)
async def a_stream_without_balances_owes_none_and_pushes_none(bench: Bench) -> None:
    assert not bench.stream.rules.pushes_balances
    assert Channel.BALANCES not in bench.stream.rules.channels
    async with bench.streaming():
        bench.happen("deposit", asset=bench.subject.quote, amount="10")
        bench.rest_order()
        await bench.whole()
    assert bench.sink.totals == {}


@denial(Capability.VENUE_STATUS)
async def a_venue_without_a_status_is_online_while_it_answers(bench: Bench) -> None:
    assert (await bench.client.status()).mode is VenueMode.ONLINE


@denial(Capability.DEMO_ENVIRONMENT)
async def there_is_no_demo_environment(bench: Bench) -> None:
    assert bench.subject.venue.facts.site("demo") is None
