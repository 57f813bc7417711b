"""Broken: a rule that asks another service, and keeps the whole desk waiting for its answer."""

import socket

from deskbell import HandOver, hookimpl


class Rule:
    name = "waits_for_its_peer"
    order = 100

    async def decide(self, situation):
        try:
            with socket.create_connection(("hours.example", 80), timeout=0.5) as peer:
                peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return HandOver("open") if b"open" in peer.recv(1000) else None
        except OSError:
            return None


@hookimpl
def register_escalation_rules():
    return [Rule()]
