"""Kraken's fast parsers agree with a slow, obvious reading of the same bytes, whatever the bytes are."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import MAX_EXPONENT, parse_amount
from holdfast.errors import PayloadError
from holdfast.venues.kraken import balances, frames, wire
from holdfast.venues.kraken.frames import Wallets
from holdfast.venues.kraken.symbols import RowKind
from tests.venues.kraken.samples import listing, sample
from tests.venues.kraken.test_frames import update

EXACT = decimal.Context(prec=400, Emax=999_999, Emin=-999_999)

SUFFIXED = ["XBT.F", "SOL.F", "ETH.F", "USD.F", "DOT.S", "DOT28.S", "SOL03.S", "XBT.M", "USD.HOLD", "KFEE", "NEWCOIN"]
SYMBOLS = sorted({*listing().plain, *SUFFIXED})

digits = st.text("0123456789", min_size=1, max_size=12)
plain = st.builds(lambda whole, rest: f"{whole}.{rest}", digits, digits) | digits
exponents = st.builds(lambda sign, power: f"e{sign}{power}", st.sampled_from(["", "-", "+"]), st.integers(0, 60))
long = st.builds(lambda sign, parts: sign + "".join(parts), st.sampled_from(["", "-"]), st.lists(digits, min_size=1))
odd = st.sampled_from(["", " 1", "1 ", "1_0", "NaN", "Infinity", "1e400", ".5", "5.", "1.2.3", "١", "+1", "-", "1\n2"])
amounts = st.one_of(plain, plain, st.just("0.0000000000"), st.builds(str.__add__, plain, exponents), long, odd)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _refuse(_: str) -> None:
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=str, parse_int=str, parse_constant=_refuse)


def _plainly(body: bytes, *, auto_earn_spendable: bool) -> dict[str, tuple[Decimal, Decimal, Decimal]] | None:
    """The same answer read with nothing clever: total, held and available per asset, or None where it is refused."""
    names = listing()
    found: dict[str, list[Decimal]] = {}
    seen: set[tuple[str, RowKind]] = set()
    try:
        tree = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_float=str, parse_int=str, parse_constant=_refuse
        )
        assert isinstance(tree, dict)
        assert isinstance(tree["error"], list)
        assert all(isinstance(each, str) for each in tree["error"])
        assert tree.get("result") or tree.keys() <= {"error", "result"}  # Something else instead is no empty account.
        for symbol, row in (tree.get("result") or {}).items():
            assert isinstance(row, dict)
            total, held = parse_amount(row["balance"]), parse_amount(row["hold_trade"])
            credit = [parse_amount(row[name]) for name in ("credit", "credit_used") if row.get(name) is not None]
            lent = [
                parse_amount(row[name]) if row.get(name) is not None else Decimal(0)
                for name in ("credit", "credit_used")
            ]
            assert held >= 0
            assert min(lent) >= 0
            assert total >= 0 or credit
            name = names.asset(symbol)
            assert (name.code, name.kind) not in seen
            seen.add((name.code, name.kind))
            if name.kind is RowKind.NOT_MONEY:
                seen.discard((name.code, name.kind))
                continue
            with decimal.localcontext(EXACT):
                free = total + lent[0] - lent[1] - held
                if name.kind is RowKind.LOCKED or (name.kind is RowKind.EARNING and not auto_earn_spendable):
                    free = Decimal(0)
                sums = found.setdefault(name.code, [Decimal(0), Decimal(0), Decimal(0)])
                for place, amount in enumerate((total, held, free)):
                    sums[place] += amount
    except (AssertionError, KeyError, TypeError, AttributeError, ValueError, RecursionError, PayloadError):
        return None
    return {code: (total, held, free) for code, (total, held, free) in found.items()}


def _ours(body: bytes, *, auto_earn_spendable: bool) -> dict[str, tuple[Any, Any, Any]] | None:
    try:
        reading = balances.balance_ex(body, listing(), auto_earn_spendable=auto_earn_spendable)
    except PayloadError:
        return None
    return {code: (each.total, each.held, each.available) for code, each in reading.holdings.items()}


rows = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        amounts,
        amounts,
        st.none() | amounts,
        st.booleans(),
        st.sampled_from(["", ',"new":[1,{"a":null}]', ',"balance":"1"', ',"credit_used":null']),
    ),
    max_size=6,
)


def _body(drawn: list[tuple[str, str, str, str | None, bool, str]]) -> bytes:
    members = []
    for symbol, balance, hold, credit, is_number, extra in drawn:
        total = balance if is_number else json.dumps(balance)
        lent = "" if credit is None else f',"credit":{json.dumps(credit)}'
        members.append(f'"{symbol}":{{"balance":{total},"hold_trade":{json.dumps(hold)}{lent}{extra}}}')
    return f'{{"error":[],"result":{{{",".join(members)}}}}}'.encode()


@settings(max_examples=300)
@given(rows, st.booleans())
@example([("XXBT", "1", "0", None, False, ""), ("XXBT", "1", "0", None, False, "")], True)
@example([("XXBT", "1", "0", None, False, ""), ("XBT.F", "1", "0.5", None, False, "")], False)
@example([("XXBT", "1.2.3", "0", None, False, "")], True)
def test_any_rows_give_what_an_obvious_reading_gives(
    drawn: list[tuple[str, str, str, str | None, bool, str]], auto_earn_spendable: bool
) -> None:
    body = _body(drawn)
    assert _ours(body, auto_earn_spendable=auto_earn_spendable) == _plainly(
        body, auto_earn_spendable=auto_earn_spendable
    )


@given(
    st.sampled_from(["http_balance_ex", "http_balance_ex_credit", "http_balance_ex_numbers", "http_balance"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=3),
)
def test_any_damage_gives_what_an_obvious_reading_gives(name: str, damage: list[tuple[int, int, bytes]]) -> None:
    body = sample(name)
    for at, length, put in damage:
        body = body[:at] + put + body[at + length :]
    assert _ours(body, auto_earn_spendable=True) == _plainly(body, auto_earn_spendable=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_empty(body: bytes) -> None:
    assert _ours(body, auto_earn_spendable=True) in (None, {})


@given(st.integers(1, 10**30), st.integers(0, 18))
def test_number_string_and_exponent_of_one_amount_are_equal(digits: int, places: int) -> None:
    value = Decimal((0, tuple(map(int, str(digits))), -places))
    spelled = {format(value, "f"), f"{digits}e-{places}", f"{digits}E-{places}", f"{digits}00e-{places + 2}"}
    for text in spelled:
        for each in (text, f'"{text}"'):
            body = f'{{"error":[],"result":{{"ZUSD":{{"balance":{each},"hold_trade":"0"}}}}}}'.encode()
            found = _ours(body, auto_earn_spendable=True)
            assert found is not None
            assert found["USD"][0] == value


# Frames


def _both_ways(frame: bytes) -> tuple[Any, Any]:
    fast: Any = None
    slow: Any = None
    answer = None
    try:
        answer = Wallets(listing()).moved_fast(frame, as_of_s=1.0)
        fast = None if answer is None else answer[1]
    except PayloadError:
        fast = "refused"
    try:
        decoded = frames.decode(frame)
        slow = Wallets(listing()).moved(frames.rows_of(decoded.data, wire.BalancesUpdateRow, "balances"), as_of_s=1.0)
        if answer is not None:
            assert decoded.sequence == answer[0]
    except PayloadError:
        slow = "refused"
    return fast, slow


signs = st.sampled_from(["", "-"])
rests = st.just("") | digits.map(lambda rest: f".{rest}") | exponents
numbers = st.builds(lambda sign, whole, rest: f"{sign}{whole}{rest}", signs, st.integers(0, 10**80), rests)
zeros = st.sampled_from(["0e100", "0E-200", "-0", "0.0"])
json_amounts = numbers | st.builds(str, st.integers(0, 10**6)) | amounts.map(json.dumps) | zeros


@settings(max_examples=300)
@given(
    json_amounts,
    json_amounts,
    json_amounts,
    st.sampled_from(['"USD"', '"BTC"', '"XXBT"', '"NEWCOIN"', '"KFEE"', '"DOT.S"']),
    st.sampled_from(['""', "", "null", '"spotfromfutures"']),
)
def test_update_read_the_fast_way_is_the_update_read_the_careful_way(
    amount: str, fee: str, balance: str, asset: str, subtype: str
) -> None:
    fast, slow = _both_ways(update(amount=amount, fee=fee, balance=balance, asset=asset, subtype=subtype))
    # Amount and fee are bounded by their difference there, and by the exponent they are written with here.
    is_by_notation = slow == "refused" and any(abs(_exponent(text)) > MAX_EXPONENT for text in (amount, fee))
    assert fast is None or fast == slow or is_by_notation


def _exponent(number: str) -> int:
    return int(number.lower().partition("e")[2] or "0") if number[:1] != '"' else 0


wallets = st.sampled_from([("spot", "main"), ("earn", "liquid"), ("earn", "flex"), ("earn", "bonded"), ("new", "main")])


@given(st.lists(st.tuples(wallets, st.sampled_from(["USD", "SOL"]), st.booleans()), max_size=6))
def test_updates_in_a_row_have_the_same_totals_both_ways(
    drawn: list[tuple[tuple[str, str], str, bool]],
) -> None:
    """A total is stated with authority or not by the wallets seen before: both ways have to have seen the same."""
    fast, slow, mixed = Wallets(listing()), Wallets(listing()), Wallets(listing())
    for (kind, name), asset, is_fast in drawn:
        frame = update(asset=f'"{asset}"', wallet_type=f'"{kind}"', wallet_id=f'"{name}"')
        answer = fast.moved_fast(frame, as_of_s=1.0)
        assert answer is not None
        rows = frames.rows_of(frames.decode(frame).data, wire.BalancesUpdateRow, "balances")
        assert slow.moved(rows, as_of_s=1.0) == answer[1]
        either = mixed.moved_fast(frame, as_of_s=1.0) if is_fast else (2, mixed.moved(rows, as_of_s=1.0))
        assert either == answer


@given(
    st.sampled_from(["ws_balances_update", "ws_balances_trade"]),
    st.lists(st.tuples(st.integers(0, 450), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=3),
)
def test_damaged_update_is_never_read_the_fast_way_alone(name: str, damage: list[tuple[int, int, bytes]]) -> None:
    frame = sample(name)
    for at, length, put in damage:
        frame = frame[:at] + put + frame[at + length :]
    fast, slow = _both_ways(frame)
    assert fast is None or fast == slow
