"""The page on venues: what each can do, from its ``venue.toml``, its facts and the contract."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import holdfast.venues
from holdfast.config.venues import KNOWN_VENUES
from holdfast.core.venue import Capability, PassphraseUse, SequencePolicy, Venue
from holdfast.testing.contract.cases import proven_by

__all__ = ["venues_page"]

_ROOT: Final = Path(next(iter(holdfast.venues.__path__)))

_INTRODUCTION: Final = """\
Every venue has the same facade; where venues differ in kind, the difference is a fact that its adapter states. A
capability is *done*, and then proved by the cases of one [contract](#the-contract) that every venue passes, or *exempt*
with the reason: what is asked for all the same is denied with `UnsupportedError`, and nothing is sent.
"""

_CONTRACT: Final = """\
Public, for adapters of your own: `holdfast.testing.contract`. Each case plays an adapter against the simulator of its
venue on virtual time, and is judged by the simulator's own truth.
"""

_SEQUENCES: Final = {
    SequencePolicy.INCREASING_PER_KEY: "a nonce that only rises: one signed call in flight per key",
    SequencePolicy.NONE: "none: signed with the venue's time, several calls in flight",
}
_PASSPHRASES: Final = {
    PassphraseUse.NONE: "none",
    PassphraseUse.OPTIONAL: "optional",
    PassphraseUse.REQUIRED: "required",
}


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _venue(name: str) -> tuple[dict[str, Any], Venue]:
    raw = tomllib.loads((_ROOT / name / "venue.toml").read_text("utf-8"))
    return raw, getattr(importlib.import_module(f"holdfast.venues.{name}"), name.upper())


def venues_page() -> str:
    """The page, Markdown."""
    found = [_venue(name) for name in KNOWN_VENUES]
    heads = tuple(raw["venue"]["name"] for raw, _ in found)

    def facts() -> Iterator[tuple[str, ...]]:
        yield "id in the configuration", *(f"`{raw['venue']['id']}`" for raw, _ in found)
        yield "environments", *(", ".join(dict.fromkeys(s.environment for s in v.facts.sites)) for _, v in found)
        regions = [dict.fromkeys(s.region for s in v.facts.sites if s.region is not None) for _, v in found]
        yield "regions", *(", ".join(f"`{each}`" for each in own) or "–" for own in regions)
        yield "passphrase", *(_PASSPHRASES[v.facts.passphrase] for _, v in found)
        yield "order of signed calls", *(_SEQUENCES[v.facts.sequence] for _, v in found)
        yield (
            "validity of an order",
            *(f"{v.facts.validity_s:g} s, at most {v.facts.validity_max_s:g}" for _, v in found),
        )
        bounds = [v.facts.dead_man_s for _, v in found]
        yield "dead-man switch", *("–" if each is None else f"{each[0]} to {each[1]} s" for each in bounds)
        pushes = [Capability.BALANCE_STREAM not in v.facts.lacks for _, v in found]
        yield "best state of a balance", *("live" if each else "fresh" for each in pushes)
        yield "checked", *(str(raw["venue"]["checked_on"]) for raw, _ in found)
        yield "pages", *(f"[{raw['venue']['id']}]({raw['venue']['docs']})" for raw, _ in found)

    def capabilities() -> Iterator[tuple[str, ...]]:
        for capability in Capability:
            states = [raw["capabilities"][capability.value] for raw, _ in found]
            yield f"`{capability.value}`", *(state if isinstance(state, str) else "exempt" for state in states)

    def exemptions() -> Iterator[tuple[str, ...]]:
        for raw, venue in found:
            for capability, reason in venue.facts.lacks.items():
                yield raw["venue"]["name"], f"`{capability.value}`", reason

    def cases() -> Iterator[tuple[str, ...]]:
        for capability in Capability:
            yield f"`{capability.value}`", "; ".join(proven_by(capability))

    return "\n".join(
        (
            "# Venues\n",
            _INTRODUCTION,
            _table(("", *heads), facts()),
            "## What each can do\n",
            _table(("capability", *heads), capabilities()),
            "## What is exempt, and why\n",
            _table(("venue", "capability", "reason"), exemptions()),
            "## The contract\n",
            _CONTRACT,
            _table(("capability", "what is promised"), cases()),
        )
    )
