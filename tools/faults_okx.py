"""The page of OKX's faults: every code of the table with what it means for an order, and what says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from holdfast.errors import FaultClass, Outcome
from holdfast.venues.okx import errors
from holdfast.venues.okx.errors import After

__all__ = ["faults_okx_page"]

CODES = """\
OKX answers with codes of five digits. One stands in the envelope, one in each item (`sCode`), and the item's counts
where it is; a detail behind an underscore is dropped. Its words are translated and reworded, and nothing is judged by
them but for the name of a wrong parameter: `51000` that names another one than `clOrdId` is a plain refusal. A code
that is not here is a `venue` fault, `unknown` for an order, and is not asked again. The date of every source is
2026-11-20.
"""

WITHOUT = """\
What comes without a code of OKX's own, or does not come at all.
"""

PARKED = """\
Why a credential is parked, and what ends it, is on the page of
[Kraken's faults](faults-kraken.md#why-a-credential-is-parked): the causes are the same everywhere, without those of
nonces.
"""

_THEN: Final = {
    After.BAD_KEY: "the key is parked",
    After.CLOCK: "the clocks are compared; a read: once more, then the key is parked for a minute",
    After.MISSING_RIGHT: "this call is left out for 5 minutes",
    After.WAIT: "a pause",
    After.FIND: "the order is looked up by our id: it may be there already",
    After.LOGIN: "the stream connects anew",
    After.NOT_AGAIN: "not again",
    After.AGAIN: "a read: again after a pause",
}


def faults_okx_page(
    *, introduction: str, table: Callable[[tuple[str, ...], Iterator[tuple[str, ...]]], str], code: Callable[[str], str]
) -> str:
    """The page's text; *introduction* says what classes and outcomes are, as on every venue's page."""

    def codes() -> Iterator[tuple[str, ...]]:
        for row in sorted(errors.TABLE, key=lambda row: (list(FaultClass).index(row.fault), row.code)):
            shown = code(row.fault.value), code(row.outcome.value), code(row.error.__name__)
            yield code(row.code), *shown, _THEN[row.after], f"<{row.source}>"

    def others() -> Iterator[tuple[str, ...]]:
        for said, status in (("HTTP 429", 429), ("HTTP 5xx", 503), ("any other status", 404)):
            error, then = errors.error_of_status(status, request="trade/order", account=None, asked_to_wait_s=None)
            shown = code(error.fault.value), code(error.outcome.value), code(type(error).__name__)
            yield f"{said}, a body that is none of OKX's", *shown, _THEN[then]
        network, unknown = code(FaultClass.NETWORK.value), code(Outcome.UNKNOWN.value)
        unsent = code(Outcome.NEVER_SENT.value)
        yield "no connection: refused, no name, no TLS", network, unsent, code("VenueUnreachableError"), "a read: again"
        yield "sent, and no whole answer in time", network, unknown, code("OutcomeUnknownError"), "a read: again"
        yield (
            "an order's answer lost with its stream",
            network,
            unknown,
            code("OutcomeUnknownError"),
            "it is looked for",
        )
        what = "200 and no answer of OKX's, too large, a wrong amount, a cached one"
        yield what, code(FaultClass.PAYLOAD.value), unknown, code("PayloadError"), "not again"

    heads = ("class", "an order is", "error", "and then")
    return "\n".join(
        [
            "# Faults of OKX\n",
            introduction,
            "## What OKX says\n",
            CODES,
            table(("code", *heads, "source"), codes()),
            "## What says nothing\n",
            WITHOUT,
            table(("what comes", *heads), others()),
            PARKED,
        ]
    )
