"""Broken: a filter that answers yes and no instead of with a verdict."""

from deskbell import hookimpl


class Filter:
    name = "answers_garbage"
    order = 100

    async def check(self, submission):
        return "casino" not in submission.normalised


@hookimpl
def register_moderation_filters():
    return [Filter()]
