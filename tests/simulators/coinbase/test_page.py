"""The conformance page lists every method, setting, event and fault there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast.simulators.coinbase import OPEN_POINTS, CoinbaseSimSettings
from holdfast.simulators.coinbase.events import CATALOGUE as EVENTS
from holdfast.simulators.coinbase.exchange import MODES, PRODUCT_STATUSES
from holdfast.simulators.coinbase.faults import CATALOGUE as FAULTS
from holdfast.simulators.coinbase.profiles import PROFILES
from holdfast.simulators.coinbase.rest import METHODS, ROUTES
from holdfast.simulators.coinbase.stream import CHANNELS
from holdfast.simulators.coinbase.tickets import ORDER_TYPES

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/simulators/coinbase.md").read_text(encoding="utf-8")
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
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_setting_is_listed_with_its_default_and_what_it_may_be() -> None:
    settings = CoinbaseSimSettings()
    open_points, others = rows("Settings for what Coinbase leaves unsaid"), rows("Further settings")
    assert list(open_points) == [name for name in settings.__struct_fields__ if name in OPEN_POINTS]
    assert list(others) == [name for name in settings.__struct_fields__ if name not in OPEN_POINTS]
    for name, (default, *_, meaning) in {**open_points, **others}.items():
        assert default == f"`{shown(getattr(settings, name))}`"
        assert meaning.endswith(".")
    for name, values in OPEN_POINTS.items():
        assert open_points[name][1] == "; ".join(f"`{shown(value)}`" for value in values[1:])


def test_every_open_point_begins_with_the_default_and_every_value_is_taken() -> None:
    for name, values in OPEN_POINTS.items():
        assert values[0] == getattr(CoinbaseSimSettings(), name), name
        assert len(set(values)) == len(values) > 1, name
        for value in values:
            assert getattr(CoinbaseSimSettings(**{name: value}), name) == value  # type: ignore[arg-type]


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


MODELLED = [name for name, kind in ORDER_TYPES.items() if kind.is_modelled]


@pytest.mark.parametrize("name", [*METHODS, *MODELLED, *MODES, *PRODUCT_STATUSES, *CHANNELS])
def test_every_method_order_type_mode_and_channel_is_listed(name: str) -> None:
    assert f"`{name}`" in SECTIONS["What is modelled"]


@pytest.mark.parametrize("name", [name for name in ORDER_TYPES if name not in MODELLED])
def test_what_is_not_modelled_is_named(name: str) -> None:
    assert f"`{name}`" in SECTIONS["What is not modelled"]


def test_every_method_has_a_way_to_it_and_every_way_a_method() -> None:
    assert {route.name for route in ROUTES.values()} == set(METHODS)
