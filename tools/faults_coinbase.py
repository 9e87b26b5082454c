"""The page of Coinbase's faults: every word of the table with what it means for an order, and what says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from holdfast.errors import FaultClass, Outcome
from holdfast.venues.coinbase import errors
from holdfast.venues.coinbase.errors import After

__all__ = ["faults_coinbase_page"]

WORDS = """\
Coinbase answers with words: a request's `error` (in two envelopes), an order's refusal (in any of three fields), a
preview's list, a cancel's `failure_reason`, a stream's `message`. They are one vocabulary: compared in capitals, blanks
as underscores, `PREVIEW_` in front dropped. `*` stands for a family, and the exact word decides before it. A word that
is not here is a `venue` fault, `unknown` for an order, and is not asked again. The date of every source is 2026-11-20.
"""

STATUSES = """\
The status says whose answer it is, whatever word is in it. A token that is refused is no bad key yet: the key is
parked (`bad_key`) after three refusals in a row over half a minute, with clocks compared before each.
"""

PARKING = """\
Why a credential is parked, and what ends it, is on the page of
[Kraken's faults](faults-kraken.md#why-a-credential-is-parked): the causes are the same everywhere, without those of
nonces.
"""

_THEN: Final = {
    After.NEW_TOKEN: "the clocks are compared; a read: once more with a fresh token",
    After.MISSING_RIGHT: "this call is left out for 5 minutes",
    After.WAIT: "a pause",
    After.LOOK_UP: "the order is looked up by our id: it is there already",
    After.NOT_AGAIN: "not again",
    After.AGAIN: "a read: again after a pause",
}


def faults_coinbase_page(
    *, introduction: str, table: Callable[[tuple[str, ...], Iterator[tuple[str, ...]]], str], code: Callable[[str], str]
) -> str:
    """The page's text; *introduction* says what classes and outcomes are, as on every venue's page."""

    def words() -> Iterator[tuple[str, ...]]:
        for row in sorted(errors.TABLE, key=lambda row: (list(FaultClass).index(row.fault), row.word)):
            shown = code(row.fault.value), code(row.outcome.value), code(row.error.__name__)
            yield code(row.word), *shown, _THEN[row.after], f"<{row.source}>"

    def statuses() -> Iterator[tuple[str, ...]]:
        envelope = b'{"errors":[{"id":"rate_limit_exceeded"}]}'
        for said, status, body in (
            ("HTTP 401, whatever the body", 401, b"Unauthorized"),
            ("HTTP 403 in one of Coinbase's envelopes", 403, b'{"error":"PERMISSION_DENIED"}'),
            ("HTTP 404 in one of Coinbase's envelopes", 404, b'{"error":"NOT_FOUND"}'),
            ("HTTP 429 with a word for it", 429, envelope),
            ("HTTP 429 without one", 429, b"slow down"),
            ("HTTP 503", 503, b""),
            ("any other HTTP 5xx", 502, b""),
            ("any other status without an envelope", 418, b""),
        ):
            error, then = errors.of_status(status, body, request="orders", account=None, wait_s=None)
            yield said, code(error.fault.value), code(error.outcome.value), code(type(error).__name__), _THEN[then]
        network, unknown = code(FaultClass.NETWORK.value), code(Outcome.UNKNOWN.value)
        unsent = code(Outcome.NEVER_SENT.value)
        yield "no connection: refused, no name, no TLS", network, unsent, code("VenueUnreachableError"), "a read: again"
        yield "sent, and no whole answer in time", network, unknown, code("OutcomeUnknownError"), "a read: again"
        what = "200 and no answer of Coinbase's, too large, a wrong amount, a cached one"
        yield what, code(FaultClass.PAYLOAD.value), unknown, code("PayloadError"), "not again"

    heads = ("class", "an order is", "error", "and then")
    return "\n".join(
        [
            "# Faults of Coinbase\n",
            introduction,
            "## What Coinbase says\n",
            WORDS,
            table(("word", *heads, "source"), words()),
            "## What says nothing\n",
            STATUSES,
            table(("what comes", *heads), statuses()),
            PARKING,
        ]
    )
