"""
What a simulated venue's calls, stream messages and channels are called, so that a fault for none of them is refused.

A rule whose name fits nothing would never fire, and the test behind it would prove nothing. A venue that knows its
names offers ``message_names``; null and ``*`` fit everything, as ever.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

__all__ = ["ANY", "MessageNames", "NamingVenue"]

ANY: Final = "*"
"""Fits every name, also in place of null."""


class MessageNames(msgspec.Struct, frozen=True, kw_only=True):
    """
    Every name that a message of a venue can have.

    ``calls`` of REST, ``messages`` of a stream in either direction (requests, answers and events), ``channels`` of its
    data and subscriptions.
    """

    calls: frozenset[str]
    messages: frozenset[str]
    channels: frozenset[str]

    def check_rule(self, rule: Mapping[str, Any]) -> None:
        """
        Refuse a transport rule that no message can fit.

        Raises:
            ValueError: Names what was asked for, what is near, and everything there is.
        """
        kind = str(rule.get("kind"))
        if kind == "rest":
            _check(rule.get("name"), self.calls, f"call of kind {kind!r}")
        elif kind in ("ws_in", "ws_out"):
            _check(rule.get("name"), self.messages, f"message of kind {kind!r}")
            _check(rule.get("channel"), self.channels, "channel")

    def check_fault(self, kind: str, fields: Mapping[str, Any]) -> None:
        """As ``check_rule``, for a fault of the venue's own, whose ``name`` is a call's or a stream request's."""
        _check(fields.get("name"), self.calls | self.messages, f"call for {kind!r}")


@runtime_checkable
class NamingVenue(Protocol):
    """A simulated venue that knows what its messages are called."""

    @property
    def message_names(self) -> MessageNames:
        """Every name there is."""
        ...


def _check(asked: object, known: Collection[str], what: str) -> None:
    wanted = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    for name in wanted:
        if name in known or name == ANY:
            continue
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"no {what} is ever named {name!r}: the fault would never act; {hint}there are: {', '.join(sorted(known))}"
        )
