"""Verdicts, orders, claims and the trading state from a terminal, alone and beside a running bot."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.cli.conftest import Command, Served

ORDER = """
import asyncio, sys, holdfast
async def main():
    async with holdfast.open("holdfast.toml") as desk:
        broker = desk["kraken-master"]
        await broker.wait_until("live")
        {body}
asyncio.run(main())
"""


def run_bot(holdfast: Command, body: str) -> None:
    """Let a bot do something in a process of its own, as a user's bot would."""
    done = holdfast.python(ORDER.format(body=body))
    assert done.returncode == 0, done.stderr


CLAIM = 'await broker.verify_balance_before_order("BTC-USD", "buy", "0.01", intent_id="idle", reserve=True)'
BID = 'await broker.place_limit_order("BTC-USD", "buy", "0.01", "30000", intent_id="a-bid")'


@pytest.mark.parametrize(("amount", "code"), [("10000", 0), ("10000.0001", 4)])
def test_an_amount_is_funded_or_not(holdfast: Command, shared_venue: Served, amount: str, code: int) -> None:
    holdfast.configure(shared_venue)
    found, document = holdfast.json("verify-balance", "USD", amount)
    assert found == code, document
    assert document["schema_version"] == 1
    assert document["broker"] == "kraken-master"
    assert document["is_approved"] is (code == 0)
    assert document["code"] == ("approved" if code == 0 else "funds_short")
    assert Decimal(document["required"]) == Decimal(amount)
    assert Decimal(document["spendable"]) == 10000
    assert Decimal(document["shortfall"]) == max(Decimal(0), Decimal(amount) - 10000)
    assert (document["state"], document["reason"]) == ("fresh", None)
    assert 0 <= document["age_s"] < 30
    assert document["arithmetic"]


@pytest.mark.parametrize(
    "amount", ["1e400", "NaN", "inf", "-1", "1,000", "", " 1", "1_000", "0x10", "\u0661", "abc", "+5", "1."]
)
def test_what_is_no_amount_exits_2_and_asks_nobody(holdfast: Command, amount: str) -> None:
    done = holdfast.here("verify-balance", "USD", amount)  # Not even a configuration is needed.
    assert (done.returncode, done.stdout) == (2, "")
    assert "AMOUNT" in done.stderr


def test_an_unknown_asset_exits_2_and_names_the_nearest(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("verify-balance", "USDD", "1")
    assert done.returncode == 2
    assert "USD" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("verify-balance", "USD", "1"), ("reservations",), ("orders",), ("halt",), ("reduce",), ("resume",)]
)
def test_several_brokers_and_none_named_exits_2(
    holdfast: Command, shared_venue: Served, arguments: tuple[str, ...]
) -> None:
    holdfast.configure(shared_venue, "kraken-master", "kraken-sub1")
    done = holdfast.here(*arguments)
    assert done.returncode == 2
    assert "kraken-sub1" in done.stderr


def test_a_broker_that_is_not_configured_exits_2_and_those_that_are_are_listed(
    holdfast: Command, shared_venue: Served
) -> None:
    holdfast.configure(shared_venue)
    done = holdfast.here("halt", "kraken-mastr")
    assert done.returncode == 2
    assert "kraken-master" in done.stderr


def test_an_unreachable_venue_is_told_from_missing_money(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast.here("verify-balance", "USD", "1").returncode == 0
    venue.process.terminate()
    venue.process.wait(timeout=10)
    code, document = holdfast.json_here("verify-balance", "USD", "1", "--wait", "2")
    assert code == 6
    assert document["code"] == "balance_stale"
    assert document["state"] == "stale"
    assert document["reason"] == "restored"


def test_while_the_venue_is_away_no_order_is_called_unknown(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast.here("orders").returncode == 0
    venue.process.terminate()
    venue.process.wait(timeout=10)
    listed = holdfast.here("orders", "--wait", "2")
    cancelled = holdfast.here("orders", "cancel", "whose", "--wait", "2")
    for done in (listed, cancelled):
        assert done.returncode == 6
        assert "venue_not_loaded" in done.stderr
    assert "did not tell whose it may be" in cancelled.stderr


def test_the_answer_for_people_begins_with_yes_or_no(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    assert holdfast.here("verify-balance", "USD", "1").stdout.startswith("yes  approved")
    denied = holdfast.here("verify-balance", "USD", "20000")
    assert denied.returncode == 4
    assert denied.stdout.startswith("no  funds_short")
    assert "short by 10000.00" in denied.stdout
    assert "total 10000, held 0, reserved 0" in denied.stdout


def test_an_order_is_listed_shown_and_cancelled_by_name(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    run_bot(holdfast, BID)
    code, document = holdfast.json_here("orders")
    assert code == 0
    (order,) = document["orders"]
    assert (order["intent_id"], order["state"], order["symbol"]) == ("a-bid", "open", "BTC-USD")
    assert Decimal(order["limit_price"]) == 30000
    assert "a-bid" in holdfast.here("orders", "list").stdout
    venue.post(
        "events", {"kind": "external_order", "pair": "XXBTZUSD", "side": "buy", "quantity": "0.01", "price": "31000"}
    )
    external = [row for row in holdfast.json_here("orders")[1]["orders"] if row["intent_id"] is None]
    assert [Decimal(row["limit_price"]) for row in external] == [Decimal(31000)]
    code, shown = holdfast.json_here("orders", "show", "a-bid")
    assert shown["order"]["order_id"] == order["order_id"]
    assert holdfast.here("orders", "cancel", "a-bid").returncode == 0
    assert holdfast.here("orders", "cancel", external[0]["order_id"]).returncode == 0
    assert holdfast.json_here("orders")[1]["orders"] == []
    assert Decimal(venue.truth()["USD"]["held"]) == 0
    assert "canceled" in holdfast.here("orders", "list", "--ended").stdout
    assert holdfast.here("orders", "cancel", "never-was").returncode == 2


def test_reservations_are_listed_explained_and_not_released_while_their_order_is_open(
    holdfast: Command, venue: Served
) -> None:
    holdfast.configure(venue)
    assert "nothing is reserved" in holdfast.here("reservations").stdout
    run_bot(holdfast, BID)
    code, document = holdfast.json_here("reservations", "list")
    assert code == 0
    (view,) = document["reservations"]
    assert (view["intent_id"], view["asset"], view["order"]) == ("a-bid", "USD", "open")
    code, shown = holdfast.json_here("reservations", "show", "a-bid")
    assert code == 0
    causes = [row["cause"]["cause"] for row in shown["changes"]]
    assert causes[:2] == ["claimed", "submitted"]
    assert all(row["cause"]["intent_id"] == "a-bid" for row in shown["changes"])
    assert "claimed" in holdfast.here("reservations", "show", "a-bid").stdout
    refused = holdfast.here("reservations", "release", "a-bid")
    assert refused.returncode == 2
    assert "holdfast orders cancel a-bid" in refused.stderr
    assert holdfast.here("reservations", "release", "a-bid", "--force").returncode == 2
    assert holdfast.here("reservations", "show", "never-was").returncode == 2


def test_a_claim_without_an_order_is_released_by_name(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    run_bot(holdfast, CLAIM)
    code, document = holdfast.json_here("reservations", "release", "idle")
    assert code == 0
    assert document["reservation"]["state"] == "released"
    assert holdfast.json_here("reservations")[1]["reservations"] == []
    again = holdfast.here("reservations", "release", "idle")
    assert again.returncode == 2


def test_halt_reduce_and_resume_last_over_processes(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    venue.process.terminate()  # None of them needs the venue.
    venue.process.wait(timeout=10)
    code, document = holdfast.json_here("halt", "kraken-master", "--reason", "prices look wrong")
    assert (code, document["trading_state"], document["before"]) == (0, "halted", "active")
    assert document["reason"] == "prices look wrong"
    broker = holdfast.json_here("status", "--wait", "0")[1]["brokers"]["kraken-master"]
    assert (broker["trading_state"], broker["trading_reason"]) == ("halted", "prices look wrong")
    assert "prices look wrong" in holdfast.here("status", "--wait", "0").stdout
    assert holdfast.json_here("reduce")[1]["trading_state"] == "reducing"
    assert "exits" in holdfast.here("reduce").stdout
    assert holdfast.json_here("resume")[1]["trading_state"] == "active"


@pytest.fixture
def owner(holdfast: Command, venue: Served) -> Iterator[subprocess.Popen[str]]:
    """``holdfast up``: a process that owns the account while the test runs."""
    holdfast.configure(venue)
    with holdfast.owning() as process:
        yield process


def test_every_command_works_beside_a_running_owner(
    holdfast: Command, venue: Served, owner: subprocess.Popen[str]
) -> None:
    run_bot(holdfast, BID)  # Attached, like everything below.

    def answered(*arguments: str) -> Any:
        code, document = holdfast.json_here(*arguments)
        assert code == 0, (arguments, document)
        return document

    balances = answered("balances")["brokers"]["kraken-master"]["balances"]
    assert balances["USD"]["state"] == "live"
    assert answered("status")["brokers"]["kraken-master"]["reservations"] == 1
    assert answered("verify-balance", "USD", "9000")["is_approved"]
    assert holdfast.here("verify-balance", "USD", "9900").returncode == 4
    assert [row["intent_id"] for row in answered("orders")["orders"]] == ["a-bid"]
    assert answered("orders", "show", "a-bid")["order"]["state"] == "open"
    assert answered("reservations", "show", "a-bid")["changes"]
    assert answered("explain", "kraken-master", "USD")["rows"]
    assert answered("history", "--limit", "3")["rows"]
    assert answered("nonce", "doctor")["is_well"]
    assert answered("backup", str(holdfast.folder / "beside.db"))["last_seq"] > 0
    assert answered("halt")["trading_state"] == "halted"
    assert answered("resume")["trading_state"] == "active"
    assert answered("orders", "cancel", "a-bid")["order"]["intent_id"] == "a-bid"
    assert answered("orders")["orders"] == []
    assert owner.poll() is None


@pytest.mark.timeout(120)
def test_beside_a_stopped_owner_every_command_exits_9_within_the_bound_and_names_it(
    holdfast: Command, venue: Served, owner: subprocess.Popen[str]
) -> None:
    import time

    with (holdfast.folder / "holdfast.toml").open("a") as file:
        file.write("\n[lane]\nwait_s = 3\n")
    owner.send_signal(signal.SIGSTOP)
    for arguments in (("balances",), ("verify-balance", "USD", "1"), ("halt",), ("reservations",)):
        began_s = time.monotonic()
        done = holdfast(*arguments)
        assert done.returncode == 9, (arguments, done.stderr)
        assert str(owner.pid) in done.stderr
        assert done.stdout == ""
        assert time.monotonic() - began_s < 3 + 6  # The bound, and a start on a busy machine.
    owner.send_signal(signal.SIGCONT)
    assert holdfast("balances").returncode == 0
