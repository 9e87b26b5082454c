"""Open margin positions of Kraken: the documented sample, and answers that are none."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.positions import MarginPosition
from holdfast.errors import PayloadError
from holdfast.venues.kraken.positions import open_positions
from tests.venues.kraken.samples import listing, sample

D = Decimal


def changed(**fields: Any) -> bytes:
    """The sample's second position with other fields; None takes one away."""
    whole = json.loads(sample("http_open_positions"))
    row = whole["result"]["T24DOR-TAFLM-ID3NYP"]
    row.update(fields)
    whole["result"] = {"T24DOR-TAFLM-ID3NYP": {name: value for name, value in row.items() if value is not None}}
    return json.dumps(whole).encode()


def one(**fields: Any) -> MarginPosition:
    [found] = open_positions(changed(**fields), listing())
    return found


def test_positions_are_what_of_them_is_open_with_the_venues_own_figures() -> None:
    first, second = open_positions(sample("http_open_positions"), listing())
    assert (first.position_id, first.symbol, first.venue_symbol) == ("TF5GVO-T7ZZ2-6NBKBI", "BTC-USD", "XXBTZUSD")
    assert (first.side, first.quantity) == ("long", D("8.62212861"))
    assert (first.cost, first.fee, first.margin) == (D("104610.52842"), D("289.06565"), D("20922.10568"))
    assert (first.value, first.unrealised) == (D("258797.5"), D("154186.9728"))
    assert first.opened_at_s == 1605280097.8294
    assert second.quantity == 8


def test_a_short_one_loses_when_the_price_rises_and_figures_that_were_not_asked_for_are_none() -> None:
    short = one(type="sell", net="-12.5000", value=None)
    assert (short.side, short.unrealised, short.value) == ("short", D("-12.5"), None)
    bare = one(cost=None, fee=None, margin=None, value=None, net=None, time=None)
    assert (bare.cost, bare.fee, bare.margin, bare.unrealised, bare.opened_at_s) == (None, None, None, None, None)


def test_an_instrument_that_is_not_listed_keeps_its_own_name() -> None:
    assert (one(pair="NEWUSD").symbol, one(pair="NEWUSD").venue_symbol) == (None, "NEWUSD")


def test_none_is_none_and_a_closed_one_is_passed_over() -> None:
    assert open_positions(b'{"error":[],"result":{}}', listing()) == ()
    assert open_positions(changed(posstatus="closed"), listing()) == ()


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[]}',
        b'{"error":[],"result":null}',
        b'{"error":[],"result":[]}',
        b"{}",
        changed(vol=None),
        changed(vol="8", vol_closed="8"),
        changed(vol="8", vol_closed="-1"),
        changed(vol="NaN"),
        changed(type="hold"),
        changed(net="++1"),
        changed(time=-1),
    ],
)
def test_what_is_no_list_of_positions_is_refused_and_never_none(body: bytes) -> None:
    with pytest.raises(PayloadError):
        open_positions(body, listing())
