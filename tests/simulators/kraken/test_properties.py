"""
What has to hold whatever is done to the venue: money is conserved, holds are covered, streams tell the truth, and the
same seed and requests give the same bytes, whatever decimal context the calling thread has.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from holdfast.simulators.core.accounts import Account
from holdfast.simulators.kraken import OPEN_POINTS, KrakenSimSettings
from tests.simulators.kraken.bench import Bench, Stream

# A quarter of what the profile in force asks for: each example is a whole session at the venue.
EXAMPLES = hypothesis.settings.default.max_examples // 4  # type: ignore[union-attr]

Action = tuple[str, dict[str, Any]]

PAIRS = (("XBTUSD", "BTC-USD", 40_000, 1), ("ETHXBT", "ETH-BTC", Decimal("0.0625"), 5), ("SOLUSD", "SOL-USD", 100, 2))


def _order(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Action:
    pair, _, price, places = draw(st.sampled_from(PAIRS))
    percent = draw(st.integers(-30, 30))
    limit = (Decimal(price) * (1000 + percent) / 1000).quantize(Decimal(1).scaleb(-places))
    fields: dict[str, Any] = {
        "pair": pair,
        "type": draw(st.sampled_from(("buy", "sell"))),
        "ordertype": draw(st.sampled_from(("limit", "limit", "market", "stop-loss", "take-profit-limit"))),
        "volume": str(Decimal(draw(st.integers(1, 3000))) / 1000),
    }
    if fields["ordertype"] != "market":
        fields["price"] = str(limit)
    if fields["ordertype"] == "take-profit-limit":
        fields["price2"] = str(limit)
    extra = draw(
        st.sampled_from(
            (
                {},
                {"oflags": "post"},
                {"timeinforce": "IOC"},
                {"timeinforce": "FOK"},
                {"oflags": "fcib"},
                {"oflags": "fciq"},
            )
        )
    )
    stp = draw(st.sampled_from(("cancel-newest", "cancel-oldest", "cancel-both")))
    return "AddOrder", {**fields, **extra, "stptype": stp}


@st.composite
def actions(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Action:
    kind = draw(
        st.sampled_from(("order", "order", "order", "cancel", "amend", "fill", "price", "money", "earn", "time"))
    )
    if kind == "order":
        return _order(draw)
    index = draw(st.integers(0, 5))
    if kind == "cancel":
        return "cancel", {"index": index}
    if kind == "amend":
        return "amend", {"index": index, "order_qty": str(Decimal(draw(st.integers(1, 3000))) / 1000)}
    if kind == "fill":
        return "fill", {"index": index, "share": draw(st.integers(1, 10))}
    if kind == "price":
        _, pair, price, _ = draw(st.sampled_from(PAIRS))
        return "price", {"pair": pair, "price": str(Decimal(price) * draw(st.integers(950, 1050)) / 1000)}
    if kind == "money":
        asset, places = draw(st.sampled_from((("USD", 4), ("BTC", 8), ("SOL", 6))))
        amount = Decimal(draw(st.integers(1, 10_000_000))).scaleb(-places)
        return draw(st.sampled_from(("deposit", "withdrawal"))), {"asset": asset, "amount": str(amount)}
    if kind == "earn":
        return "auto_earn", {"asset": draw(st.sampled_from(("BTC", "ETH", "SOL"))), "on": draw(st.booleans())}
    return "time", {"by_s": draw(st.sampled_from((0.1, 1.0, 3.0, 30.0)))}


def perform(bench: Bench, action: Action) -> bytes:
    """Do one thing; what the venue said to it."""
    kind, fields = action
    if kind == "AddOrder":
        return bench.reply("AddOrder", **fields).body
    if kind == "time":
        bench.pass_time(fields["by_s"])
        return b""
    if kind == "price":
        return str(bench.happen("market_price", **fields)).encode()
    if kind in ("deposit", "withdrawal", "auto_earn"):
        return _attempt(bench, kind, fields)
    orders = list(account_of(bench).orders.open.values())
    if not orders:
        return b"none"
    order = orders[fields["index"] % len(orders)]
    if kind == "cancel":
        return bench.reply("CancelOrder", txid=order.id).body
    if kind == "amend":
        return bench.reply("AmendOrder", txid=order.id, order_qty=fields["order_qty"]).body
    quantity = (order.remaining * fields["share"] / 10).quantize(Decimal("1e-8"), rounding=decimal.ROUND_DOWN)
    return _attempt(bench, "fill", {"order": order.id, "quantity": str(quantity)})


def _attempt(bench: Bench, kind: str, fields: dict[str, Any]) -> bytes:
    try:
        return str(bench.happen(kind, **fields)).encode()
    except ValueError as refused:
        return str(refused).encode()


def account_of(bench: Bench) -> Account:
    sim: Any = bench.sim
    account: Account = sim._exchange.accounts["master"]
    return account


def check_ledger(account: Account) -> None:
    running: dict[str, Decimal] = {}
    for entry in account.ledger.entries:
        running[entry.row] = running.get(entry.row, Decimal(0)) + entry.amount - entry.fee
        assert entry.balance == running[entry.row]
        assert entry.fee >= 0
    for row, balance in account.ledger.balances.items():
        assert balance == running.get(row, Decimal(0))
        assert balance >= 0, row


def check_holds(bench: Bench, account: Account) -> None:
    holds: dict[str, Decimal] = {}
    claims: dict[str, Decimal] = {}
    for order in account.orders.open.values():
        assert order.hold_asset is not None
        holds[order.hold_asset] = holds.get(order.hold_asset, Decimal(0)) + order.hold
        claims[order.hold_asset] = claims.get(order.hold_asset, Decimal(0)) + order.claim
        assert order.hold <= order.claim
    for asset, figures in bench.truth().items():
        assert Decimal(figures["held"]) == holds.get(asset, Decimal(0)), asset
        assert account.claimed(asset) == claims.get(asset, Decimal(0)) if asset in claims else True
    for asset, claim in claims.items():
        assert claim <= account.tradable(asset), asset


class Mirror:
    """Totals and open orders as a client of the stream would keep them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seen = 0
        self._sequences: dict[str, int] = {}
        self.totals: dict[str, Decimal] = {}
        self.open: set[str] = set()

    def catch_up(self) -> None:
        frames = self._stream.frames
        for frame in frames[self._seen :]:
            channel = frame.get("channel")
            if channel in ("balances", "executions"):
                expected = self._sequences.get(channel, frame["sequence"])
                assert frame["sequence"] == expected
                self._sequences[channel] = expected + 1
            if channel == "balances":
                for row in frame["data"]:
                    change = row["balance"] if frame["type"] == "snapshot" else row["amount"] - row["fee"]
                    self.totals[row["asset"]] = self.totals.get(row["asset"], Decimal(0)) + change
            elif channel == "executions":
                for row in frame["data"]:
                    if row["exec_type"] in ("filled", "canceled", "expired"):
                        self.open.remove(row["order_id"])
                    elif row["exec_type"] == "pending_new":
                        self.open.add(row["order_id"])
        self._seen = len(frames)


SWITCHES = (
    *("does_hold_include_fee", "do_untriggered_stops_hold", "are_f_rows_spendable", "sell_fee_default"),
    *("are_short_funds_a_cancel", "are_trade_legs_apart", "first_sequence", "numbers", "cancel_pending_s"),
)
settings_drawn = st.fixed_dictionaries({name: st.sampled_from(OPEN_POINTS[name]) for name in SWITCHES})


@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(st.lists(actions(), min_size=5, max_size=25), settings_drawn, st.integers(0, 3))
def test_money_is_conserved_holds_are_covered_and_streams_agree(
    steps: list[Action], switches: dict[str, Any], seed: int
) -> None:
    bench = Bench(seed=seed, are_calls_counted=False, **switches)
    stream = bench.stream()
    assert stream.subscribe("balances")["success"]
    assert stream.subscribe("executions")["success"]
    mirror = Mirror(stream)
    account = account_of(bench)
    for step in steps:
        perform(bench, step)
        check_ledger(account)
        check_holds(bench, account)
        mirror.catch_up()
        assert mirror.open == set(account.orders.open)
        assert {asset: total for asset, total in mirror.totals.items() if total} == {
            asset: Decimal(figures["total"]) for asset, figures in bench.truth().items() if Decimal(figures["total"])
        }


@hypothesis.settings(max_examples=max(3, EXAMPLES // 10), suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(st.lists(actions(), min_size=5, max_size=25), st.integers(0, 3))
def test_same_seed_and_requests_give_the_same_bytes_under_any_decimal_context(steps: list[Action], seed: int) -> None:
    def run() -> tuple[list[bytes], list[bytes], str]:
        bench = Bench(seed=seed, are_calls_counted=False)
        stream = bench.stream()
        stream.subscribe("balances")
        stream.subscribe("executions")
        stream.ask("subscribe", channel="book", symbol=["BTC/USD"])
        stream.ask("subscribe", channel="ticker", symbol=["BTC/USD"])
        said = [perform(bench, step) for step in steps]
        for name in ("BalanceEx", "OpenOrders", "ClosedOrders", "TradesHistory", "Ledgers", "TradeBalance"):
            said.append(bench.reply(name).body)
        said.append(str(bench.look("OHLC", "pair=XBTUSD&interval=60")["last"]).encode())
        return said, stream.raw, str(bench.sim.truth())

    # The steps themselves are made outside: only the venue has to stand the hostile context.
    expected = run()
    assert run() == expected
    hostile = decimal.Context(prec=6, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.FloatOperation])
    with decimal.localcontext(hostile):
        found = run_hostile(seed, steps)
    plain = run_hostile(seed, steps)
    assert found == plain


def run_hostile(seed: int, steps: list[Action]) -> tuple[list[bytes], list[bytes], str]:
    """Like ``perform``, without arithmetic of the test's own."""
    bench = Bench(seed=seed, are_calls_counted=False)
    stream = bench.stream()
    stream.subscribe("balances")
    stream.subscribe("executions")
    stream.ask("subscribe", channel="book", symbol=["BTC/USD"])
    stream.ask("subscribe", channel="ticker", symbol=["BTC/USD"])
    said = []
    for kind, fields in steps:
        said.append(perform(bench, ("cancel", fields) if kind == "fill" else (kind, fields)))
    for name in ("BalanceEx", "OpenOrders", "ClosedOrders", "TradesHistory", "Ledgers", "TradeBalance", "Balance"):
        said.append(bench.reply(name).body)
    for name, query in (("OHLC", "pair=XBTUSD&interval=60"), ("Ticker", "pair=XBTUSD"), ("Depth", "pair=XBTUSD")):
        said.append(str(bench.public(name, query)["error"]).encode())
    return said, stream.raw, str(bench.sim.truth())


@pytest.mark.parametrize("profile", ["plain", "earn", "busy", "margin", "empty", "many"])
def test_a_quarter_of_an_hour_of_any_profile_replays(profile: str) -> None:
    def run() -> tuple[list[bytes], str]:
        bench = Bench(seed=3, profile=profile)
        stream = bench.stream()
        stream.subscribe("balances")
        stream.subscribe("executions")
        bench.pass_time(900)
        return stream.raw, str(bench.sim.truth())

    first, second = run(), run()
    assert first == second
    assert len(first[0]) > 800


def test_another_seed_is_another_venue() -> None:
    books = {str(Bench(seed=seed).look("Depth", "pair=XBTUSD")) for seed in range(4)}
    assert len(books) == 4


def test_busy_account_moves_by_itself_and_its_money_is_conserved() -> None:
    bench = Bench(seed=5, profile="busy", are_calls_counted=False)
    stream = bench.stream()
    stream.subscribe("balances")
    mirror = Mirror(stream)
    bench.pass_time(1800)
    account = account_of(bench)
    assert len(account.orders.fills) > 150
    check_ledger(account)
    mirror.catch_up()
    for asset, figures in bench.truth().items():
        assert mirror.totals.get(asset, Decimal(0)) == Decimal(figures["total"])
    prices = {row[4] for row in bench.look("OHLC", "pair=XBTUSD&interval=1")["XXBTZUSD"][-30:]}
    assert len(prices) > 10


def test_plain_account_is_quiet() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("balances")
    stream.subscribe("executions")
    truth = bench.sim.truth()
    bench.pass_time(3600)
    assert bench.sim.truth() == truth
    assert stream.of("balances", "update") == stream.of("executions", "update") == []


@pytest.mark.parametrize("name", OPEN_POINTS)
def test_every_open_point_lists_its_default_first_and_takes_every_value(name: str) -> None:
    values = OPEN_POINTS[name]
    assert getattr(KrakenSimSettings(), name) == values[0]
    assert len(values) > 1
    for value in values:
        chosen: dict[str, Any] = {name: value}
        bench = Bench(**chosen)
        stream = bench.stream()
        assert stream.subscribe("balances")["success"]
        bench.market()
        assert bench.call("BalanceEx")["ZUSD"]
