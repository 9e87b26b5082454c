"""The migration page: every new name in its tables exists, every call is made, every command runs."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.cli.config import toml_text
from holdfast.cli.run import run
from holdfast.config import BrokerConfig, load_config
from holdfast.runtime.credentials import sources_of
from holdfast.testing import LocalVenue, local_venue

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "migrate.md"
BROKER = {"kraken-master": {"venue": "kraken", "environment": "production"}}

OLD_COMMANDS = {"emergency-repair", "reset-circuit-breaker", "force-balance-refresh", "verify-balance USDT 5.0"}
OLD_METHODS = {
    "get_account_balance",
    "get_account_balance_detailed",
    "get_positions",
    "get_all_products",
    "get_candles",
    "normalize_symbol_for_broker",
    "place_market_order",
    "close_position",
    "is_available",
    "get_error_count",
    "verify_balance_before_order",
    "reset_circuit_breaker",
}


def rows(heading: str) -> list[list[str]]:
    """The cells of every table below a heading of the page, head lines apart."""
    section = PAGE.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "before" and not row[0].startswith("---")]


def code(cell: str) -> str:
    """The one piece of code in a cell."""
    found = re.findall(r"`([^`]+)`", cell)
    assert len(found) == 1, cell
    return str(found[0])


CALLS = [code(row[1]) for row in rows("Methods of a broker")]
COMMANDS = [code(row[1]) for row in rows("Commands") if row[1].startswith("`holdfast")]
REPORTS = [code(row[1]) for row in rows("Commands") if ".json" in row[1]]


def called(broker: Any, call: str) -> Any:
    """What a call of the page gives, in whichever form *broker* is."""
    return eval(call.removeprefix("await "), {"broker": broker})  # Our own page.


@pytest.fixture(scope="module")
def kraken() -> Iterator[LocalVenue]:
    with local_venue("kraken", seed=6) as venue:
        venue.happen(kind="deposit", asset="USDT", amount="10")
        yield venue


def test_every_old_name_has_its_row() -> None:
    commands = " ".join(row[0] for row in rows("Commands"))
    assert [name for name in OLD_COMMANDS if f"balance_sync_utility.py {name}`" not in commands] == []
    assert "`verify_kraken_end_to_end.py`" in commands
    methods = [row[0] for row in rows("Methods of a broker")]
    assert {match[1] for row in methods if (match := re.match(r"`(\w+)\(", row))} == OLD_METHODS
    assert any("nonce manager" in row for row in methods)
    assert any("last known balance" in row for row in methods)
    # Where an old name was kept, it is the name.
    for before, now, *_ in rows("Methods of a broker"):
        if before.startswith("`"):
            assert f"broker.{code(before).split('(')[0]}(" in now


@pytest.mark.processes
def test_every_call_is_the_same_in_the_blocking_form_and_every_command_runs_beside_it(
    kraken: LocalVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holdfast.toml").write_text(toml_text(kraken.config))
    with holdfast.open_blocking(kraken.config) as desk:
        broker = desk["kraken-master"]
        broker.wait_until("live")
        for call in CALLS:
            assert not inspect.isawaitable(called(broker, call)), call
        for command in COMMANDS:
            words = shlex.split(command)[1:]
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                ended = run([*words, "--config", str(tmp_path / "holdfast.toml")])
            assert ended == 0, (command, out.getvalue(), err.getvalue())
            assert out.getvalue()
    for name in REPORTS:
        report = json.loads((tmp_path / name).read_text())
        assert report["schema_version"]
        assert {"name", "points", "max_points", "checks"} <= set(report["categories"][0])
        assert report["max_score"] <= 110


def test_the_page_awaits_what_has_to_be_awaited() -> None:
    for call in CALLS:
        name = call.removeprefix("await broker.").removeprefix("broker.").split("(")[0]
        assert inspect.iscoroutinefunction(getattr(holdfast.Broker, name)) == call.startswith("await "), call


def test_every_constant_became_a_setting_with_that_default() -> None:
    plain = load_config({"brokers": BROKER})
    for _, now in rows("What was set in code"):
        text = " \n".join(re.findall(r"`([^`]+)`", now))
        said = tomllib.loads(text)
        ((table, settings),) = said.items()
        assert settings, now
        assert load_config({"brokers": BROKER, table: settings}) == plain, now
        other = {name: 77 if isinstance(value, int) else "0.077" for name, value in settings.items()}
        assert load_config({"brokers": BROKER, table: other}) != plain, now


def test_every_variable_is_read_under_its_new_name() -> None:
    told = {code(now) for _, now in rows("Environment")}
    read = set[str]()
    for venue in ("kraken", "coinbase", "okx"):
        broker = BrokerConfig(name=f"{venue}-master", venue=venue, environment="production")
        environ = {f"{broker.variable_prefix}_API_PASSPHRASE": "x"} if venue == "okx" else {}
        read |= {source.name for source in sources_of(broker, config_path=None, environ=environ)}
    assert told == read
