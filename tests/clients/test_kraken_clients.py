"""
Other people's Kraken clients, unmodified but for the address, against the simulated Kraken.

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


SCRIPTS = {
    "ccxt_sync": "ccxt",
    "ccxt_async": "ccxt",
    "krakenex_client": "krakenex",
    "kraken_sdk": "python-kraken-sdk",
    "ccxt_pro": "ccxt",
    "kraken_sdk_stream": "python-kraken-sdk",
}
REST = [script for script in SCRIPTS if script not in ("ccxt_pro", "kraken_sdk_stream")]
STREAM = ["ccxt_pro", "kraken_sdk_stream"]

# What each client makes of the venue's refusal: its own class, and the venue's words inside.
ERRORS = {
    "ccxt_sync": {
        "signature": ("ExchangeError", "EAPI:Invalid signature"),  # No class of its own in this version.
        "key": ("AuthenticationError", "EAPI:Invalid key"),
        "nonce": ("InvalidNonce", "EAPI:Invalid nonce"),
        "funds": ("InsufficientFunds", "EOrder:Insufficient funds"),
        "minimum": ("InvalidOrder", "EOrder:Order minimum not met"),
        "cancel again": ("OrderNotFound", "EOrder:Unknown order"),
    },
    "ccxt_async": {
        "signature": ("ExchangeError", "EAPI:Invalid signature"),
        "nonce": ("InvalidNonce", "EAPI:Invalid nonce"),
        "funds": ("InsufficientFunds", "EOrder:Insufficient funds"),
    },
    "krakenex_client": {
        "signature": ("RuntimeError", "EAPI:Invalid signature"),  # Ours: this client hands the envelope over.
        "key": ("RuntimeError", "EAPI:Invalid key"),
        "nonce": ("RuntimeError", "EAPI:Invalid nonce"),
        "funds": ("RuntimeError", "EOrder:Insufficient funds"),
    },
    "kraken_sdk": {
        "signature": ("KrakenInvalidSignatureError", "EAPI:Invalid signature"),
        "key": ("KrakenInvalidAPIKeyError", "EAPI:Invalid key"),
        "nonce": ("KrakenInvalidNonceError", "EAPI:Invalid nonce"),
        "funds": ("KrakenInsufficientFundsError", "EOrder:Insufficient funds"),
        "cancel again": ("KrakenUnknownOrderError", "EOrder:Unknown order"),
    },
    "kraken_sdk_stream": {"funds": ("False", "EOrder:Insufficient funds")},
}


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A script's run against a simulator of its own; one run serves every test that asks for this script."""
    script = request.param
    with running() as simulator:
        report = simulator.run(SCRIPTS[script], script)
        yield Run(script, report, simulator.journal(), simulator.truth(), simulator.key)


def of(scripts: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test on the reports of these scripts."""
    return pytest.mark.parametrize("run", list(scripts), indirect=True)


def assert_figures_are_true(report: dict[str, Any], *, at_least: int) -> None:
    assert len(report["balances"]) >= at_least
    for compared in report["balances"]:
        shown, truth, when = compared["client"], compared["truth"], compared["when"]
        assert shown, when
        for asset, figures in truth.items():
            if asset not in shown:
                assert Decimal(figures["total"]) == 0, f"{asset} is missing {when}"
                continue
            for name, value in shown[asset].items():
                assert Decimal(value) == Decimal(figures[name]), f"{name} of {asset} {when}"
        assert set(shown) <= set(truth), when


@of(SCRIPTS)
def test_client_is_the_version_that_was_promised(run: Run) -> None:
    assert run.report["version"] == CLIENTS[SCRIPTS[run.script]]


@of(SCRIPTS)
def test_every_figure_equals_the_venues_truth_at_that_moment(run: Run) -> None:
    assert_figures_are_true(run.report, at_least=3 if "markets" in run.report else 2)


@of([*REST, "ccxt_pro"])
def test_markets_are_read(run: Run) -> None:
    assert {"BTC/USD", "ETH/USD"} <= {name.replace("XBT", "BTC") for name in run.report["markets"]}


@of(REST)
def test_resting_order_is_listed_open_and_holds_funds_until_cancelled(run: Run) -> None:
    report = run.report
    assert report["resting"]["is_listed"]
    assert report["resting"]["status"] == "open"
    assert report["cancelled"] == "canceled"
    start, resting, end = (compared["truth"]["USD"] for compared in report["balances"])
    assert Decimal(start["held"]) == Decimal(end["held"]) == 0
    assert Decimal(resting["held"]) > 0
    assert Decimal(resting["available"]) < Decimal(start["available"])


@of(REST)
def test_validated_order_gets_no_id_and_leaves_nothing(run: Run) -> None:
    assert run.report["validated"] is None
    assert run.report["open"] == 0


@of(REST)
def test_market_order_fills_and_moves_the_balance(run: Run) -> None:
    assert run.report["filled"]["status"] == "closed"
    start, _, end = (compared["truth"] for compared in run.report["balances"])
    assert Decimal(end["BTC"]["total"]) - Decimal(start["BTC"]["total"]) == Decimal("0.002")
    assert Decimal(end["USD"]["total"]) < Decimal(start["USD"]["total"])


@of(ERRORS)
def test_refusals_reach_the_client_as_its_own_errors_in_the_venues_words(run: Run) -> None:
    for name, (class_name, text) in ERRORS[run.script].items():
        got_class, got_text = run.report["errors"][name]
        assert (name, got_class) == (name, class_name)
        # This client replaces the venue's words with its own.
        if run.script != "kraken_sdk":
            assert text in got_text
        if name not in ("funds", "minimum", "cancel again"):
            assert text in {e.get("outcome") for e in run.journal if e["kind"] == "verdict"}


@of(REST)
def test_refused_orders_reached_the_venue_once_and_changed_nothing(run: Run) -> None:
    assert run.verdicts("AddOrder").count("EOrder:Insufficient funds") == 1
    end = run.report["balances"][-1]["truth"]
    assert run.truth == end


@of(SCRIPTS)
def test_nonces_accepted_by_the_venue_only_rise(run: Run) -> None:
    accepted = [
        int(e["nonce"])
        for e in run.journal
        if e["kind"] == "verdict"
        and e.get("key") == run.key
        and "nonce" in e
        and e["outcome"] != "EAPI:Invalid nonce"
        and e["outcome"] != "EAPI:Invalid signature"
    ]
    assert accepted == sorted(set(accepted))
    assert accepted


@of(STREAM)
def test_stream_tells_orders_and_fills(run: Run) -> None:
    assert run.report["trade"] == 0.002
    told = {(e["channel"], e.get("type")) for e in run.journal if e["kind"] == "ws_out" and "channel" in e}
    assert {("balances", "snapshot"), ("balances", "update"), ("executions", "update")} <= told
    assert any(e["kind"] == "ws_in" and e.get("name") == "add_order" and e.get("key") == run.key for e in run.journal)


@of(["ccxt_pro"])
def test_ccxt_pro_follows_its_order_and_says_none_for_what_the_stream_does_not_tell(run: Run) -> None:
    assert run.report["is_ours"]
    assert run.report["orders"] == ["open", "canceled"]
    assert run.report["free"] is None


@of(["kraken_sdk_stream"])
def test_sdk_stream_numbers_its_balance_messages_without_a_gap(run: Run) -> None:
    sequences = run.report["sequences"]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


@pytest.mark.parametrize("secure", ["ccxt_sync", "ccxt_pro", "kraken_sdk", "kraken_sdk_stream"])
def test_https_and_wss_work_with_the_throw_away_authority(secure: str) -> None:
    with running("--tls") as simulator:
        assert simulator.ready["rest"].startswith("https://")
        report = simulator.run(SCRIPTS[secure], secure)
    assert_figures_are_true(report, at_least=2)


@pytest.mark.parametrize("profile", ["earn", "empty", "many"])
def test_other_accounts_are_read_too(profile: str) -> None:
    """Only that the client copes: its figures for suffix rows and credit are its own reading."""
    with running("--profile", profile) as simulator:
        report = simulator.run("ccxt", "ccxt_balance")
    assert report["balances"]
