"""``[routing]``: what may be set, what contradicts the brokers, and that nothing unknown passes."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.config import RoutingSettings, load_config
from holdfast.errors import ConfigError

BROKER: dict[str, Any] = {
    "venue": "kraken",
    "environment": "simulated",
    "rest_url": "http://127.0.0.1:1",
    "ws_url": "ws://127.0.0.1:1/v2",
}


def config(routing: Any, **brokers: Any) -> Any:
    return {"brokers": brokers or {"kraken-a": BROKER, "kraken-b": BROKER}, "routing": routing}


def test_defaults_are_those_of_the_rule() -> None:
    found = load_config(config({})).routing

    assert found == RoutingSettings()
    assert (found.rules.fail_back_after_s, found.rules.heard_within_s, found.rules.answer_within_s) == (120, 5, 3)
    # What the promise of ten seconds is made of: silence, the question, and its answer.
    assert found.heard_within_s + found.decide_within_s <= 10
    assert found.answer_within_s + found.decide_within_s <= 10


def test_everything_may_be_set() -> None:
    found = load_config(
        config({"policy": "lowest_fee", "brokers": ["kraken-b", "kraken-a"], "tries_max": 1, "fail_back_after_s": 0})
    ).routing

    assert (found.policy, found.brokers, found.tries_max) == ("lowest_fee", ("kraken-b", "kraken-a"), 1)


@pytest.mark.parametrize(
    ("routing", "told"),
    [
        ({"polciy": "priority"}, "routing.polciy: unknown key; did you mean policy?"),
        ({"policy": "cheapest"}, "routing.policy: 'cheapest' is none of priority, lowest_fee"),
        ({"brokers": ["kraken-c"]}, "routing.brokers: no broker 'kraken-c'; did you mean kraken-"),
        ({"brokers": ["kraken-a", "kraken-a"]}, "routing.brokers: kraken-a stands there 2 times"),
        ({"brokers": "kraken-a"}, "routing.brokers: expected `array`"),
        ({"tries_max": 0}, "routing.tries_max: expected `int` >= 1"),
        ({"fail_back_after_s": -1}, "routing.fail_back_after_s"),
        ({"after_rejection": "always"}, "routing.after_rejection: 'always' is none of unfit, any, never"),
    ],
)
def test_what_is_wrong_is_named(routing: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(config(routing))

    assert told in str(caught.value)


def test_brokers_of_several_environments_are_not_routed_between() -> None:
    real = {"venue": "kraken", "environment": "production"}

    with pytest.raises(ConfigError, match="several environments"):
        load_config(config({"brokers": ["kraken-a", "kraken-real"]}, **{"kraken-a": BROKER, "kraken-real": real}))
