"""
What a person is told, and when: from what is wrong with a broker now to notices, each said once.

Pure. Whoever watches a broker states all its troubles of this moment, again and again; a trouble that lasts beyond its
time becomes one notice, a trouble that stays away for a while one recovery notice. What comes back sooner is the same
episode. What was told is kept through a restart. Notices leave for other people's services, so there is no amount, no
account id and no text of a venue's in them: words of ours, the broker's name, names of assets.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

__all__ = [
    "MEANINGS",
    "AlertBudget",
    "AlertKind",
    "AlertRecord",
    "AlertSettings",
    "Alerts",
    "Notice",
    "Stage",
    "Trouble",
    "test_notice",
]


class AlertKind(enum.StrEnum):
    """What somebody is told of."""

    BREAKER_OPEN = "breaker_open"
    BREAKER_STUCK = "breaker_stuck"
    FIGURES_STALE = "figures_stale"
    STREAM_LOST = "stream_lost"
    DISCREPANCY = "discrepancy"
    CREDENTIAL_PARKED = "credential_parked"
    ORDER_IN_DOUBT = "order_in_doubt"
    BROKER_HALTED = "broker_halted"
    STORE_FAILED = "store_failed"
    TEST = "test"


class Stage(enum.StrEnum):
    """Which word of an episode a notice is."""

    RAISED = "raised"
    REMINDED = "reminded"
    RECOVERED = "recovered"


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """
    One kind in words: what is wrong, how its end is told, what to do, and how bad it is.

    ``level`` is ``warning`` where holdfast mends it by itself as a rule, ``error`` where a person should look.
    """

    level: str
    raised: str
    recovered: str
    advice: str


MEANINGS: Final[dict[AlertKind, Meaning]] = {
    AlertKind.BREAKER_OPEN: Meaning(
        level="warning",
        raised="a breaker opened: calls are refused until a trial succeeds",
        recovered="the breaker has healed",
        advice="it tries again by itself; `holdfast status` shows how it goes",
    ),
    AlertKind.BREAKER_STUCK: Meaning(
        level="error",
        raised="a breaker is stuck: trials go on failing",
        recovered="the breaker that was stuck has healed",
        advice="`holdfast doctor`, then `holdfast reset-circuit-breaker`",
    ),
    AlertKind.FIGURES_STALE: Meaning(
        level="warning",
        raised="figures are stale or unknown: only exits are taken",
        recovered="every figure is confirmed again",
        advice="`holdfast status` says why; `holdfast force-balance-refresh` reads them now",
    ),
    AlertKind.STREAM_LOST: Meaning(
        level="warning",
        raised="the account stream is not live: REST stands in for it",
        recovered="the account stream is live again",
        advice="it connects again by itself; `holdfast status` says why it does not",
    ),
    AlertKind.DISCREPANCY: Meaning(
        level="warning",
        raised="two sources go on disagreeing about an asset: the lower figure counts",
        recovered="the sources agree again",
        advice="`holdfast explain` shows both figures",
    ),
    AlertKind.CREDENTIAL_PARKED: Meaning(
        level="error",
        raised="the credential is parked: nothing is signed with it",
        recovered="the credential is in use again",
        advice="`holdfast nonce doctor` tells why and what to do",
    ),
    AlertKind.ORDER_IN_DOUBT: Meaning(
        level="error",
        raised="an order's outcome has been unknown for too long: its money stays reserved",
        recovered="no order's outcome is unknown any more",
        advice="`holdfast orders list` names it; compare with the venue's own list",
    ),
    AlertKind.BROKER_HALTED: Meaning(
        level="error",
        raised="the broker is halted: cancels only",
        recovered="the broker is not halted any more",
        advice="`holdfast status` says why; `holdfast resume` ends it",
    ),
    AlertKind.STORE_FAILED: Meaning(
        level="error",
        raised="the store takes no writes: no new order is sent",
        recovered="the store takes writes again",
        advice="look at the disk; `holdfast doctor` checks the store",
    ),
    AlertKind.TEST: Meaning(
        level="info",
        raised="this is a test: alerts reach you here",
        recovered="the test is over",
        advice="nothing is to be done",
    ),
}
"""Every kind in words; the reference's table is made from it."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that is wrong with a broker at this moment.

    ``subject`` tells several of one kind apart (a breaker's capability, an asset), empty where there is one only.
    ``detail`` is fixed words of ours. ``for_s`` is how long it has lasted where that is known, in seconds.
    """

    kind: AlertKind
    subject: str = ""
    detail: str | None = None
    for_s: float = 0.0


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """
    One message to people.

    ``level`` is ``info``, ``warning``, ``error``, or ``success`` for a recovery. ``title`` is one line, ``body`` plain
    text in a few. ``key`` names the episode within its broker.
    """

    broker: str
    kind: AlertKind
    subject: str
    stage: Stage
    level: str
    title: str
    body: str
    key: str


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The times of one broker's alerts, all in seconds.

    ``after_s`` says how long a kind has to last before it is told, 0 where it is not named. Absent for
    ``recovered_after_s`` it is over. While it lasts it is told again every ``remind_every_s``; never when 0.
    """

    after_s: Mapping[AlertKind, float] = {}
    recovered_after_s: float = 60.0
    remind_every_s: float = 21_600.0


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An episode that was told, as it is kept through a restart; UTC microseconds on the wall clock."""

    kind: AlertKind
    subject: str
    began_wall_us: int
    told_wall_us: int


class AlertBudget:
    """
    How many notices may leave: *per_hour* at once, and as many again in each hour. Shared by a desk's brokers.

    ``held_back`` counts those that may not, since the last that could say so.
    """

    __slots__ = ("_at_s", "_left", "_per_hour", "held_back")

    def __init__(self, per_hour: int, *, now_s: float) -> None:
        self._per_hour = per_hour
        self._left = float(per_hour)
        self._at_s = now_s
        self.held_back = 0

    def take(self, now_s: float) -> bool:
        """Whether one more notice may leave now; counted where it may."""
        self._left = min(self._per_hour, self._left + max(0.0, now_s - self._at_s) * self._per_hour / 3600.0)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class _Episode:
    """One trouble from its first sight to its end. Times are our clock."""

    __slots__ = (
        "attempts",
        "began_s",
        "detail",
        "gone_s",
        "is_held_back",
        "kind",
        "retry_s",
        "sending",
        "subject",
        "told_s",
    )

    def __init__(self, kind: AlertKind, subject: str, began_s: float) -> None:
        self.kind = kind
        self.subject = subject
        self.began_s = began_s
        self.detail: str | None = None
        self.told_s: float | None = None  # When somebody was last told that it is there.
        self.gone_s: float | None = None  # Since when it has not been there.
        self.sending: Stage | None = None  # The notice under way.
        self.attempts = 0  # In vain, of the notice that is due.
        self.retry_s = _LONG_AGO_S  # Nothing is told before, because telling has failed.
        self.is_held_back = False


class Alerts:
    """
    One broker's episodes. Never suspends.

    Each notice that ``judge`` returns is answered by ``delivered`` or ``failed``; until then its episode is silent.

    Args:
        broker: Its name.
        environment: Which money it is; stands in every notice.
        settings: When what is told.
        budget: How much may be told.
    """

    def __init__(self, *, broker: str, environment: str, settings: AlertSettings, budget: AlertBudget) -> None:
        self._broker = broker
        self._environment = environment
        self._settings = settings
        self._budget = budget
        self._episodes: dict[str, _Episode] = {}

    def judge(self, troubles: Sequence[Trouble], *, now_s: float, is_proof: bool = True) -> list[Notice]:
        """
        Take in everything that is wrong now, and return what is to be told.

        Args:
            troubles: All of them; what is missing is not there any more.
            now_s: Our clock.
            is_proof: Whether the absence of a trouble says that it is over: not while a broker is still starting.
        """
        present = {_key(each.kind, each.subject): each for each in troubles}
        for key, trouble in present.items():
            episode = self._episodes.get(key)
            if episode is None:
                episode = _Episode(trouble.kind, trouble.subject, now_s - max(0.0, trouble.for_s))
                self._episodes[key] = episode
            episode.gone_s = None
            episode.detail = trouble.detail or episode.detail
        notices = []
        for key, episode in list(self._episodes.items()):
            if key not in present:
                if episode.told_s is None:
                    # Over before its time, or before there was room to tell it.
                    del self._episodes[key]
                    continue
                if episode.gone_s is None or not is_proof:
                    episode.gone_s = now_s
            stage = self._due(episode, now_s)
            if stage is None or episode.sending is not None or not self._may_tell(episode, now_s):
                continue
            episode.sending = stage
            if stage is not Stage.RECOVERED:
                episode.told_s = now_s
            notices.append(self._notice(key, episode, stage, now_s))
        return notices

    def _due(self, episode: _Episode, now_s: float) -> Stage | None:
        """What is to be told of an episode, if anything."""
        if episode.gone_s is not None:
            return Stage.RECOVERED if now_s - episode.gone_s >= self._settings.recovered_after_s else None
        if episode.told_s is None:
            lasted_s = now_s - episode.began_s
            return Stage.RAISED if lasted_s >= self._settings.after_s.get(episode.kind, 0.0) else None
        remind_s = self._settings.remind_every_s
        return Stage.REMINDED if 0 < remind_s <= now_s - episode.told_s else None

    def _may_tell(self, episode: _Episode, now_s: float) -> bool:
        if now_s < episode.retry_s:
            return False
        if self._budget.take(now_s):
            if episode.is_held_back:
                episode.is_held_back = False
                self._budget.held_back = max(0, self._budget.held_back - 1)
            return True
        if not episode.is_held_back:
            episode.is_held_back = True
            self._budget.held_back += 1
        return False

    def delivered(self, notice: Notice, *, now_s: float) -> None:
        """Somebody was told *notice*."""
        episode = self._under_way(notice)
        if episode is None:
            return
        episode.attempts = 0
        if notice.stage is Stage.RECOVERED:
            del self._episodes[notice.key]
            if episode.gone_s is None:
                # It came back while people were told that it is over: another episode.
                self._episodes[notice.key] = again = _Episode(episode.kind, episode.subject, now_s)
                again.detail = episode.detail

    def failed(self, notice: Notice, *, now_s: float) -> None:
        """
        Nobody could be told *notice*: it is due again 30 s later, and after twice as long with each failure.

        A recovery that cannot be told is tried four times in all, and then let go.
        """
        episode = self._under_way(notice)
        if episode is None:
            return
        episode.attempts += 1
        episode.retry_s = now_s + min(_RETRY_MAX_S, _RETRY_S * 2.0 ** (episode.attempts - 1))
        if notice.stage is Stage.RAISED:
            episode.told_s = None
        elif notice.stage is Stage.RECOVERED and episode.attempts >= _RECOVERY_ATTEMPTS:
            del self._episodes[notice.key]

    def _under_way(self, notice: Notice) -> _Episode | None:
        episode = self._episodes.get(notice.key)
        if episode is None or episode.sending is not notice.stage:
            return None
        episode.sending = None
        return episode

    # Restarts

    def records(self, *, now_s: float, wall_us: int) -> dict[str, AlertRecord]:
        """The episodes that somebody was told of and that are not over, by key."""
        return {
            key: AlertRecord(
                kind=each.kind,
                subject=each.subject,
                began_wall_us=wall_us - int((now_s - each.began_s) * 1_000_000),
                told_wall_us=wall_us - int((now_s - each.told_s) * 1_000_000),
            )
            for key, each in self._episodes.items()
            if each.told_s is not None and each.sending is not Stage.RAISED
        }

    def restore(self, records: Mapping[str, AlertRecord], *, now_s: float, wall_us: int) -> None:
        """Go on with the episodes of an earlier process: what it told is not told again."""
        for key, record in records.items():
            # A wall clock that has stepped back makes them young, and nothing worse.
            episode = _Episode(record.kind, record.subject, now_s - max(0, wall_us - record.began_wall_us) / 1_000_000)
            episode.told_s = now_s - max(0, wall_us - record.told_wall_us) / 1_000_000
            self._episodes[key] = episode

    # Words

    def _notice(self, key: str, episode: _Episode, stage: Stage, now_s: float) -> Notice:
        meaning = MEANINGS[episode.kind]
        is_over = stage is Stage.RECOVERED
        until_s = episode.gone_s if is_over and episode.gone_s is not None else now_s
        lasted = _duration(until_s - episode.began_s)
        about = f" ({episode.subject})" if episode.subject else ""
        what = f"{meaning.recovered if is_over else meaning.raised}{about}"
        lines = [f"{self._broker} ({self._environment}): {what}."]
        if episode.detail and not is_over:
            lines.append(f"Why: {episode.detail}.")
        if is_over:
            lines.append(f"It lasted {lasted}.")
        else:
            lines.append(f"It has lasted {lasted}." if stage is Stage.RAISED else f"Still so, after {lasted}.")
            lines.append(f"Next: {meaning.advice}.")
        if self._budget.held_back:
            lines.append(f"{self._budget.held_back} more were held back by alerts.notices_per_hour.")
            self._budget.held_back = 0
        word = episode.kind.value.replace("_", " ") + about
        mark = {Stage.RAISED: "", Stage.REMINDED: "still: ", Stage.RECOVERED: "recovered: "}[stage]
        return Notice(
            broker=self._broker,
            kind=episode.kind,
            subject=episode.subject,
            stage=stage,
            level="success" if is_over else meaning.level,
            title=f"holdfast {self._broker}: {mark}{word}",
            body="\n".join(lines),
            key=key,
        )


def test_notice() -> Notice:
    """What `holdfast alerts test` sends."""
    meaning = MEANINGS[AlertKind.TEST]
    return Notice(
        broker="",
        kind=AlertKind.TEST,
        subject="",
        stage=Stage.RAISED,
        level=meaning.level,
        title="holdfast: test",
        body=f"{meaning.raised.capitalize()}. {meaning.advice.capitalize()}.",
        key=AlertKind.TEST.value,
    )


_RETRY_S: Final = 30.0
_RETRY_MAX_S: Final = 3600.0
_RECOVERY_ATTEMPTS: Final = 4
_LONG_AGO_S: Final = float("-inf")


def _key(kind: AlertKind, subject: str) -> str:
    return f"{kind.value}:{subject}" if subject else kind.value


def _duration(seconds: float) -> str:
    """A time span for people: ``40 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
