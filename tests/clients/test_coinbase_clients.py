"""
Other people's Coinbase clients, unmodified but for the address, against the simulated Coinbase.

Each script does in its client's own words what a bot does, and reports what the client showed. Here the reports are
held against the venue's truth and journal: figures exactly, errors by the client's own classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from tests.clients.environments import CLIENTS
from tests.clients.simulator import running

pytestmark = pytest.mark.clients

SCRIPTS = {
    "coinbase_sdk": "coinbase-advanced-py",
    "coinbase_sdk_stream": "coinbase-advanced-py",
    "coinbase_ccxt": "ccxt",
    "coinbase_ccxt_pro": "ccxt",
}
FIGURES = ["coinbase_sdk", "coinbase_ccxt", "coinbase_ccxt_pro"]
STREAM = ["coinbase_sdk_stream", "coinbase_ccxt_pro"]
SECURE_ONLY = ("coinbase_sdk", "coinbase_sdk_stream")  # This client's REST side speaks https and nothing else.


class Run(NamedTuple):
    """One script's run: what it reported, and what the venue says of it."""

    script: str
    report: dict[str, Any]
    journal: list[dict[str, Any]]
    truth: dict[str, dict[str, str]]
    key: str

    def verdicts(self, name: str) -> list[str]:
        """What the venue decided on each call of *name*, in order."""
        return [e["outcome"] for e in self.journal if e["kind"] == "verdict" and e["name"] == name]


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A script's run against a simulator of its own; one run serves every test that asks for this script."""
    script = request.param
    tls = ["--tls"] if script in SECURE_ONLY else []
    with running(*tls, venue="coinbase") as simulator:
        report = simulator.run(SCRIPTS[script], script)
        yield Run(script, report, simulator.journal(), simulator.truth(), simulator.key)


def of(scripts: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test on the reports of these scripts."""
    return pytest.mark.parametrize("run", list(scripts), indirect=True)


def assert_figures_are_true(report: dict[str, Any], *, at_least: int) -> None:
    assert len(report["balances"]) >= at_least
    for compared in report["balances"]:
        shown, truth, when = compared["client"], compared["truth"], compared["when"]
        assert set(shown) == set(truth), when
        for asset, figures in shown.items():
            for name, value in figures.items():
                assert Decimal(value) == Decimal(truth[asset][name]), f"{name} of {asset} {when}"


@of(SCRIPTS)
def test_client_is_the_version_that_was_promised(run: Run) -> None:
    assert run.report["version"] == CLIENTS[SCRIPTS[run.script]]


@of(FIGURES)
def test_every_figure_equals_the_venues_truth_at_that_moment(run: Run) -> None:
    assert_figures_are_true(run.report, at_least=3)


@of(FIGURES)
def test_products_are_read(run: Run) -> None:
    assert {"BTC/USD", "ETH/USD", "BTC/USDC"} <= {name.replace("-", "/") for name in run.report["markets"]}


@of(["coinbase_sdk", "coinbase_ccxt"])
def test_resting_order_is_listed_open_and_holds_funds_until_cancelled(run: Run) -> None:
    report = run.report
    assert report["resting"]["is_listed"]
    assert report["resting"]["status"].lower() == "open"
    assert report["cancelled"].lower() in ("canceled", "cancelled")
    start, resting, end = (compared["truth"]["USD"] for compared in report["balances"])
    assert Decimal(start["held"]) == Decimal(end["held"]) == 0
    assert Decimal(resting["held"]) > 0
    assert Decimal(resting["available"]) < Decimal(start["available"])


@of(FIGURES)
def test_market_order_fills_and_moves_the_balance(run: Run) -> None:
    assert str(run.report["filled"]).lower() in ("filled", "closed", "true")
    start, _, end = (compared["truth"] for compared in run.report["balances"])
    bought = Decimal(end["BTC"]["total"]) - Decimal(start["BTC"]["total"])
    # ccxt sizes a market buy in quote units, from a price that may be passed.
    assert (
        bought == Decimal("0.002") if run.script == "coinbase_sdk" else Decimal("0.0019") < bought <= Decimal("0.002")
    )
    assert Decimal(end["USD"]["total"]) < Decimal(start["USD"]["total"])


@of(["coinbase_sdk"])
def test_sdk_reads_its_permissions_a_preview_candles_and_fills(run: Run) -> None:
    report = run.report
    assert report["permissions"]["can_trade"]
    assert not report["permissions"]["can_transfer"]
    assert report["preview"] == {"errs": [], "total": "40.1"}
    assert report["candles"] > 0
    assert report["fills"] == ["0.002"]
    assert report["edited"]


@of(["coinbase_sdk"])
def test_sdk_gets_its_first_order_back_when_it_uses_a_client_order_id_twice(run: Run) -> None:
    assert run.report["again"]
    assert sum(e["kind"] == "verdict" and e.get("client_order_id") == "holdfast-1" for e in run.journal) == 2


@of(["coinbase_sdk"])
def test_refusals_reach_the_sdk_where_the_venue_puts_them(run: Run) -> None:
    errors = run.report["errors"]
    assert errors["funds"] == ["INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"]
    assert errors["minimum"] == ["UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"]
    for name in ("secret", "key"):
        assert errors[name][0] == "HTTPError"
        assert "401" in errors[name][1]
    assert "order with this orderID was not found" in errors["order"][1]


@of(["coinbase_ccxt"])
def test_refusals_reach_ccxt_as_its_own_errors(run: Run) -> None:
    errors = run.report["errors"]
    assert errors["funds"][0] == "InsufficientFunds"
    assert errors["minimum"][0] == "ExchangeError"  # No class of its own in this version.
    assert "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL" in errors["minimum"][1]
    assert errors["secret"][0] == errors["key"][0] == "AuthenticationError"


@of(["coinbase_sdk", "coinbase_ccxt"])
def test_refused_orders_reached_the_venue_once_and_changed_nothing(run: Run) -> None:
    assert run.verdicts("CreateOrder").count("INSUFFICIENT_FUND") == 1
    assert run.truth == run.report["balances"][-1]["truth"]


@of(["coinbase_sdk_stream"])
def test_sdk_stream_tells_orders_and_fills_in_one_numbering(run: Run) -> None:
    report = run.report
    assert report["opened"] == ["stream-1"]
    assert report["cancelled"] == [True]
    assert report["filled"] == ["0.002"]
    assert report["sequences"] == list(range(len(report["sequences"])))
    assert {"heartbeats", "subscriptions", "user"} <= set(report["channels"])
    assert report["left"] == [{"subscriptions": {}}]
    assert report["ticker"] == "BTC-USD"  # Asked for as BTC-USDC: both share one book.
    assert report["errors"]["secret"] == ["error", "authentication failure"]


@of(["coinbase_ccxt_pro"])
def test_ccxt_pro_follows_its_orders(run: Run) -> None:
    assert run.report["is_ours"]
    assert run.report["orders"] == ["open", "canceled"]
    assert run.report["ticker"]


@of(STREAM)
def test_stream_was_signed_with_the_clients_key(run: Run) -> None:
    asked = [e for e in run.journal if e["kind"] == "ws_in" and e.get("channel") == "user"]
    assert asked
    assert all("key" in e for e in asked)
    assert any(e["key"] == run.key for e in asked)


@pytest.mark.parametrize("script", ["coinbase_ccxt", "coinbase_ccxt_pro"])
def test_https_and_wss_work_with_the_throw_away_authority(script: str) -> None:
    with running("--tls", venue="coinbase") as simulator:
        assert simulator.ready["rest"].startswith("https://")
        report = simulator.run(SCRIPTS[script], script)
    assert_figures_are_true(report, at_least=2)


@pytest.mark.parametrize("script", ["coinbase_sdk", "coinbase_sdk_stream", "coinbase_ccxt"])
def test_ed25519_keys_work_too(script: str) -> None:
    with running(*(["--tls"] if script in SECURE_ONLY else []), venue="coinbase") as simulator:
        simulator.use_new_key(algorithm="EdDSA")
        report = simulator.run(SCRIPTS[script], script)
        assert any(e.get("key") == simulator.key for e in simulator.journal())
    if script in FIGURES:
        assert_figures_are_true(report, at_least=3)
