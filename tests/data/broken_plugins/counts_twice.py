"""Broken: an observer that cannot be told the same thing again, as the desk does after a failure."""

from deskbell import hookimpl

seen = set()


@hookimpl
def on_case(case, what):
    if (case.id, what) in seen:
        raise ValueError("counted already")
    seen.add((case.id, what))
