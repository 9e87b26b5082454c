"""The soak's own command: parts are named, failures are counted and do not stop the rest, quick figures stay apart."""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.crash.misled import Finding
from tests.soak import __main__ as soak
from tests.soak import order_crashes, refusals, trading
from tools.evidence import FOLDER, evidence


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, Path]]:
    """Parts that take no time: ``refusals`` fails."""
    ran: list[tuple[str, bool, Path]] = []

    def part(name: str, *, quick: bool, folder: Path, told: Any) -> str:
        ran.append((name, quick, folder))
        with evidence(name, folder=folder) as figures:
            figures["count"] = 1
            if name == "refusals":
                raise AssertionError("something moved")
        return "one line"

    monkeypatch.setattr(soak, "_part", part)
    return ran


def test_failed_part_is_named_recorded_and_does_not_stop_the_others(
    parts: list[tuple[str, bool, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert soak.main(["refusals", "bounds", "--evidence", str(tmp_path)]) == 1

    assert [name for name, *_ in parts] == ["refusals", "bounds"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("FAILED: AssertionError: something moved")
    assert lines[1].endswith("one line")
    assert lines[2].startswith("1 failed: refusals")
    assert json.loads((tmp_path / "refusals.json").read_text())["outcome"].startswith("failed: AssertionError")
    assert json.loads((tmp_path / "bounds.json").read_text())["outcome"] == "passed"


def test_quick_figures_replace_no_committed_result(
    parts: list[tuple[str, bool, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert soak.main(["bounds", "--quick"]) == 0

    ((_, is_quick, folder),) = parts
    assert is_quick
    assert folder != FOLDER
    assert (folder / "bounds.json").exists()


def test_part_nobody_knows_is_a_usage_error(
    parts: list[tuple[str, bool, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        soak.main(["everything"])
    assert ended.value.code == 2
    assert "one of contexts" in capsys.readouterr().err
    assert not parts


OF_A_VENUE = {f"order_crashes_{venue}": venue for venue in order_crashes.NAMES if venue != "kraken"}


TRADING_OF_A_VENUE = ("trading_coinbase", "trading_okx")


@pytest.mark.parametrize(
    "part", [part for part in soak.PARTS if part not in ("nonces", *OF_A_VENUE, *TRADING_OF_A_VENUE)]
)
def test_part_has_a_way_in(part: str) -> None:
    assert callable(importlib.import_module(f"tests.soak.{part}").main)


def test_bots_trade_at_every_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def main(*, quick: bool, folder: Path, told: Any, venue: str) -> str:
        asked.append(venue)
        return f"{quick} {folder}"

    monkeypatch.setattr(trading, "main", main)
    assert soak.main([*TRADING_OF_A_VENUE, "--evidence", str(tmp_path)]) == 0
    assert asked == ["coinbase", "okx"]


def test_bots_are_killed_amid_their_orders_at_every_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(OF_A_VENUE) < set(soak.PARTS)
    asked: list[str] = []

    def main(*, quick: bool, folder: Path, told: Any, venue: str) -> str:
        asked.append(venue)
        return f"{quick} {folder}"

    monkeypatch.setattr(order_crashes, "main", main)
    assert soak.main([*OF_A_VENUE, "--evidence", str(tmp_path)]) == 0
    assert asked == list(OF_A_VENUE.values())


def test_page_of_bad_answers_equals_its_result_file() -> None:
    result = json.loads((FOLDER / "refusals.json").read_text("utf-8"))
    found = msgspec.convert(result["figures"]["table"], list[Finding])

    assert refusals.PAGE.read_text("utf-8") == refusals.page(found)
