"""The faults page names everything a rule can say, and nothing that it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from holdfast.simulators.core.actions import ACTIONS, Action
from holdfast.simulators.core.faults import KINDS, Rule
from holdfast.simulators.core.journal import ENTRY_KINDS
from holdfast.simulators.core.mutations import MUTATIONS

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/simulators/faults.md").read_text(encoding="utf-8")
SECTIONS = {title.partition("\n")[0].strip(): title for title in PAGE.split("\n## ")}
WHERE = {
    "rest": "Actions on requests and replies",
    "ws_in": "Actions on stream messages",
    "ws_out": "Actions on stream messages",
    "handshake": "Actions on handshakes and open streams",
    "streams": "Actions on handshakes and open streams",
}
# Rules of these kinds do not use every field of an action they share with another kind.
UNUSED = {("ws_in", "where"), ("ws_out", "where"), ("handshake", "where")}
UNUSED |= {("handshake", "delivers"), ("streams", "delivers")}


def tag(action: type[Action]) -> str:
    return str(action.__struct_config__.tag)


def rows(section: str) -> dict[str, str]:
    """The rows of a section's tables, without their heads, by every name in their first column."""
    found = {}
    lines = SECTIONS[section].splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("| `") and not below.startswith("| ---"):
            for name in re.findall(r"`(\w+)`", line.split("|")[1]):
                found[name] = line
    return found


@pytest.mark.parametrize("action", ACTIONS, ids=tag)
def test_every_action_has_a_row_with_its_fields_for_each_kind_of_rule(action: type[Action]) -> None:
    for kind in ACTIONS[action]:
        row = rows(WHERE[kind])[tag(action)]
        for field in msgspec.structs.fields(action):
            if field.name == "where" and tag(action) == "inject":
                assert "`where`" in row
            elif (kind, field.name) not in UNUSED:
                assert f"`{field.name}`" in row, f"{tag(action)}.{field.name} for {kind}"


def test_every_row_is_an_action_there_is() -> None:
    named = {name for section in set(WHERE.values()) for name in rows(section)}
    assert named == {tag(action) for action in ACTIONS}


def test_every_field_and_kind_of_a_rule_is_named() -> None:
    assert set(rows("Rules")) == {field.name for field in msgspec.structs.fields(Rule)} | set(KINDS)


def test_every_mutation_is_named() -> None:
    assert set(rows("Mutations")) == set(MUTATIONS)


def test_every_journal_entry_is_named() -> None:
    assert set(rows("In the journal")) == set(ENTRY_KINDS)
