"""
Other people's OKX clients, unmodified but for the address, against the simulated OKX.

Each script does in its client's own words what a bot does, and reports what the client showed. Here the reports are
held against the venue's truth and journal: figures exactly, errors by the client's own classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from tests.clients.environments import CLIENTS, MissingEnvironmentError, python_of
from tests.clients.simulator import running

pytestmark = pytest.mark.clients

SCRIPTS = {
    "okx_ccxt": "ccxt",
    "okx_ccxt_pro": "ccxt",
    "okx_sdk": "python-okx",
    "okx_sdk_stream": "python-okx",
    "okx_nautilus": "nautilus-trader",
}
REST = ["okx_ccxt", "okx_sdk"]
MARKETS = ["okx_ccxt", "okx_ccxt_pro", "okx_sdk", "okx_nautilus"]
SECURE_ONLY = ("okx_sdk_stream",)  # This client's stream speaks wss and nothing else.

ERRORS = {
    "okx_ccxt": {
        "again": ("InvalidOrder", "51016"),
        "cancel again": ("OrderNotFound", "51400"),
        "funds": ("InsufficientFunds", "51008"),
        "minimum": ("InvalidOrder", "51020"),
        "signature": ("AuthenticationError", "50113"),
        "passphrase": ("AuthenticationError", "50105"),
        "key": ("ExchangeError", "50119"),  # No class of its own in this version.
    },
    "okx_sdk": {
        "again": ("RuntimeError", "51016"),  # Ours: this client hands the envelope over.
        "cancel again": ("RuntimeError", "51400"),
        "funds": ("RuntimeError", "51008"),
        "minimum": ("RuntimeError", "51020"),
        "signature": ("RuntimeError", "50113"),
        "key": ("RuntimeError", "50119"),
    },
    "okx_sdk_stream": {"funds": ("RuntimeError", "51008")},
    "okx_nautilus": {"signature": ("ValueError", "50113"), "passphrase": ("ValueError", "50105")},
}


class Run(NamedTuple):
    """One script's run: what it reported, and what the venue says of it."""

    script: str
    report: dict[str, Any]
    journal: list[dict[str, Any]]
    truth: dict[str, dict[str, str]]
    key: str

    def verdicts(self, *names: str) -> list[str]:
        """The code with which the venue answered each call of *names*, in order; ``ok`` for zero."""
        return [e["outcome"].split()[0] for e in self.journal if e["kind"] == "verdict" and e["name"] in names]


def needs(script: str) -> None:
    """Skip where nautilus has no Python that it runs under; every other client has to be there."""
    if SCRIPTS[script] == "nautilus-trader":
        try:
            python_of("nautilus-trader")
        except MissingEnvironmentError:
            pytest.skip("nautilus-trader needs Python 3.12 or newer, and `make clients`")


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A script's run against a simulator of its own; one run serves every test that asks for this script."""
    script = request.param
    needs(script)
    with running(*(["--tls"] if script in SECURE_ONLY else []), venue="okx") as simulator:
        report = simulator.run(SCRIPTS[script], script)
        yield Run(script, report, simulator.journal(), simulator.truth(), simulator.key)


def of(scripts: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test on the reports of these scripts."""
    return pytest.mark.parametrize("run", list(scripts), indirect=True)


def assert_figures_are_true(report: dict[str, Any], *, at_least: int) -> None:
    assert len(report["balances"]) >= at_least
    for compared in report["balances"]:
        shown, truth, when = compared["client"], compared["truth"], compared["when"]
        # Zeros are left out, as OKX does; whatever holds something is there.
        assert set(shown) == {asset for asset, figures in truth.items() if Decimal(figures["total"])}, when
        for asset, figures in shown.items():
            for name, value in figures.items():
                assert abs(Decimal(value) - Decimal(truth[asset][name])) <= Decimal("1e-8"), f"{name} of {asset} {when}"


@of(SCRIPTS)
def test_client_is_the_version_that_was_promised(run: Run) -> None:
    assert run.report["version"] == CLIENTS[SCRIPTS[run.script]]


@of(SCRIPTS)
def test_every_figure_equals_the_venues_truth_at_that_moment(run: Run) -> None:
    assert_figures_are_true(run.report, at_least=2 if run.script == "okx_sdk_stream" else 3)


@of(MARKETS)
def test_instruments_are_read(run: Run) -> None:
    assert {"BTC-USDT", "ETH-USDT", "BTC-USD"} <= {name.replace("/", "-") for name in run.report["markets"]}


@of(["okx_ccxt", "okx_ccxt_pro", "okx_sdk", "okx_nautilus"])
def test_resting_order_holds_funds_until_it_is_cancelled(run: Run) -> None:
    start, resting, end = (compared["truth"]["USDT"] for compared in run.report["balances"])
    assert Decimal(start["held"]) == Decimal(end["held"]) == 0
    assert Decimal(resting["held"]) > 0


@of(REST)
def test_order_is_listed_found_by_either_id_amended_and_cancelled(run: Run) -> None:
    resting = run.report["resting"]
    assert resting["is_listed"]
    assert (resting["status"], resting["named"]) in (("open", "holdfast1"), ("live", "holdfast1"))
    assert run.report["cancelled"] == "canceled"
    assert run.report["open"] == 0
    assert run.verdicts("POST trade/amend-order") == ["ok"]


@of(REST)
def test_market_order_fills_and_pays_its_fee_in_what_it_bought(run: Run) -> None:
    filled = run.report["filled"]
    assert filled["status"] in ("closed", "filled")
    assert (Decimal(str(filled["amount"])), filled["fee"]) == (Decimal("0.002"), "BTC")
    assert run.report["trade"]["is_of_the_order"]
    assert Decimal(run.truth["BTC"]["total"]) == Decimal("0.4") + Decimal("0.002") * Decimal("0.999")


@of(["okx_ccxt", "okx_sdk"])
def test_both_pots_fees_candles_and_status_are_read(run: Run) -> None:
    report = run.report
    assert report["funding"] in (200.0, ["USDT", "OKB"])
    assert abs(Decimal(str(report["fee"]))) == Decimal("0.001")
    assert report["candles"] == 10
    assert report["status"] in ("ok", [])


@of(ERRORS)
def test_refusals_reach_the_client_as_its_own_errors_with_the_venues_code(run: Run) -> None:
    for name, (class_name, code) in ERRORS[run.script].items():
        got_class, got_text = run.report["errors"][name]
        assert (name, got_class) == (name, class_name)
        assert code in got_text


@of(REST)
def test_refused_orders_reached_the_venue_once_and_changed_nothing(run: Run) -> None:
    # ccxt sends a single order as a batch of one.
    codes = run.verdicts("POST trade/order", "POST trade/batch-orders")
    assert codes == ["ok", "1", "ok", "1", "1"]
    assert run.truth == run.report["balances"][-1]["truth"]


@of(["okx_ccxt_pro"])
def test_ccxt_pro_follows_its_order_and_its_trade(run: Run) -> None:
    assert run.report["ticker"]
    assert run.report["book"]
    assert run.report["is_ours"]
    assert run.report["orders"] == ["open", "canceled"]
    assert run.report["trade"] == 0.002


@of(["okx_sdk_stream"])
def test_sdk_stream_places_cancels_and_is_told(run: Run) -> None:
    assert run.report["answers"] == ["0", "0", "0"]
    assert run.report["trade"] == "0.002"
    assert any(e["kind"] == "ws_in" and e.get("name") == "order" and e.get("key") == run.key for e in run.journal)


@of(["okx_nautilus"])
def test_nautilus_reads_what_its_stream_placed(run: Run) -> None:
    report = run.report
    assert report["resting"] == ["holdfast1"]
    (bought,) = map(Decimal, report["trade"])
    assert Decimal("0.0019") < bought < Decimal("0.002")  # For 80 dollars at about 40,000.
    assert {name: state.rpartition(".")[2] for name, state in report["orders"].items()} == {
        "holdfast1": "CANCELED",
        "holdfast2": "FILLED",
    }
    assert report["candles"] > 0
    assert report["trades"] == 10


@pytest.mark.parametrize("secure", ["okx_ccxt", "okx_ccxt_pro", "okx_sdk"])
def test_https_and_wss_work_with_the_throw_away_authority(secure: str) -> None:
    with running("--tls", venue="okx") as simulator:
        assert simulator.ready["rest"].startswith("https://")
        report = simulator.run(SCRIPTS[secure], secure)
    assert_figures_are_true(report, at_least=3)
