"""Broken: a filter that takes whatever Unicode calls a digit for a number."""

from deskbell import Allow, Hold, hookimpl


class Filter:
    name = "fragile"
    order = 100

    async def check(self, submission):
        sums = [int(word) for word in submission.text.split() if word.isdigit() and len(word) < 10]
        return Hold("a large sum") if any(amount > 10_000 for amount in sums) else Allow()


@hookimpl
def register_moderation_filters():
    return [Filter()]
