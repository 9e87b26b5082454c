"""``holdfast alerts``: whether what is to reach people does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from holdfast.cli.common import Common, print_json
from holdfast.cli.exits import Exit
from holdfast.cli.session import load, wait
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config import Config
    from holdfast.core.events import Event
    from holdfast.runtime.alert_addresses import AlertAddress
    from holdfast.runtime.alert_outbox import Delivery

__all__ = ["test"]

_WORDS = {
    "deadline": "not taken in time (alerts.send_within_s)",
    "not_taken": "not taken: unreachable, or the service refused it",
    "not_understood": "apprise does not understand this URL",
    "queue_full": "not taken: too many are waiting",
}


def test(*, common: Common = Common()) -> int:  # noqa: B008, PT028
    """
    Send a test notice to every address that alerts go to, and say which took it.

    Addresses are shown by number and service only, in the order in which they are named. Nothing is asked of any venue,
    and no account is opened. Exits with 0 when every address took it, 8 when one did not, 3 when none is named or
    apprise is missing.
    """
    return wait(_test(load(common.config), common))


async def _test(config: Config, common: Common) -> int:
    from holdfast.runtime.alert_addresses import check_extra, read_addresses

    if not config.alerts.enabled:
        raise ConfigError("alerts are not enabled: [alerts] enabled is false")
    addresses = read_addresses(config)
    if not addresses:
        raise ConfigError(
            "nobody is told of anything: name a file of apprise URLs with url_file under [alerts], or set "
            "HOLDFAST_ALERT_URLS"
        )
    check_extra()
    delivery = await _sent(config, addresses)
    rows = [_row(address, delivery) for address in addresses]
    if common.is_json:
        print_json({"schema_version": 1, "addresses": rows})
    else:
        for row in rows:
            said = "delivered" if row["is_delivered"] else f"failed: {_WORDS.get(row['reason'], row['reason'])}"
            sys.stdout.write(f"{row['number']:>3}  {row['service']:<12} {said} ({row['took_s']:.1f} s)\n")
        sys.stdout.flush()
    return Exit.OK if all(row["is_delivered"] for row in rows) else Exit.VERIFICATION_FAILED


async def _sent(config: Config, addresses: list[AlertAddress]) -> Delivery:
    import asyncio

    from holdfast.core.alerts import test_notice
    from holdfast.runtime.alert_outbox import Outbox, load_apprise, through_apprise

    # Importing apprise and its plugins may take longer than a service does, and is no part of what is measured.
    await asyncio.to_thread(load_apprise, addresses)
    outbox = Outbox(addresses, connect=through_apprise, within_s=config.alerts.send_within_s, emit=_ignore)
    done: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
    outbox.send(test_notice(), done.set_result)
    try:
        return await done
    finally:
        await outbox.close()


def _row(address: AlertAddress, delivery: Delivery) -> dict[str, Any]:
    reason = delivery.results.get(address.number, "deadline")
    return {
        "number": address.number,
        "service": address.service,
        "is_delivered": reason is None,
        "reason": reason,
        "took_s": round(delivery.took_s.get(address.number, 0.0), 3),
    }


def _ignore(_: Event) -> None:
    pass  # What became of it is shown at the end.
