"""The account channel: pages and changes put together, and time that never runs back."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import Partial, Snapshot, Source
from holdfast.core.payloads import decode_strictly
from holdfast.errors import PayloadError
from holdfast.venues.okx import balances, wire
from holdfast.venues.okx.account_channel import AccountChannel, CashWatch, RegressedError
from tests.venues.okx.samples import compact, loaded, push, row, sample

D = Decimal
T0 = 1_768_465_800_000


def at(second: float) -> str:
    return str(T0 + int(second * 1000))


def coin(ccy: str, cash: str, second: float, **more: Any) -> dict[str, Any]:
    return row(ccy, cash, uTime=at(second), **more)


class Channel:
    """A channel, fed with frames."""

    def __init__(self) -> None:
        self.told = AccountChannel()
        self.told.begin()

    def take(self, frame: dict[str, Any]) -> Snapshot | Partial | None:
        body = compact(frame)
        fast = balances.pushed(body)
        careful = balances.push_of(decode_strictly(body, wire.Frame))
        assert fast is None or fast == careful
        return self.told.take(careful, as_of_s=1.0)

    def snapshot(self, *rows: dict[str, Any], second: float, page: Any = 1, last: Any = True) -> Any:
        return self.take(push(*rows, at=T0 + int(second * 1000), page=page, last=last))

    def update(self, *rows: dict[str, Any], second: float) -> Any:
        return self.take(push(*rows, at=T0 + int(second * 1000), event="event_update"))


def totals(statement: Any) -> dict[str, Decimal]:
    assert statement is not None
    return {code: holding.total for code, holding in statement.holdings.items()}


def test_documented_push_is_a_complete_statement() -> None:
    channel = AccountChannel()
    channel.begin()
    frame = decode_strictly(sample("ws_account_snapshot"), wire.Frame)
    statement = channel.take(balances.push_of(frame), as_of_s=7.0)
    assert isinstance(statement, Snapshot)
    assert totals(statement) == {"USDT": D("4750.426970691436")}
    assert (statement.source, statement.as_of_s, statement.states_holds) == (Source.STREAM, 7.0, True)
    assert statement.venue_time_s == 1_705_564_223.311


def test_change_is_partial_and_states_whole_rows() -> None:
    channel = Channel()
    channel.take(loaded("ws_account_spot"))
    statement = channel.take(loaded("ws_account_update"))
    assert isinstance(statement, Partial)
    holding = statement.holdings["USDT"]
    assert set(statement.holdings) == {"USDT"}
    assert (holding.total, holding.held, holding.available) == (D(950), D(0), D(950))
    assert statement.states_holds


def test_pages_are_one_statement_and_only_when_all_have_come() -> None:
    channel = Channel()
    assert channel.snapshot(coin("BTC", "1", 1), second=2, page=1, last=False) is None
    assert channel.snapshot(coin("ETH", "2", 1), second=2, page=2, last=False) is None
    whole = channel.snapshot(coin("SOL", "3", 1), second=2, page=3, last=True)
    assert isinstance(whole, Snapshot)
    assert totals(whole) == {"BTC": D(1), "ETH": D(2), "SOL": D(3)}


def test_change_between_pages_counts_whichever_page_comes_later() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), coin("ETH", "2", 1), second=2)
    channel.snapshot(coin("BTC", "1", 1), second=5, page=1, last=False)
    told = channel.update(coin("BTC", "0.5", 5.1), coin("ETH", "9", 5.1), second=5.2)
    assert totals(told) == {"BTC": D("0.5"), "ETH": D(9)}  # Told at once, and kept for the whole.
    whole = channel.snapshot(coin("ETH", "2", 1), second=5, page=2, last=True)
    assert totals(whole) == {"BTC": D("0.5"), "ETH": D(9)}


def test_currency_bought_between_pages_is_in_the_whole() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), second=2, page=1, last=False)
    channel.update(coin("SOL", "3", 2.5), second=2.6)
    whole = channel.snapshot(coin("ETH", "2", 1), second=2, page=2, last=True)
    assert totals(whole) == {"BTC": D(1), "ETH": D(2), "SOL": D(3)}


def test_change_before_the_first_snapshot_is_not_lost_and_an_older_one_does_not_come_back() -> None:
    channel = Channel()
    assert channel.update(coin("BTC", "2", 3), coin("SOL", "1", 1), second=3) is None
    whole = channel.snapshot(coin("BTC", "1", 1), second=2)
    assert totals(whole) == {"BTC": D(2)}  # SOL was gone again by then.


def test_missing_page_is_refused_and_the_next_snapshot_heals() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), second=2, page=1, last=False)
    with pytest.raises(PayloadError, match="page 3"):
        channel.snapshot(coin("SOL", "3", 1), second=2, page=3, last=True)
    with pytest.raises(PayloadError):
        channel.snapshot(coin("SOL", "3", 1), second=2, page=2, last=True)
    assert totals(channel.snapshot(coin("BTC", "1", 1), second=7)) == {"BTC": D(1)}


def test_repeated_first_page_begins_anew() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), second=2, page=1, last=False)
    channel.snapshot(coin("BTC", "1", 1), second=7, page=1, last=False)
    assert totals(channel.snapshot(coin("ETH", "2", 1), second=7, page=2)) == {"BTC": D(1), "ETH": D(2)}


def test_push_as_it_was_before_there_were_pages_is_a_snapshot() -> None:
    channel = Channel()
    old = push(coin("BTC", "1", 1), at=T0 + 2000, event=None)
    assert isinstance(channel.take(old), Snapshot)


def test_zero_row_is_zero_and_absence_from_a_change_says_nothing() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), coin("ETH", "2", 1), second=2)
    assert totals(channel.update(coin("BTC", "0", 3), second=3)) == {"BTC": D(0)}
    assert totals(channel.snapshot(coin("ETH", "2", 1), second=5)) == {"ETH": D(2)}


def test_older_row_of_a_change_is_dropped_and_an_equal_one_counts() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 3), coin("ETH", "2", 3), second=4)
    some = channel.update(coin("BTC", "9", 2), coin("ETH", "5", 5), second=5)
    assert totals(some) == {"ETH": D(5)}
    with pytest.raises(RegressedError):
        channel.update(coin("BTC", "9", 2), second=6)
    # Whether a mere freeze moves the row's time is not confirmed.
    assert totals(channel.update(coin("BTC", "1", 3, available="0.5"), second=7)) == {"BTC": D(1)}


def test_snapshot_of_before_is_refused_as_a_whole() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 1), second=10)
    channel.update(coin("BTC", "2", 11), coin("SOL", "1", 11), second=11)
    for rows, second in (
        ([coin("BTC", "1", 1)], 9),  # Of before the latest one.
        ([coin("BTC", "1", 1), coin("SOL", "1", 11)], 12),  # One row is older than what was told.
        ([coin("BTC", "2", 11)], 10.5),  # What came after it is not in it.
    ):
        with pytest.raises(RegressedError):
            channel.snapshot(*rows, second=second)
    assert totals(channel.snapshot(coin("BTC", "2", 11), second=12)) == {"BTC": D(2)}


def test_time_is_kept_over_connections() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 8), second=10)
    channel.told.begin()
    assert channel.update(coin("BTC", "5", 9), second=10.1) is None  # Not before the snapshot.
    with pytest.raises(RegressedError):
        channel.snapshot(coin("BTC", "7", 2), second=3)
    assert isinstance(channel.snapshot(coin("BTC", "5", 9), second=15), Snapshot)


def test_clock_that_was_set_back_is_believed_once_it_goes_on_and_a_picture_that_stands_still_never() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 3600), second=3600)
    for _ in range(20):
        with pytest.raises(RegressedError):
            channel.snapshot(coin("BTC", "7", 5), second=10)
    for second in (11, 16):
        with pytest.raises(RegressedError):
            channel.snapshot(coin("BTC", "2", second), second=second)
        channel.told.begin()  # Over connections too: none of them lasts without a snapshot.
    assert totals(channel.snapshot(coin("BTC", "2", 21), second=26)) == {"BTC": D(2)}
    assert totals(channel.update(coin("BTC", "3", 27), second=27)) == {"BTC": D(3)}


def test_row_from_the_future_does_not_stop_the_channel_for_ever() -> None:
    channel = Channel()
    channel.snapshot(coin("BTC", "1", 9_999_999), second=10)
    assert totals(channel.snapshot(coin("BTC", "2", 16), second=16)) == {"BTC": D(2)}


def test_event_of_a_kind_to_come_is_refused_by_name() -> None:
    with pytest.raises(PayloadError, match="patch"):
        Channel().take(push(coin("BTC", "1", 1), at=T0, event="patch"))


def test_statements_follow_the_truth_in_any_order_of_what_is_under_way() -> None:
    """Whatever is delayed or repeated: what the channel holds is never older than what it held."""
    dice = random.Random(4)
    for _ in range(12):
        cash = {"BTC": 1, "ETH": 2, "SOL": 3}
        changed = dict.fromkeys(cash, 0.0)
        frames = []
        for second in itertools.takewhile(lambda each: each < 60, itertools.count(1)):
            if second % 5 == 0:
                rows = [coin(code, str(cash[code]), changed[code]) for code in cash]
                frames.append(push(*rows, at=T0 + second * 1000))
            if dice.random() < 0.5:
                code = dice.choice(list(cash))
                cash[code] += 1
                changed[code] = float(second)
                frames.append(push(coin(code, str(cash[code]), second), at=T0 + second * 1000, event="event_update"))
        mixed = sorted(enumerate(frames), key=lambda pair: pair[0] + dice.random() * 4)
        channel, held = Channel(), dict.fromkeys(cash, 0)
        for _, frame in [*mixed, *dice.sample(mixed, 5)]:
            try:
                statement = channel.take(frame)
            except RegressedError:
                continue
            for code, holding in ({} if statement is None else statement.holdings).items():
                assert int(holding.total) >= held[code]
                held[code] = int(holding.total)
        final = push(*[coin(code, str(cash[code]), changed[code]) for code in cash], at=T0 + 70_000)
        assert totals(channel.take(final)) == {code: D(each) for code, each in cash.items()}


# Both ways of reading a push


def test_fast_way_reads_the_usual_push_and_leaves_the_rest_to_the_careful_one() -> None:
    usual = push(coin("BTC", "1", 1), at=T0)
    assert balances.pushed(compact(usual)) is not None
    for odd in (
        push(coin("BTC", "1", 1), at=T0, event=None),
        push(coin("BTC", "1", 1, stgyEq="3"), at=T0),
        push(coin("BTC", "-1", 1, liab="1"), at=T0),
        {**usual, "data": usual["data"] * 2},
    ):
        assert balances.pushed(compact(odd)) is None
    for key in (b'"arg":', b'"uTime":', b'"cashBal":', b'"data":', b'"details":', b'"eventType":'):
        twice = compact(usual).replace(key, key + b'"7",' + key, 1)
        assert balances.pushed(twice) is None, key
        with pytest.raises(PayloadError):
            decode_strictly(twice, wire.Frame)


# Cash on the quicker channel


def cash(code: str, amount: str, second: float, event: str = "filled") -> wire.CashChange:
    change = {"eventType": event, "balData": [{"ccy": code, "cashBal": amount, "uTime": at(second)}]}
    return msgspec.convert(change, wire.CashChange)


class Watched(Channel):
    def __init__(self) -> None:
        super().__init__()
        self.watch = CashWatch(self.told, within_s=1.5)
        self.snapshot(coin("BTC", "1", 1), coin("USDT", "9", 1), second=2)


def test_documented_cash_is_read() -> None:
    [change] = msgspec.convert(loaded("ws_balance_and_position")["data"], list[wire.CashChange])
    assert (change.event_type, change.bal_data[0].cash_bal) == ("snapshot", "1")
    watched = Watched()
    watched.watch.heard([change], now_s=0.0)
    assert not watched.watch.is_waiting  # Its first word is no news.


def test_cash_that_does_not_come_is_missed_after_a_while_and_not_before() -> None:
    watched = Watched()
    assert watched.watch.heard([cash("BTC", "2", 3)], now_s=10.0) == 11.5
    assert watched.watch.missing(now_s=11.0) is None
    assert watched.watch.missing(now_s=11.5) == ("BTC", T0 + 3000)
    assert watched.watch.missing(now_s=12.0) is None  # Asked once.


def test_cash_that_came_by_time_or_by_figure_is_not_missed() -> None:
    watched = Watched()
    watched.watch.heard([cash("BTC", "2", 3), cash("USDT", "8", 3)], now_s=10.0)
    watched.update(coin("BTC", "3", 4), second=4)  # A later word on it.
    watched.update(coin("USDT", "8", 2), second=4)  # The same figure, under an earlier time.
    assert watched.watch.missing(now_s=20.0) is None
    watched.watch.heard([cash("BTC", "7", 3.5)], now_s=21.0)
    assert not watched.watch.is_waiting


def test_alarm_that_was_false_is_the_last_one() -> None:
    watched = Watched()
    watched.watch.heard([cash("BTC", "2", 3)], now_s=10.0)
    assert watched.watch.missing(now_s=12.0) is not None
    watched.snapshot(coin("BTC", "1", 1), coin("USDT", "9", 1), second=14)
    watched.watch.stated()
    assert watched.watch.heard([cash("BTC", "2", 15)], now_s=20.0) is None


def test_alarm_that_was_right_leaves_the_watch_on() -> None:
    watched = Watched()
    watched.watch.heard([cash("BTC", "2", 3)], now_s=10.0)
    assert watched.watch.missing(now_s=12.0) is not None
    watched.snapshot(coin("BTC", "2", 3), coin("USDT", "9", 1), second=14)
    watched.watch.stated()
    assert watched.watch.heard([cash("BTC", "3", 15)], now_s=20.0) is not None
