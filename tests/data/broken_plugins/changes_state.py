"""Broken: a bot that writes into the state it was given instead of yielding a new one."""

from deskbell import Say, hookimpl


class Bot:
    name = "changes_state"
    title = "Assistant"

    async def load(self, context):
        pass

    def greeting(self):
        return ""

    async def handle(self, turn):
        turn.state["turns"] = turn.state.get("turns", 0) + 1
        yield Say(f"This is turn {turn.state['turns']}.")


@hookimpl
def register_bots():
    return [Bot()]
