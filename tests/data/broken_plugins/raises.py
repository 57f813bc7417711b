"""Broken: a rule that takes for granted what only some bots keep in their state."""

from deskbell import HandOver, hookimpl


class Rule:
    name = "raises"
    order = 100

    async def decide(self, situation):
        return HandOver("not_understood") if situation.state["misses"] == 2 else None


@hookimpl
def register_escalation_rules():
    return [Rule()]
