"""The OpenAPI document and the server agree: whatever is drawn from its schemas is answered as it says."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.daemon.openapi import document
from holdfast.daemon.routes import ROUTES
from tests.daemon.rig import BROKER, running

WORDS = ("BTC-USD", "buy", "USD", "1.5", "", " ", "\0", "é", "-1", "NaN", "x" * 500, "../..", "%2e", "'; --", "null")


def drawn(dice: random.Random, schema: dict[str, Any], *, depth: int = 0) -> Any:
    """A value that more or less fits a schema: often right, sometimes of another kind, sometimes beyond a bound."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if dice.random() < 0.12 or depth > 4:
        return dice.choice([None, True, 0, -1, 1e308, 10**30, "x", [], {}, [[]], {"a": None}])
    if "anyOf" in schema:
        return drawn(dice, dice.choice(schema["anyOf"]), depth=depth + 1)
    if "enum" in schema:
        return dice.choice(schema["enum"])
    match schema.get("type"):
        case "string":
            return dice.choice(WORDS)
        case "integer" | "number":
            return dice.choice([0, 1, 30, -5, 0.5, 1e9, 2**63])
        case "boolean":
            return dice.random() < 0.5
        case "array":
            return [drawn(dice, schema.get("items", {}), depth=depth + 1) for _ in range(dice.randrange(3))]
        case "object":
            names = schema.get("properties", {})
            needed = schema.get("required", ())
            found = {
                name: drawn(dice, each, depth=depth + 1)
                for name, each in names.items()
                if name in needed or dice.random() < 0.5
            }
            return {**found, "none-such": 1} if dice.random() < 0.05 else found
        case _:
            return None


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a reply is what the document promises, as far as it says: kinds, needed names, no others."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case "object":
            names = schema.get("properties", {})
            if not isinstance(value, dict) or not set(schema.get("required", ())) <= set(value):
                return False
            rest = schema.get("additionalProperties", True)
            for name, each in value.items():
                if name in names:
                    if not fits(each, names[name]):
                        return False
                elif (isinstance(rest, dict) and not fits(each, rest)) or (names and not isinstance(rest, dict)):
                    return False
            return True
        case "array":
            items = schema.get("items", {})
            return isinstance(value, list) and all(fits(each, items) for each in value)
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return True


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_sent_is_answered_as_the_document_says(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    wrong: list[object] = []
    answered_well: set[str] = set()
    async with running(tmp_path) as rig:
        for route in ROUTES:
            if route.name in ("stream", "attach", "reload", "stop_job", "open_session"):
                continue
            operation = document()["paths"][route.path][route.method.lower()]
            for _ in range(3):
                names = {
                    "broker": BROKER,
                    "asset": dice.choice(["USD", "none"]),
                    "job_id": "x",
                    "intent_id": dice.choice(["one", "none"]),
                    "order": "none",
                }
                path = route.path.format(**names)
                query = "&".join(
                    f"{each['name']}={drawn(dice, each['schema'])}"
                    for each in operation["parameters"]
                    if each["in"] == "query" and (each["required"] or dice.random() < 0.5)
                )
                query = re.sub(r"[^A-Za-z0-9=&._-]", "", query)
                body = None
                if "requestBody" in operation:
                    body = drawn(dice, operation["requestBody"]["content"]["application/json"]["schema"])
                data = None if body is None else json.dumps(body).encode()
                headers = {"Content-Type": "application/json"} if data is not None else {}
                status, reply, answered = await rig.ask(
                    route.method, path + (f"?{query}" if query else ""), data=data, headers=headers
                )
                if status == 200:
                    answered_well.add(route.name)
                promised = operation["responses"].get(str(status))
                if promised is None or status == 500:
                    wrong.append((route.name, status, reply, body, query))
                    continue
                schema = promised["content"].get("application/json", {}).get("schema")
                if schema is not None and not fits(reply, schema):
                    wrong.append((route.name, status, "does not fit", reply))
                if "json" not in answered["Content-Type"] and schema is not None:
                    wrong.append((route.name, status, answered["Content-Type"]))
    assert wrong == []
    assert len(answered_well) >= 20, answered_well


def test_what_does_not_fit_is_seen() -> None:
    row = {"$ref": "#/components/schemas/BalanceRow"}
    good = dict.fromkeys(document()["components"]["schemas"]["BalanceRow"]["properties"])

    assert not fits(good, row)  # state is never null.
    assert fits({**good, "state": "live"}, row)
    assert not fits({**good, "state": "live", "total": 1.5}, row)
    assert not fits({**good, "state": "live", "more": 1}, row)


def test_the_document_is_whole() -> None:
    told = document()
    names = [each["operationId"] for path in told["paths"].values() for each in path.values()]
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(told)))

    assert told["openapi"] == "3.1.0"
    assert sorted(names) == sorted(route.name for route in ROUTES)
    assert refs <= set(told["components"]["schemas"])
    for path, operations in told["paths"].items():
        for operation in operations.values():
            inside = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert inside == set(re.findall(r"\{(\w+)\}", path))
            assert operation["summary"].endswith(".")
