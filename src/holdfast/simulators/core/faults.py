"""
The fault plan: seeded rules that say which messages suffer what.

A rule has a matcher and an action. The plan only decides, in a fixed order and from its own seeds, so the same plan,
seed and traffic give the same faults; the fronts act. Faults of the venue's own meaning (a stolen nonce, a lagging
read) are not transport: their kinds go to the venue's ``impair``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Annotated, Any, Final, Literal, Union

import msgspec
from msgspec import Meta

from holdfast.core.seams import Clock
from holdfast.simulators.core.actions import ACTIONS, Action, Delay
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.message_names import ANY, MessageNames

__all__ = ["KINDS", "FaultPlan", "Firing", "Rule"]

KINDS: Final[dict[str, str]] = {
    "rest": "An HTTP request and its reply.",
    "ws_in": "A stream message from the client to the venue.",
    "ws_out": "A stream message from the venue to the client.",
    "handshake": "The opening of a stream connection; its name is the path.",
    "streams": "Every stream connection open now, once, at the moment the rule is added.",
}
"""Every kind of transport rule. Any other kind is offered to the venue."""

# mypy cannot follow a union made at run time; msgspec needs exactly that.
_AnyAction: Any = Union[tuple(ACTIONS)]  # noqa: UP007
_Names = str | list[str] | None

_NEVER_KNOWN: Final = {"rest": ("channel", "type"), "handshake": ("channel", "type", "key")}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    One fault: what it is for, when it fires, what it does.

    Names, channels, types and keys take one text, or several of which any fits; null and ``*`` fit all. Of the
    messages that fit, ``nth`` takes only that one (from 1), ``every`` each so-manieth, ``probability`` a seeded share;
    it fires at most ``count`` times, and only from ``from_s`` until ``until_s`` seconds after it was added.
    """

    kind: Literal["rest", "ws_in", "ws_out", "handshake", "streams"]
    action: _AnyAction
    name: _Names = None
    channel: _Names = None
    type: _Names = None
    key: _Names = None
    nth: Annotated[int, Meta(ge=1)] | None = None
    every: Annotated[int, Meta(ge=1)] | None = None
    probability: Annotated[float, Meta(ge=0, le=1)] | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    from_s: Annotated[float, Meta(ge=0)] = 0.0
    until_s: Annotated[float, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        kinds = ACTIONS[type(self.action)]
        if self.kind not in kinds:
            raise ValueError(f"action {_tag(self.action)!r} is for {' or '.join(kinds)}, not for {self.kind!r}")
        if self.kind == "streams":
            given = [name for name in self.__struct_fields__ if name not in ("kind", "action", "key", "from_s")]
            if self.from_s or any(getattr(self, name) is not None for name in given):
                raise ValueError("a rule of kind 'streams' acts at once: only key may narrow it")
        for name in _NEVER_KNOWN.get(self.kind, ()):
            if getattr(self, name) is not None:
                raise ValueError(f"messages of kind {self.kind!r} have no {name}: the rule would never fire")
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError("until_s must be later than from_s")


class Firing(msgspec.Struct, frozen=True):
    """One rule that applies to one message: its number, its action, and the seeded randomness for acting."""

    rule: int
    action: Action
    rng: Random

    def delay_s(self) -> float:
        """The seconds a ``delay`` takes this time; 0 for any other action."""
        action = self.action
        if not isinstance(action, Delay):
            return 0.0
        return action.low_s if action.high_s is None else self.rng.uniform(action.low_s, action.high_s)

    def place_in(self, size: int) -> int:
        """Where in so many bytes a ``truncate`` or ``cut_body`` cuts: where it says, else at a seeded place."""
        at = getattr(self.action, "at", None)
        return at if at is not None else self.rng.randrange(max(size, 1))

    def note(self, journal: Journal, *, of: int | None = None, line: int | None = None) -> None:
        """Write into the journal that this fired, for request *of* or on connection *line*."""
        journal.note("fault", {"name": _tag(self.action), "rule": str(self.rule)}, of=of, line=line)


class _Armed:
    """A rule with its counters."""

    __slots__ = ("added_s", "fields", "fired", "firing", "number", "rng", "rule", "seen")

    def __init__(self, rule: Rule, number: int, added_s: float, seed: int) -> None:
        self.rule = rule
        self.number = number
        self.added_s = added_s
        self.seen = 0
        self.fired = 0
        # Each rule draws from its own source: adding one does not change what the others do.
        self.rng = Random(f"{seed}/{number}")  # noqa: S311 - reproducible faults, not secrets.
        self.firing = Firing(number, rule.action, self.rng)
        self.fields = tuple(
            (name, wanted)
            for name in ("name", "channel", "type", "key")
            if (wanted := _wanted(getattr(rule, name))) is not None
        )

    def fires(self, facts: Mapping[str, str], now_s: float) -> bool:
        rule = self.rule
        age_s = now_s - self.added_s
        if age_s < rule.from_s or (rule.until_s is not None and age_s >= rule.until_s):
            return False
        for name, wanted in self.fields:
            if facts.get(name) not in wanted:
                return False
        self.seen += 1
        if rule.nth is not None and self.seen != rule.nth:
            return False
        if rule.every is not None and self.seen % rule.every:
            return False
        if rule.probability is not None and self.rng.random() >= rule.probability:
            return False
        if rule.count is not None and self.fired >= rule.count:
            return False
        self.fired += 1
        return True


def _wanted(names: _Names) -> frozenset[str] | None:
    """The names that fit; None where every one does."""
    wanted = frozenset([names] if isinstance(names, str) else names or ())
    return None if names is None or ANY in wanted else wanted


def _tag(action: object) -> str:
    return str(type(action).__struct_config__.tag)  # type: ignore[attr-defined]


_ACTION_NAMES: Final = ", ".join(sorted(str(action.__struct_config__.tag) for action in ACTIONS))


class FaultPlan:
    """
    The rules in force, in the order they were added.

    Args:
        clock: Rules' times are measured on its ``now_s``.
        seed: The same seed, rules and traffic give the same faults.
        impair: The venue's own ``impair``, for kinds that are not transport; None refuses them.
        names: What the venue's messages are called; rules for any other name are refused. None: any name is taken.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        impair: Callable[[Mapping[str, Any]], bool] | None = None,
        names: MessageNames | None = None,
    ) -> None:
        self._names = names
        self._now_s = clock.now_s
        self._seed = seed
        self._impair = impair
        self._number = 0
        self._streams: list[Callable[[Firing, frozenset[str] | None], None]] = []
        self.rest: tuple[_Armed, ...] = ()
        self.ws_in: tuple[_Armed, ...] = ()
        self.ws_out: tuple[_Armed, ...] = ()
        self.handshake: tuple[_Armed, ...] = ()

    def on_streams(self, act: Callable[[Firing, frozenset[str] | None], None]) -> None:
        """Register a front: *act* is called for each rule of kind ``streams``, with the keys it is narrowed to."""
        self._streams.append(act)

    def add(self, *rules: Rule | Mapping[str, Any]) -> list[int]:
        """
        Put rules in force, all or none of the transport ones.

        Returns:
            The transport rules' numbers, in order; they appear in the journal's ``fault`` entries.

        Raises:
            ValueError: A rule is malformed, or neither we nor the venue know its kind; the text names the place.
        """
        parsed = [rule if isinstance(rule, Rule) else self._parse(rule, index) for index, rule in enumerate(rules)]
        for index, rule in enumerate(parsed):
            if not isinstance(rule, Rule):
                self._hand_to_venue(rule, index)
        return [self._arm(rule) for rule in parsed if isinstance(rule, Rule)]

    def _parse(self, rule: Any, index: int) -> Rule | Mapping[str, Any]:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("kind"), str):
            raise ValueError(f"add[{index}]: a rule is an object with a kind: {', '.join(KINDS)}, or a venue's own")
        if rule["kind"] not in KINDS:
            return rule
        try:
            made = msgspec.convert(dict(rule), Rule)
        except msgspec.ValidationError as wrong:
            text = str(wrong)
            hint = f"; known actions: {_ACTION_NAMES}" if ".action.do" in text or "`do`" in text else ""
            raise ValueError(f"add[{index}]: {text}{hint}") from None
        try:
            if self._names is not None:
                self._names.check_rule(rule)
        except ValueError as wrong:
            raise ValueError(f"add[{index}]: {wrong}") from None
        return made

    def _hand_to_venue(self, rule: Mapping[str, Any], index: int) -> None:
        try:
            is_known = self._impair is not None and self._impair(rule)
        except ValueError as wrong:
            raise ValueError(f"add[{index}]: {wrong}") from None
        if not is_known:
            raise ValueError(
                f"add[{index}]: unknown kind {rule['kind']!r}; transport kinds are {', '.join(KINDS)}, "
                "and this venue has no fault of that name"
            )

    def _arm(self, rule: Rule) -> int:
        self._number += 1
        armed = _Armed(rule, self._number, self._now_s(), self._seed)
        if rule.kind == "streams":
            keys = dict(armed.fields).get("key")
            for act in self._streams:
                act(armed.firing, keys)
        else:
            setattr(self, rule.kind, (*getattr(self, rule.kind), armed))
        return self._number

    def clear(self) -> None:
        """Take every rule out of force, the venue's own faults included. What already happened stays."""
        self.rest = self.ws_in = self.ws_out = self.handshake = ()
        if self._impair is not None:
            self._impair({})

    def apply(self, document: object) -> dict[str, Any]:
        """
        What ``POST /admin/faults`` does: ``{"add": [...]}`` or ``{"clear": true}``.

        Returns:
            ``{"added": [numbers]}`` or ``{"cleared": count}``, and ``rules``, how many are in force now.

        Raises:
            ValueError: The document is anything else, or one of its rules is wrong.
        """
        if isinstance(document, Mapping) and len(document) == 1:
            if document.get("clear") is True:
                cleared = len(self.in_force())
                self.clear()
                return {"cleared": cleared, "rules": 0}
            rules = document.get("add")
            if isinstance(rules, list) and rules:
                return {"added": self.add(*rules), "rules": len(self.in_force())}
        raise ValueError('expected {"add": [one or more rules]} or {"clear": true}')

    def in_force(self) -> list[dict[str, Any]]:
        """Every transport rule in force with how often it fitted (``seen``) and fired (``fired``)."""
        armed: Iterable[_Armed] = (*self.rest, *self.ws_in, *self.ws_out, *self.handshake)
        return [
            {"rule": one.number, "seen": one.seen, "fired": one.fired, **msgspec.to_builtins(one.rule)}
            for one in sorted(armed, key=lambda one: one.number)
        ]

    def firing(self, rules: tuple[_Armed, ...], facts: Mapping[str, str]) -> list[Firing]:
        """Those of *rules* (``plan.rest``, ``plan.ws_out`` ...) that fire for one message, in order."""
        now_s = self._now_s()
        return [one.firing for one in rules if one.fires(facts, now_s)]
