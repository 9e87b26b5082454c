"""The conformance page lists every method, setting, event and fault there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast.simulators.kraken import OPEN_POINTS, KrakenSimSettings
from holdfast.simulators.kraken.events import CATALOGUE as EVENTS
from holdfast.simulators.kraken.exchange import MODES
from holdfast.simulators.kraken.faults import CATALOGUE as FAULTS
from holdfast.simulators.kraken.profiles import PROFILES
from holdfast.simulators.kraken.rest import PRIVATE_METHODS
from holdfast.simulators.kraken.rest_public import METHODS
from holdfast.simulators.kraken.tickets import ORDER_TYPES
from tests.simulators.kraken.bench import Bench

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/simulators/kraken.md").read_text(encoding="utf-8")
SECTIONS = {title.partition("\n")[0].strip(): title for title in PAGE.split("\n## ")}


def rows(section: str) -> dict[str, list[str]]:
    """The cells of a section's table, by the name in the first one."""
    found = {}
    for line in SECTIONS[section].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        match = re.fullmatch(r"`(\w+)`", cells[0].strip("| "))
        if line.startswith("| ") and match is not None:
            found[match[1]] = [cell.strip("| ") for cell in cells[1:]]
    return found


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def test_every_setting_is_listed_with_its_default_and_what_it_may_be() -> None:
    settings = KrakenSimSettings()
    open_points, others = rows("Settings for what Kraken leaves unsaid"), rows("Further settings")
    assert list(open_points) == [name for name in settings.__struct_fields__ if name in OPEN_POINTS]
    assert list(others) == [name for name in settings.__struct_fields__ if name not in OPEN_POINTS]
    for name, (default, *_, meaning) in {**open_points, **others}.items():
        assert default == f"`{shown(getattr(settings, name))}`"
        assert meaning.endswith(".")
    for name, values in OPEN_POINTS.items():
        assert open_points[name][1] == "; ".join(f"`{shown(value)}`" for value in values[1:])


def test_every_event_is_listed_with_its_fields() -> None:
    table = rows("Events")
    assert list(table) == list(EVENTS)
    for kind, event in EVENTS.items():
        fields, meaning = table[kind]
        assert re.findall(r"`(\w+)`", fields) == list(event.rules)
        assert re.findall(r"\*\*`(\w+)`\*\*", fields) == [name for name in event.rules if name in event.required]
        assert meaning == event.meaning


def test_every_fault_is_listed_with_its_nature_and_fields() -> None:
    table = rows("Faults of its own")
    assert list(table) == list(FAULTS)
    for kind, fault in FAULTS.items():
        nature, fields, meaning = table[kind]
        assert nature == fault.nature
        assert re.findall(r"`(\w+)`", fields) == list(fault.rules)
        assert meaning == fault.meaning


def test_every_profile_is_listed_with_its_accounts() -> None:
    table = rows("Profiles")
    assert {name: re.findall(r"`(\w+)`", cells[0]) for name, cells in table.items()} == {
        name: list(profile.accounts) for name, profile in PROFILES.items()
    }


@pytest.mark.parametrize("name", [*METHODS, *PRIVATE_METHODS, *ORDER_TYPES, *MODES])
def test_every_method_order_type_and_mode_is_listed(name: str) -> None:
    assert f"`{name}`" in SECTIONS["What is modelled"]


def test_every_stream_method_and_channel_is_listed() -> None:
    stream = Bench(can_status_be_subscribed=True).stream()
    for name in re.findall(
        r"`(\w+)`", SECTIONS["What is modelled"].partition("| Order methods |")[2].partition("\n")[0]
    ):
        (answer,) = stream.ask(name)
        assert answer["error"] != "Unsupported method", name
    for channel in ("balances", "executions", "ticker", "book", "trade", "ohlc", "instrument"):
        assert f"`{channel}`" in SECTIONS["What is modelled"]
        (answer,) = stream.ask("subscribe", channel=channel)
        assert answer.get("error") != "Subscription channel is not supported", channel
