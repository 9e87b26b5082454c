"""What one call at Coinbase costs in code: making its token, and reading its answer."""

from __future__ import annotations

import base64
from decimal import Decimal

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import payloads_coinbase
from bench.clients import ask
from bench.figures import Figure, Scale, beside, cost_figure
from holdfast.venues.coinbase import balances
from holdfast.venues.coinbase.sign import PrivateKey, Signer

__all__ = ["parsing", "sign"]

_SIZES = (30, 250)
_NAME = "organizations/00000000-0000-0000-0000-000000000000/apiKeys/11111111-2222-4333-8444-555555555555"
_URI = "GET api.coinbase.com/api/v3/brokerage/accounts"
_NOW_US = 1_795_158_000_000_000
_NONCE = "ab" * 16
_AT_LEAST_FASTER_THAN_CCXT = 5.0


def _encoded(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def sign(scale: Scale) -> list[Figure]:
    """The token of one private call, for both kinds of keys; the floor has everything but nonce and times ready."""
    elliptic = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    seed = base64.b64encode(bytes(range(32))).decode()
    figures = []
    for algorithm, key, secret in (("ES256", elliptic, pem), ("EdDSA", edwards, seed)):
        took_us = _sign_once(algorithm, key, scale)
        order = {
            "what": "sign",
            "key": _NAME,
            "secret": secret,
            "calls": scale.of(500, 20),
            "repeats": scale.repeats,
        }
        peers = {
            "coinbase-advanced-py": ask("coinbase-advanced-py", "coinbase_sdk_calls", order, "sign")["sign"],
        }
        if algorithm == "ES256":
            peers["ccxt"] = ask("ccxt", "ccxt_coinbase_calls", order, "sign")["sign"]
        figures.append(
            cost_figure(
                "sign_coinbase",
                f"accounts, {algorithm}",
                unit="µs",
                floor=took_us["floor"],
                ours=took_us["ours"],
                at_most=1.3,
                peers=peers,
            )
        )
    return figures


def _sign_once(algorithm: str, key: PrivateKey, scale: Scale) -> dict[str, float]:
    signer = Signer(_NAME, key)
    ecdsa = ec.ECDSA(hashes.SHA256())
    begins_s = _NOW_US // 1_000_000 - 5
    head = f'{{"alg":"{algorithm}","typ":"JWT","kid":"{_NAME}","nonce":"'

    def unsigned() -> bytes:
        claims = f'{{"sub":"{_NAME}","iss":"cdp","nbf":{begins_s},"exp":{begins_s + 120},"uri":"{_URI}"}}'
        return _encoded(f'{head}{_NONCE}"}}'.encode()) + b"." + _encoded(claims.encode())

    def floor() -> str:
        signed = unsigned()
        if isinstance(key, ed25519.Ed25519PrivateKey):
            signature = key.sign(signed)
        else:
            r, s = decode_dss_signature(key.sign(signed, ecdsa))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return (signed + b"." + _encoded(signature)).decode()

    def ours() -> str:
        return signer.token(now_us=_NOW_US, nonce=_NONCE, uri=_URI)

    if floor().rpartition(".")[0] != ours().rpartition(".")[0]:
        raise RuntimeError("the tokens differ: the two do not do the same work")
    return beside({"floor": floor, "ours": ours}, calls=scale.of(2_000, 50), repeats=scale.repeats)


class _Money(msgspec.Struct):
    value: Decimal
    currency: str


class _Row(msgspec.Struct):
    """What decides a balance, and what says whether it counts."""

    uuid: str
    currency: str
    available_balance: _Money
    active: bool
    deleted_at: str | None
    type: str
    hold: _Money
    platform: str


class _Answer(msgspec.Struct):
    accounts: list[_Row]
    has_next: bool
    cursor: str


def parsing(scale: Scale) -> list[Figure]:
    """A page of ``accounts``, from its bytes to exact holdings; the floor decodes types and judges nothing."""
    decode = msgspec.json.Decoder(_Answer).decode
    bodies = {size: payloads_coinbase.accounts(size) for size in _SIZES}
    order = {
        "what": "parse",
        "calls": scale.of(200, 5),
        "repeats": scale.repeats,
        "bodies": {str(size): body.decode() for size, body in bodies.items()},
    }
    theirs = {
        "ccxt": ask("ccxt", "ccxt_coinbase_calls", order, *order["bodies"]),  # type: ignore[misc]
        "coinbase-advanced-py": ask("coinbase-advanced-py", "coinbase_sdk_calls", order, *order["bodies"]),  # type: ignore[misc]
    }
    figures = []
    for size, body in bodies.items():

        def ours(body: bytes = body) -> object:
            return balances.holdings_of(balances.page(body).wallets)

        def floor(body: bytes = body) -> object:
            return decode(body)

        if len(balances.holdings_of(balances.page(body).wallets)) != size:
            raise RuntimeError("not every currency was read")
        took_us = beside({"floor": floor, "ours": ours}, calls=scale.of(60_000 // size, 10), repeats=scale.repeats)
        figure = cost_figure(
            "parse_coinbase",
            f"accounts, {size} currencies",
            unit="µs",
            floor=took_us["floor"],
            ours=took_us["ours"],
            at_most=2.0,
            peers={client: answers[str(size)] for client, answers in theirs.items()},
        )
        peer = theirs["ccxt"][str(size)]
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
