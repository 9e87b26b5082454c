"""
What a repair would do for one broker, and what it leaves to a person: facts in, steps out.

Pure. The order is fixed: clock, credential, nonces, breaker, stream, refresh, reconcile, report. Each step says what
was found, what is done about it or why nothing is, and which command or act of a person would help. What a repair
never does: place or cancel an order, release money, lift what a person or an invariant has closed, send anything
during a lockout, or sign with a key that a person has to mend first.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import msgspec

from holdfast.core.breakers import BreakerState
from holdfast.core.health import Health
from holdfast.core.nonce_diagnosis import NonceCause, NonceDiagnosis
from holdfast.core.parking import (
    ACCOUNT_LOCKED,
    BAD_KEYS,
    CLOCK,
    INVALID_NONCE,
    KEY_EXPIRED,
    KEY_REVOKED,
    LOCKOUT,
    PERMISSION_MISSING,
    WRONG_SECRET,
)
from holdfast.core.streaming import StreamState

__all__ = [
    "CLOCK_BOUND_S",
    "Act",
    "Condition",
    "Key",
    "Outcome",
    "RepairFacts",
    "RepairReport",
    "RepairStep",
    "StepName",
    "Stream",
    "duration",
    "halt_advice",
    "left_to_a_person",
    "plan",
    "store_advice",
]

CLOCK_BOUND_S: Final = 1.0
"""A wall clock within this of the venue's is good: a venue that judges time allows seconds."""


class StepName(enum.StrEnum):
    """The steps of a repair, in their order."""

    CLOCK = "clock"
    CREDENTIAL = "credential"
    NONCES = "nonces"
    BREAKER = "breaker"
    STREAM = "stream"
    REFRESH = "refresh"
    RECONCILE = "reconcile"
    REPORT = "report"


class Act(enum.StrEnum):
    """What a repair may do by itself."""

    UNPARK_CLOCK = "unpark_clock"  # The clock was what was wrong, and is measured good.
    RETRY_NONCES = "retry_nonces"  # One signed read, where the refused nonces lay behind a clock that is right now.
    CLOSE_BREAKERS = "close_breakers"  # Those that opened by themselves.
    CONNECT_STREAM = "connect_stream"  # What is left of a wait is over.
    RECONNECT_STREAM = "reconnect_stream"  # Drop it, connect anew, take fresh snapshots.
    REFRESH = "refresh"  # Balances and open orders, with retries, a suspect answer a second time.
    RECONCILE = "reconcile"  # Ask what became of what is in doubt.


class Outcome(enum.StrEnum):
    """What became of a step."""

    WELL = "well"  # Nothing was wrong.
    PLANNED = "planned"  # A dry run: it would be done.
    DONE = "done"
    FAILED = "failed"  # It was tried.
    LEFT = "left"  # Not tried, and said why.


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """
    A broker's condition at one moment, as a repair compares it. Durations are seconds.

    ``breakers`` and ``states`` are by name; ``clock_offset_s`` is the venue's clock minus ours, None where unmeasured.
    """

    health: Health
    reasons: tuple[str, ...]
    is_available: bool
    error_count: int
    last_error: str | None
    breakers: dict[str, BreakerState]  # read, trade, stream
    stream: str
    parked_cause: str | None
    parked_for_s: float | None
    halted_reason: str | None
    store_reason: str | None  # None while the store accepts writes.
    states: dict[str, int]  # How many figures are live, fresh and stale.
    suspects: tuple[str, ...]
    discrepancies: int
    in_doubt: int
    clock_offset_s: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether it may act, and every figure may be acted on, with nothing left in doubt or in dispute."""
        return (
            self.is_available
            and self.store_reason is None
            and not self.states.get("stale", 0)
            and not self.suspects
            and not self.discrepancies
            and not self.in_doubt
        )


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The private stream. ``state`` is None where none is wanted; ``connects_in_s`` None while none is waited for."""

    state: StreamState | None
    reason: str | None = None
    for_s: float = 0.0
    is_open: bool = False
    connects_in_s: float | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """
    The credential. ``cause`` is None where it is not parked; ``for_s`` None where that is until a person acts.

    ``under`` is what a lockout covers. ``on_disk`` compares what is in use with what would be read now: ``same``,
    ``changed``, or the reason why it cannot be read; None where that is not known.
    """

    cause: str | None = None
    for_s: float | None = None
    under: str | None = None
    detail: str | None = None
    on_disk: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing at all may be sent: the venue asked for silence."""
        return self.cause == LOCKOUT

    @property
    def may_sign(self) -> bool:
        """Whether a signed call may go now: it is open, or its own time for a probe has come."""
        if self.cause is None or self.cause in (CLOCK, PERMISSION_MISSING):
            return True
        return self.for_s is not None and self.for_s <= 0 and not self.is_silent


class RepairFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a plan is made from.

    ``clock_error`` says why the venue's clock was not measured. ``nonces`` is the nonce doctor's diagnosis, None where
    there is nothing to examine. ``is_stopped`` is True where the broker takes nothing in until it is opened anew;
    ``isolated_why`` are a person's words.
    """

    broker: str
    pid: int
    condition: Condition
    key: Key
    stream: Stream
    clock_error: str | None = None
    nonces: NonceDiagnosis | None = None
    isolated_why: str | None = None
    is_stopped: bool = False
    halted_detail: str | None = None
    store_path: str = ""
    doubts: tuple[str, ...] = ()
    is_connected: bool = True  # False where the broker was opened to ask nothing.
    is_dry_run: bool = False  # Then what a repair would open counts as open.

    @property
    def is_mute(self) -> bool:
        """Whether nothing can be asked, whatever is wrong."""
        return self.is_stopped or not (self.is_connected or self.is_dry_run)


class RepairStep(msgspec.Struct, frozen=True, kw_only=True):
    """
    One step: what was ``found``, what is or was done (``says``), and what is left ``for_person``, each a sentence.

    ``act`` is None where nothing is done.
    """

    name: StepName
    outcome: Outcome
    found: str
    says: str
    act: Act | None = None
    for_person: tuple[str, ...] = ()


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a repair did: its steps, the broker's condition before and after, and what is left to a person.

    A dry run's ``after`` is ``before``, and its steps are what would be done. ``record`` is None where the act stands
    in the journal, else why it does not.
    """

    broker: str
    is_dry_run: bool
    steps: tuple[RepairStep, ...]
    before: Condition
    after: Condition
    left: tuple[str, ...]
    took_s: float
    record: str | None = None

    @property
    def is_well(self) -> bool:
        """True where the broker may act and every figure may be acted on; what is ``left`` is then advice."""
        return self.after.is_well


def plan(facts: RepairFacts) -> tuple[RepairStep, ...]:
    """The steps for *facts*, in order; each that would do something is ``planned``."""
    return (
        _clock(facts),
        _credential(facts),
        _nonces(facts),
        _breaker(facts),
        _stream(facts),
        _refresh(facts),
        _reconcile(facts),
        _report(facts),
    )


def left_to_a_person(steps: Iterable[RepairStep]) -> tuple[str, ...]:
    """What only a person can do, each once, in the order of the steps."""
    return tuple(dict.fromkeys(text for step in steps for text in step.for_person))


# The steps


def _clock(facts: RepairFacts) -> RepairStep:
    name, offset_s = StepName.CLOCK, facts.condition.clock_offset_s
    if facts.key.is_silent:
        return _left(name, "the venue's clock was not asked", "nothing at all is sent during a lockout")
    if offset_s is None:
        why = facts.clock_error or "not measured"
        advice = (
            () if facts.clock_error is None else (f"see whether the venue can be reached: {_command(facts, 'doctor')}",)
        )
        return _left(name, f"the venue's clock could not be read: {why}", "nothing is concluded about ours", *advice)
    if abs(offset_s) > CLOCK_BOUND_S:
        side = "behind" if offset_s > 0 else "ahead of"
        return _left(
            name,
            f"this machine's clock is {abs(offset_s):.1f} s {side} the venue's",
            "a repair sets no clock; nonces are counted on the venue's time meanwhile",
            "set this machine's clock (a time service keeps it right), then run the repair again",
        )
    found = f"this machine's clock agrees with the venue's ({offset_s:+.3f} s)"
    if facts.key.cause == CLOCK:
        return _planned(name, Act.UNPARK_CLOCK, found, "the key, left alone for the clock's sake, is opened")
    return _well(name, found)


def _credential(facts: RepairFacts) -> RepairStep:
    name, key = StepName.CREDENTIAL, facts.key
    if key.cause is None:
        return _well(name, "the key is not parked")
    found = f"the key is parked for {key.cause} {_until(key)}" + (f": {key.detail}" if key.detail else "")
    if key.cause == LOCKOUT:
        waits = f"wait {duration(key.for_s)}" if key.for_s is not None else "wait"
        return _left(
            name,
            found,
            "nothing is sent before that is over: each call is said to start the time anew",
            f"{waits}: the lockout ends by itself; until then stop every other program that uses the key",
        )
    if key.cause == CLOCK:
        return _left(name, found, "the clock's own step decides")
    if key.cause == INVALID_NONCE:
        return _left(name, found, "the nonce doctor's step decides")
    if key.cause == PERMISSION_MISSING:
        return _left(
            name,
            found,
            "the other calls go on, and this one is asked again by itself",
            "give the key the right that it lacks, at the venue; the call is tried again within 5 minutes",
        )
    if key.cause not in BAD_KEYS:
        return _left(name, found, "nothing can be signed", f"see what is wrong with it: {_command(facts, 'doctor')}")
    says = "a repair does not try a refused key: one probe every 5 minutes goes by itself"
    if key.may_sign:
        says = "its probe is due: the forced refresh is that probe"
    return _left(name, found, says, _advice_on_key(facts))


def _advice_on_key(facts: RepairFacts) -> str:
    """What a person does about a key that was refused, for its cause."""
    key = facts.key
    retry = _command(facts, "nonce doctor", option="--retry")
    if key.on_disk == "changed":
        return f"the credential was changed since process {facts.pid} read it: restart that process, then {retry}"
    if key.on_disk is not None and key.on_disk != "same":
        return f"make the credential readable ({key.on_disk}), then restart process {facts.pid}"
    return f"{_MENDS.get(key.cause or '', _MEND_KEY)}, then {retry}"


_MEND_KEY: Final = "put the right key and secret in place, restart whoever uses them"

_MENDS: Final = {
    KEY_REVOKED: "make a new key at the venue, or allow this machine's address on it, put it in place, restart whoever "
    "uses it",
    KEY_EXPIRED: "make a new key at the venue, put it in place, restart whoever uses it",
    WRONG_SECRET: "put the secret that belongs to the key in place, restart whoever uses it",
    ACCOUNT_LOCKED: "see the venue's messages to you about the account, and have it opened",
}


def _nonces(facts: RepairFacts) -> RepairStep:
    name, nonces, key = StepName.NONCES, facts.nonces, facts.key
    if key.is_silent:
        return _left(name, "not examined", "nothing at all is sent during a lockout")
    if nonces is None:
        return _well(name, "there is no nonce line to examine")
    found = nonces.summary.rstrip(".")
    if nonces.cause in (NonceCause.NOTHING, NonceCause.NO_NONCES, NonceCause.PARKED):
        return _well(name, found)
    if nonces.cause is NonceCause.OTHER_SENDER and key.cause is None:
        return _left(name, found, "nonces are accepted now; nothing has to be done about ours", *_steps_of(nonces))
    offset_s = facts.condition.clock_offset_s
    is_clock_good = offset_s is not None and abs(offset_s) <= CLOCK_BOUND_S
    if nonces.cause is NonceCause.NONCES_BEHIND and is_clock_good and key.cause == INVALID_NONCE:
        return _planned(
            name, Act.RETRY_NONCES, found, "the clock is right now: the key is opened, and one signed read is tried"
        )
    says = "a repair does not try again by itself: whoever else uses the key has to stop first"
    return _left(name, found, says, *_steps_of(nonces), f"then let it try again: {_retry(facts)}")


def _steps_of(nonces: NonceDiagnosis) -> tuple[str, ...]:
    return tuple(step.rstrip(".") for step in nonces.next_steps)


def _breaker(facts: RepairFacts) -> RepairStep:
    name, breakers = StepName.BREAKER, facts.condition.breakers
    isolated = _named(breakers, BreakerState.ISOLATED)
    shut = _named(breakers, BreakerState.OPEN, BreakerState.HALF_OPEN)
    advice: tuple[str, ...] = ()
    found = "every breaker is closed"
    if isolated:
        why = f" ({facts.isolated_why})" if facts.isolated_why else ""
        found = f"a person holds {isolated} open{why}"
        advice = (f"a repair leaves that alone; to close it: {_command(facts, 'reset-circuit-breaker')}",)
    if shut:
        found = f"{shut} not closed" + (f"; {found}" if isolated else "")
        says = f"{shut} will be closed, and opens again where the venue still fails"
        return _planned(name, Act.CLOSE_BREAKERS, found, says, *advice)
    return _left(name, found, "what a person holds open stays so", *advice) if isolated else _well(name, found)


def _named(breakers: dict[str, BreakerState], *states: BreakerState) -> str:
    """The read and trade breakers in these states, in words; the stream's is a mirror, and its own step sees to it."""
    return " and ".join(
        f"the {name} breaker ({state.value})"
        for name, state in breakers.items()
        if state in states and name != "stream"
    )


def _stream(facts: RepairFacts) -> RepairStep:
    name, stream, condition = StepName.STREAM, facts.stream, facts.condition
    if facts.is_mute:
        return _left(name, "no stream is served", _MUTE)
    if not facts.is_connected:
        found = "nobody holds the account open"
        return _reconnects(facts, Act.CONNECT_STREAM, found, "it is opened for the repair, and the stream connects")
    if stream.state is None:
        return _well(name, "no stream is wanted")
    if stream.state is StreamState.LIVE:
        stale = condition.states.get("stale", 0)
        if not (condition.discrepancies or condition.suspects or stale):
            return _well(name, "the stream is live, and nothing contradicts it")
        wrong = (
            "figures are in dispute" if condition.discrepancies or condition.suspects else f"{stale} figures are stale"
        )
        found = f"the stream says that it is live, and {wrong}: a channel may be frozen"
        return _reconnects(facts, Act.RECONNECT_STREAM, found, "it is dropped, and connects with fresh snapshots")
    found = f"the stream is {stream.state.value}" + (f" ({stream.reason})" if stream.reason else "")
    if stream.is_open:
        return _reconnects(facts, Act.RECONNECT_STREAM, found, "it is dropped, and connects with fresh snapshots")
    waits = "" if not stream.connects_in_s else f", the next attempt in {duration(stream.connects_in_s)}"
    return _reconnects(facts, Act.CONNECT_STREAM, f"{found}{waits}", "it connects at once, within the venue's budget")


_MUTE: Final = "the broker asks nothing of the venue as it is open now"


def _reconnects(facts: RepairFacts, act: Act, found: str, says: str) -> RepairStep:
    if not (facts.key.may_sign or _opens(facts)):
        return _left(StepName.STREAM, found, f"it needs a token, and the key is parked ({facts.key.cause})")
    return _planned(StepName.STREAM, act, found, says)


def _refresh(facts: RepairFacts) -> RepairStep:
    name, condition, key = StepName.REFRESH, facts.condition, facts.key
    states = condition.states
    found = ", ".join(f"{states.get(word, 0)} {word}" for word in ("live", "fresh", "stale"))
    found = f"figures: {found}" + (f"; suspect: {', '.join(condition.suspects)}" if condition.suspects else "")
    if facts.is_mute:
        return _left(name, found, _MUTE)
    if key.is_silent:
        return _left(name, found, "nothing at all is sent during a lockout")
    # A later step runs on what an earlier one has opened.
    if not key.may_sign and not _opens(facts):
        return _left(name, found, f"nothing may be signed: the key is parked ({key.cause})")
    return _planned(
        name, Act.REFRESH, found, "balances and open orders are read, with retries, and what is suspect a second time"
    )


def _opens(facts: RepairFacts) -> bool:
    """Whether a step before would open the key."""
    return _nonces(facts).act is Act.RETRY_NONCES


def _reconcile(facts: RepairFacts) -> RepairStep:
    name, condition = StepName.RECONCILE, facts.condition
    advice: tuple[str, ...] = ()
    if condition.in_doubt:
        found = f"{condition.in_doubt} orders whose outcome is unknown: {', '.join(facts.doubts[:5])}"
        look = f"`holdfast orders show {facts.doubts[0] if facts.doubts else 'INTENT'} --broker {facts.broker}`"
        advice = (f"money in doubt stays reserved until there is evidence; what is known of one: {look}",)
    elif condition.discrepancies:
        found = f"{condition.discrepancies} figures on which two sources disagree"
    else:
        return _well(name, "nothing is in doubt, and no two sources disagree")
    if facts.is_mute or facts.key.is_silent or not (facts.key.may_sign or _opens(facts)):
        return _left(name, found, "the venue is not asked: see the steps above", *advice)
    return _planned(name, Act.RECONCILE, found, "the venue is asked; no money is released without evidence", *advice)


def _report(facts: RepairFacts) -> RepairStep:
    name, condition = StepName.REPORT, facts.condition
    advice = []
    found = []
    if condition.halted_reason is not None:
        why = f": {facts.halted_detail}" if facts.halted_detail else ""
        found.append(f"halted ({condition.halted_reason}){why}")
        advice.append(halt_advice(facts.broker, condition.halted_reason, pid=facts.pid, is_stopped=facts.is_stopped))
    if condition.store_reason is not None:
        found.append(f"the store refuses writes ({condition.store_reason})")
        advice.append(store_advice(facts.broker, condition.store_reason, path=facts.store_path))
    if condition.discrepancies:
        advice.append(f"look at what disagrees: `holdfast history --broker {facts.broker}`")
    if not advice:
        return _well(name, "nothing is halted, and the store takes writes")
    return _left(name, "; ".join(found) or "sources disagree", "a repair does not touch that", *advice)


def halt_advice(broker: str, reason: str, *, pid: int, is_stopped: bool) -> str:
    """What ends a halt: the command that works, or what a person does."""
    if reason == "restored_old_copy":
        return f"compare `holdfast orders` with the venue's own page, then `holdfast resume {broker} --accept-restored`"
    if reason == "account_mismatch":
        return (
            f"put the key of the right account in place, or give the other account a broker name of its own, or "
            f"`holdfast restore --start-new --broker {broker}`; then restart process {pid}"
        )
    if reason == "account_mode":
        return f"set the account up at the venue as the status asks for, then restart process {pid}"
    if reason in ("owned_elsewhere", "ownership_lost"):
        return f"end process {pid}: another one owns the account"
    if is_stopped:
        return f"restart process {pid}, which holds the account, and report what its log says"
    if reason == "by_command":
        return f"a person halted it: `holdfast resume {broker}` takes orders again"
    return f"look at the event `invariant.broken` in the log, then `holdfast resume {broker}`"


def store_advice(broker: str, reason: str, *, path: str) -> str:
    """What mends a store that refuses writes."""
    if reason == "full":
        return f"free space on the disk of {path}: the store goes on by itself"
    if reason == "read_only":
        return f"make {path} and its folder writable for this user: the store goes on by itself"
    if reason == "corrupt":
        return (
            f"stop whoever owns the account, then `holdfast restore BACKUP --broker {broker}`, or "
            f"`holdfast restore --start-new --broker {broker}` without one"
        )
    return f"see what the disk of {path} says; `holdfast doctor {broker}` looks again"


# Small words


def _well(name: StepName, found: str) -> RepairStep:
    return RepairStep(name=name, outcome=Outcome.WELL, found=found, says="nothing to do")


def _planned(name: StepName, act: Act, found: str, says: str, *for_person: str) -> RepairStep:
    return RepairStep(name=name, outcome=Outcome.PLANNED, found=found, says=says, act=act, for_person=for_person)


def _left(name: StepName, found: str, says: str, *for_person: str) -> RepairStep:
    return RepairStep(name=name, outcome=Outcome.LEFT, found=found, says=says, for_person=for_person)


def _command(facts: RepairFacts, words: str, *, option: str = "") -> str:
    if words == "nonce doctor":
        return f"`holdfast nonce doctor --broker {facts.broker} {option}`"
    return f"`holdfast {words} {facts.broker}`"


def _retry(facts: RepairFacts) -> str:
    return _command(facts, "nonce doctor", option="--retry")


def _until(key: Key) -> str:
    if key.for_s is None:
        return "until a person acts"
    return f"for another {duration(key.for_s)}" if key.for_s > 0 else "(its time is over)"


def duration(seconds: float | None) -> str:
    """A duration in words that a person reads at once; ``0 s`` for None."""
    if seconds is None or seconds < 0.5:
        return "0 s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
