"""OKX v5, spot mode: REST and WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.credentials import Credential
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire
from holdfast.core.venue import Site, Venue, VenueClient, VenueFacts
from holdfast.errors import ConfigError
from holdfast.venues.okx.client import OkxClient
from holdfast.venues.okx.facts import FACTS
from holdfast.venues.okx.settings import Settings
from holdfast.venues.okx.sign import Signer, check_passphrase, check_secret
from holdfast.venues.okx.stream import OkxStream

__all__ = ["OKX"]


class _Okx:
    id: str = "okx"
    facts: VenueFacts = FACTS

    def is_simulator_key(self, key: str) -> bool:
        return key.startswith("00000000-")

    def check_credential(self, credential: Credential) -> None:
        if credential.venue != self.id:
            raise ConfigError(f"okx: the credential is for {credential.venue}")
        key = credential.key
        if key != key.strip():
            raise ConfigError("okx: the API key has blanks or a newline around it; store it without them")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError("okx: the API key is not printable text; copy the whole 'API key' of OKX's API page")
        check_secret(credential.reveal_secret())
        check_passphrase(credential.reveal_passphrase())

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
    ) -> OkxClient:
        settings = Settings.of(options)
        site = self._site(settings)
        self._check_address(rest_url, None if site is None else site.rest_url)
        signer = None
        if credential is not None:
            self.check_credential(credential)
            if self.is_simulator_key(credential.key) is not settings.must_be_simulator:
                raise ConfigError(
                    f"okx: {account} has a simulator's key outside the simulated environment, or a real one in it"
                )
            signer = Signer(check_secret(credential.reveal_secret()))
        return OkxClient(
            http=http,
            lane=lane,
            credential=credential,
            signer=signer,
            clock=clock,
            emit=emit,
            rest_url=rest_url,
            account=account,
            settings=settings,
        )

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
    ) -> OkxStream:
        site = self._site(Settings.of(options))
        self._check_address(ws_url, None if site is None else site.ws_url)
        if not isinstance(client, OkxClient):
            raise TypeError("an OKX stream logs in with an OKX client")
        return OkxStream(wire=wire, client=client, clock=clock, emit=emit, ws_url=ws_url, account=account)

    def _site(self, settings: Settings) -> Site | None:
        """Where a key of these settings belongs; None for a simulator's."""
        if settings.must_be_simulator:
            return None
        return self.facts.site("demo" if settings.is_demo else "production", settings.region)

    def _check_address(self, url: str, expected: str | None) -> None:
        """A key is bound to its hosts: a swapped address never sees a signature."""
        if expected is not None and url.rstrip("/") != expected:
            raise ConfigError(
                f'okx: outside environment = "simulated" the address of this environment and region is {expected}, '
                f"not {url}"
            )


OKX: Final[Venue] = _Okx()
"""OKX, as one value."""
