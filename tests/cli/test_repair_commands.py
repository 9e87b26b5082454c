"""Repair, reset, refresh, doctor and audit as a user runs them: real sockets, a real owner and none."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest

from holdfast.cli.exits import worst
from holdfast.cli.repair import codes_of
from holdfast.core.health import Health
from holdfast.core.repair import Condition
from tests.cli.conftest import Command, Served


def test_they_work_through_a_running_owner_and_without_one_and_are_on_record(
    holdfast: Command, shared_venue: Served
) -> None:
    holdfast.configure(shared_venue)
    with holdfast.owning() as owner:
        code, document = holdfast.json_here("doctor")
        checks = {each["name"]: each for each in document["brokers"]["kraken-master"]["checks"]}
        assert (code, document["is_well"]) == (0, True)
        assert str(owner.pid) in checks["owner"]["found"]
        assert {
            "config",
            "state folder",
            "permissions",
            "disk",
            "venue",
            "clock",
            "credential",
            "store",
        } <= checks.keys()

        repair = holdfast.here("emergency-repair")
        assert repair.returncode == 0, repair.stderr
        assert "kraken-master: well" in repair.stdout
        assert "kraken-master: refresh: begun" in repair.stderr, "progress goes to stderr"

        code, document = holdfast.json_here("reset-circuit-breaker", "kraken-master")
        assert (code, document["is_ok"], document["record"]) == (0, True, None)
        assert [each["name"] for each in document["after"]] == ["read", "trade", "stream"]

        code, document = holdfast.json_here("force-balance-refresh")
        assert (code, document["is_ok"]) == (0, True)
        assert Decimal(document["balances"]["USD"]["total"]) == 10_000

        assert holdfast.here("verify-balance", "USD", "1.0").returncode == 0

    code, document = holdfast.json_here("emergency-repair", "--dry-run")
    assert code == 0
    assert document["steps"][0]["name"] == "clock"
    code, document = holdfast.json_here("audit", "kraken-master")
    assert code == 0
    assert [act["act"] for act in document["acts"]] == [
        "doctor",
        "emergency_repair",
        "reset_circuit_breaker",
        "force_balance_refresh",
        "verify_balance",
        "emergency_repair",
    ]
    assert {act["uid"] for act in document["acts"]} == {os.getuid()}
    assert document["acts"][2]["command"].startswith("holdfast reset-circuit-breaker kraken-master")
    shown = holdfast.here("audit", "--limit", "2")
    assert "verify_balance: approved" in shown.stdout
    assert f"process {os.getpid()}" in shown.stdout


@pytest.mark.parametrize("command", ["reset-circuit-breaker", "force-balance-refresh", "emergency-repair", "audit"])
def test_with_several_brokers_one_has_to_be_named(holdfast: Command, shared_venue: Served, command: str) -> None:
    holdfast.configure(shared_venue, "kraken-one", "kraken-two")

    done = holdfast.here(command)

    assert done.returncode == 2
    assert "kraken-one, kraken-two" in done.stderr


def test_a_doctor_is_asked_with_no_configuration_that_can_be_read(holdfast: Command) -> None:
    (holdfast.folder / "holdfast.toml").write_text("[brokers.x]\nvenue = 7\n")

    code, document = holdfast.json_here("doctor")

    assert code == 3
    assert not document["is_well"]
    assert document["checks"][0]["name"] == "config"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        (("balances_stale", "stream_venue"), 6),
        (("balances_restored", "read_failed", "stream_connecting"), 6),
        (("balances_stale", "venue_maintenance"), 6),
        (("balances_stale", "stream_connecting"), 5),
        (("balances_stale", "store_full"), 5),
    ],
)
def test_figures_that_are_stale_because_the_venue_fails_are_the_venues_matter(
    reasons: tuple[str, ...], code: int
) -> None:
    after = Condition(
        health=Health.DEGRADED,
        reasons=reasons,
        is_available=True,
        error_count=1,
        last_error=None,
        breakers={},
        stream="degraded",
        parked_cause=None,
        parked_for_s=None,
        halted_reason=None,
        store_reason=None,
        states={"live": 0, "fresh": 0, "stale": 2},
        suspects=(),
        discrepancies=0,
        in_doubt=0,
        clock_offset_s=0.0,
    )
    assert worst(codes_of(after)) == code
