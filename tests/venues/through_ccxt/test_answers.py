"""What ccxt's unified structures are taken for, what is refused, and how a request gets its number."""

from __future__ import annotations

import asyncio
import functools
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from holdfast.core.balances import Side
from holdfast.core.credentials import Credential
from holdfast.core.instruments import InstrumentStatus
from holdfast.core.seams import Priority
from holdfast.errors import (
    ConfigError,
    CredentialParkedError,
    InsufficientFundsError,
    LockoutError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    RateLimitedError,
    VenueError,
)
from holdfast.runtime.silence import keep_silent
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.through_ccxt import THROUGH_CCXT, errors, parse
from holdfast.venues.through_ccxt.calls import Calls, _counted, exchange_class
from holdfast.venues.through_ccxt.client import ThroughCcxtClient
from holdfast.venues.through_ccxt.settings import Settings

SYMBOLS = {"BTC/USDT": "BTC-USDT"}

# https://docs.ccxt.com/#/README?id=order-structure, read 2026-11-20
ORDER: dict[str, Any] = {
    "id": "12345-67890:09876/54321",
    "clientOrderId": "abcdef-ghijklmnop-qrstuvwxyz",
    "datetime": "2017-08-17T12:42:48.000Z",
    "timestamp": 1502962946216,
    "lastTradeTimestamp": 1502962956216,
    "status": "open",
    "symbol": "BTC/USDT",
    "type": "limit",
    "timeInForce": "GTC",
    "side": "buy",
    "price": "0.06917684",
    "average": "0.06917684",
    "amount": "1.5",
    "filled": "1.1",
    "remaining": "0.4",
    "cost": "0.076094524",
    "trades": [],
    "fee": {"currency": "USDT", "cost": "0.0009", "rate": "0.002"},
    "info": {},
}


def test_money_is_exact_and_a_float_is_refused_nothing() -> None:
    # A float that ccxt let through is read by its shortest text: never through binary arithmetic of ours.
    holdings, states_holds = parse.holdings_of(
        {
            "info": {},
            "free": {},
            "used": {},
            "total": {},
            "BTC": {"free": "0.100000000000000001", "used": "0", "total": "0.100000000000000001"},
            "ETH": {"free": 0.1, "used": 0.2, "total": 0.3},
        }
    )

    assert holdings["BTC"].total == Decimal("0.100000000000000001")
    assert holdings["ETH"].total == Decimal("0.3")
    assert states_holds


def test_holds_that_are_not_told_are_not_made_up() -> None:
    holdings, states_holds = parse.holdings_of({"total": {"BTC": "1"}, "BTC": {"total": "1", "free": None}})

    assert (holdings["BTC"].held, holdings["BTC"].available, states_holds) == (None, None, False)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "no balance structure"),
        ({"total": None}, "no balance structure"),
        ({"total": {}, "BTC": {"free": "1", "used": None}}, "BTC: total is missing"),
        ({"total": {}, "BTC": "1"}, "BTC: no figures"),
        ({"total": {}, "BTC": {"total": "NaN"}}, "BTC.total"),
        ({"total": {}, "BTC": {"total": "1,000"}}, "BTC.total"),
    ],
)
def test_a_balance_without_a_total_is_refused_by_name(answer: dict[str, Any], message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        parse.holdings_of(answer)


def test_an_empty_account_is_a_complete_answer() -> None:
    assert parse.holdings_of({"info": {}, "free": {}, "used": {}, "total": {}}) == ({}, True)


def test_an_open_order_holds_what_is_left_of_it() -> None:
    order = parse.open_order_of(ORDER, SYMBOLS)

    assert (order.symbol, order.side, order.hold_asset) == ("BTC-USDT", Side.BUY, "USDT")
    assert order.hold == Decimal("0.4") * Decimal("0.06917684")
    assert parse.open_order_of({**ORDER, "side": "sell"}, SYMBOLS).hold == Decimal("0.4")
    assert parse.open_order_of({**ORDER, "price": None}, SYMBOLS).hold is None


def test_an_order_that_is_over_says_how() -> None:
    order = parse.closed_order_of({**ORDER, "status": "canceled"}, SYMBOLS)

    assert (order.status, order.filled, order.cost, order.fee) == (
        "canceled",
        Decimal("1.1"),
        Decimal("0.076094524"),
        Decimal("0.0009"),
    )
    assert order.closed_at_s == 1502962956.216


@pytest.mark.parametrize("field", ["id", "side", "status", "filled"])
def test_an_order_without_what_it_needs_is_refused_by_name(field: str) -> None:
    row = {name: value for name, value in ORDER.items() if name != field}

    with pytest.raises(PayloadError, match=f"{field} is missing"):
        parse.closed_order_of(row, SYMBOLS)


def test_what_was_filled_without_a_cost_is_worked_out_or_refused_and_never_zero() -> None:
    row = {name: value for name, value in ORDER.items() if name != "cost"}

    assert parse.closed_order_of({**row, "status": "closed"}, SYMBOLS).cost == Decimal("1.1") * Decimal("0.06917684")
    with pytest.raises(PayloadError, match="neither cost nor average"):
        parse.closed_order_of({**row, "status": "closed", "average": None}, SYMBOLS)


def test_a_fee_in_base_is_told_in_quote_and_a_third_assets_not_at_all() -> None:
    trade = {"id": "t", "order": "o", "symbol": "BTC/USDT", "side": "buy", "amount": "2", "price": "10", "timestamp": 0}

    in_base = parse.fill_of({**trade, "fee": {"currency": "BTC", "cost": "0.01"}}, SYMBOLS)
    in_third = parse.fill_of({**trade, "fee": {"currency": "BNB", "cost": "0.01"}}, SYMBOLS)

    assert (in_base.fee, in_base.cost) == (Decimal("0.10"), Decimal(20))
    assert in_third.fee == 0


MARKET: dict[str, Any] = {
    "id": "btcusdt",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "active": True,
    "taker": "0.001",
    "maker": "0.0008",
    "precision": {"amount": "0.00001", "price": "0.01"},
    "limits": {"amount": {"min": "0.0001", "max": None}, "cost": {"min": "5"}},
}


def test_a_spot_market_is_an_instrument_on_its_grid() -> None:
    by_tick = parse.instrument_of(MARKET, precision_mode=ccxt.TICK_SIZE)
    by_places = parse.instrument_of(
        {**MARKET, "precision": {"amount": 5, "price": 2}, "active": False}, precision_mode=ccxt.DECIMAL_PLACES
    )

    assert by_tick is not None
    assert by_places is not None
    assert (by_tick.quantity_step, by_tick.price_step, by_tick.cost_min) == (
        Decimal("0.00001"),
        Decimal("0.01"),
        Decimal(5),
    )
    assert (by_places.quantity_step, by_places.price_step) == (by_tick.quantity_step, by_tick.price_step)
    assert by_places.status is InstrumentStatus.OFFLINE


@pytest.mark.parametrize("change", [{"spot": False}, {"precision": {}}, {"base": "not a code"}])
def test_what_is_no_spot_market_on_a_grid_is_left_out(change: dict[str, Any]) -> None:
    assert parse.instrument_of({**MARKET, **change}, precision_mode=ccxt.TICK_SIZE) is None
    assert parse.instrument_of(MARKET, precision_mode=ccxt.SIGNIFICANT_DIGITS) is None


@pytest.mark.parametrize(
    ("raised", "kind", "outcome"),
    [
        (ccxt.InsufficientFunds("x"), InsufficientFundsError, Outcome.REJECTED),
        (ccxt.InvalidOrder("x"), VenueError, Outcome.REJECTED),
        (ccxt.ExchangeError("a word nobody knows"), OutcomeUnknownError, Outcome.UNKNOWN),
        (ccxt.DuplicateOrderId("x"), OutcomeUnknownError, Outcome.UNKNOWN),
        (ccxt.RequestTimeout("x"), OutcomeUnknownError, Outcome.UNKNOWN),
        (ccxt.ExchangeNotAvailable("x"), VenueError, Outcome.UNKNOWN),
        (ccxt.RateLimitExceeded("x"), VenueError, Outcome.UNKNOWN),
    ],
)
def test_only_what_ccxt_calls_a_refusal_is_one(raised: Exception, kind: type[VenueError], outcome: Outcome) -> None:
    told = errors.error_of(raised, request="createOrder", account="any", told="x")

    assert isinstance(told, kind)
    assert isinstance(told, VenueError)
    assert told.outcome is outcome


def test_every_class_of_the_table_is_ccxts_and_comes_before_its_ancestors() -> None:
    kinds = [getattr(ccxt, row.word) for row in errors.TABLE]

    for at, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:at]), kind


def test_what_ccxt_itself_cannot_read_is_a_payload_error() -> None:
    assert isinstance(errors.error_of(KeyError("x"), request="r", account="a", told="x"), PayloadError)


@pytest.mark.parametrize(("own", "wanted"), [(1_700_000_000, 1_800_000_000), (1_700_000_000_000, 1_800_000_000_123)])
def test_the_lanes_number_comes_in_the_exchanges_unit(own: int, wanted: int) -> None:
    class Plain:
        def nonce(self) -> int:
            return own

    made = _counted(Plain)()

    assert made.nonce() == own
    made.holdfast_nonce = 1_800_000_000_123_456
    assert made.nonce() == wanted


def test_an_exchange_that_ccxt_lacks_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        exchange_class("nosuch")
    with pytest.raises(ConfigError, match=r"did you mean .*binance"):
        exchange_class("Binanse")
    with pytest.raises(ConfigError, match="which exchange"):
        Settings.of({})
    with pytest.raises(ConfigError, match="no options"):
        Settings.of({"exchange": "binance", "sandbox": True})


class _Listed:
    """An exchange whose list is as long as was asked for."""

    id = "listed"
    has = {"fetchClosedOrders": True, "fetchMyTrades": True}  # noqa: RUF012

    async def fetch_closed_orders(self, _symbol: None, _since: int | None, limit: int) -> list[dict[str, Any]]:
        return [{**ORDER, "id": str(number), "status": "closed"} for number in range(limit)]

    async def fetch_my_trades(self, _symbol: None, _since: int | None, limit: int) -> list[dict[str, Any]]:
        trade = {"symbol": "BTC/USDT", "side": "buy", "amount": "1", "price": "1", "timestamp": 0}
        return [{**trade, "id": str(number)} for number in range(limit)]


async def test_a_list_that_may_have_been_cut_is_no_evidence() -> None:
    clock = FakeClock()
    calls = Calls(
        exchange="binance",
        credential=Credential(venue="through_ccxt", key="SIMkey", secret="s"),
        lane=MemoryLane(clock=clock),
        clock=clock,
        emit=lambda _: None,
        account="any",
        rest_url=None,
        read_deadline_s=5.0,
    )
    calls._exchange = _Listed()
    client = ThroughCcxtClient(calls, clock=clock, account="any")

    assert len(await client.closed_orders()) == 100
    with pytest.raises(PayloadError, match="may have been cut"):
        await client.closed_orders(client_order_id="not in it", placed_since_s=1.0)
    with pytest.raises(PayloadError, match="may have been cut"):
        await client.fills(since_s=1.0)


class _LockedOut(_Listed):
    """An exchange that answers with what it was told to, and counts what reaches it."""

    def __init__(self, told: Exception | None) -> None:
        self.told, self.asked = told, 0

    async def ask(self) -> str:
        self.asked += 1
        if self.told is not None:
            raise self.told
        return "answered"


@pytest.mark.parametrize(
    ("told", "left_s", "kind"),
    [
        (ccxt.DDoSProtection("EGeneral:Temporary lockout"), 899.0, CredentialParkedError),
        (ccxt.DDoSProtection("EAPI:Rate limit exceeded"), 59.0, RateLimitedError),
    ],
)
def test_an_exchange_that_asks_for_silence_gets_it_from_unsigned_calls_too(
    told: Exception, left_s: float, kind: type[Exception]
) -> None:
    """A lockout closes the key for every process of the host; a plain rate limit quiets this client."""

    async def scenario() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        lane = MemoryLane(clock=clock)
        calls = Calls(
            exchange="binance",
            credential=Credential(venue="through_ccxt", key="SIMkey", secret="s"),
            lane=lane,
            clock=clock,
            emit=lambda _: None,
            account="any",
            rest_url=None,
            read_deadline_s=5.0,
            silence=functools.partial(keep_silent, lane, clock, name="any"),
        )
        exchange = calls._exchange = _LockedOut(told)
        assert await calls.public("time", lambda _: _LockedOut(None).ask()) == "answered"
        with pytest.raises(LockoutError):
            await calls.private("fetchBalance", lambda each: each.ask(), priority=Priority.BALANCE)
        exchange.told = None
        for _ in range(3):
            with pytest.raises(kind):
                await calls.public("time", lambda each: each.ask())
        assert exchange.asked == 1

        await asyncio.sleep(left_s)
        with pytest.raises(kind):
            await calls.public("time", lambda each: each.ask())
        await asyncio.sleep(2.0)
        assert await calls.public("time", lambda each: each.ask()) == "answered"

    run_virtual(scenario())


def test_the_venue_is_one_value_that_needs_ccxt_only_when_it_is_used() -> None:
    assert THROUGH_CCXT.id == "through_ccxt"
    assert not THROUGH_CCXT.facts.has_stream
    assert not THROUGH_CCXT.facts.enforces_validity
    assert THROUGH_CCXT.is_simulator_key("SIMabc")
    assert Priority.BALANCE < Priority.HISTORY
