"""Events: one name, known fields, no prose."""

from __future__ import annotations

import re

import pytest

from holdfast.core.events import CATALOGUE, event


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_event_is_a_noun_a_past_verb_and_fields(name: str) -> None:
    kind = CATALOGUE[name]

    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)
    assert kind.level in {"info", "warning", "error"}
    assert kind.meaning.endswith(".")
    assert len(set(kind.fields)) == len(kind.fields)
    assert all(re.fullmatch(r"[a-z_0-9]+", field) for field in kind.fields)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_no_field_could_be_meant_for_a_secret(name: str) -> None:
    forbidden = ("secret", "signature", "passphrase", "token", "password", "otp", "api_key")
    assert not [field for field in CATALOGUE[name].fields if any(word in field for word in forbidden)]


def test_event_carries_its_level_and_fields() -> None:
    made = event("stream.lost", broker="kraken-master", reason="silent")

    assert (made.name, made.level, made.fields) == (
        "stream.lost",
        "warning",
        {"broker": "kraken-master", "reason": "silent"},
    )


def test_event_that_is_not_in_the_catalogue_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        event("stream.bored", broker="kraken-master")


def test_field_that_the_catalogue_does_not_name_is_refused() -> None:
    with pytest.raises(TypeError, match="secret"):
        event("stream.lost", broker="kraken-master", secret="hunter2")


def test_events_cannot_be_changed() -> None:
    made = event("stream.lost", broker="kraken-master", reason="silent")
    with pytest.raises(AttributeError):
        made.name = "stream.live"  # type: ignore[misc]
