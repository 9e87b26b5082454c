"""
Our claims on money that the venue does not hold yet: check and claim in one step, counted once until they end.

Here are only the sums and the states. What an order's life does to its reservation is in ``intents``; what may be
spent is the ledger's to say, and it takes ``reserved`` off.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount, subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.errors import (
    FundsShortError,
    IntentRepeatedError,
    InvariantError,
    OrderRuleError,
    ReservationStateError,
    UnknownReservationError,
)

__all__ = ["Reservation", "ReservationState", "Reservations"]


class ReservationState(enum.StrEnum):
    """
    Where a reservation stands. The last three are its ends, and it comes to exactly one of them.

    *Active*: counted in full, less what our figures already take off for its order. *Covered*: the venue's own hold is
    known to include it. *In doubt*: its order may or may not be at the venue; counted in full until evidence.
    """

    ACTIVE = "active"
    COVERED = "covered"
    IN_DOUBT = "in_doubt"
    CONSUMED = "consumed"
    RELEASED = "released"
    EXPIRED = "expired"

    @property
    def is_ended(self) -> bool:
        """Whether it claims nothing any more, and never will again."""
        return self in _ENDS


_ENDS = frozenset({ReservationState.CONSUMED, ReservationState.RELEASED, ReservationState.EXPIRED})

_ACTIVE: Final = ReservationState.ACTIVE
_COVERED: Final = ReservationState.COVERED
_IN_DOUBT: Final = ReservationState.IN_DOUBT
_CONSUMED: Final = ReservationState.CONSUMED
_RELEASED: Final = ReservationState.RELEASED
_EXPIRED: Final = ReservationState.EXPIRED


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """
    One claim as it stands; amounts in whole units of ``asset``.

    ``amount`` is what was claimed, ``counted`` what of it is taken off spendable now: never below zero, never above
    ``amount``, and zero once it ended.
    """

    intent_id: str
    asset: AssetCode
    amount: Decimal
    counted: Decimal
    state: ReservationState = ReservationState.ACTIVE
    bot: str | None = None


class Reservations:
    """
    The live claims of one account, with their sums. Never suspends; not safe to share between threads.

    What is asked of a reservation that is not in a state for it raises, and changes nothing. Ended ones are remembered
    by their id, at least the newest ``ended_kept`` of them: an older id is the store's to know.

    Args:
        tell: Called with an asset and its sum wherever that may have changed, in the same step: by
            ``Ledger.set_reserved`` it is taken off spendable.
        ended_kept: How many ended ids are remembered here at least; at most twice as many.
    """

    __slots__ = ("_ended", "_ended_before", "_ended_kept", "_live", "_sums", "_tell")

    def __init__(self, tell: Callable[[AssetCode, Decimal], None] | None = None, *, ended_kept: int = 100_000) -> None:
        self._tell = tell or _tell_nobody
        self._ended_kept = ended_kept
        self._live: dict[str, Reservation] = {}
        # Two generations: dropping the oldest entry of one large dictionary would cost ever more.
        self._ended: dict[str, ReservationState] = {}
        self._ended_before: dict[str, ReservationState] = {}
        self._sums: dict[AssetCode, Decimal] = {}

    def reserve(
        self,
        intent_id: str,
        asset: AssetCode,
        amount: Decimal,
        spendable: Decimal,
        bot: str | None = None,
        budget_left: Decimal | None = None,
    ) -> Reservation:
        """
        Check and claim in one step.

        Args:
            intent_id: The caller's own id, never used before.
            asset: What is claimed.
            amount: How much of it, above zero.
            spendable: What may be spent of it at this moment: the ledger's, which has our claims taken off.
            bot: Whose claim.
            budget_left: What the bot may still claim; None: as much as there is.

        Raises:
            IntentRepeatedError: The id was used before.
            FundsShortError: *amount* exceeds *spendable*.
            OrderRuleError: *amount* exceeds *budget_left*.
            InvariantError: *amount* is no exact amount above zero: a bug of ours.
        """
        if intent_id in self._live or intent_id in self._ended or intent_id in self._ended_before:
            raise IntentRepeatedError(
                f"intent {intent_id!a} was used before: look up what became of it, or choose another id",
                intent_id=intent_id,
            )
        try:
            is_funded = ZERO < amount <= spendable
        except InvalidOperation:  # NaN, where the caller's own decimal context lets that be an error.
            is_funded = False
        if not is_funded:
            raise _unfunded(intent_id, asset, amount, spendable)
        if budget_left is not None and amount > budget_left:
            raise OrderRuleError(
                f"need {format_amount(amount)} {asset}, and {bot!a} has {format_amount(budget_left)} left of its budget"
            )
        reservation = self._live[intent_id] = Reservation(intent_id, asset, amount, amount, _ACTIVE, bot)
        sums = self._sums
        try:
            reserved = add(sums[asset], amount)
        except KeyError:
            reserved = amount
        sums[asset] = reserved
        self._tell(asset, reserved)
        return reservation

    # Ends, of which a reservation comes to one.

    def release(self, intent_id: str, _end: ReservationState = _RELEASED) -> Reservation:
        """
        Nothing was taken: rejected, never sent, absent by evidence, or given back unused; the claim as it was.

        The other ends come here too, once it is known that they may.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It ended before.
        """
        reservation = self._live.pop(intent_id, None)
        if reservation is None:
            raise self._missing(intent_id)
        ended = self._ended
        ended[intent_id] = _end
        if len(ended) >= self._ended_kept:
            self._ended_before, self._ended = ended, {}
        asset, sums = reservation.asset, self._sums
        sums[asset] = reserved = subtract(sums[asset], reservation.counted)
        self._tell(asset, reserved)
        return reservation

    def expire(self, intent_id: str) -> Reservation:
        """
        Nothing was sent on it in time; only of an active one. The claim as it was.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It ended before, or its order is, or may be, at the venue.
        """
        reservation = self._existing(intent_id)
        if reservation.state is not _ACTIVE:
            raise _wrong(intent_id, reservation.state, "expire: its order is, or may be, at the venue")
        return self.release(intent_id, _EXPIRED)

    def consume(self, intent_id: str) -> Reservation:
        """
        Its order is over, and our figures include what it took; the claim as it was.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It ended before, or its order is in doubt: what an order took, evidence has to tell.
        """
        reservation = self._existing(intent_id)
        if reservation.state is _IN_DOUBT:
            raise _wrong(intent_id, _IN_DOUBT, "be consumed: what its order took is not known")
        return self.release(intent_id, _CONSUMED)

    # On the way

    def doubt(self, intent_id: str) -> Reservation:
        """
        The answer of its order was lost: all of it counts until evidence.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It is not active.
        """
        reservation = self._existing(intent_id)
        if reservation.state is not _ACTIVE:
            raise _wrong(intent_id, reservation.state, "be in doubt: only an active one can")
        return self._put(reservation, reservation.amount, reservation.amount, _IN_DOUBT)

    def assure(self, intent_id: str) -> Reservation:
        """
        There is word of the order that was in doubt: it is active again, and all of it counts until told otherwise.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It is not in doubt.
        """
        reservation = self._existing(intent_id)
        if reservation.state is not _IN_DOUBT:
            raise _wrong(intent_id, reservation.state, "be assured: it is not in doubt")
        return self._put(reservation, reservation.amount, reservation.counted, _ACTIVE)

    def cover(self, intent_id: str, counted: Decimal) -> Reservation:
        """
        The venue's hold is known to include its order; *counted* is what of it still counts beside that.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It is not active.
            InvariantError: *counted* is not within zero and its amount: a bug of ours.
        """
        reservation = self._existing(intent_id)
        if reservation.state is not _ACTIVE:
            raise _wrong(intent_id, reservation.state, "be covered: only an active one can")
        return self._put(reservation, reservation.amount, counted, _COVERED)

    def count(self, intent_id: str, counted: Decimal) -> Reservation:
        """
        What of it counts from now on, beside what our figures take off for its order.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It ended, or it is in doubt: then all of it counts.
            InvariantError: *counted* is not within zero and its amount: a bug of ours.
        """
        reservation = self._existing(intent_id)
        if reservation.state is _IN_DOUBT and counted != reservation.amount:
            raise _wrong(intent_id, _IN_DOUBT, "count for less: its order may be at the venue")
        return self._put(reservation, reservation.amount, counted, reservation.state)

    def recount(self, intent_id: str, amount: Decimal) -> Reservation:
        """
        Its order proved dearer or smaller than was claimed: another amount, and all of it counts until told otherwise.

        Nothing is checked against what may be spent: the order is there, whether or not there is money for it.

        Raises:
            UnknownReservationError: No reservation of this id is remembered.
            ReservationStateError: It ended.
            InvariantError: *amount* is below zero: a bug of ours.
        """
        reservation = self._existing(intent_id)
        return self._put(reservation, amount, amount, reservation.state)

    def _put(self, reservation: Reservation, amount: Decimal, counted: Decimal, state: ReservationState) -> Reservation:
        asset = reservation.asset
        changed = _checked(Reservation(reservation.intent_id, asset, amount, counted, state, reservation.bot))
        self._live[reservation.intent_id] = changed
        if counted != reservation.counted:
            reserved = self._sums[asset] = add(self._sums[asset], subtract(counted, reservation.counted))
            self._tell(asset, reserved)
        return changed

    # Looking

    def get(self, intent_id: str) -> Reservation | None:
        """The live reservation of this id."""
        return self._live.get(intent_id)

    def end_of(self, intent_id: str) -> ReservationState | None:
        """How the reservation of this id ended; None where it has not, or is not remembered."""
        return self._ended.get(intent_id) or self._ended_before.get(intent_id)

    def live(self) -> list[Reservation]:
        """Every reservation that has not ended, oldest first."""
        return list(self._live.values())

    def reserved(self, asset: AssetCode) -> Decimal:
        """What is counted of all live claims on an asset."""
        return self._sums.get(asset, ZERO)

    def claimed_by(self, bot: str, asset: AssetCode) -> Decimal:
        """The amounts of a bot's live claims on an asset, covered ones included."""
        return total_of(each.amount for each in self._live.values() if each.bot == bot and each.asset == asset)

    def restore(self, reservations: Iterable[Reservation]) -> None:
        """
        Take over what an earlier owner left, live and ended: all of it or nothing.

        Raises:
            IntentRepeatedError: An id is here already, or comes twice.
            InvariantError: An amount that cannot be.
        """
        restored: dict[str, Reservation] = {}
        for each in reservations:
            intent_id = each.intent_id
            if intent_id in restored or intent_id in self._live or self.end_of(intent_id) is not None:
                raise IntentRepeatedError(f"intent {intent_id!a} is here already", intent_id=intent_id)
            restored[intent_id] = _checked(each)
        for each in restored.values():
            if each.state in _ENDS:
                self._ended[each.intent_id] = each.state
                continue
            self._live[each.intent_id] = each
            self._sums[each.asset] = add(self._sums.get(each.asset, ZERO), each.counted)
        for asset in {each.asset for each in restored.values() if each.state not in _ENDS}:
            self._tell(asset, self._sums[asset])

    def check(self) -> None:
        """
        Whether the sums are those of the reservations; for the assertion that stays on in production.

        Raises:
            InvariantError: They are not, or an amount is one that cannot be.
        """
        sums: dict[AssetCode, Decimal] = {}
        for each in self._live.values():
            if each.state in _ENDS or self.end_of(each.intent_id) is not None:
                raise InvariantError(f"intent {each.intent_id!a} is live and ended")
            _checked(each)
            sums[each.asset] = add(sums.get(each.asset, ZERO), each.counted)
        for asset, reserved in self._sums.items():
            if reserved != sums.get(asset, ZERO):
                raise InvariantError(
                    f"{reserved} {asset} is reserved, and the claims add up to {sums.get(asset, ZERO)}"
                )

    # In here

    def _existing(self, intent_id: str) -> Reservation:
        reservation = self._live.get(intent_id)
        if reservation is None:
            raise self._missing(intent_id)
        return reservation

    def _missing(self, intent_id: str) -> UnknownReservationError | ReservationStateError:
        end = self.end_of(intent_id)
        if end is not None:
            return _wrong(intent_id, end, "change any more")
        return UnknownReservationError(
            f"no reservation {intent_id!a} is known here: check the id, or see `holdfast reservations list`",
            intent_id=intent_id,
        )


def _unfunded(intent_id: str, asset: AssetCode, amount: Decimal, spendable: Decimal) -> Exception:
    if not amount.is_finite() or amount <= ZERO:
        return InvariantError(f"intent {intent_id!a} would claim {amount} {asset}")
    short = format_amount(subtract(amount, spendable))
    return FundsShortError(
        f"need {format_amount(amount)} {asset}, spendable {format_amount(spendable)}: short by {short}"
    )


def _wrong(intent_id: str, state: ReservationState, cannot: str) -> ReservationStateError:
    words = state.value.replace("_", " ")
    return ReservationStateError(
        f"reservation {intent_id!a} is {words} and cannot {cannot}", intent_id=intent_id, state=state.value
    )


def _checked(reservation: Reservation) -> Reservation:
    """Amounts are exact, and no more counts than was claimed; stays on in production."""
    amount, counted = reservation.amount, reservation.counted
    if not (amount.is_finite() and counted.is_finite() and ZERO <= counted <= amount):
        raise InvariantError(f"intent {reservation.intent_id!a} would count {counted} of {amount} {reservation.asset}")
    return reservation


def _tell_nobody(asset: AssetCode, reserved: Decimal) -> None:
    return None
