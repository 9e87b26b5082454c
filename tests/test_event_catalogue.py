"""The catalogue of events and the code are one: nothing is emitted that it lacks, and nothing stands in it in vain."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from holdfast.core.events import CATALOGUE

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "holdfast"


class Emission(NamedTuple):
    """One place that makes an event; ``name`` is None where the source does not spell it."""

    where: str
    name: str | None
    fields: frozenset[str]
    has_more: bool


def emissions_in(source: str, where: str) -> Iterator[Emission]:
    """Every call of ``event`` in *source*."""
    for node in ast.walk(ast.parse(source, filename=where)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event":
            first = node.args[0] if node.args else None
            names = [first] if not isinstance(first, ast.IfExp) else [first.body, first.orelse]
            fields = frozenset(keyword.arg for keyword in node.keywords if keyword.arg is not None)
            has_more = any(keyword.arg is None for keyword in node.keywords)
            for name in names:
                text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
                yield Emission(f"{where}:{node.lineno}", text, fields, has_more)


@functools.cache
def emissions() -> list[Emission]:
    """Every call of ``event`` in the package, but for the catalogue's own module and what is offered to tests."""
    found: list[Emission] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] not in ("simulators", "testing") and inside.as_posix() != "core/events.py":
            found += emissions_in(path.read_text("utf-8"), f"src/holdfast/{inside}")
    return found


def test_every_event_is_spelled_where_it_is_made() -> None:
    assert [each.where for each in emissions() if each.name is None] == []


def test_every_event_that_is_emitted_is_in_the_catalogue() -> None:
    assert [(each.where, each.name) for each in emissions() if each.name not in CATALOGUE] == []


def test_every_event_of_the_catalogue_is_emitted_somewhere() -> None:
    assert sorted(set(CATALOGUE) - {each.name for each in emissions()}) == []


def test_every_field_that_is_emitted_is_the_catalogues() -> None:
    strays = [
        (each.where, each.name, sorted(each.fields - set(CATALOGUE[each.name].fields)))
        for each in emissions()
        if each.name in CATALOGUE and not each.fields <= set(CATALOGUE[each.name].fields)
    ]
    assert strays == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_field_of_the_catalogue_is_emitted_somewhere(name: str) -> None:
    made = [each for each in emissions() if each.name == name]
    told = frozenset().union(*(each.fields for each in made))
    # What a place adds as a whole (**facts) is checked when it is made.
    assert any(each.has_more for each in made) or told == set(CATALOGUE[name].fields)


def test_the_search_finds_what_it_is_for() -> None:
    source = 'emit(event("a.b", x=1, **more))\nemit(event(name))\nemit(event("c.d" if on else "e.f"))\nevents("g.h")'
    assert [(each.name, each.has_more) for each in emissions_in(source, "x.py")] == [
        ("a.b", True),
        (None, False),
        ("c.d", False),
        ("e.f", False),
    ]
