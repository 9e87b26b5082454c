"""A perfect account earns everything that its venue offers, and each single defect costs exactly what it should."""

from __future__ import annotations

from typing import Final

import pytest

from holdfast.core.readiness import MAX_SCORE, CheckOutcome
from holdfast.testing import run_virtual
from tests.readiness.defects import DEFECTS, PERFECT, Defect, of_venue
from tests.readiness.judged import differences, measured_with
from tests.readiness.rooms import Room

SAMPLE: Final = {
    "kraken": (
        "secret with a trailing newline",
        "wrong secret",
        "right missing: query-open-trades",
        "right to withdraw",
        "venue clock 31 s ahead",
        "cancel only",
        "slow",
        "holds that lag",
        "empty detailed balance",
        "candles of an hour ago",
        "lockout",
        "swapped account",
        "mute stream",
        "sequence gap",
    ),
    "coinbase": ("key deleted", "right to transfer", "5xx for accounts", "BTC-USD cancel only", "orders channel mute"),
    "okx": (
        "address not on the key's list",
        "demo key",
        "account in margin mode",
        "positions malformed",
        "stream refused",
    ),
}
"""A few of each kind; the whole list is a part of the soak."""


@pytest.mark.parametrize("venue", PERFECT)
def test_a_perfect_simulated_account_earns_everything_that_its_venue_offers(venue: str) -> None:
    report = run_virtual(Room.once(venue))
    score, max_score = PERFECT[venue]
    assert (report.score, report.max_score) == (score, max_score)
    assert [check.name for check in report.lost] == []
    assert sum(check.worth for check in report.exempt) == MAX_SCORE - max_score
    assert all(check.how_to_fix for check in report.exempt)
    assert all(check.evidence for check in report.checks)
    awarded = {check.name for check in report.checks if check.is_awarded}
    assert awarded == {"connection.tls", "credentials.expiry", "credentials.ip_list"}
    assert report.heading.startswith("NOT A GO-LIVE PROOF")


@pytest.mark.parametrize(
    "defect",
    [each for each in DEFECTS if each.name in SAMPLE[each.venue]],
    ids=lambda each: f"{each.venue}: {each.name}",
)
def test_a_defect_costs_exactly_what_it_should_and_names_cause_and_fix(defect: Defect) -> None:
    assert differences(defect, run_virtual(measured_with(defect))) == []


@pytest.mark.parametrize("venue", PERFECT)
def test_markets_in_busd_cost_nothing_because_they_are_filtered_and_named(venue: str) -> None:
    defect = next(each for each in of_venue(venue) if each.name == "BUSD listed")
    report = run_virtual(measured_with(defect))
    assert differences(defect, report) == []
    assert "of the venue's listing BTC-BUSD" in report.check("symbols.unsupported").evidence


def test_the_list_is_long_enough_and_names_each_defect_once() -> None:
    for venue in PERFECT:
        names = [defect.name for defect in of_venue(venue)]
        assert len(names) >= 40
        assert len(set(names)) == len(names)
        assert set(SAMPLE[venue]) <= set(names)


def test_a_difference_is_seen() -> None:
    """The judge of the list can say no: to points, to the cause, and to what is exempt."""
    told = next(each for each in of_venue("kraken") if each.name == "right to withdraw")
    report = run_virtual(measured_with(told))
    for field, value in (("points", 3), ("lost", ("credentials.expiry",)), ("says", "nothing"), ("exempt", 1)):
        wrong = Defect(**{**{name: getattr(told, name) for name in told.__dataclass_fields__}, field: value})
        assert differences(wrong, report), field


_IN: Final = ("request", "ws_in")
_ORDERS: Final = ("add_order", "batch_add", "AddOrder", "AddOrderBatch")


def test_no_order_is_placed_by_any_measurement() -> None:
    async def main() -> list[str]:
        room = Room("kraken")
        report = await room.measured()
        assert report.check("trade.dry_run").result is CheckOutcome.EARNED
        entries = room.front.journal.since(0)["entries"]
        sent = [str(each["name"]) for each in entries if each["kind"] in _IN and each.get("name") in _ORDERS]
        assert room.venue.truth()["accounts"]["master"]["assets"]["USD"]["held"] in ("0", "0.0000")
        return sent

    # One dry run, over the stream; the venue holds nothing for it afterwards.
    assert len(run_virtual(main())) == 1
