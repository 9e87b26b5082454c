"""Cases of reads: what they state is the venue's truth, complete, exact, and never made up."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from holdfast.core.amounts import ZERO, add
from holdfast.core.assets import split_symbol
from holdfast.core.balances import Side, Snapshot, Source
from holdfast.core.orders import OrderType
from holdfast.core.venue import Capability, VenueMode
from holdfast.errors import ConfigError, HoldfastError
from holdfast.simulators.core.mutations import MUTATIONS
from holdfast.testing.contract.bench import Bench, raised
from holdfast.testing.contract.registry import case

__all__: list[str] = []

_UNLISTED = "NOPE-XYZ"


# The venue itself


@case(Capability.SERVER_TIME)
async def the_venues_clock_is_read_unsigned_and_is_right(bench: Bench) -> None:
    time = await bench.client.server_time()
    assert bench.lane.turns == 0, "the venue's time took the credential's turn"
    assert time.sent_s <= time.received_s
    true_s = bench.venue_us() / 1e6
    assert abs(time.venue_time_s - true_s) <= (time.received_s - time.sent_s) + time.resolution_s
    assert all(bench.key not in str(request.headers) for request in bench.http.requests), "a key was shown for nothing"


@case(Capability.VENUE_STATUS)
async def the_venues_word_on_itself_is_read_unsigned(bench: Bench) -> None:
    assert (await bench.client.status()).mode is VenueMode.ONLINE
    assert bench.lane.turns == 0
    closing = bench.subject.closing
    if closing is not None:
        bench.happen(**closing)
        await asyncio.sleep(10.0)  # What is told of itself may be asked for rarely.
        assert (await bench.client.status()).mode is not VenueMode.ONLINE


@case(Capability.CREDENTIAL_INFO)
async def the_account_behind_the_key_is_named_and_stays_the_same(bench: Bench) -> None:
    info = await bench.client.credential_info()
    assert info.account_id.strip()
    assert info.refusal is None, f"the simulator's plain account is refused: {info.refusal}"
    assert info.permissions
    assert not info.can_withdraw
    assert (await bench.client.credential_info()).account_id == info.account_id


# Names


@case(Capability.INSTRUMENTS)
async def every_instrument_has_rules_that_an_order_can_keep(bench: Bench) -> None:
    await bench.client.load()
    instruments = bench.client.instruments
    assert bench.subject.symbol in instruments
    for symbol, each in instruments.items():
        assert each.symbol == symbol
        assert each.quantity_step > 0, symbol
        assert each.price_step > 0, symbol
        assert each.quantity_min is None or each.quantity_min >= 0, symbol
    await bench.client.refresh_instrument(bench.subject.symbol)
    assert bench.client.instruments[bench.subject.symbol].quantity_step > 0


@case(Capability.SYMBOLS)
async def names_go_both_ways_for_instruments_and_assets(bench: Bench) -> None:
    await bench.client.load()
    assets = bench.client.assets
    for symbol, each in bench.client.instruments.items():
        base, quote = split_symbol(symbol)
        assert (base, quote) == (each.base, each.quote), symbol
        assert base in assets, symbol
        assert quote in assets, symbol
    listed = list(bench.client.instruments)[:8]
    for symbol in listed:
        # To the venue's spelling and back: it answers under the name that was asked for.
        assert set(await bench.client.tickers([symbol])) <= {symbol}
    for code in bench.truth:
        assert code in assets or "." in code, f"{code} is held, and no asset of that name is known"


@case(Capability.SYMBOLS)
async def what_the_venue_does_not_list_is_refused_by_name(bench: Bench) -> None:
    await bench.client.load()
    sent = len(bench.http.requests)
    error = await raised(bench.client.tickers([_UNLISTED]))
    assert error is not None, "an instrument that nobody lists was asked for and not refused"
    assert _UNLISTED in str(error), f"the refusal does not name the symbol: {error}"
    assert len(bench.http.requests) == sent, "the venue was asked about a name that it does not list"


# Prices


@case(Capability.TICKERS)
async def a_ticker_is_of_the_symbol_that_was_asked_for(bench: Bench) -> None:
    symbol = bench.subject.symbol
    before_s = bench.clock.now_s()
    ticker = (await bench.client.tickers([symbol]))[symbol]
    assert ZERO < ticker.bid <= ticker.ask
    assert before_s <= ticker.as_of_s <= bench.clock.now_s()
    assert bench.lane.turns == 0


@case(Capability.CANDLES)
async def candles_rise_in_time_and_are_consistent(bench: Bench) -> None:
    await asyncio.sleep(300.0)
    candles = await bench.client.candles(bench.subject.symbol, interval_s=60)
    assert candles
    starts = [candle.start_s for candle in candles]
    assert starts == sorted(set(starts))
    for candle in candles:
        assert ZERO < candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
    assert all(candle.is_final for candle in candles[:-1])
    assert not candles[-1].is_final, "the candle of this very minute is said to be over"
    assert bench.lane.turns == 0, "candles took the credential's turn"


@case(Capability.CANDLES)
async def candles_reach_as_far_as_they_are_asked_for(bench: Bench) -> None:
    rules = bench.client.candle_rules
    assert rules.intervals == tuple(sorted(rules.intervals))
    await asyncio.sleep(300.0)
    limit = 650 if rules.kept is None else min(650, rules.kept)
    for interval_s in (60, 3600):
        found = await bench.client.candles(bench.subject.symbol, interval_s=interval_s, limit=limit)
        now_s = bench.venue_us() / 1e6
        starts = [candle.start_s for candle in found]
        assert starts == list(range(starts[0], starts[-1] + 1, interval_s)), "candles are missing or repeated"
        assert len(starts) >= limit
        assert starts[-1] <= now_s < starts[-1] + interval_s + 1
        since_s = starts[-40]
        since = await bench.client.candles(bench.subject.symbol, interval_s=interval_s, since_s=since_s, limit=10)
        known = {candle.start_s: candle for candle in found}
        first = [candle for candle in since if candle.start_s >= since_s][:10]
        assert [candle.start_s for candle in first] == starts[-40:-30], "the first from a moment on are others"
        assert first == [known[candle.start_s] for candle in first]


@case(Capability.CANDLES)
async def candles_that_cannot_be_read_are_an_error_and_never_none(bench: Bench) -> None:
    for action in (
        {"do": "html_error", "status": 502},
        {"do": "html_error", "status": 200},
        {"do": "answer", "body": "{}"},
        {"do": "answer", "body": "null"},
        {"do": "truncate", "at": 20},
        {"do": "too_many"},
    ):
        other = Bench(bench.subject)
        await other.client.load()
        other.front.plan.add({"kind": "rest", "action": action})
        error = await raised(other.client.candles(bench.subject.symbol, interval_s=60, limit=5))
        assert error is not None, f"{action} was taken for candles"


@case(Capability.CANDLES)
async def an_interval_that_the_venue_has_not_is_refused_before_anything_is_sent(bench: Bench) -> None:
    await bench.client.load()
    sent = len(bench.http.requests)
    assert 61 not in bench.client.candle_rules.intervals
    assert isinstance(await raised(bench.client.candles(bench.subject.symbol, interval_s=61)), ConfigError)
    assert len(bench.http.requests) == sent


# Positions


@case(Capability.POSITIONS)
async def a_spot_account_has_no_margin_position_and_says_so(bench: Bench) -> None:
    before_s = bench.clock.now_s()
    stated = await bench.client.positions()
    assert stated.positions == ()
    assert stated.others == ()
    assert stated.read
    assert before_s <= stated.as_of_s <= bench.clock.now_s()
    assert bench.lane.turns > 0, "positions are the account's: they are asked for with its key"


@case(Capability.POSITIONS)
async def positions_that_cannot_be_read_are_an_error_and_never_none(bench: Bench) -> None:
    for action in (
        {"do": "html_error", "status": 502},
        {"do": "html_error", "status": 200},
        {"do": "answer", "body": "{}"},
        {"do": "answer", "body": "null"},
        {"do": "truncate", "at": 20},
        {"do": "too_many"},
    ):
        other = Bench(bench.subject)
        await other.client.load()
        other.front.plan.add({"kind": "rest", "action": action})
        error = await raised(other.client.positions())
        assert error is not None, f"{action} was taken for an account without positions"


# Balances


def _check(bench: Bench, snapshot: Snapshot) -> None:
    """A complete statement is the truth: named assets as they are, absent ones zero, none made up."""
    truth = bench.truth
    assert snapshot.source is Source.REST
    for code in truth.keys() | snapshot.holdings.keys():
        if code in snapshot.omits:
            continue
        true = truth.get(code, {"total": ZERO, "held": ZERO, "available": ZERO})
        stated = snapshot.holdings.get(code)
        if stated is None and "." in code:
            continue  # Kept elsewhere at the venue (staked, in a vault): not a balance that this read is of.
        assert (ZERO if stated is None else stated.total) == true["total"], code
        if snapshot.states_holds and stated is not None:
            assert (stated.held, stated.available) == (true["held"], true["available"]), code


@case(Capability.BALANCE_SNAPSHOT)
async def every_read_states_every_asset_as_it_is(bench: Bench) -> None:
    for profile in bench.subject.profiles:
        other = Bench(bench.subject, profile=profile)
        for read in other.client.balance_reads:
            before_s = other.clock.now_s()
            snapshot = await other.client.read_balances(read)
            assert snapshot.read == read
            assert before_s <= snapshot.as_of_s <= other.clock.now_s()
            _check(other, snapshot)


@case(Capability.BALANCE_SNAPSHOT)
async def the_first_read_states_holds_and_another_one_can_confirm_it(bench: Bench) -> None:
    reads = bench.client.balance_reads
    assert len(reads) >= 2, "nothing can confirm a suspect answer"
    assert len(set(reads)) == len(reads)
    assert (await bench.client.read_balances(reads[0])).states_holds


@case(Capability.BALANCE_SNAPSHOT)
async def a_genuine_zero_is_stated_and_an_error_never_is_one(bench: Bench) -> None:
    """Everything leaves: then zero is the truth. An answer that fails, tears or is empty states nothing at all."""
    read, calls = bench.client.balance_reads[0], bench.subject.calls
    await bench.client.read_balances(read)
    faults = (
        {"do": "html_error", "status": 502},
        {"do": "html_error", "status": 200},
        {"do": "empty"},
        {"do": "truncate", "at": 20},
        {"do": "answer", "body": "{}"},
        {"do": "answer", "body": "null"},
        {"do": "answer", "body": "[]"},
        {"do": "mutate", "how": "duplicate_key"},
        {"do": "cut_body", "at": 10},
        {"do": "too_many"},
    )
    for action in faults:
        other = Bench(bench.subject)
        await other.client.load()
        other.front.plan.add({"kind": "rest", "name": calls.balances, "action": action})
        try:
            stated = await other.client.read_balances(read)
        except HoldfastError:
            continue
        # Nothing says that it was no answer only where it states the truth all the same.
        _check(other, stated)
    quote = bench.subject.quote
    bench.happen("withdrawal", asset=quote, amount=format(bench.truth[quote]["available"], "f"))
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    snapshot = await bench.client.read_balances(read)
    _check(bench, snapshot)


@case(Capability.BALANCE_SNAPSHOT)
async def an_answer_over_tampered_figures_is_exact_or_refused(bench: Bench) -> None:
    """Whatever one place of the text is changed to: finite exact amounts of assets that exist, or a refusal."""
    read, calls = bench.client.balance_reads[0], bench.subject.calls
    for how in sorted(MUTATIONS.keys() - {"set", "rename"}):
        other = Bench(bench.subject)
        await other.client.load()
        other.front.plan.add({"kind": "rest", "name": calls.balances, "action": {"do": "mutate", "how": how}})
        try:
            stated = (await other.client.read_balances(read)).holdings
        except HoldfastError:
            continue
        for code, holding in stated.items():
            assert type(holding.total) is Decimal, code
            assert holding.total.is_finite(), code


@case(Capability.BALANCE_HOLDS)
async def what_orders_hold_is_stated_as_the_venue_has_it(bench: Bench) -> None:
    read, quote = bench.client.balance_reads[0], bench.subject.quote
    bench.happen("deposit", asset=quote, amount="5000")
    before = (await bench.client.read_balances(read)).holdings[quote]
    bench.rest_order()
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    snapshot = await bench.client.read_balances(read)
    held, before_held = snapshot.holdings[quote].held, before.held
    assert held is not None
    assert before_held is not None
    assert held > before_held
    assert snapshot.holdings[quote].total == before.total
    _check(bench, snapshot)
    bench.happen("external_cancel")
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    _check(bench, await bench.client.read_balances(read))


# Orders and history


@case(Capability.OPEN_ORDERS)
async def open_orders_are_those_of_the_venue_and_hold_what_it_holds(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    bench.happen("external_cancel")
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    for _ in range(3):
        bench.rest_order()
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    snapshot = await bench.client.open_orders()
    live = {order["order_id"] for order in bench.log() if order["ended_us"] is None}
    assert set(snapshot.orders) == live
    holds = ZERO
    for order_id, order in snapshot.orders.items():
        assert (order.order_id, order.symbol, order.side) == (order_id, bench.subject.symbol, Side.BUY)
        assert order.hold_asset == bench.subject.quote
        assert order.hold is not None
        holds = add(holds, order.hold)
    held = bench.truth[bench.subject.quote]["held"]
    # The venue may hold a fee beside what an estimate leaves out.
    assert abs(held - holds) <= held * Decimal("0.02")
    assert set(await bench.client.open_orders_by_id(sorted(live))) == live


@case(Capability.CLOSED_ORDERS)
async def an_order_that_is_over_is_found_by_our_id_with_how_it_ended(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    filled = bench.ticket(order_type=OrderType.MARKET, quantity=None, quote_quantity=bench.subject.spending)
    await bench.place(filled)
    rested = bench.ticket()
    ack = await bench.place(rested)
    await bench.cancel(order_id=ack.order_id)
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    for ticket, statuses in ((filled, {"filled", "closed"}), (rested, {"canceled"})):
        (order,) = await bench.client.closed_orders(
            client_order_id=ticket.client_order_id, placed_since_s=bench.venue_us() / 1e6 - 600.0
        )
        (true,) = bench.log(ticket.client_order_id)
        assert (order.order_id, order.client_order_id) == (true["order_id"], ticket.client_order_id)
        assert order.status in statuses
        assert order.filled == Decimal(true["filled"])
        assert order.cost == Decimal(true["cost"])
        assert (order.filled > 0) is (order.fee > 0)
    placed_since_s = bench.venue_us() / 1e6 - 600
    assert await bench.client.closed_orders(client_order_id="0" * 32, placed_since_s=placed_since_s) == []


@case(Capability.FILLS)
async def fills_add_up_to_what_the_order_took(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    since_s = bench.venue_us() / 1e6 - 1.0
    ticket = bench.ticket(order_type=OrderType.MARKET, quantity=None, quote_quantity=bench.subject.spending)
    await bench.place(ticket)
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    (true,) = bench.log(ticket.client_order_id)
    fills = [fill for fill in await bench.client.fills(since_s=since_s) if fill.order_id == true["order_id"]]
    assert fills
    quantity = cost = ZERO
    for fill in fills:
        assert (fill.symbol, fill.side) == (bench.subject.symbol, Side.BUY)
        assert fill.at_s >= since_s
        quantity, cost = add(quantity, fill.quantity), add(cost, fill.cost)
    assert quantity == Decimal(true["filled"])
    assert abs(cost - Decimal(true["cost"])) <= Decimal("0.01")
    assert len({fill.fill_id for fill in fills}) == len(fills)
    assert await bench.client.fills(since_s=since_s - 600, until_s=since_s - 500) == []


@case(Capability.LEDGER)
async def the_venues_own_ledger_tells_of_a_deposit(bench: Bench) -> None:
    quote = bench.subject.quote
    since_s = bench.venue_us() / 1e6 - 1.0
    await bench.client.load()
    bench.happen("deposit", asset=quote, amount="123.45")
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    rows = await bench.client.ledger_rows(asset=quote, since_s=since_s)
    assert [row.change for row in rows if row.change == Decimal("123.45")] == [Decimal("123.45")]
    assert all(row.asset == quote for row in rows)


@case(Capability.FEE_RATES)
async def the_accounts_own_fees_are_fractions(bench: Bench) -> None:
    symbol = bench.subject.symbol
    rates = (await bench.client.fee_rates([symbol]))[symbol]
    assert rates.symbol == symbol
    assert Decimal("-0.01") < rates.maker <= rates.taker < Decimal("0.05")
    assert rates.taker > 0


@case(Capability.DEMO_ENVIRONMENT)
async def there_is_a_demo_environment_with_addresses_of_its_own(bench: Bench) -> None:
    demo, production = bench.subject.venue.facts.site("demo"), bench.subject.venue.facts.site("production")
    assert demo is not None
    assert production is not None
    assert demo.ws_url != production.ws_url
