"""What a former process left goes on: nothing is forgotten, nothing is counted twice, and what was sent is in doubt."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.amounts import add
from holdfast.core.intents import Intent
from tests.core.intent_life import Life, fill, opened


def kept(life: Life) -> list[Intent]:
    """The live intents as the store keeps them: JSON text."""
    return [msgspec.json.decode(msgspec.json.encode(intent), type=Intent) for intent in life.intents]


def restarted(life: Life, *, after_s: float = 1.0) -> Life:
    """Another process goes on with what *life* had written down; its clock began anew."""
    next_life = Life()
    next_life.now_s = 5.0 + after_s
    next_life.intents.restore(kept(life), now_s=next_life.now_s, wall_us=life.wall_us + int(after_s * 1e6))
    return next_life


def _claimed(life: Life) -> None:
    life.claim(amount="409.6")


def _sending(life: Life) -> None:
    life.sent(amount="409.6")


def _open(life: Life) -> None:
    life.sent(amount="409.6")
    life.row("new")


def _covered(life: Life) -> None:
    _open(life)
    life.ledger.holds["O1"] = ("USD", Decimal("400"))
    life.ledger.included.add("O1")
    life.recount()


def _partly_filled(life: Life) -> None:
    _open(life)
    life.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))


def _in_doubt(life: Life) -> None:
    life.sent(amount="409.6")
    life.lose()


def _filled(life: Life) -> None:
    _open(life)
    life.row("trade", filled="0.01", cost="400", fill=fill("T1", "0.01", "400", fees="USD 1.6"))
    life.row("filled", filled="0.01")


STORIES: dict[str, tuple[Callable[[Life], None], str, str]] = {
    "claimed": (_claimed, "-, active", "409.6"),
    "sending": (_sending, "in_doubt, in_doubt", "409.6"),
    "open": (_open, "open, active", "401.6"),
    "covered": (_covered, "open, covered", "401.6"),
    "partly filled": (_partly_filled, "open, active", "401.6"),
    "in doubt": (_in_doubt, "in_doubt, in_doubt", "409.6"),
    "filled": (_filled, "filled, active", "401.6"),
}


@pytest.mark.parametrize("story", STORIES)
def test_each_goes_on_where_it_stood_with_all_of_its_money_until_the_new_figures_tell(story: str) -> None:
    told, at, reserved = STORIES[story]
    life = Life()
    told(life)
    found = restarted(life)
    assert found.at() == at
    assert found.reserved() == Decimal(reserved)
    found.recount()
    assert found.reserved() == Decimal(reserved)


@pytest.mark.parametrize("story", STORIES)
def test_a_second_restart_changes_nothing_more(story: str) -> None:
    life = Life()
    STORIES[story][0](life)
    once = restarted(life)
    twice = restarted(once)
    assert (twice.at(), twice.reserved()) == (once.at(), once.reserved())


def test_an_order_whose_answer_was_not_written_down_is_in_doubt_and_says_why() -> None:
    life = Life()
    life.sent()
    found = restarted(life)
    assert found.live().cause == "restarted"
    assert found.steps() == ["restarted"]
    assert [each.intent_id for each in found.intents.doubts()] == ["a"]


def test_an_order_is_found_again_by_every_name() -> None:
    life = Life()
    _open(life)
    found = restarted(life)
    assert found.intents.get("a") is found.intents.get("c-a") is found.intents.get("O1") is not None
    assert found.row("canceled", name=None)
    assert found.at() == "canceled, released"


def test_a_claim_nothing_was_sent_on_still_expires_at_its_time() -> None:
    life = Life()
    life.claim(expires_s=30.0)
    found = restarted(life, after_s=10.0)
    found.intents.expire(now_s=found.now_s + 19.999, wall_us=0)
    assert found.at() == "-, active"
    found.intents.expire(now_s=found.now_s + 20.0, wall_us=0)
    assert found.at() == "-, expired"


def test_what_a_fill_took_counts_until_figures_from_after_the_restart_have_it() -> None:
    life = Life()
    _filled(life)
    found = restarted(life)
    found.ledger.anchored_s["USD"] = found.now_s + 59.9
    found.recount()
    assert found.reserved() == Decimal("401.6")
    found.ledger.anchored_s["USD"] = found.now_s + 60.0
    found.recount()
    assert found.at() == "filled, consumed"
    assert found.reserved() == 0


def test_a_fill_told_again_after_the_restart_counts_once() -> None:
    life = Life()
    _partly_filled(life)
    found = restarted(life)
    found.row("trade", filled="0.004", cost="160", fill=fill("T1", "0.004", "160", fees="USD 0.64"))
    found.state(opened(filled="0.004", cost="160"))
    found.recount()
    assert found.live().filled == Decimal("0.004")
    assert found.reserved() == Decimal("401.6")


def test_a_fill_that_nobody_saw_while_the_process_was_down_is_found_by_the_list() -> None:
    life = Life()
    _partly_filled(life)
    found = restarted(life)
    found.state(opened(filled="0.009", cost="360"))
    found.recount()
    assert found.live().filled == Decimal("0.009")
    # 0.001 rests, 160.64 were told before, and 200 with the worst fee in between.
    assert found.reserved() == add(Decimal("40.16"), add(Decimal("160.64"), Decimal("200.8")))


def test_an_order_dearer_than_its_claim_goes_on_with_what_it_needs() -> None:
    life = Life()
    life.sent(amount="409.6")
    life.row("amended", quantity="0.02")
    found = restarted(life)
    assert found.reserved() == Decimal("803.2")


def test_what_was_restored_is_never_claimed_again_under_the_same_id() -> None:
    life = Life()
    _open(life)
    found = restarted(life)
    with pytest.raises(Exception, match="was used before"):
        found.claim("a")
    assert found.reserved() == Decimal("401.6")
