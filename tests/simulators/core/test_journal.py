"""The simulator's journal: what is kept, for how long, and what a reader is told."""

from __future__ import annotations

import json

from holdfast.simulators.core.journal import ENTRY_KINDS, Journal
from tests.simulators.core.conftest import HandClock


def told(frame: bytes) -> dict[str, str]:
    message = json.loads(frame)
    return {"channel": message["channel"]} if "channel" in message else {}


def journal_of(clock: HandClock, *, max_entries: int = 1000, max_frame_bytes: int = 1_000_000) -> Journal:
    return Journal(clock, describe_frame=told, max_entries=max_entries, max_frame_bytes=max_frame_bytes)


def test_entries_carry_number_time_facts_and_outcome(clock: HandClock) -> None:
    journal = journal_of(clock)
    number = journal.note("request", {"name": "BalanceEx", "key": "SIMK", "nonce": "17"})
    clock.at_s += 0.25
    journal.note("verdict", {"name": "BalanceEx"}, of=number, outcome="EAPI:Invalid nonce")

    assert journal.since() == {
        "next": 3,
        "lost": 0,
        "entries": [
            {
                "n": 1,
                "at_s": 100.0,
                "wall_us": 1_790_000_000_000_000,
                "kind": "request",
                "name": "BalanceEx",
                "key": "SIMK",
                "nonce": "17",
            },
            {
                "n": 2,
                "at_s": 100.25,
                "wall_us": 1_790_000_000_250_000,
                "kind": "verdict",
                "of": 1,
                "outcome": "EAPI:Invalid nonce",
                "name": "BalanceEx",
            },
        ],
    }


def test_next_reads_on_where_the_last_answer_ended(clock: HandClock) -> None:
    journal = journal_of(clock)
    journal.note("request", {"name": "one"})
    after = journal.since()["next"]
    journal.note("request", {"name": "two"})

    assert [entry["name"] for entry in journal.since(after)["entries"]] == ["two"]
    assert journal.since(journal.next)["entries"] == []
    assert journal.since(10_000) == {"next": 3, "lost": 0, "entries": []}


def test_reader_may_ask_for_some_kinds_only(clock: HandClock) -> None:
    journal = journal_of(clock)
    for kind in ("request", "fault", "verdict", "request"):
        journal.note(kind)
    shown = journal.since(2, kinds=("request", "verdict"))
    assert [(entry["n"], entry["kind"]) for entry in shown["entries"]] == [(3, "verdict"), (4, "request")]
    assert shown["next"] == 5


def test_oldest_entries_give_way_and_the_reader_is_told_how_many(clock: HandClock) -> None:
    journal = journal_of(clock, max_entries=3)
    for name in "abcde":
        journal.note("request", {"name": name})

    answer = journal.since(2)
    assert [entry["n"] for entry in answer["entries"]] == [3, 4, 5]
    assert answer["lost"] == 1
    assert journal.since(4)["lost"] == 0


def test_frames_are_bounded_in_bytes_as_well(clock: HandClock) -> None:
    journal = journal_of(clock, max_frame_bytes=100)
    frame = b'{"channel":"balances"}'  # 22 bytes
    for _ in range(50):
        journal.note_frame("ws_out", frame, 1)

    assert len(journal.since()["entries"]) == 4
    assert journal.since()["lost"] == 46


def test_frames_are_described_when_read_and_their_text_shown_only_on_demand(clock: HandClock) -> None:
    journal = journal_of(clock)
    journal.note_frame("ws_out", b'{"channel":"balances"}', 7)

    (entry,) = journal.since()["entries"]
    assert (entry["kind"], entry["line"], entry["channel"]) == ("ws_out", 7, "balances")
    assert "text" not in entry
    assert journal.since(with_text=True)["entries"][0]["text"] == '{"channel":"balances"}'


def test_what_was_known_of_a_frame_is_kept_with_it(clock: HandClock) -> None:
    journal = journal_of(clock, max_frame_bytes=30)
    journal.note_frame("ws_in", b'{"method":"ping"}', 7, {"name": "ping", "key": "SIMK"})
    (entry,) = journal.since(with_text=True)["entries"]
    assert (entry["name"], entry["key"], entry["text"]) == ("ping", "SIMK", '{"method":"ping"}')

    journal.note_frame("ws_in", b'{"method":"ping"}', 7, {"name": "ping"})
    assert [entry["n"] for entry in journal.since()["entries"]] == [2]


def test_heartbeats_can_be_left_out(clock: HandClock) -> None:
    journal = Journal(clock, describe_frame=told, keeps_heartbeats=False)
    journal.note_frame("ws_out", b'{"channel":"heartbeat"}', 1)
    journal.note_frame("ws_out", b'{"channel":"balances"}', 1)

    assert [entry["channel"] for entry in journal.since()["entries"]] == ["balances"]


def test_steps_of_the_wall_clock_do_not_show(clock: HandClock) -> None:
    journal = journal_of(clock)
    clock.wall_at_us -= 3_600_000_000
    journal.note("request")

    assert journal.since()["entries"][0]["wall_us"] == 1_790_000_000_000_000


def test_every_kind_of_entry_is_explained() -> None:
    assert all(meaning.endswith(".") for meaning in ENTRY_KINDS.values())
