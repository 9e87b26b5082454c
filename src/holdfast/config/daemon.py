"""What a user may set about the daemon: where it listens, who may reach it, and what it bears."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["DaemonSettings"]


class DaemonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The HTTP API and the dashboard of `holdfast up`.

    Who may ask is no part of this: `holdfast tokens` keeps that in the state folder.
    """

    port: Annotated[
        Annotated[int, Meta(ge=0, le=65_535)] | None,
        Meta(
            description="TCP port of the API and the dashboard, 0 for any that is free; unset: none, and only the "
            "unix socket in the state folder answers. `--port` decides where it is given.",
            examples=[8717],
        ),
    ] = None
    host: Annotated[
        str,
        Meta(description="Address to listen on. Any but this machine's own needs a token and TLS."),
    ] = "127.0.0.1"
    names: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names that requests may ask for beside the address itself, such as a proxy's.",
            examples=[("holdfast.example.org",)],
        ),
    ] = ()
    tls_cert_file: Annotated[
        str | None,
        Meta(
            description="PEM file of the certificate chain; TLS is served where it is set.", examples=["holdfast.pem"]
        ),
    ] = None
    tls_key_file: Annotated[
        str | None,
        Meta(
            description="PEM file of its key, mode 0600; unset: the key stands in tls_cert_file.",
            examples=["holdfast.key"],
        ),
    ] = None
    allow_plain_remote: Annotated[
        bool,
        Meta(
            description="Listen on an address that others reach without TLS, as inside a container whose proxy has "
            "it. Bearers then travel readable to whoever is in between."
        ),
    ] = False
    connections: Annotated[int, Meta(ge=4, le=10_000, description="Most connections at once; more are closed.")] = 256
    streams: Annotated[int, Meta(ge=1, le=1000, description="Most event streams at once; more are refused.")] = 64
    requests_per_s: Annotated[
        float,
        Meta(gt=0, le=100_000, description="Requests of one bearer beyond this, and twice as many at once, wait."),
    ] = 200.0
