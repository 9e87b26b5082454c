"""From a verdict that denies to the error that a caller catches."""

from __future__ import annotations

from typing import Final

from holdfast.core.amounts import format_amount
from holdfast.core.verdicts import MEANINGS, Verdict, VerdictCode
from holdfast.errors import (
    BalanceStaleError,
    BalanceUnknownError,
    BreakerOpenError,
    CredentialParkedError,
    DeniedError,
    FundsShortError,
    HaltedError,
    IntentRepeatedError,
    NotReadyError,
    OrderRuleError,
)

__all__ = ["error_of"]


def error_of(verdict: Verdict, *, retry_after_s: float | None = None) -> DeniedError:
    """
    The error to raise for a verdict that denies; its ``verdict`` is set.

    Args:
        verdict: One whose code is no approval.
        retry_after_s: Of a parked credential: seconds until one probe is allowed, None where a person has to act.

    Raises:
        ValueError: The verdict approves: a bug of ours.
    """
    if verdict.is_approved:
        raise ValueError(f"{verdict.code.value} denies nothing")
    code, message = verdict.code, _message(verdict)
    error: DeniedError
    if code is VerdictCode.CREDENTIAL_PARKED:
        error = CredentialParkedError(message, cause=verdict.reason or "unknown", retry_after_s=retry_after_s)
    elif code is VerdictCode.BREAKER_OPEN:
        error = BreakerOpenError(message, retry_after_s=verdict.retry_after_s)
    elif code is VerdictCode.INTENT_REPEATED:
        error = IntentRepeatedError(message, intent_id=verdict.intent_id or "")
    elif code in _NOT_READY:
        error = NotReadyError(message, checks=(_NOT_READY[code],))
    else:
        error = _CLASSES.get(code, OrderRuleError)(message)
    error.verdict = verdict
    return error


def _message(verdict: Verdict) -> str:
    """What, against what, and what next."""
    code, detail = verdict.code, verdict.detail
    if code in _FIGURES and verdict.required is not None:
        spendable = "unknown" if verdict.spendable is None else format_amount(verdict.spendable)
        why = f" ({detail})" if detail else ""
        need = f"need {format_amount(verdict.required)} {verdict.asset}, spendable {spendable}{why}"
        return f"{need}: {_NEXT[code]}" if code in _NEXT else need
    words = f"{code.value}: {MEANINGS[code]}"
    if detail:
        words += f" ({detail})"
    return f"{words}: {_NEXT[code]}" if code in _NEXT else words


_FIGURES: Final = frozenset(
    {
        VerdictCode.FUNDS_SHORT,
        VerdictCode.BALANCE_STALE,
        VerdictCode.BALANCE_UNKNOWN,
    }
)

_CLASSES: Final[dict[VerdictCode, type[DeniedError]]] = {
    VerdictCode.FUNDS_SHORT: FundsShortError,
    VerdictCode.BALANCE_STALE: BalanceStaleError,
    VerdictCode.BALANCE_UNKNOWN: BalanceUnknownError,
    VerdictCode.HALTED: HaltedError,
    VerdictCode.REDUCING: HaltedError,
}

_NOT_READY: Final = {
    VerdictCode.PRICE_UNKNOWN: "price",
    VerdictCode.FEE_UNKNOWN: "fee",
    VerdictCode.RULES_UNKNOWN: "rules",
    VerdictCode.STORE_UNAVAILABLE: "store",
    VerdictCode.SETTLING: "settled",
}

_NEXT: Final = {
    VerdictCode.BALANCE_STALE: "wait for a fresh figure; `holdfast force-balance-refresh`, or "
    "`await broker.refresh()`, reads one now",
    VerdictCode.BALANCE_UNKNOWN: "wait for the first confirmed figure; `holdfast doctor` tells what is in its way",
    VerdictCode.PRICE_UNKNOWN: "pass a limit price, or ask again",
    VerdictCode.RULES_UNKNOWN: "ask again; a broker that is ready has read them",
    VerdictCode.CREDENTIAL_PARKED: "`holdfast doctor` tells why, and what opens it",
    VerdictCode.HALTED: "`holdfast resume` lets orders through again",
    VerdictCode.REDUCING: "`holdfast resume` lets all orders through again",
    VerdictCode.INTENT_REPEATED: "look up what became of it, or choose another id",
    VerdictCode.STORE_UNAVAILABLE: "`holdfast doctor` tells what is wrong with the store, and what to do",
}
