"""The conformance page lists every endpoint, setting, event and fault there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast.simulators.okx import OPEN_POINTS, OkxSimSettings
from holdfast.simulators.okx.events import CATALOGUE as EVENTS
from holdfast.simulators.okx.faults import CATALOGUE as FAULTS
from holdfast.simulators.okx.profiles import PROFILES
from holdfast.simulators.okx.rest import SIGNED
from holdfast.simulators.okx.rest_public import BARS, ENDPOINTS
from holdfast.simulators.okx.stream_orders import OPERATIONS
from holdfast.simulators.okx.subscriptions import CHANNELS
from holdfast.simulators.okx.tickets import ORDER_TYPES

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/simulators/okx.md").read_text(encoding="utf-8")
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
        return f"`{str(value).lower()}`"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if text else "empty"


def test_every_setting_is_listed_with_its_default_and_what_it_may_be() -> None:
    settings = OkxSimSettings()
    open_points, others = rows("Settings for what OKX leaves unsaid"), rows("Further settings")
    assert list(open_points) == [name for name in settings.__struct_fields__ if name in OPEN_POINTS]
    assert list(others) == [name for name in settings.__struct_fields__ if name not in OPEN_POINTS]
    for name, (default, *_, meaning) in {**open_points, **others}.items():
        assert default == shown(getattr(settings, name))
        assert meaning.endswith(".")
    for name, values in OPEN_POINTS.items():
        assert open_points[name][1] == "; ".join(shown(value) for value in values[1:])


def test_every_open_point_begins_with_its_default_and_each_value_is_taken() -> None:
    settings = OkxSimSettings()
    for name, values in OPEN_POINTS.items():
        assert values[0] == getattr(settings, name)
        assert len(set(values)) == len(values) > 1
        for value in values:
            OkxSimSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limit_form", "503"),
        ("account_mode", "5"),
        ("check_order", ("key",)),
        ("check_order", ("timestamp", "key", "signature", "passphrase", "environment", "address", "permission")),
        ("burst_share", 0.0),
        ("connects_per_s", 0),
        ("timestamp_window_s", -1.0),
    ],
)
def test_setting_that_makes_no_sense_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        OkxSimSettings(**{name: value})  # type: ignore[arg-type]


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


@pytest.mark.parametrize("name", [*ENDPOINTS, *SIGNED, *ORDER_TYPES, *OPERATIONS, *BARS])
def test_every_endpoint_order_type_operation_and_candle_is_listed(name: str) -> None:
    assert f"`{name}`" in SECTIONS["What is modelled"]


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_channel_is_listed_at_its_address(kind: str) -> None:
    _, _, row = SECTIONS["What is modelled"].partition(f"| Channels at `/ws/v5/{kind}` |")
    listed = re.findall(r"`([\w-]+)`", row.partition("\n")[0])
    assert [name for name in listed if name != "candle"] == [
        name for name in CHANNELS[kind] if not name.startswith("candle")
    ]
