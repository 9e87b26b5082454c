"""
Why a venue refuses a key's nonces, told from what can still be known.

The venue's own answer would settle it and cannot be had: the call that shows a key's stored nonce needs a nonce itself.
So this is inference from our mark, from what was refused and when, and from the venue's unsigned clock; it says what it
rests on, and where two causes look the same it says that too.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from holdfast.core.nonces import FAR_AHEAD_S, JUMP_S, NONCE_MAX, SKEW_BOUND_S, Basis, NonceRecord, NonceUnit, ahead_s
from holdfast.core.parking import BAD_KEYS, INVALID_NONCE, LOCKOUT, Parking

__all__ = ["NonceCause", "NonceDiagnosis", "NonceFacts", "diagnose"]

_KNOWN_USERS: Final = {
    NonceUnit.NS_10: "python-kraken-sdk counts in 10 ns",
    NonceUnit.NS: "kraken-cli counts in ns",
}


class NonceCause(enum.StrEnum):
    """What is the matter, in one word."""

    NOTHING = "nothing"
    NO_NONCES = "no_nonces"  # The venue has none: nothing can be the matter with them.
    OTHER_SENDER = "other_sender"  # Somebody else uses the key now and then, in a unit no finer than ours.
    FINER_UNIT = "finer_unit"  # The venue's number stands above the present in our unit, for good.
    NONCES_BEHIND = "nonces_behind"  # What was refused lay behind the venue's clock: ours was slow and the mark lost.
    LOCKOUT = "lockout"
    PARKED = "parked"  # For something that is not about nonces.
    EXHAUSTED = "exhausted"
    UNDETERMINED = "undetermined"  # Refused, and the venue's clock could not be read.


class NonceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known. Offsets are ours minus the venue's, seconds; None where the venue's time could not be had.

    ``now_ns`` is the nonce clock and ``wall_us`` the wall clock at the same moment; ``parking`` is in force now;
    ``parked_for_s`` as in ``remaining_s``. ``other_pids``: other processes of this host that use the lane;
    ``has_nonces``: whether the venue has any.
    """

    record: NonceRecord
    now_ns: int
    wall_us: int
    basis: Basis
    has_nonces: bool = True
    wall_offset_s: float | None
    parking: Parking | None
    parked_for_s: float | None
    other_pids: tuple[int, ...] = ()


class NonceDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """
    A cause, what it rests on and what to do, in whole sentences without secrets.

    ``is_inferred``: concluded, not measured. ``ratchet_to``: the unit that would get past the venue's number, where a
    finer one can help.
    """

    cause: NonceCause
    summary: str
    is_inferred: bool
    evidence: tuple[str, ...]
    next_steps: tuple[str, ...]
    ratchet_to: NonceUnit | None = None


def diagnose(facts: NonceFacts) -> NonceDiagnosis:
    """Name the cause."""
    record, parking = facts.record, facts.parking
    if record.mark is not None and record.mark >= NONCE_MAX:
        return _told(
            facts,
            NonceCause.EXHAUSTED,
            "This key has used the largest nonce there is.",
            ("Make a new key at the venue; this one can never be used again.",),
        )
    if parking is not None and parking.cause == LOCKOUT:
        return _told(
            facts,
            NonceCause.LOCKOUT,
            "The venue locked the key out; nothing is sent on it until that has passed.",
            ("Wait. Every call before then, from any program, is said to start the time anew.",),
        )
    if parking is not None and parking.cause != INVALID_NONCE:
        return _told(
            facts,
            NonceCause.PARKED,
            f"The key is parked for {parking.cause}, which has nothing to do with its nonces.",
            (
                "Correct the key or its secret, then run `holdfast nonce doctor --retry`: it opens the key at once."
                if parking.cause in BAD_KEYS
                else "Mend that cause first.",
            ),
        )
    if not facts.has_nonces:
        return _told(
            facts,
            NonceCause.NO_NONCES,
            "This venue has none: its calls carry no number that has to rise, and may arrive in any order.",
            (),
        )
    if not record.refused_in_a_row:
        if record.refusals_healed:
            return _told(
                facts,
                NonceCause.OTHER_SENDER,
                "Somebody else uses this key now and then: nonces were refused, and accepted again after a small jump.",
                (
                    "Give every program a key of its own; bots that share one have to send through holdfast.",
                    "Look for a forgotten script, another host or another user's tool with the same key.",
                ),
                is_inferred=True,
            )
        return _told(facts, NonceCause.NOTHING, "No nonce of this key was refused.", ())
    return _refused(facts)


def _refused(facts: NonceFacts) -> NonceDiagnosis:
    record = facts.record
    if facts.wall_offset_s is None:
        return _told(
            facts,
            NonceCause.UNDETERMINED,
            "Nonces were refused, and the venue's clock could not be read to find out why.",
            ("Make sure that the venue can be reached, and run this again.",),
        )
    behind_s = _refused_behind_s(facts, facts.wall_offset_s)
    if behind_s is not None and behind_s > SKEW_BOUND_S:
        return _told(
            facts,
            NonceCause.NONCES_BEHIND,
            f"The refused nonce lay {_span(behind_s)} behind the venue's clock: this machine's clock was slow when its "
            "lane began, or its lane file was lost.",
            (
                "Set this machine's clock (a time service keeps it right).",
                "Then let one call try again: `holdfast nonce doctor --retry`.",
            ),
            is_inferred=True,
        )
    finer = [unit for unit in NonceUnit if unit.is_finer_than(record.unit)]
    if not finer:
        return _told(
            facts,
            NonceCause.FINER_UNIT,
            "The venue's number for this key stands above the present, and nanoseconds are the finest unit there is.",
            ("Make a new key at the venue: this one cannot be helped.",),
            is_inferred=True,
        )
    users = [text for unit, text in _KNOWN_USERS.items() if unit in finer]
    return _told(
        facts,
        NonceCause.FINER_UNIT,
        f"The venue's number for this key stands above the present in {record.unit}: most likely another program used "
        f"the key with a finer unit ({'; '.join(users)}). A program whose clock runs ahead looks the same from here.",
        (
            "Stop whatever else uses this key.",
            "Best: make a new key at the venue, for holdfast alone.",
            (
                f"Or count in {finer[-1]} from now on: `holdfast nonce doctor --ratchet`. There is no way back: every "
                "client of this key that counts in a coarser unit is refused for good."
            ),
        ),
        is_inferred=True,
        ratchet_to=finer[-1],  # Each wrong guess is another refusal; and nothing is saved by stopping halfway.
    )


def _refused_behind_s(facts: NonceFacts, wall_offset_s: float) -> float | None:
    """How far the refused nonce lay behind the venue's clock at that moment; None where neither is known."""
    record = facts.record
    if record.refused_last is None or record.refused_last_wall_us is None:
        return None
    then_s = record.refused_last_wall_us / 1e6 - wall_offset_s
    return then_s - record.refused_last * record.unit.ns / 1e9


def _told(
    facts: NonceFacts,
    cause: NonceCause,
    summary: str,
    next_steps: tuple[str, ...],
    *,
    is_inferred: bool = False,
    ratchet_to: NonceUnit | None = None,
) -> NonceDiagnosis:
    return NonceDiagnosis(
        cause=cause,
        summary=summary,
        is_inferred=is_inferred,
        evidence=tuple(_evidence(facts)),
        next_steps=next_steps,
        ratchet_to=ratchet_to,
    )


def _evidence(facts: NonceFacts) -> list[str]:
    record = facts.record
    found = []
    if not facts.has_nonces:
        found.append("Each call is signed with the time, as the venue's clock has it.")
    elif record.mark is None:
        found.append(f"No nonce was ever taken from this lane; it counts in {record.unit}.")
    else:
        apart_s = ahead_s(record.mark, unit=record.unit, now_ns=facts.now_ns)
        place = "ahead of" if apart_s > 0 else "behind"
        alarm = ", which is far: a clock was ahead once" if apart_s > FAR_AHEAD_S else ""
        found.append(f"Our mark is {record.mark} in {record.unit}, {_span(abs(apart_s))} {place} the clock{alarm}.")
    if record.refused_in_a_row:
        last = "" if record.refused_last is None else f", the last one being {record.refused_last}"
        found.append(
            f"{record.refused_in_a_row} in a row were refused above every nonce we ever sent{last}"
            + (f"; a jump of {JUMP_S:g} s did not help." if record.refused_in_a_row > 1 else ".")
        )
    if record.refusals_healed:
        found.append(f"{record.refusals_healed} earlier refusals were got past by a jump of {JUMP_S:g} s.")
    if facts.wall_offset_s is None:
        found.append("The venue's clock could not be read.")
    elif abs(facts.wall_offset_s) <= SKEW_BOUND_S + 1:
        found.append(f"Our wall clock agrees with the venue's unsigned time ({facts.wall_offset_s:+.1f} s).")
    else:
        basis = "; nonces count on the venue's time instead" if facts.basis is Basis.VENUE else ""
        found.append(f"Our wall clock is {_span(abs(facts.wall_offset_s))} off the venue's{basis}.")
    if facts.other_pids:
        pids = ", ".join(str(pid) for pid in facts.other_pids)
        reason = " and its mark" if facts.has_nonces else ""
        found.append(f"Other processes use this lane{reason} ({pids}); they cannot be the reason.")
    else:
        found.append("No other process of this host uses this lane.")
    if record.nonce_window is not None:
        found.append(f"When the key was healthy, its nonce window at the venue was {record.nonce_window}.")
    if facts.parking is not None:
        left = "until a person acts" if facts.parked_for_s is None else f"for another {_span(facts.parked_for_s)}"
        found.append(f"The key is parked {left} ({facts.parking.cause}).")
    return found


def _span(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
