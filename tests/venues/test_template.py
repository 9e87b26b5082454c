"""The template can be followed: a folder made of it imports, is configured, and fails the contract by asking."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast.venues
from holdfast.config.venues import KNOWN_VENUES
from holdfast.core.venue import Capability, Venue
from holdfast.simulators.run import VENUES
from holdfast.testing.contract import Calls, Subject, cases_for, run_case
from holdfast.venues._template import TEMPLATE
from holdfast.venues._template.questions import UnansweredError
from tests.venues.test_venue_folders import FILES
from tools.new_venue import main, start_folder, start_tests

ROOT = Path(next(iter(holdfast.venues.__path__)))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A fourth venue's folder as the recipe's first step leaves it, imported."""
    start_folder("acme", "Acme Spot", into=tmp_path)
    monkeypatch.setattr(holdfast.venues, "__path__", [*holdfast.venues.__path__, str(tmp_path)])
    yield importlib.import_module("holdfast.venues.acme")
    for name in [name for name in sys.modules if name.startswith("holdfast.venues.acme")]:
        del sys.modules[name]


def test_template_has_the_shape_and_is_no_venue() -> None:
    assert {path.name for path in (ROOT / "_template").iterdir()} >= FILES
    assert "template" not in KNOWN_VENUES
    assert "_template" not in KNOWN_VENUES
    venue: Venue = TEMPLATE
    assert venue.facts.site("production") is not None


def test_a_folder_made_of_it_carries_its_own_names_alone(tmp_path: Path) -> None:
    folder = start_folder("acme", "Acme Spot", into=tmp_path)
    assert {path.name for path in folder.iterdir()} >= FILES
    tests = start_tests("acme", "Acme Spot", into=tmp_path / "tests")
    assert (tests / "fixtures" / "README.md").is_file()
    for path in [*folder.iterdir(), *tests.rglob("*.*")]:
        assert not re.search("template", path.read_text(), re.IGNORECASE), path.name


def test_a_folder_and_its_tests_pass_step_one_as_they_are_made(tmp_path: Path) -> None:
    """In a copy of the checkout, since a venue is registered by being there."""
    here = Path(__file__).parents[2]
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "page")
    for name in ("src/holdfast", "tests/contract", "tools"):
        shutil.copytree(here / name, tmp_path / name, ignore=ignored)
    (tmp_path / "tests" / "venues").mkdir()
    for name in ("tests/__init__.py", "tests/venues/test_venue_folders.py"):
        shutil.copy(here / name, tmp_path / name)
    shutil.copytree(here / "tests/venues/_template", tmp_path / "tests/venues/_template", ignore=ignored)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{tmp_path}"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    run("tools.new_venue", "acme", "Acme Spot")
    passed = run("pytest", "-q", "tests/venues/acme", "tests/venues/test_venue_folders.py", "-k", "acme or configured")
    assert "failed" not in passed.stdout
    assert int(re.findall(r"(\d+) passed", passed.stdout)[0]) >= 10


def test_a_folder_made_of_it_imports_and_exports_its_venue(acme: Any) -> None:
    assert acme.__all__ == ["ACME"]
    venue: Venue = acme.ACME
    assert (venue.id, venue.facts.sites[0].rest_url) == ("acme", "https://api.acme.example")


def _subject(venue: Venue) -> Subject:
    """The contract over a simulator that happens to be there: the folder asks before it would matter which."""
    return Subject(
        venue=venue,
        simulate=lambda seed, profile, clock, timers: VENUES["kraken"](seed, profile, clock, timers),
        calls=Calls(balances="BalanceEx", place="AddOrder", cancel="CancelOrder"),
    )


def test_it_fails_the_contract_by_asking_which_file_and_which_step_is_next(acme: Any) -> None:
    asked: dict[Capability, str] = {}
    for case in cases_for(acme.ACME):
        told: Exception | None = None
        try:
            run_case(case, _subject(acme.ACME))
        except Exception as error:
            told = error
        if told is not None:
            assert isinstance(told, AssertionError) or type(told).__name__ == UnansweredError.__name__, repr(told)
            assert re.match(r"step \d+, \w+\.py: \w+", str(told)), told
            asked[case.capability] = str(told)
    # All but what it is exempt of: nothing passes before it is answered.
    assert set(asked) == set(Capability) - {Capability.DEMO_ENVIRONMENT}


def test_every_question_names_a_step_of_the_recipe_and_its_own_file() -> None:
    steps = dict(re.findall(r"^\| (\d+) \| (.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    for path in (ROOT / "_template").glob("*.py"):
        text = path.read_text()
        for step, file in re.findall(r"ask\(\s*(\d+), \"?(\w+(?:\.py)?)\"?,", text):
            name = path.name if file == "_FILE" else file
            assert name == path.name
            assert f"`{name}`" in steps[step], (step, name)


def test_command_starts_a_folder_once_and_only_under_a_name_that_can_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tools.new_venue

    monkeypatch.setattr(tools.new_venue, "_VENUES", ROOT)
    assert main(["Acme-Spot", "Acme"]) == 2
    assert "lower-case" in capsys.readouterr().err
    assert main(["kraken", "Kraken"]) == 2
    assert "is there already" in capsys.readouterr().err
