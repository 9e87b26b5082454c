"""
The events holdfast speaks: one name, in the form noun.past-verb, with fields and no prose.

An event is emitted when state changes, once when something is lost and once when it returns. Fields never hold a
secret. ``CATALOGUE`` is the documentation's source: an event that is not in it cannot be made.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["CATALOGUE", "Event", "EventKind", "event"]


class EventKind(msgspec.Struct, frozen=True, kw_only=True):
    """What one event name means: level (``info``, ``warning``, ``error``), one sentence, its fields."""

    level: str
    meaning: str
    fields: tuple[str, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. Field values are text, numbers, booleans or ``None``."""

    name: str
    level: str
    fields: dict[str, Any]


def _kind(level: str, meaning: str, *fields: str) -> EventKind:
    return EventKind(level=level, meaning=meaning, fields=fields)


CATALOGUE: Final[dict[str, EventKind]] = {
    "account.identified": _kind("info", "The venue named the account behind the credential.", "broker", "account"),
    "account.mismatched": _kind(
        "error", "The credential belongs to another account than the one pinned.", "broker", "expected", "found"
    ),
    "act.recorded": _kind(
        "info",
        "Somebody repaired, reset, halted, released or examined; not in the journal where `record` says why.",
        "broker",
        "act",
        "outcome",
        "uid",
        "pid",
        "command",
        "record",
    ),
    "alert.address_failed": _kind(
        "warning",
        "An address takes no notices; said of its first failure in a row, its second, fourth, eighth ...",
        "address",
        "service",
        "reason",
        "failures",
    ),
    "alert.address_recovered": _kind("info", "An address takes notices again.", "address", "service", "failures"),
    "alert.delivered": _kind("info", "Somebody was told.", "broker", "alert", "subject", "stage"),
    "alert.raised": _kind("info", "Somebody is to be told of trouble.", "broker", "alert", "subject", "stage"),
    "alert.undelivered": _kind(
        "error", "Nobody could be told; it is tried again.", "broker", "alert", "subject", "stage"
    ),
    "alert.unavailable": _kind("error", "Nobody is told of trouble with this broker.", "broker", "reason"),
    "answer.refused": _kind(
        "warning", "An answer of the venue was not believed; nothing changed.", "broker", "read", "reason", "detail"
    ),
    "answer.suspected": _kind(
        "warning", "A well-formed answer waits for a different read to agree.", "broker", "read", "reason", "assets"
    ),
    "answer.confirmed": _kind(
        "info", "A suspect answer was confirmed by a different read.", "broker", "read", "reason"
    ),
    "answer.dismissed": _kind(
        "warning", "A suspect answer was contradicted by a different read.", "broker", "read", "reason"
    ),
    "answer.warned": _kind(
        "warning", "The venue answered, with a warning; the answer counts.", "broker", "read", "warning"
    ),
    "balance.changed": _kind(
        "info",
        "An asset's figures changed.",
        "broker",
        "asset",
        "total",
        "held",
        "available",
        "state",
        "source",
        "kind",
    ),
    "balance.invalidated": _kind(
        "warning", "Figures requested before now no longer count.", "broker", "reason", "assets"
    ),
    "breaker.opened": _kind(
        "warning",
        "A breaker opened: it refuses calls until its break is over.",
        "broker",
        "capability",
        "failures",
        "fault",
        "retry_after_s",
    ),
    "breaker.half_opened": _kind(
        "info", "A break is over: the next call is a trial, and decides.", "broker", "capability"
    ),
    "breaker.closed": _kind("info", "A breaker closed: there is proof of health.", "broker", "capability", "after_s"),
    "breaker.isolated": _kind(
        "warning", "A person holds a breaker open until resetting it.", "broker", "capability", "reason"
    ),
    "breaker.reset": _kind("info", "A person closed a breaker.", "broker", "capability", "before"),
    "breaker.stuck": _kind(
        "error",
        "A breaker has not closed for too long, although trials were made.",
        "broker",
        "capability",
        "for_s",
        "fault",
    ),
    "broker.opened": _kind("info", "A broker's account is owned and supervised.", "broker", "venue", "environment"),
    "broker.closed": _kind("info", "A broker was closed.", "broker"),
    "broker.halted": _kind("error", "A broker was halted.", "broker", "reason"),
    "clock.jumped": _kind("warning", "The wall clock stepped or the machine slept.", "broker", "kind", "by_s"),
    "clock.skewed": _kind("warning", "Our wall clock is far off the venue's.", "venue", "offset_s"),
    "credential.parked": _kind("error", "Nothing is signed with this credential.", "broker", "cause", "for_s"),
    "credential.unparked": _kind("info", "The credential may be used again.", "broker", "cause"),
    "discrepancy.found": _kind(
        "warning", "Two sources disagree; both are kept.", "broker", "asset", "kind", "ours", "theirs"
    ),
    "discrepancy.resolved": _kind("info", "A discrepancy ended.", "broker", "asset", "kind", "how"),
    "journal.pruned": _kind("info", "Old journal segments were dropped.", "broker", "rows"),
    "dead_man.armed": _kind("info", "The venue cancels everything unless it hears from us in time.", "broker", "for_s"),
    "dead_man.failed": _kind("error", "The venue's dead-man switch could not be rearmed.", "broker", "error"),
    "invariant.broken": _kind(
        "error",
        "One of our own invariants does not hold: approvals stop, cancels go on.",
        "broker",
        "invariant",
        "detail",
    ),
    "order.sent": _kind(
        "info",
        "An order left, its intent being durable.",
        "broker",
        "intent_id",
        "client_order_id",
        "symbol",
        "side",
        "kind",
        "quantity",
        "quote_quantity",
        "price",
        "via",
    ),
    "order.changed": _kind(
        "info", "One of our orders changed.", "broker", "intent_id", "order_id", "before", "after", "filled", "cause"
    ),
    "order.doubted": _kind(
        "warning", "An order's answer was lost: its money stays reserved.", "broker", "intent_id", "cause"
    ),
    "order.resolved": _kind(
        "info", "Evidence ended a doubt about an order.", "broker", "intent_id", "state", "evidence", "after_s"
    ),
    "order.overdue": _kind(
        "error", "An order has been in doubt for too long.", "broker", "intent_id", "for_s", "missing"
    ),
    "order.external": _kind(
        "info", "An order appeared that holdfast did not place.", "broker", "order_id", "symbol", "side"
    ),
    "owner.attached": _kind("info", "The account is used through the process that owns it.", "broker", "pid"),
    "owner.dropped": _kind("warning", "An attached process was dropped.", "broker", "pid", "reason"),
    "owner.lost": _kind("warning", "The owning process ended or fell silent.", "broker", "pid", "reason"),
    "owner.succeeded": _kind("warning", "This process owns the account now.", "broker", "before"),
    "succession.failed": _kind(
        "warning", "This process could not take an account over from its owner.", "broker", "reason", "detail"
    ),
    "repair.progressed": _kind(
        "info", "How far a reset, a refresh, a repair or a check-up has come.", "broker", "act", "step", "state", "text"
    ),
    "readiness.progressed": _kind(
        "info",
        "How far a run of readiness has come: one check, and the score so far.",
        "broker",
        "check",
        "state",
        "points",
        "max_points",
        "score",
        "max_score",
        "text",
    ),
    "reservation.changed": _kind(
        "info",
        "A claim on money began, changed or ended.",
        "broker",
        "intent_id",
        "asset",
        "before",
        "after",
        "reserved",
        "cause",
    ),
    "reservations.uncovered": _kind(
        "error", "There is less money than is reserved: somebody else took it.", "broker", "asset", "reserved", "left"
    ),
    "reservations.recovered": _kind("info", "What is reserved is there again.", "broker", "asset"),
    "trading.changed": _kind(
        "warning", "Which orders the broker takes changed.", "broker", "before", "after", "reason"
    ),
    "verdict.given": _kind(
        "info",
        "An order was judged.",
        "broker",
        "code",
        "symbol",
        "side",
        "kind",
        "asset",
        "required",
        "spendable",
        "shortfall",
        "state",
        "age_s",
        "arithmetic",
        "intent_id",
        "bot",
    ),
    "nonce.far_ahead": _kind("warning", "The durable mark is far ahead of the clock.", "credential", "ahead_s"),
    "nonce.mark_recovered": _kind(
        "warning", "A lane file was damaged or went back; nonces go on above what was seen.", "credential", "reason"
    ),
    "nonce.refused": _kind("warning", "The venue refused a nonce.", "broker", "attempt"),
    "read.failed": _kind(
        "warning", "A read failed; the last figures stand.", "broker", "read", "fault", "error", "count"
    ),
    "read.recovered": _kind("info", "Reads succeed again.", "broker", "read", "after"),
    "store.failed": _kind("error", "The store does not accept writes.", "broker", "reason"),
    "store.recovered": _kind("info", "The store accepts writes again.", "broker"),
    "store.restored": _kind("error", "The store is an older copy than what was already acted on.", "broker"),
    "routing.decided": _kind(
        "info",
        "It was decided which broker an order goes to.",
        "intent_id",
        "broker",
        "policy",
        "symbol",
        "side",
        "attempt",
        "why",
        "refused",
    ),
    "routing.denied": _kind(
        "warning", "No broker would do for an order.", "intent_id", "code", "policy", "symbol", "side", "refused"
    ),
    "routing.failed_back": _kind("info", "A broker is preferred again for new orders.", "broker", "after_s"),
    "routing.failed_over": _kind(
        "warning", "New orders go to other brokers, as far as they would do.", "broker", "code", "reason"
    ),
    "routing.moved": _kind(
        "warning",
        "Nothing came of an order at one broker, and the next is tried.",
        "intent_id",
        "broker",
        "outcome",
        "cause",
    ),
    "stream.connected": _kind("info", "A stream is open; figures wait for its snapshot.", "broker", "attempt"),
    "stream.live": _kind("info", "A stream delivered its snapshots.", "broker", "after_s"),
    "stream.lost": _kind("warning", "A stream ended or fell silent; REST takes over.", "broker", "reason"),
    "stream.gapped": _kind(
        "warning", "A channel's sequence broke; a new snapshot is asked for.", "broker", "channel", "expected", "found"
    ),
    "stream.resubscribed": _kind("info", "A channel was asked for a new snapshot.", "broker", "channel", "reason"),
    "supervisor.changed": _kind("info", "A broker's stream state changed.", "broker", "before", "after", "reason"),
    "venue.changed": _kind("warning", "The venue's own status changed.", "broker", "before", "after"),
}
"""Every event, by name."""


def event(name: str, /, **fields: Any) -> Event:
    """
    Make an event of the catalogue.

    Raises:
        KeyError: *name* is not in the catalogue: a bug of ours.
        TypeError: A field that the catalogue does not name: a bug of ours.
    """
    kind = CATALOGUE[name]
    unknown = fields.keys() - set(kind.fields)
    if unknown:
        raise TypeError(f"event {name} has no fields {sorted(unknown)}")
    return Event(name=name, level=kind.level, fields=fields)
