"""The rows of the fault table: what goes wrong, and what has to hold."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["GROUPS", "ROWS", "Row"]

GROUPS: Final[dict[str, str]] = {
    "N": "Network",
    "H": "HTTP",
    "W": "WebSocket",
    "B": "Bodies",
    "T": "Time",
    "L": "Limits",
    "A": "Credentials",
    "V": "The venue's own ways",
}
"""Every group by its letter, in the order of the table."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: its name (``N8``), what goes wrong, and what has to hold."""

    name: str
    fault: str
    holds: str


_TEXTS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "N1",
        "The venue's port refuses connections.",
        "No figure changes, none older than `max_age_s` buys anything; breakers close by themselves.",
    ),
    (
        "N2",
        "Connecting hangs: nobody accepts and nobody refuses.",
        "A call ends at its own bound, nothing counts as sent, and the event loop never waits with it.",
    ),
    ("N3", "The venue's name cannot be resolved, later it can.", "Nothing counts as sent; the next try asks anew."),
    (
        "N4",
        "The name points to another machine from some moment on.",
        "The certificate has to be for the name that was asked for: the other one is refused and told nothing.",
    ),
    (
        "N5",
        "Headers arrive, and then nothing.",
        "The whole call has one deadline, and what arrived of the body counts for nothing.",
    ),
    ("N6", "The body drips in, a byte a second.", "The deadline is for the whole answer, not for each byte."),
    ("N7", "The connection is reset inside the body, at any byte.", "No part of an answer is ever applied."),
    (
        "N8",
        "The venue has acted, and its answer is lost.",
        "The order's outcome is unknown, its money stays reserved, and nothing is sent twice.",
    ),
    (
        "N9",
        "The request is lost before the venue has seen it.",
        "The money is released by evidence that the order never came about, never by time alone.",
    ),
    (
        "N10",
        "The same request reaches the venue twice.",
        "The second is refused for its nonce or its client order id; there is one order.",
    ),
    ("N11", "Two signed requests overtake each other.", "One key has one call under way: no nonce is refused."),
    (
        "N12",
        "Answers take 0.2 to 5 s, and one in twenty is lost.",
        "What is approved is covered at the venue, every figure's age counts from the request, and all converges.",
    ),
    (
        "N13",
        "The stream lives and REST is dead, or the other way round.",
        "Each channel's health is told apart; orders are judged on the one that lives.",
    ),
    (
        "N14",
        "The certificate is expired, for another name, or of an unknown authority.",
        "The venue is not spoken to, and never without encryption.",
    ),
    ("N15", "A captive portal answers 200 with a page of HTML.", "No answer of the venue's: refused, nothing moves."),
    (
        "N16",
        "The venue closes a kept connection in the moment of its next use.",
        "A read is asked again on a new connection; an order never is.",
    ),
    (
        "H1",
        "429 with any `Retry-After`: seconds, a date, nonsense, a billion.",
        "Nothing is asked of the venue before that time, a minute at most, and no breaker opens.",
    ),
    (
        "H2",
        "500, 502, 503, 504 or 520 to 526 with a page of HTML.",
        "Nothing moves, the breakers count it, and close by themselves.",
    ),
    (
        "H3",
        "500 with an error of the venue's in JSON.",
        "The body says what is wrong, the status only where it does not; an order behind a 5xx stays unknown.",
    ),
    ("H4", "200 with an error in the envelope, a result beside it or not.", "An error, whatever stands beside it."),
    ("H5", "200 with a warning beside the result.", "The result counts and the warning is told."),
    ("H6", "A redirect to another host.", "Never followed: no signed header reaches another host."),
    (
        "H7",
        "No body, a wrong length, chunks without the last one.",
        "Refused with an error of its own; figures and their times stay as they were.",
    ),
    (
        "H8",
        "Another content type, another character set, a byte order mark.",
        "Read for what it is, to the last digit, or refused.",
    ),
    ("H9", "A compressed bomb, or a compression that is none.", "Refused within a bound of memory."),
    ("H10", "A body without end, 100,000 headers, a header of a megabyte.", "Refused at a bound."),
    (
        "H12",
        "One page of several is lost.",
        "All pages or none: what lies between the pages of a history proves nothing about an order.",
    ),
    (
        "W1",
        "The stream's handshake is refused: 401, 403, 429, 502, or never answered.",
        "Tried again ever more seldom, with jitter, far below the venue's limit of connections; REST goes on.",
    ),
    (
        "W2",
        "The stream falls silent, or acknowledges and never delivers, or one channel freezes.",
        "Noticed within the documented bound, and live again only on figures asked for afterwards.",
    ),
    ("W3", "A ping is not answered, or too late.", "The connection is dead, and a late answer does not revive it."),
    (
        "W4",
        "The connection closes, with any code, in any phase.",
        "Every connection starts from snapshots of its own.",
    ),
    (
        "W5",
        "Numbers are missing, come twice, go back, or start again.",
        "Nothing behind the break is applied before a new snapshot.",
    ),
    (
        "W6",
        "Updates before the snapshot, a second snapshot, an empty one.",
        "What comes too early counts for nothing; an empty snapshot is confirmed by a different read before it counts.",
    ),
    (
        "W7",
        "An acknowledgement for another channel, or a refused subscription.",
        "Not ready, with the cause named, until every channel has delivered.",
    ),
    ("W8", "The stream's token has expired.", "A new one is fetched; figures wait for the new snapshot."),
    ("W9", "Rows of another wallet: futures, staking, somebody else's.", "Never part of what spot orders may spend."),
    (
        "W10",
        "The stream and REST state different totals.",
        "Decided by when each was true, never by which arrived last; a difference that stays is told.",
    ),
    (
        "W11",
        "Fragments, 16 MB messages, compressed bombs, binary, broken UTF-8.",
        "What is no plain text message ends the connection, with the right code.",
    ),
    (
        "W12",
        "Messages come faster than they are read.",
        "The queue is bounded; what overflows is a gap, and a gap asks for a new snapshot.",
    ),
    (
        "W13",
        "The venue closes every connection for its own reasons, announced or not.",
        "Connected again, and nothing is approved on a figure from before.",
    ),
    (
        "W14",
        "A channel is acknowledged and stays mute, because the key may not have it.",
        "Not ready; the broker says which channel does not deliver.",
    ),
    ("B1", "JSON cut after any of its bytes, the transport fine.", "Refused by name; nothing moves."),
    (
        "B2",
        "What is no amount: NaN, infinities, 1e400, blanks, `1_000`, foreign digits, null, objects.",
        "The whole answer is refused; no float is ever made of it.",
    ),
    ("B3", "A negative balance.", "Refused where no credit line explains it; spendable is never below zero."),
    (
        "B4",
        "More is held than owned.",
        "Shown as stated; nothing of it is spendable, and a discrepancy is recorded.",
    ),
    ("B5", "10^30, 10^-30, forty digits.", "Every digit is kept."),
    ("B6", "A key twice in one object.", "Refused: nobody can say which of the two is meant."),
    (
        "B7",
        "Aliases, suffixes, two codes of one asset, codes that nobody lists.",
        "Rows that earn belong to their asset, locked ones are never spendable, and a collision is refused.",
    ),
    ("B8", "The same amount as text, as a number, with an exponent.", "The same decimal."),
    (
        "B9",
        "Fields that are missing, renamed or new.",
        "New ones do not matter; a missing amount is never taken for zero.",
    ),
    (
        "B10",
        "An asset is missing from a full answer.",
        "Zero only once a different read says so too; an update says nothing about others.",
    ),
    ("B11", "Markup in names and errors.", "Text, wherever it is shown."),
    ("B12", "Line breaks, NUL, right-to-left marks, endless names.", "One line in the log, whatever they hold."),
    ("B13", "Lists nested 100,000 deep.", "Refused; nothing crashes."),
    (
        "B14",
        "Good JSON that answers another question, or another venue's.",
        "Its shape is checked: refused, nothing moves.",
    ),
    (
        "B15",
        "An answer that says that nothing is there, in four forms.",
        "Applied once a different read agrees, and not before.",
    ),
    (
        "T1",
        "Our wall clock goes back by an hour, also over a restart.",
        "Nonces go on above the durable mark; ages run on a clock that nobody steps.",
    ),
    (
        "T2",
        "Our wall clock goes on by a day, and back.",
        "Nonces stay near the venue's time: a step burns none.",
    ),
    ("T3", "The venue's clock is off by 31 s.", "The offset is measured, and orders carry the venue's time."),
    ("T4", "The clock drifts, slews, or has a leap second.", "No age is ever negative."),
    (
        "T5",
        "The machine sleeps for ten minutes.",
        "Everything is stale at once: refused first, refreshed next.",
    ),
    ("T7", "The venue's time stands still, runs back, or has another unit.", "Not believed; nothing is signed by it."),
    (
        "L1",
        "The call counter of the lowest tier is used up, the engine's is, or the venue locks the key out.",
        "Calls wait for their turn and orders go first; during a lockout nothing reaches the venue.",
    ),
    (
        "L3",
        "Reads use up what orders need.",
        "A reserve belongs to orders: none is refused for the counter, and none waits behind reads.",
    ),
    (
        "A1",
        "The key is revoked while it is used.",
        "Parked with that cause; at most one signed call in five minutes, and no breaker opens.",
    ),
    (
        "A2",
        "The key loses a right, or has the right to withdraw.",
        "The missing right is named and only its calls are left out; a right to withdraw is warned of.",
    ),
    (
        "A3",
        "A wrong secret, an expired key, a line break behind a secret, a key of the other environment.",
        "Each has a cause of its own.",
    ),
    (
        "A5",
        "The keys of two accounts change places.",
        "The account behind a key is pinned: another one is refused before anything of it is shown.",
    ),
    (
        "V1",
        "Maintenance, cancel-only, post-only, limit-only, reduce-only.",
        "What the venue does not take is refused here, by that name; cancels always go.",
    ),
    (
        "V2",
        "Orders filled in parts; fees in base, in a third asset, or paid to us.",
        "Reservations shrink by exactly what was filled and end with the order.",
    ),
    (
        "V3",
        "An error that does not say whether the order was taken.",
        "Unknown until the venue's lists say so; never sent again.",
    ),
    (
        "V4",
        "An order is filled and over before anybody looks, and nobody told.",
        "Found among fills and closed orders.",
    ),
    (
        "V5",
        "Others trade, withdraw, stake and deposit on the same account.",
        "Seen within the bound; claims that are left without money are told of.",
    ),
    (
        "V6",
        "Balances lag behind fills, open orders are not yet listed, REST answers from a replica.",
        "The larger of what is held and what is reserved counts, until both are seen.",
    ),
    (
        "V7",
        "Holds are rounded up; minimums, ticks and lots.",
        "The buffer covers it: what was approved is not refused for funds, and what is too small is refused here.",
    ),
    (
        "V8",
        "A second order under one client order id.",
        "There is one order; the refusal of the second never releases its money.",
    ),
    ("V9", "An instrument is delisted or closed.", "Refused by name, before anything is sent."),
    (
        "V10",
        "The account's own terms change: a credit line, another tier of margin.",
        "Credit is shown in available and is never spendable.",
    ),
    ("V11", "The venue ends an order for reasons of its own.", "Its money is released with that word, at once."),
)

ROWS: Final[dict[str, Row]] = {name: Row(name=name, fault=fault, holds=holds) for name, fault, holds in _TEXTS}
"""Every row by its name."""
