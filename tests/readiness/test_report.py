"""Results to score, document, difference and exit code."""

from __future__ import annotations

import collections

import msgspec
import pytest

from holdfast.core.readiness import (
    CATEGORIES,
    CHECKS,
    MAX_SCORE,
    CheckOutcome,
    Finding,
    ReadinessReport,
    check_named,
    compare,
    document_of,
    exit_code_of,
    report_of,
    report_of_document,
)
from holdfast.core.readiness.report import check_of, follows
from holdfast.core.readiness.words import visible


def _report(
    *, environment: str = "production", started_us: int = 1_000_000, **outcomes: CheckOutcome
) -> ReadinessReport:
    """All earned, but for checks named with ``__`` in place of the dot."""
    given = {name.replace("__", "."): outcome for name, outcome in outcomes.items()}
    checks = [
        check_of(
            spec,
            Finding(outcome=given.get(spec.name, CheckOutcome.EARNED), evidence="Seen.", fix="Do it."),
            is_simulated=environment == "simulated",
            duration_s=0.1234567,
        )
        for spec in CHECKS
    ]
    return report_of(
        checks,
        broker="kraken-master",
        venue="kraken",
        environment=environment,
        started_us=started_us,
        took_s=1.5,
        version="1",
    )


def test_nine_categories_hold_110_points() -> None:
    found: collections.Counter[str] = collections.Counter()
    for check in CHECKS:
        found[check.category] += check.points
    assert found == CATEGORIES
    assert len(CATEGORIES) == 9
    assert sum(found.values()) == MAX_SCORE == 110


def test_checks_follow_only_from_checks_that_there_are() -> None:
    names = {check.name for check in CHECKS}
    assert len(names) == len(CHECKS)
    assert all(set(check.needs) <= names - {check.name} for check in CHECKS)


def test_everything_earned_is_ready_and_has_no_heading() -> None:
    report = _report()
    assert (report.score, report.max_score, report.is_ready, report.heading) == (110, 110, True, "")
    assert exit_code_of(report) == 0
    assert {check.how_to_fix for check in report.checks} == {""}
    assert {check.duration_s for check in report.checks} == {0.123}


def test_exempt_lowers_what_can_be_earned_and_lost_does_not() -> None:
    report = _report(trade__dry_run=CheckOutcome.EXEMPT, balance__held=CheckOutcome.LOST)
    assert (report.score, report.max_score) == (100, 104)
    trade = next(each for each in report.categories if each.name == "trade capability")
    assert (trade.points, trade.max_points, trade.worth) == (4, 4, 10)
    assert [check.name for check in report.exempt] == ["trade.dry_run"]


@pytest.mark.parametrize(("environment", "score", "max_score"), [("simulated", 110, 110), ("demo", 108, 108)])
def test_points_of_an_exempt_check_are_awarded_on_simulated_only(environment: str, score: int, max_score: int) -> None:
    report = _report(environment=environment, connection__tls=CheckOutcome.EXEMPT)
    assert (report.score, report.max_score) == (score, max_score)
    assert report.heading.startswith("NOT A GO-LIVE PROOF")


def test_what_no_simulator_is_spared_is_awarded_nowhere() -> None:
    assert _report(environment="simulated", trade__dry_run=CheckOutcome.EXEMPT).score == 104


@pytest.mark.parametrize(("min_score", "code"), [(None, 8), (0, 0), (106, 0), (107, 8), (110, 8)])
def test_the_gate_decides_alone(min_score: int | None, code: int) -> None:
    assert exit_code_of(_report(balance__held=CheckOutcome.LOST), min_score=min_score) == code


def test_a_credential_at_fault_is_3_unless_there_is_a_gate() -> None:
    report = _report(credentials__no_withdrawal=CheckOutcome.LOST)
    assert exit_code_of(report) == 3
    assert exit_code_of(report, min_score=110) == 8


def test_a_check_that_needs_a_lost_one_follows_from_its_root() -> None:
    lost = {"connection.reach": Finding(outcome=CheckOutcome.LOST, evidence="No answer.", fix="Look.")}
    accepted = follows(check_named("credentials.accepted"), lost)
    assert accepted is not None
    lost["credentials.accepted"] = accepted
    fees = follows(check_named("trade.fees"), lost)
    assert fees is not None
    assert (accepted.follows, fees.follows) == ("connection.reach", "connection.reach")
    assert fees.fix
    assert follows(check_named("connection.tls"), lost) is None


def test_a_difference_names_what_moved() -> None:
    before = _report(balance__held=CheckOutcome.LOST, stream__snapshot=CheckOutcome.LOST)
    after = _report(started_us=2_000_000, stream__snapshot=CheckOutcome.LOST, connection__clock=CheckOutcome.LOST)
    found = compare(after, before)
    assert (found.points, found.max_points, found.started_us) == (0, 0, 1_000_000)
    assert {each.name: (str(each.before), str(each.after), each.points) for each in found.moved} == {
        "balance.held": ("lost", "earned", 4),
        "connection.clock": ("earned", "lost", -4),
    }


def test_a_document_is_the_contract_and_leads_back_to_the_report() -> None:
    report = _report(balance__held=CheckOutcome.LOST)
    document = msgspec.json.decode(msgspec.json.encode(document_of(report)))
    assert {"schema_version", "broker", "score", "max_score", "categories", "is_ready"} <= set(document)
    assert document["schema_version"] == 1
    category = document["categories"][2]
    assert {name: category[name] for name in ("name", "points", "max_points")} == {
        "name": "balance",
        "points": 11,
        "max_points": 15,
    }
    assert category["checks"][1]["result"] == "lost"
    assert report_of_document(document) == report
    assert report_of_document({**document, "schema_version": 2}) is None
    assert report_of_document({"score": 1}) is None


def test_a_missing_check_is_a_bug_and_no_lower_score() -> None:
    with pytest.raises(KeyError):
        report_of([], broker="a", venue="a", environment="production", started_us=0, took_s=0.0, version="1")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain, with ä and 中", "plain, with ä and 中"),
        ("a\nb\x00c\x7f", "a␊b␀c␡"),
        ("rtl \u202e here", "rtl ⟨U+202E⟩ here"),
        ("line\u2028break", "line⟨U+2028⟩break"),
    ],
)
def test_characters_that_act_are_shown_instead(given: str, shown: str) -> None:
    assert visible(given) == shown
    assert visible(shown) == shown
