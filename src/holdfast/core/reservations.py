"""
Our claims on money that the venue does not hold yet: check and claim in one step, counted once until they end.

Here are only the sums and the states. What an order's life does to its reservation is in ``intents``; what may be
spent is the ledger's to say, and it takes ``reserved`` off.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode

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
_RELEASED: Final = ReservationState.RELEASED


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
    by their id, the newest ``ended_kept`` of them: an older id is the store's to know.

    Args:
        tell: Called with an asset and its new sum whenever a sum changes, in the same step: ``Ledger.set_reserved``.
        ended_kept: How many ended ids are remembered here.
    """

    def __init__(self, tell: Callable[[AssetCode, Decimal], None] | None = None, *, ended_kept: int = 100_000) -> None:
        raise NotImplementedError

    def reserve(
        self,
        intent_id: str,
        asset: AssetCode,
        amount: Decimal,
        *,
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
        raise NotImplementedError

    # Ends, of which a reservation comes to one.

    def release(self, intent_id: str) -> Reservation:
        """Nothing was taken: rejected, never sent, absent by evidence, or given back unused."""
        raise NotImplementedError

    def expire(self, intent_id: str) -> Reservation:
        """Nothing was sent on it in time; only of an active one."""
        raise NotImplementedError

    def consume(self, intent_id: str) -> Reservation:
        """Its order is over, and our figures include what it took."""
        raise NotImplementedError

    # On the way

    def doubt(self, intent_id: str) -> Reservation:
        """The answer of its order was lost: from active only, and all of it counts."""
        raise NotImplementedError

    def assure(self, intent_id: str) -> Reservation:
        """There is word of the order that was in doubt: back to active."""
        raise NotImplementedError

    def cover(self, intent_id: str, counted: Decimal) -> Reservation:
        """The venue's hold is known to include its order; *counted* is what of it still counts beside that."""
        raise NotImplementedError

    def count(self, intent_id: str, counted: Decimal) -> Reservation:
        """What of it still counts; of one in doubt all of it does."""
        raise NotImplementedError

    def recount(self, intent_id: str, amount: Decimal) -> Reservation:
        """Its order proved dearer, or smaller: another amount, all of which counts until told otherwise."""
        raise NotImplementedError

    # Looking

    def get(self, intent_id: str) -> Reservation | None:
        """The live reservation of this id."""
        raise NotImplementedError

    def end_of(self, intent_id: str) -> ReservationState | None:
        """How the reservation of this id ended, where it is remembered and did."""
        raise NotImplementedError

    def live(self) -> list[Reservation]:
        """Every reservation that has not ended, oldest first."""
        raise NotImplementedError

    def reserved(self, asset: AssetCode) -> Decimal:
        """What is counted of all live claims on an asset."""
        raise NotImplementedError

    def claimed_by(self, bot: str, asset: AssetCode) -> Decimal:
        """The amounts of a bot's live claims on an asset, covered ones included."""
        raise NotImplementedError

    def restore(self, reservations: Iterable[Reservation]) -> None:
        """
        Take over what an earlier owner left: live and ended ones. All of it or nothing.

        Raises:
            IntentRepeatedError: An id is here already, or comes twice.
            InvariantError: An amount that cannot be.
        """
        raise NotImplementedError
