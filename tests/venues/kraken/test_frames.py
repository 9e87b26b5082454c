"""What a stream frame says is taken exactly, the fast way and the careful way alike."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import Delta, OpenOrder, OrderChange, Side
from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.kraken import frames, wire
from holdfast.venues.kraken.executions import Executions, UnstatedOrderError
from holdfast.venues.kraken.frames import Wallets
from tests.venues.kraken.samples import listing, sample

D = Decimal


def update(**changes: str) -> bytes:
    """The documented kind of update; *changes* replace a field's JSON, or drop it where empty."""
    fields = {
        "ledger_id": '"L-1"',
        "ref_id": '"T-1"',
        "timestamp": '"2026-09-21T10:00:00.123456Z"',
        "type": '"trade"',
        "subtype": '""',
        "category": '"trade"',
        "asset": '"USD"',
        "asset_class": '"currency"',
        "wallet_type": '"spot"',
        "wallet_id": '"main"',
        "amount": "-400.0",
        "fee": "1.0",
        "balance": "1099.25",
        **changes,
    }
    members = ",".join(f'"{name}":{value}' for name, value in fields.items() if value)
    return f'{{"channel":"balances","type":"update","sequence":2,"data":[{{{members}}}]}}'.encode()


def careful(wallets: Wallets, frame: bytes) -> list[Delta]:
    data = frames.decode(frame).data
    return wallets.moved(frames.rows_of(data, wire.BalancesUpdateRow, "balances"), as_of_s=5.0)


def moved(frame: bytes, wallets: Wallets | None = None) -> list[Delta]:
    """The deltas of a frame, and a proof that both ways agree where the fast one answers."""
    fast = Wallets(listing()) if wallets is None else wallets
    answer = fast.moved_fast(frame, as_of_s=5.0)
    if answer is None:
        return careful(fast, frame)
    if wallets is None:
        assert answer[1] == careful(Wallets(listing()), frame)
    return answer[1]


def stated(*rows: dict[str, Any], omits: frozenset[str] = frozenset(), on_credit: frozenset[str] = frozenset()) -> Any:
    wallets = Wallets(listing(), omits=omits, on_credit=on_credit)
    shaped = frames.rows_of(
        [{name: text_of(value) for name, value in row.items()} for row in rows], wire.BalancesSnapshotRow, "balances"
    )
    return wallets, wallets.stated(shaped, as_of_s=5.0)


def text_of(value: Any) -> Any:
    """Numbers as the strict decoder hands them over."""
    return json.loads(json.dumps(value), parse_float=str, parse_int=str)


def held(asset: str, **wallets: float) -> dict[str, Any]:
    """A snapshot row; ``main=`` is the spot wallet, other names are earn wallets."""
    return {
        "asset": asset,
        "balance": sum(wallets.values()),
        "wallets": [
            {"type": "spot" if name == "main" else "earn", "id": name, "balance": amount}
            for name, amount in wallets.items()
        ],
    }


# Snapshots


def test_documented_snapshot_is_complete_and_states_totals() -> None:
    data = frames.decode(sample("ws_balances_snapshot")).data
    snapshot = Wallets(listing()).stated(frames.rows_of(data, wire.BalancesSnapshotRow, "balances"), as_of_s=5.0)
    assert (snapshot.read, snapshot.as_of_s, snapshot.states_holds) == ("balances", 5.0, False)
    assert {code: each.total for code, each in snapshot.holdings.items()} == {
        "BTC": D("1.2"),
        "MATIC": D(500),
        "USD": D("80595.4943"),
    }
    assert snapshot.holdings["BTC"].held is None


def test_empty_snapshot_is_a_complete_empty_one() -> None:
    assert stated()[1].holdings == {}


@pytest.mark.parametrize(
    ("wallet", "total"),
    [("liquid", 12.5), ("flex", 12.5), ("bonded", 2.5), ("locked", 2.5), ("flexible", 2.5), ("new", 2.5)],
)
def test_wallets_of_kraken_rewards_count_and_locked_ones_do_not(wallet: str, total: float) -> None:
    _, snapshot = stated(held("SOL", main=2.5, **{wallet: 10.0}))
    assert snapshot.holdings["SOL"].total == D(str(total))


def test_snapshot_says_what_it_cannot_speak_of() -> None:
    _, snapshot = stated(held("SOL", main=1.0), omits=frozenset({"SOL.S", "DOT.S"}))
    assert snapshot.omits == {"SOL.S", "DOT.S"}


@pytest.mark.parametrize(
    "rows",
    [
        [held("SOL", main=1.0), held("SOL", main=2.0)],
        [{"asset": "SOL", "balance": 2, "wallets": [{"type": "spot", "id": "main", "balance": 1}] * 2}],
        [held("SOL", main=-1.0)],
        [{"asset": "SOL"}],
        [{"asset": "SOL", "balance": None}],
        [{"asset": "SOL", "balance": "NaN"}],
        [{"asset": "SOL", "balance": [1]}],
    ],
)
def test_snapshot_that_contradicts_itself_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(PayloadError):
        stated(*rows)


def test_negative_total_is_believed_of_an_asset_on_credit() -> None:
    assert stated(held("USD", main=-5.5), on_credit=frozenset({"USD"}))[1].holdings["USD"].total == D("-5.5")


def test_unlisted_asset_is_refused_by_name() -> None:
    with pytest.raises(UnknownAssetError, match="NEWCOIN"):
        stated(held("NEWCOIN", main=1.0))
    with pytest.raises(UnknownAssetError, match="NEWCOIN"):
        moved(update(asset='"NEWCOIN"'))


def test_rows_of_other_accounts_and_of_fee_credits_are_passed_over() -> None:
    _, snapshot = stated({**held("SOL", main=1.0), "user": "sub"}, held("KFEE", main=9.0), held("USD", main=2.0))
    assert snapshot.holdings.keys() == {"USD"}
    assert moved(update(user='"sub"')) == []
    assert moved(update(asset='"KFEE"')) == []


# Updates


@pytest.mark.parametrize("name", ["ws_balances_update", "ws_balances_trade"])
def test_documented_updates_are_read_the_fast_way(name: str) -> None:
    assert Wallets(listing()).moved_fast(sample(name), as_of_s=5.0) is not None


def test_documented_trade_is_a_delta_net_of_fee() -> None:
    assert moved(sample("ws_balances_trade")) == [
        Delta(
            asset="USD",
            change=D("-401.0"),
            total=D("1099.25"),
            kind="trade",
            ref="TABCDE-FGHIJ-KLMNOP",
            has_other_leg=True,
            as_of_s=5.0,
            entry="LABCDE-FGHIJ-KLMNOP",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "has_other_leg"), [("trade", True), ("conversion", True), ("deposit", False), ("party", False)]
)
def test_only_exchanges_have_another_leg(kind: str, has_other_leg: bool) -> None:
    assert moved(update(type=f'"{kind}"'))[0].has_other_leg is has_other_leg


@pytest.mark.parametrize(("wallet", "change"), [("liquid", D("11.5")), ("locked", D(0))])
def test_a_move_between_two_wallets_of_an_asset_has_another_leg_and_counts_only_what_is_shown(
    wallet: str, change: Decimal
) -> None:
    wallets = Wallets(listing())
    out = moved(update(type='"transfer"', subtype='"spottostaking"', amount="-11.5"), wallets)[0]
    back = update(type='"transfer"', subtype='"stakingfromspot"', amount="11.5", fee="0")
    back = back.replace(b'"wallet_type":"spot"', b'"wallet_type":"earn"').replace(b'"main"', f'"{wallet}"'.encode())
    into = moved(back, wallets)[0]
    assert (out.has_other_leg, into.has_other_leg) == (True, True)
    assert (into.asset, into.ref, into.change, into.total) == (out.asset, out.ref, change, None)


def test_several_rows_are_several_deltas() -> None:
    row = update()[len(b'{"channel":"balances","type":"update","sequence":2,"data":[') : -2]
    frame = update().replace(row, row + b"," + row.replace(b"USD", b"BTC").replace(b"T-1", b"T-2"))
    found = moved(frame)
    assert [(delta.asset, delta.ref) for delta in found] == [("USD", "T-1"), ("BTC", "T-2")]


@pytest.mark.parametrize(
    ("amount", "fee", "balance"),
    [
        ("1e-08", "0", "1E-8"),
        ("0.1", "0.2", "0.30000000000000004"),
        ("-0", "0.0", "0"),
        ("1" + "0" * 30, "0", "1" + "0" * 30),
        ("1." + "0" * 29 + "1", "0", "123456789012345678901234567890.123456789012345"),
        ('"1.5"', '"0.5"', '"7"'),
    ],
)
def test_amounts_are_exact_in_any_form(amount: str, fee: str, balance: str) -> None:
    delta = moved(update(amount=amount, fee=fee, balance=balance))[0]
    with decimal.localcontext(decimal.Context(prec=200)):
        assert delta.change == D(amount.strip('"')) - D(fee.strip('"'))
    assert delta.total == D(balance.strip('"'))


@pytest.mark.parametrize(
    "context", [decimal.Context(prec=3), decimal.Context(prec=3, traps=[]), decimal.Context(Emax=3, Emin=-3)]
)
def test_hostile_decimal_context_changes_nothing(context: decimal.Context) -> None:
    frame = update(amount="1234567.123456789", fee="0.000000001", balance="99999999.99999999")
    expected = moved(frame)
    with decimal.localcontext(context):
        assert moved(frame) == expected
        assert expected[0].change.compare_total(D("1234567.123456788")) == 0


@pytest.mark.parametrize(
    "text", ["1e400", "1E+50000000", "1e-400", "1" * 61, "NaN", "Infinity", "null", "true", "[]", '""']
)
@pytest.mark.parametrize("field", ["amount", "fee", "balance"])
def test_money_that_is_none_is_refused_both_ways(field: str, text: str) -> None:
    assert Wallets(listing()).moved_fast(update(**{field: text}), as_of_s=5.0) is None
    with pytest.raises(PayloadError):
        moved(update(**{field: text}))


@pytest.mark.parametrize("text", ['"NaN"', '" 1"', '"1_0"', '"١"', '"1e400"', '"Infinity"', '"-NaN"'])
@pytest.mark.parametrize("field", ["amount", "fee", "balance"])
def test_text_that_is_no_amount_is_refused(field: str, text: str) -> None:
    with pytest.raises(AmountError):
        moved(update(**{field: text}))


@pytest.mark.parametrize(
    "frame",
    [
        update().replace(b'"fee":1.0', b'"fee":1.0,"fee":1.0'),
        update().replace(b'"fee":1.0', b'"fee":1.0,"\\u0066ee":2.0'),
        update().replace(b'"sequence":2', b'"sequence":1,"sequence":2'),
        update().replace(b'"data":', b'"data":[],"data":'),
        update().replace(b'"asset":"USD"', b'"asset":"BTC","asset":"USD"'),
    ],
)
def test_duplicate_keys_are_refused(frame: bytes) -> None:
    assert Wallets(listing()).moved_fast(frame, as_of_s=5.0) is None
    with pytest.raises(PayloadError, match="duplicate key"):
        moved(frame)


@pytest.mark.parametrize("field", ["asset", "amount", "fee", "balance", "wallet_type", "wallet_id", "type"])
def test_missing_field_is_refused_by_name(field: str) -> None:
    with pytest.raises(PayloadError, match=field):
        moved(update(**{field: ""}))


@pytest.mark.parametrize("field", ["subtype", "category", "ledger_id", "ref_id", "timestamp", "asset_class"])
def test_field_that_decides_nothing_may_be_missing(field: str) -> None:
    assert moved(update(**{field: ""}))[0].change == D("-401.0")


def test_extra_fields_are_tolerated() -> None:
    assert moved(update(new='{"a":[1,"x"]}'))[0].change == D("-401.0")


def test_frame_cut_at_any_byte_is_refused() -> None:
    for frame in (sample("ws_balances_trade"), sample("ws_executions_trade"), sample("ws_balances_snapshot")):
        for length in range(len(frame)):
            with pytest.raises(PayloadError):
                moved(frame[:length])


def test_negative_total_after_a_change_is_refused_unless_on_credit() -> None:
    with pytest.raises(PayloadError, match="negative"):
        moved(update(balance="-0.5"))
    lent = Wallets(listing(), on_credit=frozenset({"USD"}))
    assert moved(update(balance="-0.5"), lent)[0].total == D("-0.5")


# Several wallets


def test_total_is_stated_with_authority_only_where_there_is_one_wallet() -> None:
    wallets, _ = stated(held("SOL", main=2.5, liquid=10.0), held("USD", main=5.0))
    single = moved(update(), wallets)[0]
    assert single.total == D("1099.25")
    many = moved(update(asset='"SOL"', amount="1.0", fee="0.0", balance="13.5"), wallets)[0]
    assert (many.total, many.change) == (None, D("1.0"))


def test_asset_never_seen_has_one_wallet_until_a_second_shows_up() -> None:
    wallets, _ = stated()
    first = moved(update(asset='"SOL"', amount="5", fee="0", balance="5"), wallets)[0]
    assert first.total == D(5)
    second = moved(
        update(asset='"SOL"', amount="2", fee="0", balance="7", wallet_type='"earn"', wallet_id='"liquid"'), wallets
    )[0]
    assert (second.total, second.change) == (None, D(2))
    third = moved(update(asset='"SOL"', amount="1", fee="0", balance="8"), wallets)[0]
    assert third.total is None


def test_move_into_rewards_nets_to_nothing_and_a_move_into_a_lock_leaves() -> None:
    wallets, _ = stated(held("SOL", main=10.0))
    out = moved(update(asset='"SOL"', amount="-4", fee="0", balance="6", type='"staking"'), wallets)
    into = update(asset='"SOL"', amount="4", fee="0", balance="10", type='"staking"', wallet_type='"earn"')
    rewards = moved(into.replace(b'"main"', b'"flex"'), wallets)
    assert sum(delta.change for delta in out + rewards) == 0
    assert moved(into.replace(b'"main"', b'"bonded"'), wallets) == []


# Orders


def executed(**fields: Any) -> bytes:
    return msgspec.json.encode(
        {"channel": "executions", "type": "update", "sequence": 9, "data": [{"order_id": "O-1", **fields}]}
    )


def rows(frame: bytes) -> list[wire.Execution]:
    return frames.rows_of(frames.decode(frame).data, wire.Execution, "executions")


def changed(orders: Executions, frame: bytes) -> list[OrderChange]:
    return orders.changed(rows(frame), as_of_s=5.0)


NEW: dict[str, Any] = {
    "exec_type": "pending_new",
    "order_status": "pending_new",
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "order_qty": 2.0,
    "limit_price": 100.0,
    "limit_price_type": "static",
    "cl_ord_id": "acct-1",
}


def open_order(**changes: Any) -> OpenOrder:
    order = changed(Executions(listing()), executed(**{**NEW, **changes}))[0].order
    assert order is not None
    return order


def test_documented_pending_order_holds_its_base() -> None:
    change = changed(Executions(listing()), sample("ws_executions_pending"))[0]
    assert change == OrderChange(
        order_id="OK4GJX-KSTLS-7DZZO5",
        order=OpenOrder(
            order_id="OK4GJX-KSTLS-7DZZO5",
            client_order_id=None,
            symbol="BTC-USD",
            side=Side.SELL,
            order_type="limit",
            quantity=D("0.005"),
            filled=D(0),
            limit_price=D("26500.0"),
            hold_asset="BTC",
            hold=D("0.005"),
            cost=D(0),
            fee=D(0),
        ),
        as_of_s=5.0,
        ref=None,
        reason="pending_new",
        filled=D(0),
        cost=D(0),
    )


def test_order_lives_through_rows_that_carry_only_what_changed() -> None:
    orders = Executions(listing())
    assert changed(orders, executed(**NEW))[0].order is not None
    live = changed(orders, executed(exec_type="new", order_status="new"))[0].order
    assert live is not None
    assert (live.symbol, live.hold_asset, live.hold, live.client_order_id) == ("BTC-USD", "USD", D(200), "acct-1")
    fill = changed(
        orders,
        executed(
            exec_type="trade",
            order_status="partially_filled",
            exec_id="T-9",
            last_qty=0.5,
            last_price=100.0,
            cum_qty=0.5,
            cum_cost=50.0,
        ),
    )[0]
    assert fill.order is not None
    assert (fill.ref, fill.reason, fill.order.filled, fill.order.hold) == ("T-9", "trade", D("0.5"), D(150))
    amended = changed(orders, executed(exec_type="amended", order_qty=1.0, limit_price=120.0))[0].order
    assert amended is not None
    assert amended.hold == D(60)
    ended = changed(orders, executed(exec_type="canceled", order_status="canceled", reason="User requested"))[0]
    assert (ended.order, ended.reason) == (None, "canceled")


def test_fill_that_completes_leaves_no_hold_and_the_end_is_a_row_of_its_own() -> None:
    orders = Executions(listing())
    changed(orders, executed(**NEW))
    last = changed(
        orders, executed(exec_type="trade", order_status="partially_filled", exec_id="T-9", cum_qty=2.0, cum_cost=200.0)
    )[0]
    assert last.order is not None
    assert last.order.hold == 0
    assert changed(orders, executed(exec_type="filled", order_status="filled"))[0].order is None


def test_fill_without_its_sum_adds_its_own_quantity() -> None:
    orders = Executions(listing())
    changed(orders, executed(**NEW))
    for filled in ("0.5", "1.0"):
        order = changed(orders, executed(exec_type="trade", exec_id="T", last_qty=0.5))[0].order
        assert order is not None
        assert order.filled == D(filled)


@pytest.mark.parametrize(
    ("changes", "asset", "hold"),
    [
        ({"side": "sell"}, "BTC", "2.0"),
        ({"side": "sell", "order_type": "market", "limit_price": None}, "BTC", "2.0"),
        ({"order_type": "market", "limit_price": None}, "USD", None),
        ({"order_type": "market", "limit_price": None, "order_qty": None, "cash_order_qty": 500.0}, "USD", "500.0"),
        (
            {
                "order_type": "market",
                "limit_price": None,
                "order_qty": None,
                "cash_order_qty": 500.0,
                "cum_cost": 120.5,
            },
            "USD",
            "379.5",
        ),
        ({"limit_price_type": "pct"}, "USD", None),
        ({"margin": True}, "USD", "0"),
        ({"symbol": "NEW/USD"}, None, None),
        ({"cum_qty": 3.0}, "USD", "0"),
        ({"limit_price": 1e-8, "order_qty": 1e-8}, "USD", "1E-16"),
    ],
)
def test_hold_is_estimated_or_unknown(changes: dict[str, Any], asset: str | None, hold: str | None) -> None:
    order = open_order(**changes)
    assert (order.hold_asset, order.hold) == (asset, None if hold is None else D(hold))


def test_snapshot_is_every_open_order_and_nothing_else() -> None:
    orders = Executions(listing())
    changed(orders, executed(**{**NEW, "order_id": "O-OLD"}))
    data = [
        {"order_id": "O-1", **NEW, "exec_type": "new", "order_status": "new"},
        {"order_id": "O-2", **NEW, "exec_type": "filled", "order_status": "filled"},
        {"order_id": "O-3", **NEW, "exec_type": "trade", "order_status": "partially_filled"},
        {"order_id": "O-4", **NEW, "user": "sub"},
    ]
    frame = msgspec.json.encode({"channel": "executions", "type": "snapshot", "sequence": 1, "data": data})
    snapshot = orders.stated(rows(frame), as_of_s=5.0)
    assert (snapshot.read, set(snapshot.orders)) == ("executions", {"O-1"})
    with pytest.raises(UnstatedOrderError):
        changed(orders, executed(order_id="O-OLD", exec_type="amended"))


def test_order_stated_twice_is_refused() -> None:
    row = {"order_id": "O-1", **NEW}
    frame = msgspec.json.encode({"channel": "executions", "type": "snapshot", "sequence": 1, "data": [row, row]})
    with pytest.raises(PayloadError, match="twice"):
        Executions(listing()).stated(rows(frame), as_of_s=5.0)


def test_update_of_an_unknown_order_is_refused_and_forgiven_later() -> None:
    orders = Executions(listing())
    with pytest.raises(UnstatedOrderError) as caught:
        changed(orders, executed(exec_type="new", order_status="new"))
    assert caught.value.order_id == "O-1"
    orders.forgiven.add("O-1")
    assert changed(orders, executed(exec_type="new", order_status="new")) == []
    assert changed(orders, executed(exec_type="canceled", order_status="canceled"))[0].order is None


def test_refused_update_changes_nothing_of_what_was_known() -> None:
    orders = Executions(listing())
    changed(orders, executed(**NEW))
    data = [
        {"order_id": "O-1", "exec_type": "trade", "cum_qty": 1.0},
        {"order_id": "O-9", "exec_type": "new"},
    ]
    frame = msgspec.json.encode({"channel": "executions", "type": "update", "sequence": 9, "data": data})
    with pytest.raises(UnstatedOrderError):
        changed(orders, frame)
    order = changed(orders, executed(exec_type="status"))[0].order
    assert order is not None
    assert order.filled == 0


@pytest.mark.parametrize("changes", [{"order_qty": "NaN"}, {"limit_price": ""}, {"cum_qty": "1e400"}, {"side": "hold"}])
def test_order_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        open_order(**changes)


def test_words_that_are_new_are_kept_not_refused() -> None:
    assert (
        open_order(exec_type="liquidated", order_status="something", order_type="telepathic").order_type == "telepathic"
    )


def test_rows_of_other_accounts_are_passed_over() -> None:
    assert changed(Executions(listing()), executed(**NEW, user="sub")) == []
