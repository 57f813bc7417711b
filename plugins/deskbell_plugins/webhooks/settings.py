"""What the operator says of webhooks."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What may be said under ``plugins.webhooks.settings``. Times in seconds."""

    allow_http: bool = False  # plain HTTP as well; what is sent can then be read and changed on its way
    ports: tuple[int, ...] = (443,)
    allowed_networks: tuple[str, ...] = ()  # private addresses that may be told all the same: "10.20.0.0/16"
    timeout_s: float = 10.0  # for an endpoint to answer
    max_attempts: int = 10
    backoff_base_s: float = 5.0
    backoff_cap_s: float = 3600.0
    at_once: int = 8  # deliveries under way in each process
    max_endpoints: int = 20  # of a tenant
    log_days: int = 7  # how long it is kept what became of each attempt

    def __post_init__(self) -> None:
        for network in self.allowed_networks:
            ip_network(network)
        if not 0 < self.timeout_s <= 60:
            raise ValueError("timeout_s: more than 0, at most 60")
        if not self.ports or not all(0 < port < 65_536 for port in self.ports):
            raise ValueError("ports: numbers from 1 to 65535")
        if self.max_attempts < 1 or self.at_once < 1 or self.max_endpoints < 1 or self.log_days < 1:
            raise ValueError("max_attempts, at_once, max_endpoints and log_days are at least 1")
