"""
Kraken's private stream frames to our values. Pure: bytes in, values or a named refusal out.

Frames carry money as JSON numbers, so they are never decoded through floats. The frame that comes with every trade, a
``balances`` update, has a fast way with the same proof as the REST balances (``parse``): a count of quotation marks
shows that the money fields were numbers and that nothing else was there; the arithmetic's own bounds do the rest.

The balances need a memory of one connection: which wallets an asset has, because an update's ``balance`` is the asset's
total only where there is one. Orders have a room of their own (``executions``).

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/balances (checked 2026-11-20)
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.amounts import MAX_DIGITS, MAX_EXPONENT, ZERO, subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Delta, Holding, Snapshot, Source
from holdfast.core.payloads import decode_strictly
from holdfast.errors import PayloadError
from holdfast.venues.kraken import wire
from holdfast.venues.kraken.parse import amount
from holdfast.venues.kraken.symbols import Names

__all__ = ["BALANCES_UPDATE", "HEARTBEAT", "Wallets", "decode", "rows_of"]

HEARTBEAT: Final = b'{"channel":"heartbeat"}'

BALANCES_UPDATE: Final = b'{"channel":"balances","type":"update",'

# The wallets of Kraken Rewards, which earn by themselves and trade through the plain asset, as ".F" does in REST: the
# balances page calls that program's wallet "liquid", the Earn pages call the same program "flex". Other earn wallets
# (bonded, locked, flexible and ids yet to come) are locked: their REST rows are assets of their own, which this channel
# cannot name, so it says nothing about them.
# Source: https://docs.kraken.com/api-reference/earn/list-earn-strategies (checked 2026-11-20)
_COUNTED_EARN: Final = frozenset({("earn", "liquid"), ("earn", "flex")})

# Causes of which Kraken writes one row per asset under one ref_id.
_TWO_LEGGED: Final = frozenset({"trade", "conversion"})

# Moves between two wallets of one asset, a row for each under one ref_id: with the first alone an asset whose spot
# wallet is swept into Kraken Rewards would read zero.
# Source: https://docs.kraken.com/api-reference/websocket-v2/user-data/balances (checked 2026-11-20)
_WALLET_MOVES: Final = frozenset({"spottostaking", "stakingfromspot", "stakingtospot", "spotfromstaking"})

# A context that raises where a result breaks the bounds of parse_amount. Amount and fee are judged by their difference
# only: 1e41 less 1 gets by, which is exact and no larger than what gets by in digits.
_BOUNDED: Final = decimal.Context(
    prec=MAX_DIGITS,
    Emin=-MAX_EXPONENT,
    Emax=MAX_EXPONENT,
    traps=[
        decimal.InvalidOperation,
        decimal.Clamped,
        decimal.Inexact,
        decimal.Rounded,
        decimal.Overflow,
        decimal.Subnormal,
        decimal.FloatOperation,
    ],
)

_plus, _subtract = _BOUNDED.plus, _BOUNDED.subtract

T = TypeVar("T")


def decode(frame: bytes) -> wire.Frame:
    """
    Any frame, the careful way.

    Raises:
        PayloadError: Not a frame.
    """
    return decode_strictly(frame, wire.Frame)


def rows_of(data: Any, shape: type[T], channel: str) -> list[T]:
    """
    The rows of a frame.

    Raises:
        PayloadError: There are none, or they have another shape.
    """
    if data is None:
        raise PayloadError(f"{channel}: no data")
    try:
        return msgspec.convert(data, list[shape], strict=False)  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise PayloadError(f"{channel}: not of the expected shape: {error}") from None


# Balances


_Wallet = str | tuple[str, str]
"""A spot wallet by its id, any other with its type."""

_MANY: Final = ("", "")

_decode_update: Final = msgspec.json.Decoder(wire.FastBalancesUpdate).decode


class Wallets:
    """
    What one connection's ``balances`` channel has said about where assets are kept.

    Args:
        names: The listing to translate with.
        on_credit: Assets with a credit line: only these may be negative.
        omits: Assets this channel cannot speak of.
    """

    def __init__(
        self, names: Names, *, on_credit: frozenset[AssetCode] = frozenset(), omits: frozenset[AssetCode] = frozenset()
    ) -> None:
        self.names = names
        self._on_credit = on_credit
        self._omits = omits
        self._only: dict[AssetCode, _Wallet] = {}
        """The one wallet an asset has, or ``_MANY``."""

    def learn(self, names: Names, *, on_credit: frozenset[AssetCode], omits: frozenset[AssetCode]) -> None:
        """Take what REST has found out since; what this channel said of wallets stays."""
        self.names = names
        self._on_credit = on_credit
        self._omits = omits

    def stated(self, rows: list[wire.BalancesSnapshotRow], *, as_of_s: float) -> Snapshot:
        """
        A snapshot: held assets only, so absence means zero; locked wallets are left out.

        Raises:
            PayloadError: An asset twice, a wallet twice, a negative total that no credit line explains.
            AmountError: Money that is no amount.
            UnknownAssetError: An asset that Kraken does not list.
        """
        only: dict[AssetCode, _Wallet] = {}
        holdings: dict[AssetCode, Holding] = {}
        for row in rows:
            if row.user is not None:
                continue  # Another account's, in a master's stream.
            code = self.names.streamed_asset(row.asset)
            if code is None:
                continue
            where = f"balances {code}"
            if code in holdings:
                raise PayloadError(f"{where}: stated twice")
            total = amount(row.balance, f"{where}.balance")
            wallets: dict[_Wallet, Decimal] = {}
            for wallet in row.wallets:
                name = _wallet(wallet.type, wallet.id)
                if name in wallets:
                    raise PayloadError(f"{where}: wallet {ascii(wallet.id)[:40]} stated twice")
                wallets[name] = amount(wallet.balance, f"{where} wallet {ascii(wallet.id)[:40]}")
            locked = total_of(part for name, part in wallets.items() if not _is_counted(name))
            total = subtract(total, locked) if locked else total
            if total < 0 and code not in self._on_credit:
                raise PayloadError(f"{where}: {total} is negative, and no credit line explains it")
            if wallets:
                only[code] = next(iter(wallets)) if len(wallets) == 1 else _MANY
            holdings[code] = Holding(asset=code, total=total)
        self._only = only
        return Snapshot(
            read="balances",
            source=Source.STREAM,
            as_of_s=as_of_s,
            holdings=holdings,
            states_holds=False,
            omits=self._omits.difference(holdings),
        )

    def moved_fast(self, frame: bytes, as_of_s: float) -> tuple[int, list[Delta]] | None:
        """
        Sequence and deltas of an update in its usual form, one row; None where it has to be read the careful way.

        Source of the usual form: the sample of the channel's page (checked 2026-11-20).

        Raises:
            PayloadError: A negative total that no credit line explains.
        """
        try:
            update = _decode_update(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        if len(update.data) != 1:
            return None
        row = update.data[0]
        # Quotation marks: four keys and two texts outside, twelve keys and nine texts in the row, and the optional one.
        if frame.count(b'"') != (54 if row.subtype is None else 58):
            return None
        fee = row.fee
        try:
            total = _plus(row.balance)
            change = _subtract(row.amount, fee) if fee else _plus(row.amount)
        except decimal.DecimalException:
            return None
        code, kind = row.asset, row.type
        if row.wallet_id == self._only.get(code) and row.wallet_type == "spot" and not total.is_signed():
            # The one wallet of a known asset, as nearly always: what _delta says of it, without asking.
            delta: Delta | None = Delta(
                asset=code,
                change=change,
                total=total,
                kind=kind,
                ref=row.ref_id,
                has_other_leg=kind in _TWO_LEGGED or row.subtype in _WALLET_MOVES,
                as_of_s=as_of_s,
                entry=row.ledger_id,
            )
        elif code in self.names.assets:
            delta = self._delta(
                code,
                row.wallet_type,
                row.wallet_id,
                change=change,
                balance=total,
                kind=kind,
                subtype=row.subtype,
                ref=row.ref_id,
                entry=row.ledger_id,
                as_of_s=as_of_s,
            )
        else:
            return None
        return update.sequence, [] if delta is None else [delta]

    def moved(self, rows: list[wire.BalancesUpdateRow], *, as_of_s: float) -> list[Delta]:
        """
        The deltas of an update: ledger transactions, amount signed, fee positive and charged in the same asset.

        Raises:
            PayloadError: A negative total that no credit line explains.
            AmountError: Money that is no amount.
            UnknownAssetError: An asset that Kraken does not list.
        """
        deltas: list[Delta] = []
        for row in rows:
            if row.user is not None:
                continue
            code = self.names.streamed_asset(row.asset)
            if code is None:
                continue
            where = f"balances {code}"
            delta = self._delta(
                code,
                row.wallet_type,
                row.wallet_id,
                change=subtract(amount(row.amount, f"{where}.amount"), amount(row.fee, f"{where}.fee")),
                balance=amount(row.balance, f"{where}.balance"),
                kind=row.type,
                subtype=row.subtype,
                ref=row.ref_id,
                entry=row.ledger_id,
                as_of_s=as_of_s,
            )
            if delta is not None:
                deltas.append(delta)
        return deltas

    def _delta(
        self,
        code: AssetCode,
        wallet_type: str,
        wallet_id: str,
        *,
        change: Decimal,
        balance: Decimal,
        kind: str,
        subtype: str | None,
        ref: str | None,
        entry: str | None,
        as_of_s: float,
    ) -> Delta | None:
        wallet = _wallet(wallet_type, wallet_id)
        only = self._only.get(code)
        if only is None:
            self._only[code] = wallet
        elif only != wallet:
            self._only[code] = _MANY
        is_wallet_move = subtype in _WALLET_MOVES
        is_counted = _is_counted(wallet)
        if not is_counted:
            if not is_wallet_move:
                return None
            change = ZERO  # Of nothing that is shown: it tells that the move is whole.
        # Whether "balance" is the wallet's or the asset's is not said: with one wallet it is both.
        total = balance if is_counted and (only is None or only == wallet) else None
        if total is not None and total < 0 and code not in self._on_credit:
            raise PayloadError(f"balances {code}: {total} is negative, and no credit line explains it")
        return Delta(
            asset=code,
            change=change,
            total=total,
            kind=kind,
            ref=ref,
            has_other_leg=kind in _TWO_LEGGED or is_wallet_move,
            as_of_s=as_of_s,
            entry=entry,
        )


def _wallet(wallet_type: str, wallet_id: str) -> _Wallet:
    return wallet_id if wallet_type == "spot" else (wallet_type, wallet_id)


def _is_counted(wallet: _Wallet) -> bool:
    return type(wallet) is str or wallet in _COUNTED_EARN
