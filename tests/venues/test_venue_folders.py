"""Every venue's folder has the same shape and says truthfully what it can do."""

from __future__ import annotations

import datetime
import importlib
import re
import tomllib
from pathlib import Path

import pytest

import holdfast.venues
from holdfast.config.venues import KNOWN_VENUES, traits_of
from holdfast.core.venue import Capability, SequencePolicy, Venue

ROOT = Path(next(iter(holdfast.venues.__path__)))
TESTS = Path(__file__).parent
FILES = {
    "venue.toml",
    "__init__.py",
    "facts.py",
    "sign.py",
    "wire.py",
    "parse.py",
    "symbols.py",
    "errors.py",
    "limits.py",
    "client.py",
    "stream.py",
    "README.md",
}
FOLDERS = sorted(path.parent.name for path in ROOT.glob("[a-z]*/venue.toml"))

# What proves a capability that a venue calls done: a test of its folder under tests/venues.
PROOFS = {
    "server-time": "test_clock_and_status_are_read_unsigned",
    "venue-status": "test_clock_and_status_are_read_unsigned",
    "credential-info": "test_every_read_of_the_protocol_answers",
    "symbols": "test_every_instrument_and_asset_round_trips",
    "instruments": "test_every_instrument_and_asset_round_trips",
    "tickers": "test_ticker_is_keyed_by_our_symbol",
    "candles": "test_candles_rise_and_the_last_one_is_forming",
    "balance-snapshot": "test_rest_figures_are_the_truth",
    "balance-holds": "test_rest_figures_are_the_truth",
    "balance-stream": "test_stream_follows_the_truth_through_anything_that_happens",
    "open-orders": "test_open_orders_hold_what_remains",
    "order-stream": "test_stream_follows_the_truth_through_anything_that_happens",
    "closed-orders": "test_closed_orders_say_how_they_ended",
    "fills": "test_fills_are_as_documented",
    "ledger": "test_ledger_rows_are_signed_and_keep_the_fee_apart",
    "fee-rates": "test_fees_are_fractions",
    "order-entry": "test_order_of_each_kind_is_placed_as_it_was_meant",
    "order-check": "test_dry_run_places_nothing_and_says_what_kraken_would_say",
    "order-cancel": "test_order_is_cancelled_by_either_id_and_once",
    "order-evidence": "test_order_whose_answer_is_lost_is_unknown_sent_once_and_found",
    "rate-limits": "test_gateways_limit_is_honoured_for_the_time_it_names",
    "errors": "test_every_row_of_the_table_names_its_source_once",
    "demo-environment": "test_demo_calls_carry_the_header_public_ones_too_and_live_ones_never",
    "dead-man-switch": "test_dead_man_switch_cancels_everything_once_and_not_after_it_was_disarmed",
}


def _facts(folder: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / folder / "venue.toml").read_text())


def _tests_of(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((TESTS / folder).glob("test_*.py")))


def test_there_is_a_venue_and_a_recipe() -> None:
    assert "kraken" in FOLDERS
    assert (ROOT / "README.md").is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_every_file_of_the_shape(folder: str) -> None:
    assert {path.name for path in (ROOT / folder).iterdir()} >= FILES


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_exports_its_venue_and_nothing_else(folder: str) -> None:
    module = importlib.import_module(f"holdfast.venues.{folder}")
    assert module.__all__ == [folder.upper()]
    venue: Venue = getattr(module, folder.upper())
    facts = _facts(folder)
    assert venue.id == folder == facts["venue"]["id"]
    site = venue.facts.site("production")
    assert site is not None
    assert site.rest_url == facts["addresses"]["rest"]
    assert site.ws_url == facts["addresses"]["stream"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_facts_name_their_page_and_day(folder: str) -> None:
    venue = _facts(folder)["venue"]
    assert str(venue["docs"]).startswith("https://")
    assert isinstance(venue["checked_on"], datetime.date)
    assert venue["sequence"] in set(SequencePolicy)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_the_configuration_reads_is_what_the_adapter_states(folder: str) -> None:
    """``venue.toml`` is read without the adapter: no setting may be judged by another fact than its."""
    venue: Venue = getattr(importlib.import_module(f"holdfast.venues.{folder}"), folder.upper())
    facts, traits = venue.facts, traits_of(folder)
    assert traits is not None
    assert traits.sequence == facts.sequence.value
    assert set(traits.environments) == {site.environment for site in facts.sites}
    regions = dict.fromkeys(site.region for site in facts.sites if site.region is not None)
    assert traits.regions == tuple(regions)
    assert (traits.validity_s, traits.validity_max_s) == (facts.validity_s, facts.validity_max_s)
    assert traits.dead_man_s == facts.dead_man_s
    assert traits.lacks == {capability.value: reason for capability, reason in facts.lacks.items()}
    assert set(_facts(folder)["capabilities"]) == set(Capability)


def test_every_folder_is_a_venue_that_can_be_configured() -> None:
    assert set(FOLDERS) == set(KNOWN_VENUES)
    assert KNOWN_VENUES[0] == "kraken"


@pytest.mark.parametrize("folder", FOLDERS)
def test_capability_is_done_with_a_proof_or_todo_or_exempt_with_a_reason(folder: str) -> None:
    tests = _tests_of(folder)
    for name, state in _facts(folder)["capabilities"].items():
        if state == "done":
            assert f"def {PROOFS[name]}(" in tests, name
        elif state != "todo":
            assert isinstance(state, dict), name
            assert len(str(state["exempt"])) > 10, name


@pytest.mark.parametrize("folder", FOLDERS)
def test_readme_names_tests_that_exist_and_https_sources(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    tests = _tests_of(folder) + "\n".join(path.read_text() for path in (TESTS.parent / "runtime").glob("test_*.py"))
    named = re.findall(r"\.py::(test_\w+)", text)
    assert named
    for name in named:
        assert f"def {name}(" in tests, name
    assert not re.findall(r"\]\((?!https://)", text)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_fixture_has_its_origin(folder: str) -> None:
    fixtures = TESTS / folder / "fixtures"
    origins = (fixtures / "README.md").read_text()
    for path in fixtures.glob("*.json"):
        assert re.search(rf"\b{path.stem}\b", origins), path.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_public_is_documented_and_sources_are_dated(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        text = path.read_text()
        assert text.startswith('"""'), path.name
        if path.name not in ("__init__.py", "client.py"):
            assert "https://" in text, path.name
