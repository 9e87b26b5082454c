"""Alerts: each trouble is told once, in its time; what comes back is the same one; a storm is held back and counted."""

from __future__ import annotations

import pytest

from holdfast.core.alerts import (
    MEANINGS,
    AlertBudget,
    AlertKind,
    Alerts,
    AlertSettings,
    Notice,
    Stage,
    Trouble,
    test_notice,
)

LOST = Trouble(kind=AlertKind.STREAM_LOST, detail="silent")
WALL_US = 1_800_000_000_000_000


class Rig:
    """One broker's alerts on a clock that only the test moves."""

    def __init__(self, *, per_hour: int = 30, budget: AlertBudget | None = None, name: str = "acme", **times: float):
        after = {kind: times.pop(kind.value) for kind in AlertKind if kind.value in times}
        self.now_s = 1000.0
        self.budget = budget or AlertBudget(per_hour, now_s=self.now_s)
        self.settings = AlertSettings(after_s=after, **times)
        self.name = name
        self.alerts = self.made()

    def made(self) -> Alerts:
        return Alerts(broker=self.name, environment="production", settings=self.settings, budget=self.budget)

    def look(self, *troubles: Trouble, after_s: float = 0.0, is_proof: bool = True) -> list[Notice]:
        """Let time pass, and judge."""
        self.now_s += after_s
        return self.alerts.judge(troubles, now_s=self.now_s, is_proof=is_proof)

    def told(self, *troubles: Trouble, after_s: float = 0.0) -> list[tuple[str, str]]:
        """The same, and everybody hears of it."""
        notices = self.look(*troubles, after_s=after_s)
        for notice in notices:
            self.alerts.delivered(notice, now_s=self.now_s)
        return [(notice.kind.value, notice.stage.value) for notice in notices]

    def restart(self, *, away_s: float = 5.0, wall_steps_s: float = 0.0) -> None:
        """Another process goes on with what was kept; its clock begins elsewhere."""
        wall_us = WALL_US + int(self.now_s * 1_000_000)
        records = self.alerts.records(now_s=self.now_s, wall_us=wall_us)
        self.now_s += away_s + 777_000
        self.alerts = self.made()
        wall_us += int((away_s + wall_steps_s) * 1_000_000)
        self.alerts.restore(records, now_s=self.now_s, wall_us=wall_us)


def test_a_trouble_is_told_once_it_has_lasted_and_not_again() -> None:
    rig = Rig(stream_lost=60)
    assert rig.told(LOST) == []
    assert rig.told(LOST, after_s=59) == []
    assert rig.told(LOST, after_s=1) == [("stream_lost", "raised")]
    assert [rig.told(LOST, after_s=100) for _ in range(20)] == [[]] * 20


def test_a_trouble_that_is_known_to_have_lasted_is_told_at_once() -> None:
    rig = Rig(order_in_doubt=120)
    assert rig.told(Trouble(kind=AlertKind.ORDER_IN_DOUBT, for_s=121)) == [("order_in_doubt", "raised")]


def test_what_ends_before_its_time_is_never_told() -> None:
    rig = Rig(stream_lost=60)
    rig.told(LOST)
    rig.told(LOST, after_s=59)
    assert rig.told(after_s=1) == []
    assert rig.told(after_s=1000) == []
    assert rig.told(LOST, after_s=1) == []


def test_recovery_is_told_once_it_has_lasted_and_only_where_trouble_was_told() -> None:
    rig = Rig(recovered_after_s=60)
    assert rig.told(LOST) == [("stream_lost", "raised")]
    assert rig.told(after_s=10) == []
    assert rig.told(after_s=59) == []
    assert rig.told(after_s=1) == [("stream_lost", "recovered")]
    assert rig.told(after_s=1000) == []
    assert rig.told(LOST, after_s=1) == [("stream_lost", "raised")]


def test_what_comes_back_soon_is_the_same_episode_and_says_how_long_in_all() -> None:
    rig = Rig(recovered_after_s=60)
    assert rig.told(LOST) == [("stream_lost", "raised")]
    for _ in range(10):
        assert rig.told(after_s=30) == []
        assert rig.told(LOST, after_s=30) == []
    rig.look(after_s=1)
    (notice,) = rig.look(after_s=60)
    assert notice.stage is Stage.RECOVERED
    assert "It lasted 10 min." in notice.body


def test_what_lasts_is_told_again_every_so_often_and_never_where_that_is_unwanted() -> None:
    rig, silent = Rig(remind_every_s=3600), Rig(remind_every_s=0)
    rig.told(LOST)
    silent.told(LOST)
    told = [stage for _ in range(200) for _, stage in rig.told(LOST, after_s=60)]
    assert told == ["reminded"] * 3
    assert [rig for _ in range(2000) for rig in silent.told(LOST, after_s=3600)] == []


def test_kinds_and_subjects_are_episodes_of_their_own() -> None:
    rig = Rig()
    read = Trouble(kind=AlertKind.BREAKER_OPEN, subject="read")
    trade = Trouble(kind=AlertKind.BREAKER_OPEN, subject="trade")
    assert rig.told(read) == [("breaker_open", "raised")]
    assert rig.told(read, trade, LOST) == [("breaker_open", "raised"), ("stream_lost", "raised")]
    assert rig.told(trade, LOST, after_s=1) == []
    assert rig.told(trade, LOST, after_s=60) == [("breaker_open", "recovered")]


def test_nothing_is_over_while_a_broker_is_still_starting() -> None:
    rig = Rig(recovered_after_s=10)
    rig.told(LOST)
    for _ in range(100):
        assert rig.look(after_s=5, is_proof=False) == []
    assert rig.told(after_s=9) == []
    assert rig.told(after_s=1) == [("stream_lost", "recovered")]


def test_what_was_told_is_not_told_again_after_a_restart_and_its_recovery_is() -> None:
    rig = Rig(recovered_after_s=60)
    rig.told(LOST)
    rig.told(LOST, after_s=100)
    for _ in range(5):
        rig.restart()
        assert rig.told(LOST, after_s=1) == []
    rig.restart()
    rig.told(after_s=1)
    (notice,) = rig.look(after_s=60)
    assert notice.stage is Stage.RECOVERED
    assert "It lasted 2 min." in notice.body


@pytest.mark.parametrize("wall_steps_s", [-86_400.0, 86_400.0])
def test_a_wall_clock_that_steps_over_a_restart_tells_nothing_twice_beyond_one_reminder(wall_steps_s: float) -> None:
    rig = Rig(remind_every_s=3600)
    rig.told(LOST)
    rig.restart(wall_steps_s=wall_steps_s)
    stages = [stage for _ in range(30) for _, stage in rig.told(LOST, after_s=60)]
    assert stages in ([], ["reminded"])


def test_what_was_over_before_a_restart_is_a_new_episode_after_it() -> None:
    rig = Rig(recovered_after_s=1)
    rig.told(LOST)
    rig.told(after_s=1)
    assert rig.told(after_s=1) == [("stream_lost", "recovered")]
    rig.restart()
    assert rig.told(LOST) == [("stream_lost", "raised")]


def test_a_storm_is_held_back_and_the_next_notice_says_how_much_of_it() -> None:
    rig = Rig(per_hour=5, recovered_after_s=0)
    flapping = [Trouble(kind=AlertKind.DISCREPANCY, subject=f"A{number}") for number in range(100)]
    assert len(rig.told(*flapping)) == 5
    assert sum(len(rig.told(*flapping, after_s=1)) for _ in range(60)) == 0
    assert rig.budget.held_back == 95
    (notice,) = rig.look(*flapping, after_s=661)
    assert "94 more were held back by alerts.notices_per_hour." in notice.body
    (notice,) = rig.look(*flapping, after_s=720)
    assert "held back" not in notice.body


def test_in_any_hour_no_more_than_the_bound_and_what_was_left_leaves() -> None:
    rig = Rig(per_hour=10, recovered_after_s=0)
    count, hour = 0, []
    for number in range(4 * 3600):
        troubles = [LOST] if number % 2 else []
        count += len(rig.told(*troubles, after_s=1))
        if number % 3600 == 3599:
            hour.append(count)
            count = 0
    assert max(hour) <= 20
    assert hour[-1] in (9, 10, 11)


def test_what_is_held_back_and_still_there_is_told_when_there_is_room() -> None:
    rig = Rig(per_hour=1)
    other = Trouble(kind=AlertKind.CREDENTIAL_PARKED, detail="lockout")
    assert rig.told(LOST) == [("stream_lost", "raised")]
    assert rig.told(LOST, other, after_s=1) == []
    assert rig.told(LOST, other, after_s=3600) == [("credential_parked", "raised")]


def test_brokers_of_a_desk_share_the_bound() -> None:
    budget = AlertBudget(3, now_s=1000.0)
    rigs = [Rig(budget=budget, name=f"acme-{number}") for number in range(10)]
    assert sum(len(rig.told(LOST)) for rig in rigs) == 3


def test_a_notice_that_nobody_got_is_due_again_with_growing_pauses() -> None:
    rig = Rig()
    moments = []
    start_s = rig.now_s
    for _ in range(3600):
        for notice in rig.look(LOST, after_s=1):
            assert notice.stage is Stage.RAISED
            moments.append(rig.now_s - start_s)
            rig.alerts.failed(notice, now_s=rig.now_s)
    assert moments == [1.0, 31.0, 91.0, 211.0, 451.0, 931.0, 1891.0]
    assert rig.alerts.records(now_s=rig.now_s, wall_us=WALL_US) == {}


def test_a_notice_under_way_is_not_sent_twice_and_is_not_kept_as_told() -> None:
    rig = Rig()
    (notice,) = rig.look(LOST)
    assert rig.look(LOST, after_s=100_000) == []
    assert rig.alerts.records(now_s=rig.now_s, wall_us=WALL_US) == {}
    rig.alerts.delivered(notice, now_s=rig.now_s)
    assert list(rig.alerts.records(now_s=rig.now_s, wall_us=WALL_US)) == ["stream_lost"]
    rig.alerts.failed(notice, now_s=rig.now_s)  # Answered already: nothing changes.
    assert list(rig.alerts.records(now_s=rig.now_s, wall_us=WALL_US)) == ["stream_lost"]


def test_what_ended_while_its_notice_failed_is_let_go_in_silence() -> None:
    rig = Rig(recovered_after_s=1)
    (notice,) = rig.look(LOST)
    rig.look(after_s=1)
    rig.alerts.failed(notice, now_s=rig.now_s)
    assert rig.look(after_s=1000) == []
    assert rig.look(after_s=1000) == []


def test_a_recovery_that_nobody_got_is_tried_four_times_and_let_go() -> None:
    rig = Rig(recovered_after_s=1)
    rig.told(LOST)
    tried = 0
    for _ in range(5000):
        for notice in rig.look(after_s=1):
            assert notice.stage is Stage.RECOVERED
            rig.alerts.failed(notice, now_s=rig.now_s)
            tried += 1
    assert tried == 4


def test_what_comes_back_while_its_recovery_is_on_its_way_is_told_as_new() -> None:
    rig = Rig(recovered_after_s=1)
    rig.told(LOST)
    rig.look(after_s=1)
    (recovery,) = rig.look(after_s=1)
    assert rig.look(LOST, after_s=1) == []
    rig.alerts.delivered(recovery, now_s=rig.now_s)
    assert rig.told(LOST, after_s=1) == [("stream_lost", "raised")]


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_says_what_is_wrong_how_it_ended_and_what_to_do(kind: AlertKind) -> None:
    rig = Rig(recovered_after_s=0)
    (raised,) = rig.look(Trouble(kind=kind, subject="read", detail="network"))
    rig.alerts.delivered(raised, now_s=rig.now_s)
    (recovered,) = rig.look(after_s=150)
    assert raised.level == MEANINGS[kind].level
    assert raised.title == f"holdfast acme: {kind.value.replace('_', ' ')} (read)"
    assert raised.body.splitlines()[0] == f"acme (production): {MEANINGS[kind].raised} (read)."
    assert "Why: network." in raised.body
    assert f"Next: {MEANINGS[kind].advice}." in raised.body
    assert (recovered.level, recovered.title) == ("success", raised.title.replace("acme: ", "acme: recovered: "))
    assert MEANINGS[kind].recovered in recovered.body
    assert "It lasted 2 min." in recovered.body


def test_a_test_notice_asks_for_nothing() -> None:
    notice = test_notice()
    assert (notice.level, notice.kind) == ("info", AlertKind.TEST)
    assert "test" in notice.title


# pytest would take the function of ours for a test of its own.
test_notice.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h 0 min"), (172_800, "2 d 0 h")],
)
def test_time_spans_are_for_people(seconds: int, words: str) -> None:
    rig = Rig(recovered_after_s=0, remind_every_s=0)
    rig.told(LOST)
    rig.look(LOST, after_s=seconds)
    (notice,) = rig.look()
    assert f"It lasted {words}." in notice.body
