"""Which versions of the plugin API a plugin was made for, and whether this is one of them.

The API is what ``import deskbell`` lists and what the hooks promise. Its version has two numbers: the second
rises with each addition, the first when something is taken away or means something else.
"""

from __future__ import annotations

import re

API_VERSION = "1.0"

_BOUND = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)")


def fits(requires: str, version: str = API_VERSION) -> bool:
    """Whether ``version`` is in a range such as ``>=1,<2``. An empty range holds every version.

    Raises:
        ValueError: The range is not understood.
    """
    have = _numbers(version)
    for part in requires.split(","):
        if not part.strip() and not requires.strip():
            continue
        bound = _BOUND.fullmatch(part.strip())
        if bound is None:
            raise ValueError(f"{requires!r} is no range of versions; write it like '>=1,<2'")
        wanted = _numbers(bound[2])
        compared = (have > wanted) - (have < wanted)
        holds = {
            ">=": compared >= 0,
            "<=": compared <= 0,
            ">": compared > 0,
            "<": compared < 0,
            "==": compared == 0,
            "!=": compared != 0,
        }[bound[1]]
        if not holds:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Compared as numbers; ``1`` and ``1.0`` are the same."""
    numbers = [int(number) for number in version.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
