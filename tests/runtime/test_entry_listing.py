"""What the venue lists, and by which rules: before it was read it is not known, which is not the same as not listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from holdfast.errors import HoldfastError, NotReadyError
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import Trade, trading

ASKED: dict[str, Callable[[Trade], Awaitable[object]]] = {
    "limit": lambda t: t.buy("a"),
    "market": lambda t: t.broker.place_market_order("BTC-USD", "buy", quote_quantity="50"),
    "close": lambda t: t.broker.close_position("BTC-USD"),
}


async def error_of(work: Awaitable[object]) -> HoldfastError | None:
    try:
        await work
    except HoldfastError as error:
        return error
    return None


@pytest.mark.parametrize("what", ASKED)
def test_nothing_is_called_unlisted_before_the_listing_was_read(what: str) -> None:
    async def main() -> None:
        async with trading(is_ready=False) as t:
            t.client.latency_s = 0.3  # As after a takeover: asked in the very moment in which the process begins.
            began_s = t.clock.now_s()
            assert await error_of(ASKED[what](t)) is None
            assert t.clock.now_s() - began_s < 3
            assert len(t.sent) == 1

    run_virtual(main())


@pytest.mark.parametrize("what", ASKED)
def test_a_listing_that_cannot_be_read_is_not_ready_and_says_so_in_time(what: str) -> None:
    async def main() -> None:
        async with trading(is_ready=False) as t:
            t.client.failing["load"] = t.venue.lost("load", "acme-master")
            began_s = t.clock.now_s()
            error = await error_of(ASKED[what](t))
            assert isinstance(error, NotReadyError)
            assert error.checks == ("rules",)
            assert "ask again" in str(error)
            assert t.clock.now_s() - began_s == pytest.approx(2, abs=0.1)
            del t.client.failing["load"]
            await t.broker.wait_until("live")
            assert await error_of(ASKED[what](t)) is None

    run_virtual(main())
