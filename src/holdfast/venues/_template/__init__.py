"""A folder to copy: it imports, type-checks, and asks the contract's questions one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.credentials import Credential
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire
from holdfast.core.venue import Venue, VenueClient, VenueFacts
from holdfast.errors import ConfigError
from holdfast.venues._template.client import TemplateClient
from holdfast.venues._template.facts import FACTS
from holdfast.venues._template.stream import TemplateStream

__all__ = ["TEMPLATE"]

_PRODUCTION: Final = FACTS.sites[0]


class _Template:
    id: str = "template"
    facts: VenueFacts = FACTS

    def is_simulator_key(self, key: str) -> bool:
        return key.startswith("SIM")

    def check_credential(self, credential: Credential) -> None:
        if credential.venue != self.id:
            raise ConfigError(f"template: the credential is for {credential.venue}")
        if credential.key != credential.key.strip():
            raise ConfigError("template: the API key has blanks or a newline around it; store it without them")

    def client(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> TemplateClient:
        must_be_simulator = options.get("must_be_simulator") is True
        self._check_address(rest_url, _PRODUCTION.rest_url, must_be_simulator)
        if credential is not None:
            self.check_credential(credential)
            if self.is_simulator_key(credential.key) is not must_be_simulator:
                raise ConfigError(
                    f"template: {account} has a simulator's key outside the simulated environment, or a real one in it"
                )
        return TemplateClient(http=http, lane=lane, clock=clock, rest_url=rest_url, account=account)

    def stream(
        self,
        *,
        wire: StreamWire,
        client: VenueClient,
        clock: Clock,
        emit: Emit,
        ws_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> TemplateStream:
        self._check_address(ws_url, _PRODUCTION.ws_url, options.get("must_be_simulator") is True)
        if not isinstance(client, TemplateClient):
            raise TypeError("a Template stream takes its tokens from a Template client")
        return TemplateStream(wire=wire, client=client, clock=clock, ws_url=ws_url)

    def _check_address(self, url: str, production: str, must_be_simulator: bool) -> None:
        """A key is bound to its hosts: a swapped address never sees a signature."""
        if not must_be_simulator and url.rstrip("/") != production:
            raise ConfigError(f'template: outside environment = "simulated" the address is {production}, not {url}')


TEMPLATE: Final[Venue] = _Template()
"""Template, as one value."""
