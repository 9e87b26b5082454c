"""
Which broker a new intent goes to, and why not to each of the others.

Pure: what is known of each broker and ``now_s`` in, one decision out. A broker is chosen, or one of four answers says
why none is; nobody is chosen for being the least bad. A broker that was seen failing comes after all that were not
until it has been well for a while (``fail_back_after_s``): flow that goes back too early goes back and forth.

What it is not: a mover of money, or of orders. A sell goes where what it sells is held, and what became of an order
that may have left is nobody's guess here (see ``runtime.routing``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, format_amount
from holdfast.core.assets import Symbol
from holdfast.core.balances import Side
from holdfast.core.health import Health
from holdfast.core.orders import OrderAsk
from holdfast.core.verdicts import MEANINGS as VERDICT_MEANINGS
from holdfast.core.verdicts import TradingState, Verdict, VerdictCode

__all__ = [
    "MEANINGS",
    "NEVER_S",
    "BrokerFacts",
    "Choice",
    "Policy",
    "Record",
    "Refusal",
    "RefusalKind",
    "RouteCode",
    "Routing",
    "RoutingRules",
    "choose",
    "remember",
    "suspected",
]

NEVER_S: Final = float("-inf")
"""The time of what never happened."""


class Policy(enum.StrEnum):
    """How brokers that are fit are ranked; ties go by the configured order."""

    PRIORITY = "priority"  # As configured.
    LOWEST_FEE = "lowest_fee"  # By the account's own taker rate on the instrument; one that is not known comes last.
    MOST_SPENDABLE = "most_spendable"  # By what is spendable of the asset that pays.
    ROUND_ROBIN = "round_robin"  # The one that was chosen longest ago.


class RouteCode(enum.StrEnum):
    """What a decision is."""

    CHOSEN = "chosen"
    ALL_UNHEALTHY = "all_unhealthy"
    NONE_FUNDED = "none_funded"
    NOT_LISTED = "not_listed"
    NONE_SUITED = "none_suited"


MEANINGS: Final[dict[RouteCode, str]] = {
    RouteCode.CHOSEN: "one broker is fit, funded and lists the instrument, and comes first by the policy",
    RouteCode.ALL_UNHEALTHY: "no broker that may list the instrument is fit to take an order now",
    RouteCode.NONE_FUNDED: "of the brokers that are fit and list the instrument, none has the money for this order",
    RouteCode.NOT_LISTED: "no broker lists the instrument",
    RouteCode.NONE_SUITED: "the brokers that are fit and list the instrument refuse this order by a rule",
}
"""One sentence per answer."""


class RefusalKind(enum.StrEnum):
    """What a broker lacks."""

    UNHEALTHY = "unhealthy"
    UNFUNDED = "unfunded"
    UNLISTED = "unlisted"
    UNSUITED = "unsuited"  # It refuses this order by a rule: a minimum, a step, a limit.
    TRIED = "tried"  # This very intent was tried there, and nothing came of it.


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why one broker was not taken: a fixed word, and a sentence with what was compared."""

    broker: str
    kind: RefusalKind
    code: str
    sentence: str


class RoutingRules(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the rule; seconds."""

    fail_back_after_s: float = 120.0
    """A broker that was seen failing is not preferred again until it has been well for this long."""

    heard_within_s: float = 5.0
    """A venue that has not been heard for longer is asked, and refused where it does not answer."""

    answer_within_s: float = 3.0
    """An order that waits longer for its answer sends new ones elsewhere."""


class BrokerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of one broker at the moment of a decision; times are our clock.

    ``verdict`` is that on this very order, None where it could not be had; ``trouble`` is then a fixed word with a
    sentence. ``heard_s`` is when the venue was last heard, on any channel; ``suspicion`` is a sentence where it is, and
    answers nothing that it is asked. ``fault_s`` is when anything counted last went wrong, ``openings`` how often a
    breaker has opened. ``waiting_since_s`` is when the order left that has waited longest for its answer. ``turn``
    counts up with each choice: the least was chosen longest ago.
    """

    broker: str
    venue: str
    health: Health
    reasons: tuple[str, ...]
    is_available: bool
    trading_state: TradingState = TradingState.ACTIVE
    verdict: Verdict | None = None
    trouble: tuple[str, str] | None = None
    heard_s: float = NEVER_S
    fault_s: float = NEVER_S
    openings: int = 0
    waiting_since_s: float | None = None
    suspicion: str | None = None
    turn: int = 0
    was_tried: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one broker between decisions."""

    failed_s: float = NEVER_S  # When it was last seen failing.
    openings: int = 0
    is_out: bool = False  # It was seen failing, and has not been well for long enough since.
    was_fit: bool = False

    def is_on_probation(self, rules: RoutingRules, now_s: float) -> bool:
        """Whether it was seen failing too lately to be preferred."""
        return now_s - self.failed_s < rules.fail_back_after_s


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """
    One decision. ``why`` is a sentence; ``ranking`` names every broker that would do, the chosen one first.

    Each broker that was asked is in ``ranking`` or has exactly one refusal.
    """

    code: RouteCode
    policy: Policy
    broker: str | None
    why: str
    ranking: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    is_exit: bool = False


def remember(record: Record, facts: BrokerFacts, *, rules: RoutingRules, now_s: float) -> Record:
    """
    *record* after *facts* were seen.

    Failing now, or a breaker that opened unseen, puts a broker out; once out, any counted fault begins its time anew.
    One that has only just been opened, with nothing gone wrong yet, is not failing: it begins.
    """
    failed_s = record.failed_s
    sick = failing(facts, rules=rules, now_s=now_s)
    is_spotless = not (record.was_fit or record.is_out or facts.openings) and facts.fault_s == NEVER_S
    is_beginning = is_spotless and facts.trouble is None and sick is not None and sick[0] != "unheard"
    if (sick is not None and not is_beginning) or suspected(facts, rules=rules, now_s=now_s) is not None:
        failed_s = now_s
    elif facts.openings > record.openings or record.is_out:
        failed_s = max(failed_s, min(facts.fault_s, now_s))
    return Record(
        failed_s=failed_s,
        openings=facts.openings,
        is_out=now_s - failed_s < rules.fail_back_after_s,
        was_fit=record.was_fit or sick is None,
    )


def suspected(facts: BrokerFacts, *, rules: RoutingRules, now_s: float) -> tuple[str, str] | None:
    """Why others are better although it is fit, as a word and a sentence; None where nothing speaks against it."""
    since_s = facts.waiting_since_s
    if since_s is not None and now_s - since_s > rules.answer_within_s:
        return "unanswered", f"an order has waited {now_s - since_s:.1f} s for its answer"
    return None if facts.suspicion is None else ("half_silent", facts.suspicion)


def failing(facts: BrokerFacts, *, rules: RoutingRules, now_s: float) -> tuple[str, str] | None:
    """Why the broker or its venue is not fit to be sent anything now, as a word and a sentence; None where it is."""
    if facts.trouble is not None:
        return facts.trouble
    named = ", ".join(facts.reasons) or "nothing named"
    if facts.health is Health.DOWN:
        return "down", f"it is down: {named}"
    if not facts.is_available:
        return "unavailable", f"it may not act now: {named}"
    if now_s - facts.heard_s > rules.heard_within_s:
        since = "never" if facts.heard_s == NEVER_S else f"{now_s - facts.heard_s:.1f} s ago"
        return "unheard", f"its venue was last heard {since}, and {rules.heard_within_s:g} s is the limit"
    code = None if facts.verdict is None else facts.verdict.code
    return (code.value, _said(facts.verdict)) if code in _SICK and facts.verdict is not None else None


def choose(
    facts: Sequence[BrokerFacts],
    *,
    ask: OrderAsk,
    policy: Policy,
    records: Mapping[str, Record],
    rules: RoutingRules,
    now_s: float,
) -> Choice:
    """
    Decide where a new intent goes.

    A sell is an exit: it goes where the verdict approves it, which is where what it sells is held, and no breaker or
    silence keeps it from there; a holder that is well comes before one that is not.

    Args:
        facts: Every broker in question, in the configured order.
        ask: The order.
        policy: How those that are fit are ranked.
        records: What is remembered of them; one that is missing was never seen failing.
        rules: Bounds.
        now_s: Our clock.
    """
    is_exit = ask.side is Side.SELL
    refusals: list[Refusal] = []
    fit: list[tuple[tuple[Any, ...], BrokerFacts]] = []
    for place, each in enumerate(facts):
        refused = _refusal(each, is_exit=is_exit, rules=rules, now_s=now_s)
        if refused is not None:
            kind, code, sentence = refused
            refusals.append(Refusal(broker=each.broker, kind=kind, code=code, sentence=sentence))
            continue
        is_failing = failing(each, rules=rules, now_s=now_s) is not None
        is_suspect = suspected(each, rules=rules, now_s=now_s) is not None
        is_out = is_suspect or records.get(each.broker, _BLANK).is_on_probation(rules, now_s)
        fit.append(((is_failing, is_out, *_rank(each, policy), place), each))
    if not fit:
        code = _answer(refusals)
        return Choice(
            code=code,
            policy=policy,
            broker=None,
            why=MEANINGS[code],
            ranking=(),
            refusals=tuple(refusals),
            is_exit=is_exit,
        )
    fit.sort(key=lambda pair: pair[0])
    (is_failing, is_out, *_), chosen = fit[0]
    return Choice(
        code=RouteCode.CHOSEN,
        policy=policy,
        broker=chosen.broker,
        why=_why(chosen, [each for _, each in fit], policy=policy, is_failing=is_failing, is_out=is_out, rules=rules),
        ranking=tuple(each.broker for _, each in fit),
        refusals=tuple(refusals),
        is_exit=is_exit,
    )


def _refusal(
    facts: BrokerFacts, *, is_exit: bool, rules: RoutingRules, now_s: float
) -> tuple[RefusalKind, str, str] | None:
    if facts.was_tried is not None:
        return RefusalKind.TRIED, "tried", facts.was_tried
    verdict = facts.verdict
    code = None if verdict is None else verdict.code
    if code is VerdictCode.INSTRUMENT_UNKNOWN:
        return RefusalKind.UNLISTED, code.value, _said(verdict)
    sick = failing(facts, rules=rules, now_s=now_s)
    # An exit is for its verdict to refuse: no breaker, silence or stale figure does.
    if sick is not None and not (is_exit and verdict is not None and verdict.is_approved):
        return RefusalKind.UNHEALTHY, *sick
    if verdict is None:
        return RefusalKind.UNHEALTHY, "unjudged", "the order could not be judged there"
    if verdict.is_approved:
        return None
    kind = RefusalKind.UNFUNDED if verdict.code in _SHORT else RefusalKind.UNSUITED
    return kind, verdict.code.value, _said(verdict)


def _rank(facts: BrokerFacts, policy: Policy) -> tuple[Any, ...]:
    verdict = facts.verdict
    if policy is Policy.LOWEST_FEE:
        rate = _own_rate(verdict)
        return (rate is None, ZERO if rate is None else rate)
    if policy is Policy.MOST_SPENDABLE:
        most = None if verdict is None else verdict.spendable
        return (most is None, ZERO if most is None else most.copy_negate())
    if policy is Policy.ROUND_ROBIN:
        return (facts.turn,)
    return ()


def _own_rate(verdict: Verdict | None) -> Decimal | None:
    """The account's own rate; that of the lowest tier, which stands in for it, compares with nothing."""
    return None if verdict is None or verdict.fee_source == "lowest_tier" else verdict.fee_rate


def _answer(refusals: Sequence[Refusal]) -> RouteCode:
    """What it comes to that nobody would do: the first thing that would have to change."""
    kinds = {each.kind for each in refusals if each.kind is not RefusalKind.UNLISTED}
    if not kinds:
        return RouteCode.NOT_LISTED
    if RefusalKind.UNFUNDED in kinds:
        return RouteCode.NONE_FUNDED
    if RefusalKind.UNSUITED in kinds:
        return RouteCode.NONE_SUITED
    return RouteCode.ALL_UNHEALTHY


def _why(
    chosen: BrokerFacts,
    fit: Sequence[BrokerFacts],
    *,
    policy: Policy,
    is_failing: bool,
    is_out: bool,
    rules: RoutingRules,
) -> str:
    count = "the only one that would do" if len(fit) == 1 else f"first of {len(fit)} that would do"
    verdict = chosen.verdict
    measure = {
        Policy.PRIORITY: "in the configured order",
        Policy.LOWEST_FEE: "in the configured order: no rate of the account's own is known"
        if (rate := _own_rate(verdict)) is None
        else f"by fee, {_percent(rate)}",
        Policy.MOST_SPENDABLE: f"by what is spendable, {_amount(verdict)}",
        Policy.ROUND_ROBIN: "by turns",
    }[policy]
    sentence = f"{count}, {measure}"
    if is_failing:
        return f"{sentence}; it is not well, and an exit stays where what it sells is held"
    if is_out:
        return f"{sentence}; it was seen failing within {rules.fail_back_after_s:g} s, and no other would do"
    return sentence


def _percent(rate: Decimal | None) -> str:
    return "which is not known" if rate is None else f"{format_amount(rate)} of the cost"


def _amount(verdict: Verdict | None) -> str:
    if verdict is None or verdict.spendable is None:
        return "which is not known"
    return f"{format_amount(verdict.spendable)} {verdict.asset}"


def _said(verdict: Verdict | None) -> str:
    """What a verdict that denies says, in one line."""
    if verdict is None:
        return ""
    if verdict.code in _SHORT:
        return verdict.arithmetic
    meaning = VERDICT_MEANINGS[verdict.code]
    return meaning if verdict.detail is None else f"{meaning} ({verdict.detail})"


_BLANK: Final = Record()

_SHORT: Final = frozenset({VerdictCode.FUNDS_SHORT, VerdictCode.BUDGET_SHORT})
"""The figure is good, and the money is not there."""

_SICK: Final = frozenset(
    {
        VerdictCode.BALANCE_STALE,
        VerdictCode.BALANCE_UNKNOWN,
        VerdictCode.PRICE_UNKNOWN,
        VerdictCode.FEE_UNKNOWN,
        VerdictCode.RULES_UNKNOWN,
        VerdictCode.VENUE_CLOSED,
        VerdictCode.REDUCING,
        VerdictCode.HALTED,
        VerdictCode.STORE_UNAVAILABLE,
        VerdictCode.CREDENTIAL_PARKED,
        VerdictCode.BREAKER_OPEN,
        VerdictCode.SETTLING,
    }
)
"""What says something of the broker, and nothing of the order."""


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """
    A decision with its evidence: what was asked, what was known of each broker, what follows.

    ``decided_us`` is UTC microseconds on our wall clock, ``took_s`` how long facts were gathered. It places nothing.
    """

    ask: OrderAsk
    choice: Choice
    facts: tuple[BrokerFacts, ...]
    decided_us: int
    took_s: float
    now_s: float  # Our clock, for the ages of ``facts``.

    @property
    def code(self) -> RouteCode:
        """Chosen, or why none is."""
        return self.choice.code

    @property
    def broker(self) -> str | None:
        """Where the order would go; None where no broker would do."""
        return self.choice.broker

    @property
    def policy(self) -> Policy:
        """How those that are fit were ranked."""
        return self.choice.policy

    @property
    def why(self) -> str:
        """The decision, in a sentence."""
        return self.choice.why

    @property
    def ranking(self) -> tuple[str, ...]:
        """Every broker that would do, the best first."""
        return self.choice.ranking

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """One for each broker that would not do."""
        return self.choice.refusals

    @property
    def symbol(self) -> Symbol:
        """The instrument."""
        return self.ask.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.ask.side

    @property
    def verdict(self) -> Verdict | None:
        """The funds check at the broker that was chosen."""
        return next((each.verdict for each in self.facts if each.broker == self.broker), None)

    def refusal(self, broker: str) -> Refusal | None:
        """Why *broker* would not do; None where it would."""
        return next((each for each in self.refusals if each.broker == broker), None)

    def document(self) -> dict[str, Any]:
        """Everything as JSON can carry it: amounts as exact text, unknown ones as None."""
        ask = self.ask
        return {
            "code": self.code.value,
            "meaning": MEANINGS[self.code],
            "broker": self.broker,
            "policy": self.policy.value,
            "why": self.why,
            "symbol": ask.symbol,
            "side": ask.side.value,
            "order_type": ask.order_type.value,
            "quantity": _text(ask.quantity),
            "quote_quantity": _text(ask.quote_quantity),
            "price": _text(ask.limit_price),
            "is_exit": self.choice.is_exit,
            "took_s": round(self.took_s, 3),
            "brokers": [self._document_of(each) for each in self.facts],
        }

    def _document_of(self, facts: BrokerFacts) -> dict[str, Any]:
        refusal, verdict = self.refusal(facts.broker), facts.verdict
        rank = None if facts.broker not in self.ranking else self.ranking.index(facts.broker) + 1
        return {
            "broker": facts.broker,
            "venue": facts.venue,
            "rank": rank,
            "is_chosen": facts.broker == self.broker,
            "refusal": None if refusal is None else msgspec.to_builtins(refusal),
            "health": facts.health.value,
            "reasons": list(facts.reasons),
            "is_available": facts.is_available,
            "trading_state": facts.trading_state.value,
            "heard_age_s": None if facts.heard_s == NEVER_S else round(max(0.0, self.now_s - facts.heard_s), 3),
            "verdict": None if verdict is None else verdict.code.value,
            "spendable": None if verdict is None else _text(verdict.spendable),
            "required": None if verdict is None else _text(verdict.required),
            "asset": None if verdict is None else verdict.asset,
            "fee_rate": None if verdict is None else _text(verdict.fee_rate),
            "fee_source": None if verdict is None else verdict.fee_source,
            "arithmetic": None if verdict is None else verdict.arithmetic,
        }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format_amount(amount)
