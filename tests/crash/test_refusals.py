"""A sample of every kind of bad answer: no figure and no time moves, the error is named, zeros are proven ones."""

from __future__ import annotations

import pytest

from tests.crash.injections import BAD_FRAMES, BAD_READS, BALANCE_READS, Injection
from tests.crash.misled import (
    amounts_in_every_place,
    mislead,
    mislead_stream,
    real_zeros,
    shown_as_stated,
    suspects,
    truncated_at_every_byte,
)
from tests.crash.misled_over_sockets import GROWS_AT_MOST_MIB, misled
from tests.scenarios.checker import ViolationError


def one_of_each(injections: tuple[Injection, ...], front: str) -> list[Injection]:
    found: dict[str, Injection] = {}
    for each in injections:
        if front in each.fronts:
            found.setdefault(each.row, each)
    return list(found.values())


@pytest.mark.parametrize("injection", one_of_each(BAD_READS, "memory"), ids=lambda each: each.row)
@pytest.mark.parametrize("read", BALANCE_READS)
def test_bad_answer_moves_no_figure_and_no_time_and_is_named(injection: Injection, read: str) -> None:
    found = mislead(injection, read=read)
    assert found.is_kept, found.problem


@pytest.mark.parametrize("injection", one_of_each(BAD_FRAMES, "memory"), ids=lambda each: each.row)
def test_bad_push_moves_no_figure_and_no_time_and_ends_live(injection: Injection) -> None:
    found = mislead_stream(injection)
    assert found.is_kept, found.problem


@pytest.mark.parametrize("how", ["nan", "giant_exponent", "underscore", "null"])
@pytest.mark.parametrize("read", BALANCE_READS)
def test_what_is_no_amount_is_refused_in_every_place(how: str, read: str) -> None:
    found = amounts_in_every_place(how, read, places=slice(0, None, 4))
    assert found.is_kept, found.problem
    assert found.times >= 2


@pytest.mark.parametrize("read", BALANCE_READS)
def test_cut_answer_is_refused_wherever_it_was_cut(read: str) -> None:
    found = truncated_at_every_byte(read, step=13)
    assert found.is_kept, found.problem
    assert found.times >= 13


@pytest.mark.parametrize("how", ["object", "absent", "null", "zeros", "withdrawn"])
def test_account_that_holds_nothing_is_shown_as_zero_once_a_different_read_says_so(how: str) -> None:
    found = real_zeros(how)
    assert found.is_kept, found.problem


def test_one_read_that_says_that_nothing_is_there_changes_nothing() -> None:
    fault = {"kind": "empty_result", "form": "absent", "read": "BalanceEx", "for_s": 30}
    found = suspects("empty", fault, row="B15")
    assert found.is_kept, found.problem


def test_strange_figures_are_shown_to_the_last_digit() -> None:
    digits = shown_as_stated("B5", "40 digits", balance="1234567890123456789.012345678901234567891")
    contradiction = shown_as_stated("B4", "more held than owned", balance="10.0000", hold="25.0000")
    assert digits.is_kept, digits.problem
    assert contradiction.is_kept, contradiction.problem


@pytest.mark.processes
async def test_bad_answers_over_real_sockets_move_nothing_and_cost_little_memory() -> None:
    wanted = (
        "502 and HTML",
        "200 and HTML",
        "out of the blue",
        "without end",
        "bomb: 64 MiB",
        "1 MiB",
        "reset",
        "longer",
    )
    async with misled() as client:
        found = [
            await client.mislead(each)
            for each in BAD_READS
            if "sockets" in each.fronts and any(part in each.what for part in wanted)
        ]
        found.append(await client.reset_at_every_byte(step=61))

    assert len(found) >= 9
    assert [each.problem for each in found if not each.is_kept] == []
    assert max(each.grew_mib or 0.0 for each in found) <= GROWS_AT_MOST_MIB


# The judge judged


def test_judge_sees_an_answer_that_was_believed() -> None:
    harmless = Injection(
        row="B0", what="nothing wrong", rules=({"kind": "rest", "action": {"do": "delay", "low_s": 0}},)
    )
    found = mislead(harmless)
    assert not found.is_kept
    assert "moved" in (found.problem or "")


def test_judge_sees_a_figure_that_is_not_the_venues() -> None:
    lie = {"do": "mutate", "how": "set", "field": "ZUSD.balance", "value": '"9999.0000"'}
    rule = {"kind": "rest", "name": "BalanceEx", "action": lie}
    with pytest.raises(ViolationError, match="I6"):  # The judge of the scenarios sees it first.
        mislead(Injection(row="B0", what="a lie", rules=(rule,), expects="exact"))
