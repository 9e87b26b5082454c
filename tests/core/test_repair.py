"""What a repair would do, step by step: what it found, what it does, what it leaves to a person."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.core.breakers import BreakerState
from holdfast.core.health import Health
from holdfast.core.nonce_diagnosis import NonceCause, NonceDiagnosis
from holdfast.core.parking import (
    ACCOUNT_LOCKED,
    BAD_KEY,
    BAD_KEYS,
    CLOCK,
    INVALID_NONCE,
    KEY_EXPIRED,
    LOCKOUT,
    PERMISSION_MISSING,
    WRONG_SECRET,
)
from holdfast.core.repair import (
    Act,
    Condition,
    Key,
    Outcome,
    RepairFacts,
    RepairReport,
    RepairStep,
    StepName,
    Stream,
    duration,
    halt_advice,
    left_to_a_person,
    plan,
    store_advice,
)
from holdfast.core.streaming import StreamState

CLOSED = BreakerState.CLOSED


def condition(**more: Any) -> Condition:
    facts: dict[str, Any] = {
        "health": Health.HEALTHY,
        "reasons": (),
        "is_available": True,
        "error_count": 0,
        "last_error": None,
        "breakers": {"read": CLOSED, "trade": CLOSED, "stream": CLOSED},
        "stream": "live",
        "parked_cause": None,
        "parked_for_s": None,
        "halted_reason": None,
        "store_reason": None,
        "states": {"live": 2, "fresh": 0, "stale": 0},
        "suspects": (),
        "discrepancies": 0,
        "in_doubt": 0,
        "clock_offset_s": 0.1,
    }
    return Condition(**{**facts, **more})


def facts(*, key: Key | None = None, stream: Stream | None = None, **more: Any) -> RepairFacts:
    top = {name: more.pop(name) for name in list(more) if name in RepairFacts.__struct_fields__}
    return RepairFacts(
        broker="acme-master",
        pid=42,
        condition=condition(**more),
        key=key or Key(),
        stream=stream or Stream(state=StreamState.LIVE),
        **top,
    )


def steps(found: RepairFacts) -> dict[StepName, RepairStep]:
    return {step.name: step for step in plan(found)}


def nonces(cause: NonceCause) -> NonceDiagnosis:
    return NonceDiagnosis(
        cause=cause, summary="So it is.", is_inferred=True, evidence=(), next_steps=("Stop the other program.",)
    )


def test_the_order_of_the_steps_is_always_the_same() -> None:
    expected = ["clock", "credential", "nonces", "breaker", "stream", "refresh", "reconcile", "report"]

    assert [step.name.value for step in plan(facts())] == expected
    assert [step.name.value for step in plan(facts(key=Key(cause=LOCKOUT, for_s=9.0)))] == expected


def test_a_broker_that_is_well_is_only_read_again() -> None:
    assert {name for name, step in steps(facts()).items() if step.act} == {StepName.REFRESH}
    assert left_to_a_person(plan(facts())) == ()


# Clock


def test_a_clock_that_is_off_is_left_to_a_person() -> None:
    step = steps(facts(clock_offset_s=-30.0))[StepName.CLOCK]

    assert step.outcome is Outcome.LEFT
    assert "30.0 s ahead of the venue's" in step.found
    assert "set this machine's clock" in step.for_person[0]


def test_a_key_parked_for_the_clock_is_opened_only_once_the_clock_is_measured_good() -> None:
    parked = Key(cause=CLOCK, for_s=60.0)

    assert steps(facts(key=parked))[StepName.CLOCK].act is Act.UNPARK_CLOCK
    assert steps(facts(key=parked, clock_offset_s=5.0))[StepName.CLOCK].act is None
    assert steps(facts(key=parked, clock_offset_s=None, clock_error="no answer"))[StepName.CLOCK].act is None


def test_a_clock_that_nobody_could_read_is_no_reason_to_conclude_anything() -> None:
    step = steps(facts(clock_offset_s=None, clock_error="no route"))[StepName.CLOCK]

    assert "no route" in step.found
    assert "`holdfast doctor acme-master`" in step.for_person[0]


# Credential


@pytest.mark.parametrize("cause", sorted(BAD_KEYS))
def test_a_refused_key_is_never_tried_and_the_way_out_is_named(cause: str) -> None:
    found = steps(facts(key=Key(cause=cause, for_s=200.0), is_available=False))

    assert found[StepName.CREDENTIAL].act is None
    assert "`holdfast nonce doctor --broker acme-master --retry`" in found[StepName.CREDENTIAL].for_person[0]
    assert found[StepName.REFRESH].act is None
    assert found[StepName.STREAM].act is None or found[StepName.STREAM].outcome is Outcome.WELL


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (BAD_KEY, "right key and secret"),
        (KEY_EXPIRED, "make a new key"),
        (WRONG_SECRET, "secret that belongs"),
        (ACCOUNT_LOCKED, "messages to you about the account"),
    ],
)
def test_each_cause_has_its_own_mend(cause: str, words: str) -> None:
    assert words in steps(facts(key=Key(cause=cause, for_s=200.0)))[StepName.CREDENTIAL].for_person[0]


def test_a_key_changed_on_disk_asks_for_a_restart_first() -> None:
    advice = steps(facts(key=Key(cause=WRONG_SECRET, for_s=200.0, on_disk="changed")))[StepName.CREDENTIAL].for_person

    assert advice[0].startswith("the credential was changed since process 42 read it: restart that process")


def test_a_key_whose_own_probe_is_due_is_read_with() -> None:
    assert steps(facts(key=Key(cause=BAD_KEY, for_s=0.0)))[StepName.REFRESH].act is Act.REFRESH


def test_a_missing_right_stops_no_other_call() -> None:
    found = steps(facts(key=Key(cause=PERMISSION_MISSING, for_s=100.0)))

    assert found[StepName.REFRESH].act is Act.REFRESH
    assert "give the key the right" in found[StepName.CREDENTIAL].for_person[0]


def test_nothing_at_all_is_done_during_a_lockout_but_what_needs_no_venue() -> None:
    found = steps(
        facts(
            key=Key(cause=LOCKOUT, for_s=600.0, under=INVALID_NONCE),
            nonces=nonces(NonceCause.LOCKOUT),
            stream=Stream(state=StreamState.DOWN),
            breakers={"read": BreakerState.OPEN, "trade": CLOSED, "stream": CLOSED},
            in_doubt=1,
            doubts=("i1",),
        )
    )

    assert {name for name, step in found.items() if step.act} == {StepName.BREAKER}
    assert "10 min" in found[StepName.CREDENTIAL].found


# Nonces


def test_refused_nonces_are_tried_again_only_where_our_own_slow_clock_explains_them() -> None:
    parked = Key(cause=INVALID_NONCE, for_s=None)
    behind = facts(key=parked, nonces=nonces(NonceCause.NONCES_BEHIND))

    assert steps(behind)[StepName.NONCES].act is Act.RETRY_NONCES
    assert steps(behind)[StepName.REFRESH].act is Act.REFRESH, "a key that a step before opens is used"
    for other in (NonceCause.FINER_UNIT, NonceCause.UNDETERMINED):
        step = steps(facts(key=parked, nonces=nonces(other)))[StepName.NONCES]
        assert step.act is None
        assert "--retry`" in step.for_person[-1]
    slow = msgspec.structs.replace(behind, condition=condition(clock_offset_s=40.0))
    assert steps(slow)[StepName.NONCES].act is None


@pytest.mark.parametrize("cause", [NonceCause.NOTHING, NonceCause.NO_NONCES, NonceCause.PARKED])
def test_nonces_that_are_well_need_nothing(cause: NonceCause) -> None:
    assert steps(facts(nonces=nonces(cause)))[StepName.NONCES].outcome is Outcome.WELL


# Breakers


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_a_breaker_that_opened_by_itself_is_closed(state: BreakerState) -> None:
    step = steps(facts(breakers={"read": state, "trade": CLOSED, "stream": CLOSED}))[StepName.BREAKER]

    assert step.act is Act.CLOSE_BREAKERS
    assert "read breaker" in step.found


def test_a_breaker_that_a_person_holds_open_stays_so_and_its_command_is_named() -> None:
    held = {"read": CLOSED, "trade": BreakerState.ISOLATED, "stream": CLOSED}
    step = steps(facts(breakers=held, isolated_why="a look"))[StepName.BREAKER]

    assert step.act is None
    assert "a look" in step.found
    assert "`holdfast reset-circuit-breaker acme-master`" in step.for_person[0]


def test_one_held_open_does_not_keep_the_other_from_being_closed() -> None:
    both = {"read": BreakerState.OPEN, "trade": BreakerState.ISOLATED, "stream": CLOSED}
    step = steps(facts(breakers=both))[StepName.BREAKER]

    assert step.act is Act.CLOSE_BREAKERS
    assert step.for_person


def test_the_stream_s_mirror_is_left_to_the_stream_s_own_step() -> None:
    mirror = {"read": CLOSED, "trade": CLOSED, "stream": BreakerState.OPEN}

    assert steps(facts(breakers=mirror))[StepName.BREAKER].outcome is Outcome.WELL


# Stream, refresh, reconcile


def test_a_stream_that_waits_connects_now() -> None:
    down = Stream(state=StreamState.DOWN, reason="unreachable", connects_in_s=50.0)

    assert steps(facts(stream=down))[StepName.STREAM].act is Act.CONNECT_STREAM
    assert "50 s" in steps(facts(stream=down))[StepName.STREAM].found


@pytest.mark.parametrize(
    "wrong", [{"states": {"live": 1, "fresh": 0, "stale": 1}}, {"discrepancies": 1}, {"suspects": ("USD",)}]
)
def test_a_live_stream_with_figures_that_contradict_it_is_dropped(wrong: dict[str, Any]) -> None:
    assert steps(facts(**wrong))[StepName.STREAM].act is Act.RECONNECT_STREAM


def test_an_open_stream_that_delivers_nothing_is_dropped() -> None:
    mute = Stream(state=StreamState.SNAPSHOT, reason="no_snapshot", is_open=True)

    assert steps(facts(stream=mute))[StepName.STREAM].act is Act.RECONNECT_STREAM


def test_no_stream_is_wanted() -> None:
    assert steps(facts(stream=Stream(state=None)))[StepName.STREAM].outcome is Outcome.WELL


def test_what_is_in_doubt_is_asked_about_and_no_money_is_released() -> None:
    step = steps(facts(in_doubt=2, doubts=("i1", "i2")))[StepName.RECONCILE]

    assert step.act is Act.RECONCILE
    assert "no money is released without evidence" in step.says
    assert "`holdfast orders show i1 --broker acme-master`" in step.for_person[0]


def test_a_stopped_broker_is_asked_nothing_and_says_what_to_restart() -> None:
    found = steps(facts(is_stopped=True, halted_reason="invariant", in_doubt=1, is_available=False))

    assert {name for name, step in found.items() if step.act} == set()
    assert "restart process 42" in found[StepName.REPORT].for_person[0]


def test_a_dry_run_without_an_owner_says_what_opening_it_would_do() -> None:
    alone: dict[str, Any] = {"stream": Stream(state=None), "is_connected": False}

    assert {step.act for step in plan(facts(**alone, is_dry_run=True))} == {None, Act.CONNECT_STREAM, Act.REFRESH}
    assert {step.act for step in plan(facts(**alone))} == {None}


# What is left, and words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("by_command", "`holdfast resume b` takes orders again"),
        ("restored_old_copy", "`holdfast resume b --accept-restored`"),
        ("account_mismatch", "`holdfast restore --start-new --broker b`"),
        ("ownership_lost", "end process 7"),
        ("account_mode", "set the account up at the venue"),
        ("uncovered_too_long", "then `holdfast resume b`"),
    ],
)
def test_each_halt_says_what_ends_it(reason: str, words: str) -> None:
    assert words in halt_advice("b", reason, pid=7, is_stopped=False)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("full", "free space"),
        ("read_only", "writable"),
        ("corrupt", "`holdfast restore BACKUP"),
        ("failed", "doctor b"),
    ],
)
def test_each_store_fault_says_what_mends_it(reason: str, words: str) -> None:
    assert words in store_advice("b", reason, path="/x/holdfast.db")


def test_well_means_able_to_act_on_every_figure_with_nothing_in_doubt() -> None:
    assert condition().is_well
    for wrong in (
        {"is_available": False},
        {"store_reason": "full"},
        {"states": {"stale": 1}},
        {"suspects": ("USD",)},
        {"discrepancies": 1},
        {"in_doubt": 1},
    ):
        assert not condition(**wrong).is_well, wrong
    report = RepairReport(
        broker="b", is_dry_run=False, steps=(), before=condition(in_doubt=1), after=condition(), left=(), took_s=1.0
    )
    assert report.is_well


def test_a_person_is_told_each_thing_once() -> None:
    step = plan(facts(halted_reason="by_command", is_available=False))[-1]

    assert left_to_a_person([step, step]) == step.for_person
    assert [duration(value) for value in (None, 0.2, 90.0, 600.0)] == ["0 s", "0 s", "90 s", "10 min"]
