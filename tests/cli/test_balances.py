"""``holdfast balances``, as scripts rely on it."""

from __future__ import annotations

from decimal import Decimal

from tests.cli.conftest import Command, Served


def test_balances_equal_the_venues_ledger_and_say_how_sure_they_are(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    code, document = holdfast.json("balances")
    assert code == 0
    assert document["schema_version"] == 1
    broker = document["brokers"]["kraken-master"]
    assert broker["health"] == "healthy"
    truth = shared_venue.truth()
    assert truth
    for asset, stated in truth.items():
        ours = broker["balances"][asset]
        assert {name: Decimal(ours[name]) for name in stated} == {name: Decimal(stated[name]) for name in stated}
        assert ours["state"] == "fresh"
        assert ours["source"] == "rest"
        assert 0 <= ours["age_s"] < 30
        assert ours["reserved"] == "0"
        assert list(ours) == [
            *("total", "held", "available", "reserved", "spendable", "state", "age_s", "source", "reason")
        ]


def test_balances_of_an_unreachable_venue_are_unknown_and_exit_6(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    venue.process.terminate()
    venue.process.wait(timeout=10)
    code, document = holdfast.json("balances", "--wait", "4")
    assert code == 6
    assert document["brokers"]["kraken-master"] == {"health": "down", "balances": {}}


def test_balances_after_the_venue_is_gone_are_the_last_known_and_labelled(holdfast: Command, venue: Served) -> None:
    holdfast.configure(venue)
    assert holdfast("balances").returncode == 0
    venue.process.terminate()
    venue.process.wait(timeout=10)
    code, document = holdfast.json("balances", "--wait", "4")
    assert code == 6
    usd = document["brokers"]["kraken-master"]["balances"]["USD"]
    assert Decimal(usd["total"]) == 10000
    assert (usd["state"], usd["reason"]) == ("stale", "restored")


def test_a_never_funded_account_is_shown_as_proven_not_as_unknown(holdfast: Command) -> None:
    from tests.cli.conftest import serve

    served = serve("--profile", "empty")
    try:
        holdfast.configure(served)
        code, document = holdfast.json("balances")
        assert code == 0
        assert document["brokers"]["kraken-master"]["health"] == "healthy"
        assert all(Decimal(row["total"]) == 0 for row in document["brokers"]["kraken-master"]["balances"].values())
    finally:
        served.process.terminate()
        served.process.communicate(timeout=10)


def test_a_table_for_people_holds_the_same_figures(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("balances")
    assert done.returncode == 0
    assert "kraken-master" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.strip().startswith("USD "))
    assert line.split()[1:5] == ["10000", "0", "10000", "10000"]


def test_data_is_on_stdout_and_nothing_else_is(holdfast: Command, shared_venue: Served) -> None:
    holdfast.configure(shared_venue)
    done = holdfast("balances", "--output", "json")
    assert done.stderr == ""
