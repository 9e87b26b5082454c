"""Open positions of OKX: none in spot mode, and what another mode would show is told all the same."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from holdfast.errors import PayloadError
from holdfast.venues.okx.positions import positions
from tests.venues.okx.samples import listing

D = Decimal

# The documented fields, with made-up values: it proves how we read them, and not what OKX sends.
LONG: dict[str, Any] = {
    "instType": "MARGIN",
    "instId": "BTC-USDT",
    "posId": "307173036051017730",
    "posSide": "net",
    "pos": "0.5",
    "posCcy": "BTC",
    "liab": "-20000",
    "liabCcy": "USDT",
    "margin": "10000",
    "upl": "-12.5",
    "cTime": "1790000000123",
    "lever": "3",
}
SHORT = {**LONG, "posId": "2", "pos": "20000", "posCcy": "USDT", "liab": "-0.5", "liabCcy": "BTC", "upl": ""}


def answer(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": list(rows)}).encode()


def test_an_account_in_spot_mode_has_none() -> None:
    assert positions(answer(), listing()) == ((), ())
    assert positions(answer({**LONG, "pos": "0"}), listing()) == ((), ())


def test_margin_positions_count_in_base_whichever_way_they_gain() -> None:
    (long, short), others = positions(answer(LONG, SHORT), listing())
    assert others == ()
    assert (long.symbol, long.side, long.quantity, long.margin) == ("BTC-USDT", "long", D("0.5"), D("10000"))
    assert (long.unrealised, long.opened_at_s) == (D("-12.5"), 1790000000.123)
    assert (short.side, short.quantity, short.unrealised) == ("short", D("0.5"), None)


def test_what_has_no_place_here_is_said_in_a_sentence() -> None:
    swap = {**LONG, "instType": "SWAP", "instId": "BTC-USDT-SWAP", "pos": "-7", "posCcy": ""}
    found, (derivative, unlisted) = positions(answer(swap, {**LONG, "instId": "NEW-USDT"}), listing())
    assert found == ()
    assert "-7 in 'SWAP' 'BTC-USDT-SWAP': holdfast trades spot only" in derivative
    assert "'NEW-USDT', which it does not list" in unlisted


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"code":"0","msg":""}',
        b'{"code":"1","msg":"no","data":[]}',
        answer({**LONG, "pos": ""}),
        answer({**LONG, "pos": "NaN"}),
        answer({**SHORT, "liab": ""}),
        answer({**SHORT, "liabCcy": "ETH"}),
        answer({**LONG, "cTime": "yesterday"}),
        answer({name: value for name, value in LONG.items() if name != "posId"}),
    ],
)
def test_what_is_no_list_of_positions_is_refused_and_never_none(body: bytes) -> None:
    with pytest.raises(PayloadError):
        positions(body, listing())
