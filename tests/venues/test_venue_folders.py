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
from holdfast.testing.contract.cases import proven_by
from tests.contract.subjects import SUBJECTS

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
BEHIND_CCXT = "through_ccxt"
"""It signs and frames nothing itself, and speaks no wire of its own that the contract could play."""


def _facts(folder: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / folder / "venue.toml").read_text())


def _tests_of(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((TESTS / folder).glob("test_*.py")))


def test_there_is_a_venue_and_a_recipe() -> None:
    assert "kraken" in FOLDERS
    assert (ROOT / "README.md").is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_every_file_of_the_shape(folder: str) -> None:
    wanted = FILES - {"sign.py", "wire.py"} if folder == BEHIND_CCXT else FILES
    assert {path.name for path in (ROOT / folder).iterdir()} >= wanted


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
    """Done is what the contract proves, and every venue that calls anything done is one of its subjects."""
    states = _facts(folder)["capabilities"]
    proved = {subject.venue.id for subject in SUBJECTS}
    for name, state in states.items():
        if state == "done":
            if folder == BEHIND_CCXT:
                continue  # Proved over sockets: tests/venues/through_ccxt/test_at_local_venues.py.
            assert folder in proved, f"{folder} is no subject of the contract, and calls {name} done"
            assert proven_by(Capability(name)), f"no case of the contract proves {name}"
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
