"""How the journal, orders and claims are shown at whatever width there is: labelled, aligned, and no word broken."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from holdfast.cli.journal_lines import JournalLines, words_of_row
from holdfast.cli.tables import Rows
from holdfast.core.seams import JournalRow

INTENT = "0943adb94d4d2800d891067231ae7409"


def row(
    seq: int, what: str, *figures: str | None, asset: str = "USD", source: str | None = None, **cause: Any
) -> JournalRow:
    total, held, available = figures or (None, None, None)
    return JournalRow(
        seq=seq,
        wall_us=1_795_180_988_520_000,
        kind=what,
        asset=asset,
        total=total,
        held=held,
        available=available,
        source=source,
        cause=json.dumps(cause),
        is_money=True,
    )


READ = row(7, "snapshot", "10000.0000", "0", "10000.0000", source="rest", read="BalanceEx", cause="BalanceEx")
MOVED = row(
    37, "derived", "9789.3005", None, None, source="derived", read="orders", cause="canceled", ref="TEIALX-BFFHJ-TKG5RQ"
)
STEP = row(
    42,
    "reservation",
    intent_id=INTENT,
    cause="canceled",
    before="active",
    after="released",
    order="canceled",
    order_id="OHWM56-MWFVV-UYTQPL",
    amount="306.7200",
    reserved="102.23990000",
    filled="0.00624937",
    bot="grid",
    detail="User requested",
)
FOUND = row(43, "discrepancy", kind="rest_differs", ours="5.10", theirs="7")


def shown(what: RenderableType, *, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_every_value_of_a_step_has_its_label() -> None:
    assert words_of_row(STEP) == (
        f"reservation USD: {INTENT} canceled: active → released, order canceled, reserved 102.2399 of 306.72 USD, "
        "filled 0.00624937, bot grid, at the venue OHWM56-MWFVV-UYTQPL, User requested"
    )
    assert words_of_row(STEP, is_one_intent=True) == (
        "canceled: active → released, order canceled, reserved 102.2399 of 306.72 USD, filled 0.00624937, "
        "User requested"
    )


def test_a_step_that_leaves_the_claim_where_it_is_names_it_once() -> None:
    claimed = row(1, "reservation", intent_id="a", cause="claimed", after="active", amount="5", reserved="5")
    assert words_of_row(claimed) == "reservation USD: a claimed: active, reserved 5 of 5 USD"
    sent = row(1, "reservation", intent_id="a", cause="submitted", before="active", after="active", order="sending")
    assert words_of_row(sent) == "reservation USD: a submitted: active, order sending"


def test_what_is_no_figure_and_no_step_is_told_by_its_names() -> None:
    assert words_of_row(FOUND) == "discrepancy USD: kind rest_differs, ours 5.10, theirs 7"
    odd = JournalRow(
        seq=1,
        wall_us=0,
        kind="note",
        asset=None,
        total=None,
        held=None,
        available=None,
        source=None,
        cause="no JSON",
        is_money=False,
    )
    assert words_of_row(odd) == "note: no JSON"


def test_figures_stand_in_columns_where_these_fit_and_unknown_ones_are_a_dash() -> None:
    wide = shown(JournalLines([READ, MOVED]), width=120)
    assert wide[0].split() == ["seq", "UTC", "what", "total", "held", "available"]
    assert wide[1].endswith("snapshot USD rest      10000     0      10000  BalanceEx")
    assert wide[2].endswith("derived USD        9789.3005     –          –  canceled (orders), ref TEIALX-BFFHJ-TKG5RQ")
    assert len(wide) == 3


def test_figures_that_do_not_fit_in_columns_are_labelled() -> None:
    narrow = shown(JournalLines([READ]), width=44)
    assert " ".join(" ".join(narrow).split()).endswith(
        "snapshot USD rest: total 10000, held 0, available 10000, BalanceEx"
    )


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40])
def test_no_line_is_too_long_and_no_word_is_broken(width: int) -> None:
    rows = [READ, MOVED, STEP, FOUND]
    lines = shown(JournalLines(rows), width=width)
    assert max(map(len, lines)) <= width
    words = set(" ".join(lines).replace(",", "").split())
    for text in (words_of_row(STEP), words_of_row(FOUND), "11-20", "13:23:08.520", "9789.3005", "TEIALX-BFFHJ-TKG5RQ"):
        assert words >= {word for word in text.replace(",", "").split() if len(word) < width - 10}


def test_the_text_of_a_row_is_not_read_as_markup() -> None:
    odd = row(1, "reservation", intent_id="[red]a[/red]\x1b[2J", cause="claimed", after="active")
    (line,) = shown(JournalLines([odd]), width=120)
    assert "[red]a[/red]\N{REPLACEMENT CHARACTER}[2J" in line


def test_nothing_to_show_is_nothing() -> None:
    assert shown(JournalLines([]), width=80) == []


# Orders and claims

HEADS = ("intent", "state", "reserved", "since")


def rows_of(*intents: str) -> Rows:
    cells = [[Text(intent), Text("active"), Text("300.7210024"), Text("11-20 13:23:08.529")] for intent in intents]
    return Rows(HEADS, cells, plain_heads={"state"})


def test_rows_are_a_table_where_it_fits() -> None:
    lines = [line.split() for line in shown(rows_of("a-bid", INTENT), width=80) if line.strip(" ─")]
    assert lines == [
        list(HEADS),
        ["a-bid", "active", "300.7210024", "11-20", "13:23:08.529"],
        [INTENT, "active", "300.7210024", "11-20", "13:23:08.529"],
    ]


def test_rows_that_do_not_fit_have_lines_of_their_own_and_labels() -> None:
    assert shown(rows_of(INTENT), width=60) == [INTENT, "    active, reserved 300.7210024, since 11-20 13:23:08.529"]
    assert shown(rows_of(INTENT), width=44) == [
        INTENT,
        "    active, reserved 300.7210024, since",
        "    11-20 13:23:08.529",
    ]


def test_what_is_not_there_has_no_label_either() -> None:
    cells = [[Text(INTENT), Text("open"), Text("–"), Text("now")]]
    assert shown(Rows(HEADS, cells, plain_heads={"state"}), width=40) == [INTENT, "    open, since now"]


def test_amounts_are_shown_as_plain_digits() -> None:
    tiny = row(1, "reservation", intent_id="a", cause="new", after="active", amount="5", reserved="0.000000000")
    assert "reserved 0 of 5 USD" in words_of_row(tiny)


def test_an_act_says_who_did_what_and_leaves_the_rest_to_its_own_command() -> None:
    act = row(
        9,
        "audit",
        asset="USD",
        cause="reset_circuit_breaker",
        outcome="closed",
        uid=7,
        pid=8,
        command="holdfast x",
        before={},
    )

    assert words_of_row(act) == "reset_circuit_breaker: closed (by user 7, process 8: holdfast x)"
