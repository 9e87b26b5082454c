"""
How plans by row are drawn, and the rows that are the same at every venue: the network's, HTTP's, the stream's frames.

A draw takes a seeded source of chance and gives commands, in order. What a venue has to name (its reads, its orders)
is given to ``common_draws``; rows that mean something else at each venue are the venue's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from holdfast.simulators.core.plans import Command, Plan

__all__ = [
    "AMOUNTS",
    "CLOSED",
    "Draw",
    "Steps",
    "common_draws",
    "draw_plan",
    "event",
    "fault",
    "frame",
    "mutated",
    "one_of",
    "rest",
    "setting",
    "share",
]

Steps = list[Command]
Draw = Callable[[Random], Steps]

AMOUNTS: Final = (
    *("nan", "infinity", "minus_infinity", "big_exponent", "giant_exponent", "empty", "inner_blank", "outer_blank"),
    *("underscore", "comma", "foreign_digits", "null", "true", "nested"),
)
"""Mutations of an amount that no client may take for one."""

_GATEWAYS: Final = (500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526)
# 203.0.113.0/24 is nobody's: it stands in documentation.
_ELSEWHERE: Final = "http://203.0.113.9/"


def draw_plan(row: str, *, seed: int, draws: Mapping[str, Draw]) -> Plan:
    """
    The plan of one row; the same row and seed give the same plan.

    Raises:
        ValueError: *draws* has no such row.
    """
    draw = draws.get(row)
    if draw is None:
        raise ValueError(f"no plan for row {row!r}; there are {', '.join(draws)}")
    # Seeded with text: the same on every platform and in every process.
    return Plan(row=row, seed=seed, commands=tuple(draw(Random(f"{row} {seed}"))))  # noqa: S311 - faults, not secrets.


def fault(**rule: Any) -> Command:
    """A rule for the fault plan."""
    return Command(to="faults", body=rule)


def event(**said: Any) -> Command:
    """Something that happens at the venue."""
    return Command(to="events", body=said)


def setting(name: str, value: Any) -> Command:
    """A setting of the venue that changes."""
    return event(kind="setting", name=name, value=value)


def rest(action: Mapping[str, Any], **more: Any) -> Command:
    """A rule for requests."""
    return fault(kind="rest", action=dict(action), **more)


def frame(action: Mapping[str, Any], **where: Any) -> Command:
    """A rule for what the venue says on the stream."""
    return fault(kind="ws_out", action=dict(action), **where)


CLOSED: Final = fault(kind="streams", action={"do": "close", "code": 1006})
"""Every stream connection is gone, so that the next handshake and subscription happen."""


def share(rng: Random) -> float:
    """The share of messages that a rule applies to."""
    return rng.choice((0.6, 0.8, 1.0))


def one_of(*choices: Steps) -> Draw:
    """One of these lists of commands."""
    return lambda rng: rng.choice(choices)


def mutated(*how: str, name: Sequence[str], field: str | None = None, value: str | None = None) -> Draw:
    """One of these mutations of every answer to the requests called *name*."""
    more = {key: said for key, said in (("field", field), ("value", value)) if said is not None}
    return lambda rng: [rest({"do": "mutate", "how": rng.choice(how), **more}, name=list(name))]


def common_draws(*, orders: Sequence[str], signed: Sequence[str], lists: Sequence[str]) -> dict[str, Draw]:
    """
    The rows that are the same at every venue.

    Args:
        orders: What requests that place orders are called.
        signed: Every signed request worth disturbing.
        lists: Requests that come in pages.
    """

    def lost(do: str) -> Draw:
        return lambda rng: [rest({"do": do, "how": rng.choice(("silence", "reset", "close"))}, name=list(orders))]

    def pages(rng: Random) -> Steps:
        broken = rng.choice(({"do": "lose_reply", "how": "silence"}, {"do": "html_error"}, {"do": "truncate"}))
        return [rest(broken, name=list(lists), every=2)]

    def twice(rng: Random) -> Steps:
        # Of the second of two orders the client may only hear in a way that says what became of the first.
        return [rest({"do": "duplicate_request", "reply": "first"}, name=list(signed), probability=share(rng))]

    def late(rng: Random) -> Steps:
        held = {"do": "hold_request", "for_s": rng.choice((0.5, 2.0, 4.0))}
        return [rest(held, name=list(signed), every=rng.randint(1, 3))]

    return {
        "N1": _unreachable("refused"),
        "N2": _unreachable("connect_timeout"),
        "N3": _unreachable("dns"),
        "N5": lambda rng: [_sometimes(rng, {"do": "cut_body", "at": rng.randrange(40), "how": "silence"})],
        "N6": lambda rng: [_sometimes(rng, {"do": "drip", "bytes_per_s": rng.choice((1.0, 7.0, 20.0))})],
        "N7": lambda rng: [_sometimes(rng, {"do": "cut_body", "how": "reset", "chunked": rng.random() < 0.5})],
        "N8": lost("lose_reply"),
        "N9": lost("lose_request"),
        "N10": twice,
        "N11": late,
        "N12": _jitter,
        "N13": _half_dead,
        "N14": _unreachable("tls"),
        "N15": lambda rng: [_sometimes(rng, {"do": "html_error", "status": 200, "commits": rng.random() < 0.5})],
        "N16": lambda rng: [_sometimes(rng, {"do": "close_idle", "races": True})],
        "H1": _too_many,
        "H2": lambda rng: [rest({"do": "html_error", "status": rng.choice(_GATEWAYS), "commits": rng.random() < 0.5})],
        "H6": _elsewhere,
        "H7": _no_body,
        "H8": _dressed_wrongly,
        "H9": _bomb,
        "H10": _too_much,
        "H12": pages,
        "W1": _refused_handshake,
        "W11": _odd_frames,
        "B1": lambda rng: [_sometimes(rng, {"do": "truncate"})],
    }


def _sometimes(rng: Random, action: Mapping[str, Any]) -> Command:
    return rest(action, probability=share(rng))


def _unreachable(how: str) -> Draw:
    broken = {"do": "unreachable", "how": how}
    return lambda _: [rest(broken), fault(kind="handshake", action=broken), CLOSED]


def _jitter(rng: Random) -> Steps:
    delay = {"do": "delay", "low_s": 0.2, "high_s": 5.0}
    return [
        rest({**delay, "where": rng.choice(("request", "reply"))}),
        rest({"do": rng.choice(("lose_request", "lose_reply")), "how": "silence"}, probability=0.05),
        frame({"do": "delay", "low_s": 0.0, "high_s": 1.0}, probability=0.2),
    ]


def _half_dead(rng: Random) -> Steps:
    if rng.random() < 0.5:
        return [rest({"do": "lose_request", "how": "silence"})]
    return [
        fault(kind="streams", action={"do": "mute", "direction": "both"}),
        fault(kind="handshake", action={"do": "refuse", "status": 0}),
    ]


def _too_many(rng: Random) -> Steps:
    date = "Fri, 20 Nov 2026 10:00:00 GMT"
    asked = rng.choice((None, "1", "20", "-5", "1000000000", "soon", date))
    return [_sometimes(rng, {"do": "too_many", "retry_after": asked})]


def _elsewhere(rng: Random) -> Steps:
    status = rng.choice((301, 302, 303, 307, 308))
    return [_sometimes(rng, {"do": "redirect", "location": _ELSEWHERE, "status": status})]


def _no_body(rng: Random) -> Steps:
    broken = rng.choice(
        (
            {"do": "empty", "status": rng.choice((200, 204))},
            {"do": "wrong_length", "by": rng.choice((-3, 7))},
            {"do": "cut_body", "how": rng.choice(("reset", "close")), "chunked": True},
        )
    )
    return [_sometimes(rng, broken)]


def _dressed_wrongly(rng: Random) -> Steps:
    dressed = rng.choice(
        (
            {"do": "mislabel", "content_type": "text/html"},
            {"do": "mislabel", "bom": True},
            {"do": "mislabel", "charset": rng.choice(("utf-16", "utf-32", "utf-7"))},
        )
    )
    return [rest(dressed)]


def _bomb(rng: Random) -> Steps:
    packed = rng.choice(
        (
            {"do": "gzip_bomb", "unpacked_bytes": 64 << 20},
            {"do": "mislabel", "content_encoding": rng.choice(("gzip", "br"))},
            {"do": "mislabel", "content_encoding": "gzip, gzip", "encodes": True},
        )
    )
    return [_sometimes(rng, packed)]


def _too_much(rng: Random) -> Steps:
    large = rng.choice(
        (
            {"do": "endless_body", "total_bytes": 64 << 20},
            {"do": "huge_headers", "count": 1, "value_bytes": 1 << 20},
            {"do": "huge_headers", "count": 100_000, "value_bytes": 1},
        )
    )
    return [_sometimes(rng, large)]


def _refused_handshake(rng: Random) -> Steps:
    status = rng.choice((0, 401, 403, 429, 502))
    return [fault(kind="handshake", action={"do": "refuse", "status": status}), CLOSED]


def _odd_frames(rng: Random) -> Steps:
    odd = rng.choice(
        (
            {"do": "fragment", "parts": rng.randint(2, 20)},
            {"do": "send_binary"},
            {"do": "invalid_utf8"},
            {"do": "deflate_bomb"},
            {"do": "huge_frame", "total_bytes": 16 << 20},
        )
    )
    return [frame(odd, type="update", count=2)]
