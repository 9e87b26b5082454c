"""What one call at OKX costs in code: signing it, and reading its answer."""

from __future__ import annotations

import base64
import hmac
from decimal import Decimal

import msgspec

from bench import payloads_okx
from bench.clients import ask
from bench.figures import Figure, Scale, beside, cost_figure
from holdfast.venues.okx import balances
from holdfast.venues.okx.sign import Signer, check_secret

__all__ = ["parsing", "sign"]

_SIZES = (30, 300)
_SECRET = "0123456789ABCDEF0123456789ABCDEF"  # No one's.
_AT = "2026-01-15T08:30:00.123Z"
_TARGET = "/api/v5/account/balance"
_AT_LEAST_FASTER_THAN_CCXT = 2.0


def sign(scale: Scale) -> list[Figure]:
    """``OK-ACCESS-SIGN`` of one private call."""
    key = _SECRET.encode()
    signer = Signer(check_secret(_SECRET))

    def floor() -> str:
        return base64.b64encode(hmac.digest(key, f"{_AT}GET{_TARGET}".encode(), "sha256")).decode()

    def ours() -> str:
        return signer.sign(_AT, method="GET", target=_TARGET)

    if floor() != ours():
        raise RuntimeError("the signatures differ: the two do not do the same work")
    took_us = beside({"floor": floor, "ours": ours}, calls=scale.of(20_000, 200), repeats=scale.repeats)
    order = {
        "what": "sign",
        "secret": _SECRET,
        "at": _AT,
        "target": _TARGET,
        "expected": floor(),
        "calls": scale.of(5_000, 50),
        "repeats": scale.repeats,
    }
    peers = {
        "ccxt": ask("ccxt", "ccxt_okx_calls", order, "sign")["sign"],
        "python-okx": ask("python-okx", "okx_sdk_calls", order, "sign")["sign"],
    }
    return [
        cost_figure(
            "sign_okx",
            "account/balance",
            unit="µs",
            floor=took_us["floor"],
            ours=took_us["ours"],
            at_most=1.3,
            peers=peers,
        )
    ]


class _Row(msgspec.Struct, rename="camel"):
    """What decides a balance, what stands beside it, and what says whether any of it counts."""

    ccy: str
    cash_bal: Decimal
    avail_bal: Decimal
    frozen_bal: Decimal
    eq: Decimal
    liab: str
    stgy_eq: str
    u_time: str


class _Account(msgspec.Struct, rename="camel"):
    details: list[_Row]
    u_time: str


class _Answer(msgspec.Struct):
    code: str
    data: list[_Account]


def parsing(scale: Scale) -> list[Figure]:
    """``account/balance``, from its bytes to exact holdings; the floor decodes types and judges nothing."""
    decode = msgspec.json.Decoder(_Answer).decode
    bodies = {size: payloads_okx.balance(size) for size in _SIZES}
    order = {
        "what": "parse",
        "secret": _SECRET,
        "calls": scale.of(200, 5),
        "repeats": scale.repeats,
        "bodies": {str(size): body.decode() for size, body in bodies.items()},
    }
    theirs = ask("ccxt", "ccxt_okx_calls", order, *order["bodies"])  # type: ignore[misc]
    figures = []
    for size, body in bodies.items():

        def ours(body: bytes = body) -> object:
            return balances.balance(body)

        def floor(body: bytes = body) -> object:
            return decode(body)

        if len(balances.balance(body).holdings) != size:
            raise RuntimeError("not every currency was read")
        took_us = beside({"floor": floor, "ours": ours}, calls=scale.of(60_000 // size, 10), repeats=scale.repeats)
        peer = theirs[str(size)]
        figure = cost_figure(
            "parse_okx",
            f"account/balance, {size} currencies",
            unit="µs",
            floor=took_us["floor"],
            ours=took_us["ours"],
            at_most=2.5,
            peers={"ccxt": peer},
        )
        if not isinstance(peer, str):
            times = peer / took_us["ours"]
            figure = msgspec.structs.replace(
                figure,
                goal=f"{figure.goal}, ccxt / ours ≥ {_AT_LEAST_FASTER_THAN_CCXT:g}",
                is_met=figure.is_met and times >= _AT_LEAST_FASTER_THAN_CCXT,
                facts={"ccxt_over_ours": round(times, 2)},
            )
        figures.append(figure)
    return figures
