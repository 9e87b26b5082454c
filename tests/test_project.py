"""The project's own promises: locks that answer pyproject.toml, make targets that exist, honest result files."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tools import environment, evidence
from tools.lock import LOCKS, ROOT, stale_locks

LOCK_FILES = [ROOT / "requirements" / lock.path for lock in LOCKS]
TARGETS = ["run", "test", "lint", "bench", "docs", "clients", "scenarios", "soak"]


def test_every_lock_answers_pyproject() -> None:
    assert stale_locks() == []


def test_changed_requirement_makes_its_locks_stale(tmp_path: Path) -> None:
    changed = (ROOT / "pyproject.toml").read_text("utf-8").replace('"mkdocs>=', '"mkdocs>9, >=')
    (tmp_path / "pyproject.toml").write_text(changed, "utf-8")
    (tmp_path / "requirements").symlink_to(ROOT / "requirements")

    assert stale_locks(tmp_path) == ["docs.txt"]


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.stem)
def test_lock_pins_and_hashes_everything_and_names_no_index(path: Path) -> None:
    text = path.read_text("utf-8")
    logical = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()

    assert logical
    for line in filter(None, logical):
        assert re.match(r"[a-z0-9.-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_no_lock_stands_without_its_source() -> None:
    on_disk = set((ROOT / "requirements").rglob("*.txt"))

    assert on_disk == set(LOCK_FILES)


@pytest.mark.parametrize("target", TARGETS)
def test_make_target_exists(target: str) -> None:
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_make_help_names_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert {f"make {target}" for target in TARGETS} <= {match[0] for match in re.finditer(r"^make \w+", shown, re.M)}


def test_evidence_says_what_ran_where_and_how_it_ended(tmp_path: Path) -> None:
    started = datetime.now(UTC) - timedelta(seconds=90)

    path = evidence.write_evidence("a-run", {"refused": 0}, started=started, seeds=[2, 1], folder=tmp_path)

    written = json.loads(path.read_text("utf-8"))
    assert path == tmp_path / "a-run.json"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a-run.json"]
    assert written["outcome"] == "passed"
    assert written["figures"] == {"refused": 0}
    assert written["seeds"] == [1, 2]
    assert 90 <= written["wall_s"] < 150
    assert re.fullmatch(r"(?:[0-9a-f]{40}(?:\+changes)?|unknown)", written["commit"])
    assert written["cpu_count"] >= 1


def test_evidence_of_a_failing_run_says_so(tmp_path: Path) -> None:
    def run() -> None:
        with evidence.evidence("a-run", folder=tmp_path) as figures:
            figures["calls"] = 7
            raise ValueError("one nonce was refused")

    with pytest.raises(ValueError, match="one nonce was refused"):
        run()

    written = json.loads((tmp_path / "a-run.json").read_text("utf-8"))
    assert written["outcome"] == "failed: ValueError: one nonce was refused"
    assert written["figures"] == {"calls": 7}


@pytest.mark.parametrize("name", ["../escape", "Upper", "two words", "", "a--b"])
def test_evidence_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="lower-case words"):
        evidence.write_evidence(name, {}, started=datetime.now(UTC), folder=tmp_path)


def test_evidence_with_a_figure_that_is_no_json_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        evidence.write_evidence("a-run", {"share": float("nan")}, started=datetime.now(UTC), folder=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_dealt_lock_is_complete_and_about_even() -> None:
    lock = (ROOT / "requirements/run.txt").read_text("utf-8")
    requirements = environment.requirements_in(lock)

    hands = environment.dealt(requirements, 2)

    assert sorted(requirement for hand in hands for requirement in hand) == sorted(requirements)
    assert len(requirements) == len(re.findall(r"^\S+==", lock, re.M))
    hashes = [sum(requirement.count("--hash=") for requirement in hand) for hand in hands]
    assert abs(hashes[0] - hashes[1]) < sum(hashes) / 4


def test_dealing_fewer_requirements_than_hands_leaves_no_empty_hand() -> None:
    assert environment.dealt(["one==1 --hash=x\n"], 2) == [["one==1 --hash=x\n"]]
